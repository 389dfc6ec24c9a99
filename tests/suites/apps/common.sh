# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # for the scripts of the consumers, which source this
# They print TAP.
set -u
# shellcheck source-path=SCRIPTDIR source=../../tap.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../tap.sh"
consumer=$(basename "$0")
work=/tmp/$consumer
mkdir -p "$work"
# One end of the wire is rxe0 at 192.0.2.1, the other rxe1 at 192.0.2.2.
here=(timeout -k 2 60)
there=(timeout -k 2 60 ip netns exec peer)
# The port that a server listens on: a TCP port, or cm:PORT for a port of rdma_cm
port=0

# step NAME COMMAND...: one test, which passes where the command succeeds
step() {
	local name="$consumer $1"
	shift
	if "$@" >"$work/said" 2>&1; then
		tap_ok "$name"
	else
		tap_fail "$name" "$(tail -n 1 "$work/said")"
		tail -qn 30 "$work"/{server,client,said} 2>/dev/null | tr '\r' '\n' | sed 's/^/    | /'
		rm -f "$work"/{server,client}
		return 1
	fi
}

# skip NAME REASON
skip() {
	tap_skip "$consumer $1" "$2"
}

have_odp() {
	ibv_devinfo -v -d rxe0 | grep -q ODP_SUPPORT
}

# UCX 1.13 has on-demand memory only as one region for the whole address space, and its uct_ib_md_close()
# crashes when it closes that region.
ucx_can_odp() {
	! ucx_info -v | grep -Eqi '^# version:? 1\.13'
}

# counter NAME: the sum of both devices' counters. Requests that rxe executed without packets count as packets
# sent.
counter() {
	local files='/sys/class/infiniband/rxe[01]/ports/1/hw_counters' names=("$1") name file sum=0

	[[ $1 != sent_pkts ]] || names+=(direct_pkts)
	for name in "${names[@]}"; do
		for file in $files/"$name"; do
			[[ ! -e $file ]] || ((sum += $(<"$file")))
		done
	done
	echo "$sum"
}

# grown COUNTER SINCE BY: fails where the counter has grown by less. The kernel's own driver does not count
# page faults, and passes.
grown() {
	local now

	[[ -e /sys/class/infiniband/rxe0/ports/1/hw_counters/$1 ]] || return 0
	now=$(counter "$1")
	((now - $2 >= $3)) || { echo "$1 has grown by $((now - $2)), not by $3"; return 1; }
}

last_line() {
	tr '\r' '\n' <"$1" | grep -v '^ *$' | tail -n 1
}

listens() {
	case $port in
	cm:*) rdma resource show cm_id | grep -Eq "state LISTEN .*:${port#cm:}( |$)" ;;
	*) [[ $(ss -N peer -Hltn "sport = :$port") ]] ;;
	esac
}

# wait_for_server PID
wait_for_server() {
	local try

	for ((try = 0; try < 300; try++)); do
		if listens; then return; fi
		kill -0 "$1" 2>/dev/null || return
		sleep 0.1
	done
}

# pair SERVER... -- CLIENT...: runs both commands, which must succeed. The client's output must match $says.
# The devices must have sent $packets packets (default 1) and taken $faults page faults (default 0). $endless
# says that the server does not end by itself.
pair() {
	local server=() packets_before faults_before status other

	while [[ $1 != -- ]]; do server+=("$1"); shift; done
	shift
	packets_before=$(counter sent_pkts) faults_before=$(counter page_faults)
	"${server[@]}" >"$work/server" 2>&1 &
	wait_for_server $!
	"$@" >"$work/client" 2>&1
	status=$?
	[[ $status == 0 && ! ${endless-} ]] || kill $! 2>/dev/null
	wait $!
	other=$?
	[[ ! ${endless-} ]] || other=0
	if ((status || other)); then
		echo "status $status: $(last_line "$work/client"); the other end, $other: $(last_line "$work/server")"
		return 1
	fi
	[[ ! ${says-} ]] || grep -Eq "$says" "$work/client" || {
		echo "no ${says-} in: $(last_line "$work/client")"
		return 1
	}
	grown sent_pkts "$packets_before" "${packets-1}" && grown page_faults "$faults_before" "${faults-0}"
}
