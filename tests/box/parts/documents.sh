# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # tests/box/run assigns
# The manual page and the completion know the options that --help prints.

source_folder=$here/../../userspace/box

# help_options: the long options that --help prints
help_options() { rdmabox --help | grep -o '^  --[a-z-]*\|, --[a-z-]*' | tr -d ' ,'; }

if [[ -d $source_folder ]]; then
test_manual_page_has_all_options() {
	check options "$(sed 's/\\-/-/g' "$source_folder/rdmabox.1" | sed -n '/^\.SH OPTIONS/,/^\.SH NODES/p' |
		sed -n 's/^\.BI\? \(--[a-z-]*\).*/\1/p; s/^\.BR \(--[a-z-]*\).*/\1/p' | sort)" "$(help_options | sort)"
}

# completes EXPECTED WORD...: what bash offers for the last word
completes() {
	local expected=$1
	shift

	check "${*@Q}" "$(bash -c '
		. /usr/share/bash-completion/bash_completion
		. "$1"
		COMP_WORDS=(rdmabox "${@:2}") COMP_CWORD=$(($# - 1))
		COMP_LINE="rdmabox ${*:2}" COMP_POINT=${#COMP_LINE}
		compopt() { :; }
		_rdmabox
		printf "%s\n" "${COMPREPLY[@]}"' - "$source_folder/rdmabox.bash-completion" "$@" | sort | xargs)" "$expected"
}

test_completion() {
	[[ -e /usr/share/bash-completion/bash_completion ]] || "$here/../../tools/vm" host-install bash-completion
	completes "$(help_options | sort | xargs)" --
	completes 'ours stock' --driver ''
	completes 'loss=1%,delay=' --wire loss=1%,de
	completes 'slow= split=' --pressure s
	completes "$(help_options | grep -e '^--mtu')" --cpus 2 --mt
	completes /bin/true --nodes 2 /bin/true
}
fi
