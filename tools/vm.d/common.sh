# SPDX-License-Identifier: GPL-2.0
# Messages, locks, cached artifacts and privileges: what every part of tools/vm uses.

VM_CACHE=$(realpath -m "${RXE_ODP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rxe-odp}")

# Exit statuses of our own; everything else is the command's.
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

# end PID: of a shell that we put into the background, with what it waits for
end() {
	local children
	children=$(pgrep -P "$1") || true
	# The shell first: it would say that its child was killed.
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

# step NAME COMMAND...: a long step, with its log in a file and its progress on the terminal.
step() {
	local name=$1 start=$SECONDS failed ticker
	local log=$VM_CACHE/log/${name// /-}.log
	shift

	say "$name: started, log in $log"
	progress "$name" "$log" </dev/null &
	ticker=$!
	# Not as a condition: within one, bash does not stop at errors.
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

# once PATH NAME COMMAND...: makes PATH with COMMAND unless it is there. COMMAND gets a
# scratch path as its last argument, which becomes PATH only when all went well.
once() {
	local path=$1 name=$2
	shift 2

	[[ -e $path ]] && return
	exec {once_fd}>"$VM_CACHE/lock/$(basename "$path")"
	flock -n "$once_fd" || {
		say "$name: another tools/vm is at it, waiting"
		flock "$once_fd"
	}
	if [[ ! -e $path ]]; then
		as_root rm -rf "$path.new"
		step "$name" "$@" "$path.new"
		as_root mv "$path.new" "$path"
	fi
	exec {once_fd}>&-
}
