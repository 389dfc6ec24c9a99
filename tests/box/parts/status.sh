# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154 # the box expands; tests/box/run assigns
# Exit statuses, and signals in both directions.

test_status() {
	check true "$(status true)" 0
	check 'exit 7' "$(status sh -c 'exit 7')" 7
	check 'exit 255' "$(status sh -c 'exit 255')" 255
}

test_status_of_signal() {
	check 'death by TERM' "$(status sh -c 'kill -TERM $$')" 143
	check 'death by KILL' "$(status sh -c 'kill -KILL $$')" 137
	check 'death by SEGV' "$(status sh -c 'kill -SEGV $$')" 139
}

test_status_not_runnable() {
	check 'a missing command' "$(status no-such-command)" 127
	check message "$(<"$dir/err")" 'rdmabox: no-such-command: No such file or directory'
	touch "$dir/file"
	check 'a file without x' "$(status "$dir/file")" 126
}

test_options() {
	check 'no command' "$(status)" 123
	check 'an unknown option' "$(status --nonsense true)" 123
	check 'little memory' "$(status --mem 16M true)" 123
	check 'no folder' "$(status --tmpfs /no/such/folder true)" 123
	check help "$(status --help)" 0
	grep -q -e --overlay "$dir/out"
	check version "$(status --version)" 0
	check 'cpus' "$(rdmabox --cpus 1 nproc)" 1
	check 'our own options end at the command' "$(rdmabox sh -c 'echo "$1"' sh --version)" --version
}

test_signals_to_command() {
	local sig

	for sig in INT TERM HUP QUIT USR1 USR2; do
		rm -f up got
		start bash -c "trap 'echo $sig >got; exit 9' $sig; touch up; while :; do sleep 0.1; done"
		appears up
		kill -"$sig" "$pid"
		wait "$job" && return 1
		check "status after $sig" "$?" 9
		check 'the signal that came' "$(<got)" "$sig"
	done
}

test_ignored_signals_stay_ignored() {
	# Not by way of timeout, which ignores nothing
	(trap '' HUP; check ignored "$("$work/bin/rdmabox" sh -c 'kill -HUP $$; echo alive')" alive)
}

# Processes of boxes that run. The machine's first process reaps the dead when it likes.
box_processes() { pgrep -u "$EUID" -r D,R,S,T,t -f 'rdmabox-kernel|uml-userspace' || true; }

# Those that no box had before
left() { box_processes | grep -vxFf before || true; }

test_kill_leaves_nothing() {
	local try

	box_processes >before
	mkdir -p empty
	export TMPDIR=$dir/empty
	start sh -c 'sleep 1000 & touch up; sleep 1000'
	appears up
	[[ $(left) ]]
	kill -9 "$pid"
	wait "$job" || true
	for ((try = 0; try < 50; try++)); do
		[[ $(left) ]] || break
		sleep 0.1
	done
	check 'processes left' "$(left)" ''
	check 'files left' "$(ls empty)" ''
}

test_ten_at_once() {
	local n pids=()

	for n in 1 2 3 4 5 6 7 8 9 10; do
		rdmabox sh -c "exit $n" &
		pids+=($!)
	done
	for n in 1 2 3 4 5 6 7 8 9 10; do
		wait "${pids[n - 1]}" || check "status of box $n" $? "$n"
	done
}
