# SPDX-License-Identifier: GPL-2.0
# Messages, locks, cached artifacts and privileges, for all parts of tools/vm.

VM_CACHE=$(realpath -m "${RXE_ODP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rxe-odp}")

# Our own exit statuses; all others are the command's.
readonly EXIT_TOOL=123 EXIT_TIMEOUT=124 EXIT_KERNEL=125

say() { printf 'vm: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit "$EXIT_TOOL"
}

as_root() {
	if ((EUID == 0)); then
		"$@"
	else
		sudo "$@"
	fi
}

hash_of() { cat "$@" | sha256sum | cut -c1-12; }

# end PID: ends a background shell of ours, and the children that it waits for.
end() {
	local children
	children=$(pgrep -P "$1") || true
	# The shell first, because it would report that its child was killed.
	# shellcheck disable=SC2086
	kill "$1" $children 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

progress() {
	local name=$1 log=$2 start=$SECONDS

	while sleep 30; do
		say "$name: $((SECONDS - start)) s, $(tail -n 1 "$log" | cut -c1-70)"
	done
}

# step NAME COMMAND...: runs a long command, with its output in a log file and its progress on the terminal.
step() {
	local name=$1 start=$SECONDS failed ticker
	local log=$VM_CACHE/log/${name// /-}.log
	shift

	say "$name: started, log in $log"
	progress "$name" "$log" </dev/null &
	ticker=$!
	# Not as a condition: bash ignores "set -e" inside a condition.
	set +e
	(set -e; "$@") >"$log" 2>&1 </dev/null
	failed=$?
	set -e
	end "$ticker"
	if ((failed)); then
		tail -n 25 "$log" >&2
		die "$name failed, the whole log is $log"
	fi
	say "$name: done in $((SECONDS - start)) s"
}

# once PATH NAME COMMAND...: makes PATH with COMMAND unless PATH exists. COMMAND gets a scratch path as its
# last argument, which becomes PATH only if COMMAND succeeds.
once() {
	local path=$1 name=$2
	shift 2

	[[ -e $path ]] && return
	exec {once_fd}>"$VM_CACHE/lock/$(basename "$path")"
	flock -n "$once_fd" || {
		say "$name: waiting for another tools/vm that is making it"
		flock "$once_fd"
	}
	if [[ ! -e $path ]]; then
		as_root rm -rf "$path.new"
		step "$name" "$@" "$path.new"
		as_root mv "$path.new" "$path"
	fi
	exec {once_fd}>&-
}
