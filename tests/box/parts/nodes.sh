# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154 # the box expands; tests/box/run assigns
# Nodes of a box, with what every host has; and what is wrong about options for networks and memory.

test_nodes_are_apart() {
	check 'host name' "$(rdmabox --nodes 2 uname -n)" node1
	check 'the names' "$(rdmabox --nodes 3 rdmabox on --all -- uname -n | sort | xargs)" \
		'node1: node1 node2: node2 node3: node3'
	check 'devices of a node' "$(rdmabox --nodes 3 rdmabox on node3 -- sh -c \
		'ls /sys/class/infiniband /sys/class/net | xargs')" \
		'/sys/class/infiniband: rxe0 /sys/class/net: lo veth0'
	check 'boot ids' "$(rdmabox --nodes 3 rdmabox on --all -- cat /proc/sys/kernel/random/boot_id |
		sed 's/.*: //' | sort -u | wc -l)" 3
	check 'memory in /dev/shm' "$(rdmabox --nodes 2 sh -c 'touch /dev/shm/mine; rdmabox on node2 -- ls /dev/shm')" ''
}

test_nodes_resolve() {
	local lines
	lines=$(wc -l </etc/hosts)

	check 'lines for two nodes' "$(rdmabox --nodes 2 head -n 4 /etc/hosts | xargs)" \
		'192.0.2.1 node1 2001:db8::1 node1-ipv6 192.0.2.2 node2 2001:db8::2 node2-ipv6'
	check "the host's lines" "$(rdmabox --nodes 2 tail -n "$lines" /etc/hosts)" "$(</etc/hosts)"
	check 'without nodes' "$(rdmabox cat /etc/hosts)" "$(</etc/hosts)"
}

test_nodes_share_files() {
	rdmabox --nodes 2 sh -ec 'echo from 1 >one; rdmabox on node2 -- sh -c "cat one; echo from 2 >two"; cat two' >out
	check 'what each has read' "$(xargs <out)" 'from 1 from 2'
	check 'owner' "$(stat -c %u one two | sort -u)" "$(id -u)"
}

test_on_status() {
	check status "$(status --nodes 2 rdmabox on node2 -- sh -c 'exit 7')" 7
	check 'death by signal' "$(status --nodes 2 rdmabox on node2 -- sh -c 'kill -KILL $$')" 137
	check 'a missing command' "$(status --nodes 2 rdmabox on node2 -- no-such-command)" 127
	check 'one of several' "$(status --nodes 3 rdmabox on --all -- sh -c '[ $(uname -n) != node2 ] || exit 5')" 5
}

test_on_inherits() {
	check input "$(echo hello | rdmabox --nodes 2 rdmabox on node2 -- cat)" hello
	check error "$(rdmabox --nodes 2 rdmabox on node2 -- sh -c 'echo e >&2' 2>&1 >/dev/null)" e
	check folder "$(rdmabox --nodes 2 rdmabox on node2 -- pwd)" "$dir"
	check variable "$(COLOUR='a b' rdmabox --nodes 2 rdmabox on node2 -- sh -c 'echo "$COLOUR"')" 'a b'
	check user "$(rdmabox --nodes 2 rdmabox on node2 -- id)" "$(id)"
	check arguments "$(rdmabox --nodes 2 rdmabox on node2 -- printf '%s,' 'a b' '')" 'a b,,'
	check 'umask and limit' "$(umask 027; ulimit -n 333
		rdmabox --nodes 2 rdmabox on node2 -- sh -c 'umask; ulimit -n' | xargs)" '0027 333'
}

test_on_signal() {
	rdmabox --nodes 2 bash -c 'rdmabox on node2 -- bash -c "trap \"echo got >got; exit 9\" TERM; touch up
			while :; do sleep 0.1; done" & on=$!
		while [[ ! -e up ]]; do sleep 0.1; done
		kill "$on"; wait "$on"; echo $? >status'
	check 'status and signal' "$(cat status got | xargs)" '9 got'
}

test_on_several() {
	check prefixes "$(rdmabox --nodes 3 rdmabox on node1 node3 -- sh -c 'printf "a\nb"' | sort | xargs)" \
		'node1: a node1: b node3: a node3: b'
}

test_remote_shells() {
	check ssh "$(rdmabox --nodes 2 ssh -x -o Some=thing user@node2 'uname -n;' echo '"a  b"' | xargs)" 'node2 a b'
	check rsh "$(rdmabox --nodes 2 rsh -n node2 uname -n)" node2
	check 'status of ssh' "$(status --nodes 2 ssh node2 exit 7)" 7
	check 'an unknown host' "$(status --nodes 2 ssh node3 true)" 255
	grep -q 'node3 is no node of this box' "$dir/err"
}

test_on_errors() {
	check 'an unknown node' "$(status --nodes 2 rdmabox on node3 -- true)" 123
	grep -q 'node3 is no node of this box' "$dir/err"
	check 'no command' "$(status --nodes 2 rdmabox on node2)" 123
	check 'no node' "$(status --nodes 2 rdmabox on -- true)" 123
	check 'a box in a box' "$(status --nodes 2 rdmabox true)" 123
	check 'outside' "$(status on node1 -- true)" 123
}

# wrong WORD OPTION...: rdmabox refuses the options, and its message has the word.
wrong() {
	local word=$1

	check "${*:2}" "$(status "${@:2}" true)" 123
	grep -qF -e "$word" "$dir/err" || { echo "no $word in: $(<"$dir/err")"; return 1; }
}

test_wrong_nodes() {
	wrong 0 --nodes 0
	wrong 65 --nodes 65
	wrong x --nodes x
}

test_wrong_wires() {
	wrong lost --nodes 2 --wire lost=1%
	wrong loss=1: --nodes 2 --wire loss=1
	wrong loss=101% --nodes 2 --wire loss=101%
	wrong delay=2: --nodes 2 --wire loss=1%,delay=2
	wrong delay=-2ms --nodes 2 --wire delay=-2ms
	wrong rate=0gbit --nodes 2 --wire rate=0gbit
	wrong rate=fast --nodes 2 --wire rate=fast
	wrong queue=0 --nodes 2 --wire queue=0
	wrong reorder --nodes 2 --wire reorder=1%
	wrong jitter --nodes 2 --wire jitter=1ms
	wrong node3 --nodes 2 --wire node3:loss=1%
	wrong host --nodes 2 --wire host:loss=1%
	wrong --wire --nodes 2 --wire ''
	wrong '--nodes 2' --wire loss=1%
}

test_wrong_pressures() {
	wrong paged --pressure paged=1ms
	wrong pageout --pressure pageout
	wrong pageout=1us --pressure pageout=1us
	wrong slow=2s --pressure slow=2s
	wrong slow --driver stock --pressure slow=5ms
}

test_wrong_captures_and_reports() {
	wrong /no/such/file --nodes 2 --capture /no/such/file
	wrong '--nodes 2' --capture file
	wrong xml --report=xml
}

test_report_without_traffic() {
	check status "$(status --report sh -c 'exit 3')" 3
	grep -q '^  page faults of the device  *0$' "$dir/err"
	check status "$(status --report=json true)" 0
	python3 -c 'import json, sys; sys.exit(json.load(open(sys.argv[1]))["page_faults"] != 0)' "$dir/err"
}

# The bytes stay; the frames below them do not.
test_pressure_on_memory() {
	local kind

	for kind in pageout moved; do
		rdmabox --root --pressure "$kind=10ms" "$work/bin/places" 2
	done
	rdmabox --root --pressure merged=10ms "$work/bin/places" 3 same
	! rdmabox --root "$work/bin/places" 1 || return
}
