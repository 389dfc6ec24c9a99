# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# TAP, the Test Anything Protocol: the only form in which test programs and suites print their results.

tap_folder=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

# tap_ok NAME
tap_ok() { echo "ok - $1"; }

# tap_fail NAME REASON
tap_fail() { printf 'not ok - %s\n# %s\n' "$1" "${2:-no reason given}"; }

# tap_skip NAME REASON
tap_skip() { printf '# skipped: %s\nok # SKIP %s\n' "$2" "$1"; }

# tap_read PREFIX <TAP: one line a test, see tap.awk
tap_read() { awk -v prefix="$1" -f "$tap_folder/tap.awk"; }

# tap_summary <LINES of tap_read: fails where a test failed
tap_summary() {
	awk '{ n[$1]++ } END {
		printf "%d passed, %d failed, %d skipped\n", n["pass"], n["fail"], n["skip"]
		exit n["fail"] > 0
	}'
}
