# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154 # the box expands; tests/box/run assigns
# Slow: a folder with Debian's programs
# RDMA between nodes, by Debian's programs: only root can make the folder that has them.

# pingpong OPTION...: node1 and node2 exchange messages on demand and look at each byte. The variable place
# names another function than in_debian.
pingpong() {
	local size=${size-100000} n=${n-50}

	cat >"$dir/pingpong" <<-'END'
		rdmabox on node2 -- ibv_rc_pingpong -g 1 -o -c -s "$1" -n "$2" >server 2>&1 &
		for try in $(seq 100); do
			rdmabox on node2 -- ss -Hltn sport = :18515 | grep -q . && break
			sleep 0.1
		done
		ibv_rc_pingpong -g 1 -o -c -s "$1" -n "$2" node2 >client 2>&1; status=$?
		kill -0 $! 2>/dev/null && [ $status != 0 ] && kill $!
		wait $! || status=1
		rdmabox on --all -- grep . -r /sys/class/infiniband/rxe0/ports/1/hw_counters/ >counters
		exit $status
	END
	"${place:-in_debian}" /tmp/rdmabox --nodes 2 "$@" sh /tmp/pingpong "$size" "$n" && return
	# The end that has all messages goes away, and an acknowledgement of its last one may be lost.
	if [[ ${loses-} ]] && grep -q usec/iter "$dir/server" "$dir/client" &&
		! grep -h 'Failed status' "$dir/server" "$dir/client" | grep -qv 'transport retry counter exceeded'; then
		return
	fi
	tail -n 3 "$dir/server" "$dir/client"
	return 1
}

# counted NAME: the sum of the nodes' counters after a pingpong
counted() { sed -n "s/.*\/$1:\(.*\)/\1/p" "$dir/counters" | paste -sd+ | bc; }

# figure NAME: from a report in JSON
figure() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$dir/report" "$1"; }

usec_per_iteration() { sed -n 's/.* = \([0-9]*\).* usec\/iter/\1/p' "$dir/client"; }

if ((EUID == 0)); then
test_wire_loss() {
	loses=1 pingpong --wire loss=1% --report=json 2>report
	above retransmissions "$(figure retransmissions)" 1
}

test_wire_delay() {
	n=5 size=64 pingpong --wire delay=20ms
	above 'a round trip, in us,' "$(usec_per_iteration)" 40000
}

test_wire_of_one_node() {
	n=5 size=64 pingpong --wire node2:delay=20ms,jitter=1us
	above 'a round trip, in us,' "$(usec_per_iteration)" 40000
}

test_wire_rate() {
	n=5 size=100000 pingpong --wire rate=20mbit
	above 'a round trip, in us,' "$(usec_per_iteration)" 80000
}

test_wire_queue() {
	loses=1 n=5 size=100000 pingpong --wire rate=20mbit,queue=10 --report=json 2>report
	above retransmissions "$(figure retransmissions)" 1
}

test_wire_duplicate_and_corrupt() {
	pingpong --wire duplicate=20%
	above 'duplicate requests' "$(counted duplicate_request)" 1
	loses=1 n=10 pingpong --wire corrupt=1%
	above 'wrong checksums' "$(counted icrc_err)" 1
}

test_wire_reorder() {
	n=10 pingpong --wire delay=1ms,reorder=10%
	above 'packets out of sequence' "$(counted out_of_seq_request)" 1
}

test_pressure_on_regions() {
	local kind

	for kind in pageout moved; do
		size=1000000 n=300 pingpong --pressure $kind=10ms --report=json 2>report
		above "invalidated pages with $kind" "$(figure invalidated_pages)" 20
	done
	size=1000000 n=300 pingpong --pressure merged=10ms,split=50ms --report=json 2>report
	above 'invalidated pages with merged and split' "$(figure invalidated_pages)" 20
}

test_pressure_slow() {
	pingpong --pressure slow=50ms --report=json 2>report
	above 'page faults' "$(figure page_faults)" 1
	above 'a page fault, in ns,' "$(figure page_fault_ns_median)" 50000000
}

test_report() {
	size=1000000 pingpong --report=json 2>report
	check 'on-demand regions: two buffers of the same size' "$(figure on_demand_bytes)" 2000000
	check 'pinned regions' "$(figure pinned_bytes)" 0
	above 'resident bytes' "$(figure resident_bytes)" 2000000
	above 'page faults' "$(figure page_faults)" 2
	above 'packets' "$(figure packets_sent)" 90000
}

test_capture() {
	local packets

	loses=1 n=20 pingpong --wire loss=1% --capture /tmp/wires.pcapng 2>err
	check 'said' "$(<err)" ''
	check 'owner' "$(stat -c %U wires.pcapng)" nobody
	in_debian tshark -r /tmp/wires.pcapng -Y infiniband -T fields -e frame.interface_name >interfaces
	sort interfaces | uniq -c >seen
	check 'wires with RoCE packets' "$(awk '{ print $2 }' seen | xargs)" 'node1 node2'
	packets=$(awk 'NR == 1 { print $1 }' seen)
	above packets "$packets" 3900
	check 'packets on the two wires' "$(awk '{ print $1 }' seen | sort -u | wc -l)" 1
	check 'RDMA opcodes' "$(in_debian tshark -r /tmp/wires.pcapng -Y infiniband -T fields \
		-e infiniband.bth.opcode | sort -nu | xargs)" '0 1 2 17'
}

test_rping_between_nodes() {
	in_debian /tmp/rdmabox --nodes 2 sh -c 'rdmabox on node2 -- rping -s -C 20 & sleep 1
		rping -c -a node2 -C 20 -V && wait $!'
}

# collectives MPICC MPIRUN...: four ranks, one on each node, whose collectives are right and went by RDMA
collectives() {
	cp "$here/../suites/apps/collectives.c" .
	in_debian "$1" -O1 -o /tmp/collectives /tmp/collectives.c
	in_debian /tmp/rdmabox --root --nodes 4 --report=json env UCX_NET_DEVICES=rxe0:1 UCX_TLS=rc_v,self \
		UCX_UD_ETH_DGID_CHECK=n "${@:2}" /tmp/collectives 1 >out 2>report.all || {
		cat out report.all
		return 1
	}
	grep -q '^0 wrong$' out
	tail -n 1 report.all >report
	above 'packets of all nodes' "$(figure packets_sent)" 20000
}

test_openmpi_on_four_nodes() {
	collectives mpicc.openmpi mpirun.openmpi --allow-run-as-root -H node1,node2,node3,node4 \
		--mca pml ucx --mca osc ucx --mca pml_ucx_tls any --mca pml_ucx_devices any \
		--mca coll '^hcoll,han' \
		-x UCX_NET_DEVICES -x UCX_TLS -x UCX_UD_ETH_DGID_CHECK
}

test_mpich_on_four_nodes() {
	collectives mpicc.mpich mpirun.mpich -hosts node1,node2,node3,node4 -n 4
}
fi
