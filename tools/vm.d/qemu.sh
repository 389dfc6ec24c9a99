# SPDX-License-Identifier: GPL-2.0
# Guests under QEMU, with KVM where a probe boot shows that it works.

readonly QEMU_PROBE_SECONDS=10

qemu_machine() {
	if [[ $VM_ICOUNT ]]; then
		# An instruction takes a nanosecond of the guest's time, however busy the machine is.
		echo "-machine q35 -accel tcg,thread=single -icount shift=0,sleep=off -cpu max,-la57,-erms,-fsrm"
	elif [[ $1 == kvm ]]; then
		echo "-machine q35,accel=kvm -cpu host"
	else
		# TCG executes string instructions unit by unit. Without erms and fsrm the kernel does not
		# copy with bytes, the smallest unit.
		echo "-machine q35 -accel tcg,thread=multi -cpu max,-la57,-erms,-fsrm"
	fi
}

qemu_kernel() {
	if own_kernel; then
		echo "$VM_LINUX/linux"
	else
		echo "$VM_ROOT/boot/vmlinuz-$(kernel_release "$VM_KERNEL")"
	fi
}

# qemu_boot ACCELERATOR CPUS MEMORY LOG COMMAND-LINE OPTION...: becomes the guest.
#
# init_on_alloc=0: compaction allocates and frees pages over and over, and Debian's 6.12 clears them each
# time. Under TCG that took more than 20 s, which is a soft lockup. rcu_cpu_stall_timeout: on a busy host, the
# first touch of a guest's page can be slow. 6 MiB took 21 s, which is a stall by default.
qemu_boot() {
	local accelerator=$1 cpus=$2 memory=$3 log=$4 line=$5 machine
	shift 5

	read -ra machine <<<"$(qemu_machine "$accelerator")"
	exec qemu-system-x86_64 "${machine[@]}" -smp "$cpus" -m "$memory" \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$(qemu_kernel)" -initrd "$(initrd_file)" \
		-serial "file:$log" -append "console=ttyS0 loglevel=7 panic=-1 nokaslr \
mitigations=off random.trust_cpu=on init_on_alloc=0 \
rcupdate.rcu_cpu_stall_timeout=60 $line" "$@"
}

# On some machines /dev/kvm opens but guests hang, so a probe boots a guest.
qemu_accelerator() {
	local known run
	known=$VM_CACHE/accelerator-$(hash_of <(cat /etc/machine-id /proc/{cpuinfo,version} | grep -v MHz))

	if [[ ! -e $known ]]; then
		run=$(mktemp -d "$VM_CACHE/run/probe.XXXX")
		if [[ -w /dev/kvm ]] && qemu_probe "$run"; then
			echo kvm >"$run/answer"
		else
			echo tcg >"$run/answer"
		fi
		say "accelerator: $(<"$run/answer") (remembered in $known)"
		mv "$run/answer" "$known"
		rm -r "$run"
	fi
	cat "$known"
}

qemu_probe() {
	local run=$1 probe i

	say 'probing whether KVM works'
	(qemu_boot kvm 1 512M "$run/log" vm_probe=1 </dev/null >"$run/out" 2>&1) &
	probe=$!
	for ((i = 0; i < QEMU_PROBE_SECONDS * 10; i++)); do
		kill -0 "$probe" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$probe" 2>/dev/null
	wait "$probe" 2>/dev/null
	grep -q 'vm: probe: init was reached' "$run/log"
}

# The guest's disk, whose writes are dropped after this run or kept in VM_DISK
qemu_disk() {
	if [[ $VM_DISK ]]; then
		echo "file=$VM_DISK,if=virtio,format=qcow2"
	else
		echo "file=$(image_file),if=virtio,format=raw,snapshot=on"
	fi
}

# qemu_start RUN_DIR MEMORY CPUS LOG: becomes the guest, with its terminal on our stdio and its log on the
# descriptor LOG.
qemu_start() {
	local run=$1 memory=$2 cpus=$3 log=$4 i options

	options=(
		-drive "$(qemu_disk)"
		-device virtio-serial-pci -chardev "stdio,id=tty,signal=off"
		-device virtconsole,chardev=tty
		-virtfs "local,path=$run,mount_tag=run,security_model=none"
	)
	for i in "${!VM_SHARES[@]}"; do
		options+=(-virtfs "local,path=${VM_SHARES[i]},mount_tag=share$i,security_model=none,\
multidevs=remap,readonly=$([[ ${VM_MODES[i]} == ro ]] && echo on || echo off)")
	done
	[[ ! $VM_WIRE ]] || options+=(
		-netdev "dgram,id=wire,local.type=unix,local.path=$VM_WIRE/$VM_END,\
remote.type=unix,remote.path=$VM_WIRE/$((3 - VM_END))"
		-device "virtio-net-pci,netdev=wire,host_mtu=4200,mac=52:54:00:00:00:0$VM_END"
	)
	! own_kernel || options+=(-virtfs "local,path=$VM_LINUX/lib/modules,mount_tag=modules,\
security_model=none,readonly=on")
	[[ ! $VM_ICOUNT ]] || cpus=1
	qemu_boot "$(qemu_accelerator)" "$cpus" "$memory" "/dev/fd/$log" \
		"vm_root=ext4 vm_run=run vm_tty=/dev/hvc0 $VM_APPEND" "${options[@]}"
}
