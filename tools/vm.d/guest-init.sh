# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Process 1 of the guest starts this script on the terminal. It prepares the guest, runs the command and
# unloads the driver. The folder /run/vm is shared with the host: job.sh is read from it, the status is
# written to it.

fail() {
	echo "vm: guest: $*" >&2
	exit 1
}

# With an interactive shell, the guest must see the host's changes, and the host the guest's.
cache_mode() { if [[ $1 == rw || $VM_INTERACTIVE ]]; then echo mmap; else echo loose; fi; }

# Mounts the modules of a kernel that we built. The modules of Debian's kernels are in the root.
mount_modules() {
	if [[ $VM_KERNEL == uml ]]; then
		mount -t hostfs -o "ro,hostfs=$VM_LINUX/lib/modules" none /lib/modules
	elif [[ $VM_DEBUG ]]; then
		mount -t 9p modules /lib/modules -o ro,trans=virtio,version=9p2000.L,cache=loose
	fi || fail "cannot mount /lib/modules"
}

mount_shares() {
	local i

	for i in "${!VM_SHARES[@]}"; do
		mkdir -p "${VM_SHARES[i]}"
		case $VM_KERNEL in
		uml)
			mount -t hostfs -o "${VM_MODES[i]},hostfs=${VM_SHARES[i]}" \
				none "${VM_SHARES[i]}" ;;
		*)
			mount -t 9p "share$i" "${VM_SHARES[i]}" -o \
"${VM_MODES[i]},trans=virtio,version=9p2000.L,msize=262144,cache=$(cache_mode "${VM_MODES[i]}")" ;;
		esac || fail "cannot mount ${VM_SHARES[i]}"
	done
}

settings() {
	echo "$VM_HOSTNAME" >/proc/sys/kernel/hostname
	echo "127.0.0.1 localhost $VM_HOSTNAME" >/etc/hosts
	echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
	ip link set lo up
	# perftest divides by the MHz in /proc/cpuinfo, which UML does not have.
	if ! grep -q 'cpu MHz' /proc/cpuinfo; then
		{ cat /proc/cpuinfo; printf 'cpu MHz\t\t: %s\n' "$VM_MHZ"; } >/run/cpuinfo
		mount --bind /run/cpuinfo /proc/cpuinfo
	fi
}

# The scheduler's server for threads that real-time threads starve: on a busy host, its timer's function finds
# that it has queued its own timer, and warns (hrtimer_forward()). uml has no real-time threads.
stop_fair_server() {
	local runtime

	[[ $VM_KERNEL == uml ]] || return 0
	for runtime in /sys/kernel/debug/sched/*_server/cpu*/runtime; do
		[[ ! -e $runtime ]] || echo 0 >"$runtime"
	done
}

# lockdep turns itself off after its first report, and then it would miss the defects of our driver.
check_lockdep() {
	if grep -qs 'debug_locks: *0' /proc/lockdep_stats; then
		echo "vm: WARNING: lockdep has turned itself off" >/dev/kmsg
	fi
}

# Leaks from before the driver was loaded are not the driver's.
forget_leaks() {
	[[ -e $kmemleak ]] || return 0
	echo scan >"$kmemleak"
	echo clear >"$kmemleak"
}

# kmemleak reports objects that are 5 s old. The second scan makes sure: an object that only one scan finds
# without references is merely suspected.
check_leaks() {
	[[ -e $kmemleak ]] || return 0
	sleep 6
	echo scan >"$kmemleak"
	sleep 1
	echo scan >"$kmemleak"
	[[ -s $kmemleak ]] || return 0
	{ echo "vm: WARNING: leaked memory"; head -n 60 "$kmemleak"; } |
		while read -r line; do echo "$line" >/dev/kmsg; done
}

load_driver() {
	echo "vm: loading the driver: $VM_DRIVER" >/dev/kmsg
	case $VM_DRIVER in
	none) return ;;
	stock) modprobe -a rdma_rxe ib_uverbs rdma_ucm ib_umad ;;
	ours)
		modprobe -a ib_uverbs rdma_ucm ib_umad udp_tunnel ip6_udp_tunnel &&
			insmod /run/vm/modules/ib_umem_odp.ko && insmod /run/vm/modules/rdma_rxe.ko
		;;
	esac || fail "cannot load the driver"
}

make_netdev() {
	if [[ $VM_WIRE ]]; then
		modprobe virtio_net && ip link set "$1" mtu 4200
	else
		ip link add "$1" mtu 4200 type veth peer name veth1 mtu 4200 && ip link set veth1 up
	fi
}

make_link() {
	local netdev=veth0

	[[ $VM_DRIVER != none ]] || return 0
	[[ ! $VM_WIRE ]] || netdev=eth0
	make_netdev $netdev && ip -batch - <<-IP && rdma link add rxe0 type rxe netdev $netdev
		link set $netdev up
		address add 192.0.2.$VM_END/24 dev $netdev
		address add 2001:db8::$VM_END/64 dev $netdev nodad
	IP
}

remove_modules() {
	while [[ -e /sys/module/ib_umem_odp ]]; do
		# shellcheck disable=SC2046
		rmmod $(ls /sys/module/ib_umem_odp/holders) ib_umem_odp || sleep 0.1
	done
}

# Unloading the driver reveals leaks and lost references. Processes that the command left behind may need a
# moment to die.
unload_driver() {
	local try

	[[ $VM_DRIVER == ours ]] || return 0
	check_lockdep
	kill -9 -1
	remove_modules >/run/rmmod 2>&1 &
	for ((try = 0; try < 600; try++)); do
		kill -0 $! 2>/dev/null || { check_leaks; return; }
		sleep 0.1
	done
	{
		echo "vm: WARNING: the driver does not unload"
		tail -n 1 /run/rmmod
		cat "/proc/$(pidof rmmod)/stack"
	} >/dev/kmsg
}

run_command() {
	cd "$VM_CWD" 2>/dev/null || cd "$VM_REPO" || cd /
	if [[ $VM_INTERACTIVE ]]; then
		stty rows "${VM_TTY_SIZE% *}" cols "${VM_TTY_SIZE#* }"
	else
		stty -opost
		exec </dev/null
	fi
	env -i HOME=/root USER=root SHELL=/bin/bash LANG=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		"${VM_ENV[@]}" "${VM_COMMAND[@]}"
}

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
readonly kmemleak=/sys/kernel/debug/kmemleak
# shellcheck source=/dev/null
. /run/vm/job.sh
: >/run/vm/started
mount_shares
mount_modules
settings
stop_fair_server
check_lockdep
forget_leaks
load_driver
make_link || fail "cannot make rxe0"
: >/run/vm/ready
run_command
echo "$?" >/run/vm/status
unload_driver
