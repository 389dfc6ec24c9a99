# SPDX-License-Identifier: GPL-2.0
# Linux as a user process. It is linked statically, so that it runs outside the folder that it was built in.

# uml_start RUN_DIR MEMORY CPUS LOG NEVER: becomes the guest, with its terminal on our stdio and its log on
# the descriptor LOG. NEVER is a descriptor that never has input.
uml_start() {
	local run=$1 memory=$2 cpus=$3 log=$4 never=$5 words

	read -ra words <<<"$VM_APPEND"
	export TMPDIR
	TMPDIR=$(uml_memory_dir)
	exec "$VM_LINUX/linux" mem="$memory" ncpus="$cpus" seccomp=on initrd="$(initrd_file)" \
		uml_dir="$run/" console=ttyS0 ssl0="fd:$never,fd:$log" con=null con0=fd:0,fd:1 \
		vm_root=hostfs vm_rootdir="$VM_ROOT" vm_run="$run" vm_tty=/dev/tty0 \
		loglevel=7 panic=-1 dummy.numdummies=0 "${words[@]}" 2>&"$log"
}

# UML's memory is a file that it maps. A container's /dev/shm may be too small for that file.
uml_memory_dir() {
	if (($(df --output=avail -k /dev/shm | tail -n 1) > 4 << 20)); then
		echo /dev/shm
	else
		echo "$VM_CACHE/run"
	fi
}
