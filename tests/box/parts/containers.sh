# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2154 # the box expands; other files assign and use
# Slow: a folder with Debian's programs
# In containers of podman and runc with the default filter of system calls, as user 1000 without
# capabilities or a network, and with a /dev/shm of 63 MiB: only root can make them here.

# container COMMAND...: with $dir as its /tmp, and podman's options as the array says
container_options=()
container() {
	debian_ensure
	containers_ensure
	chmod 1777 "$dir"
	[[ -e $dir/rdmabox ]] || cp "$work/bin/rdmabox" "$dir/"
	containers run --rm --timeout 100 --network none \
		"${container_limits[@]}" --user 1000 --cap-drop ALL --shm-size 63m \
		-v "$dir:${container_folder:-/tmp}" -w "${container_folder:-/tmp}" \
		"${container_options[@]}" --rootfs "$debian:O" "$@" </dev/null
}

# deny SYSTEM_CALL...: a container's filter that lets these fail with EPERM
deny() {
	python3 -c 'import json, sys; print(json.dumps({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{ "names": sys.argv[1:], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 } ] }))' "$@" >filter.json
	container_options+=(--security-opt "seccomp=$dir/filter.json")
}

# refused PATTERN COMMAND...: rdmabox in a container ends at once with a line that has this pattern
refused() {
	local pattern=$1 status=0 since=$SECONDS
	shift

	container "$@" >out 2>err || status=$?
	check status "$status" 123
	check stdout "$(<out)" ''
	check 'lines on stderr' "$(wc -l <err)" 1
	grep -q "^rdmabox: $pattern" err || { cat err; return 1; }
	((SECONDS - since < 30))
}

if ((EUID == 0)); then
test_container_status_and_stdout() {
	local status=0

	container /tmp/rdmabox sh -c 'id -u; grep CapEff /proc/self/status; echo error >&2; exit 7' \
		>out 2>err || status=$?
	check status "$status" 7
	check stdout "$(xargs <out)" '1000 CapEff: 0000000000000000'
	check stderr "$(<err)" error
}

test_container_pingpong_between_nodes() {
	place=container pingpong
	check 'what the client printed' "$(grep -c usec/iter client)" 1
}

test_container_pingpong_alone() {
	container /tmp/rdmabox sh -c 'ibv_rc_pingpong -g 1 -o -c >/tmp/server 2>&1 & server=$!
		until ss -Hltn sport = :18515 | grep -q .; do sleep 0.1; done
		ibv_rc_pingpong -g 1 -o -c localhost && wait $server' >out
	check 'what client and server printed' "$(cat out server | grep -c usec/iter)" 2
}

test_container_read_only() {
	local container_folder=/box container_options=(--read-only --read-only-tmpfs=false)

	container sh -c 'touch /tmp/file 2>&1; touch /dev/shm/file
		/box/rdmabox ls /sys/class/infiniband' >out
	check 'the failed write, and the device' "$(grep -c Read-only out) $(tail -n 1 out)" '1 rxe0'
}

test_container_uses_more_memory_than_shm() {
	local container_options=(--shm-size 64m)

	container sh -c 'df -m --output=size /dev/shm | tail -n 1
		/tmp/rdmabox --tmpfs /mnt sh -c "head -c 200M /dev/zero >/mnt/file; stat -c %s /mnt/file"' >out
	check '/dev/shm, and the bytes written' "$(xargs <out)" '64 209715200'
}

test_container_without_ptrace() {
	deny ptrace
	check device "$(container /tmp/rdmabox ls /sys/class/infiniband)" rxe0
}

test_container_without_seccomp() {
	deny seccomp
	check device "$(container /tmp/rdmabox ls /sys/class/infiniband)" rxe0
}

test_container_without_either() {
	deny seccomp ptrace
	refused 'neither seccomp nor ptrace work here: allow one' /tmp/rdmabox true
}

test_container_of_little_memory() {
	local container_options=(--memory 150m)

	refused 'too little memory: 1[0-9]* MiB .*--memory' /tmp/rdmabox true
	container_options=()
	refused 'too little memory: .*ulimit -v' bash -c 'ulimit -v 150000; exec /tmp/rdmabox true'
	check 'with little more' "$(container bash -c 'ulimit -v 250000; exec /tmp/rdmabox echo hello')" hello
}

# The files that a build has read and written are no reason
test_container_full_of_files() {
	local container_options=(--memory 250m)

	check stdout "$(container sh -c 'head -c 300M /dev/zero >/tmp/file; sync /tmp/file
		cat /tmp/file >/dev/null; /tmp/rdmabox echo hello')" hello
}

test_container_runs_out_of_memory() {
	local container_options=(--memory 250m) status=0

	container /tmp/rdmabox --mem 2G --tmpfs /mnt sh -c 'head -c 400M /dev/zero >/mnt/file' \
		2>err || status=$?
	check status "$status" 125
	grep -q 'rdmabox: the kernel of the box was killed: .*memory' err
}

test_container_of_few_processes() {
	local container_options=(--pids-limit 10)

	refused 'too few processes: 9 more .*--pids-limit' /tmp/rdmabox true
	container_options=(--ulimit nproc=10:10)
	refused 'too few processes: [0-9] more .*ulimit -u' /tmp/rdmabox true
}

test_container_of_few_files() {
	local container_options=(--ulimit nofile=64:64)

	refused 'too few open files: 64 .*ulimit' /tmp/rdmabox true
}

test_container_after_kill() {
	# bash reaps what others leave, as the first process of a container should
	container bash -c 'cd /tmp; left() { pgrep -f "[r]dmabox-kernel|[u]ml-userspace"; }
		files() { find /tmp /dev/shm /run | sort; }
		touch up before after; files >before
		rm up; ./rdmabox sh -c "sleep 1000 & touch /tmp/up; sleep 1000" & pid=$!
		until [[ -e up ]]; do sleep 0.1; done
		left | wc -l
		kill -9 $pid
		for try in {1..100}; do left >/dev/null || break; sleep 0.1; done
		left | wc -l
		files >after; cmp before after' >out 2>err
	above 'processes of the box' "$(head -n 1 out)" 3
	check 'processes left, and new files' "$(tail -n +2 out)" 0
}

# As the container's first process, which the kernel protects from signals
test_container_first_process() {
	local status=0

	container /tmp/rdmabox sh -c 'kill -TERM $$' || status=$?
	check 'status after death by TERM' "$status" 143
}

test_container_ten_at_once() {
	local n expected=''

	container bash -c 'for n in {1..10}; do
			/tmp/rdmabox sh -c "ls /sys/class/infiniband; exit $n" >/tmp/out$n 2>&1 & pids[n]=$!
		done
		for n in {1..10}; do wait ${pids[n]}; echo "$n $? $(</tmp/out$n)"; done' >out
	for n in 1 2 3 4 5 6 7 8 9 10; do expected+="$n $n rxe0"$'\n'; done
	check 'number, status and output' "$(<out)" "${expected%?}"
}
fi
