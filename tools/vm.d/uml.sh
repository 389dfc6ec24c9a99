# SPDX-License-Identifier: GPL-2.0
# Linux as a user process. It is linked statically, so that it runs outside the folder that it was built in.

# uml_start RUN_DIR MEMORY CPUS LOG NEVER: becomes the guest, with its terminal on our stdio and its log on
# the descriptor LOG. NEVER is a descriptor that never has input.
uml_start() {
	local run=$1 memory=$2 cpus=$3 log=$4 never=$5 words

	read -ra words <<<"$VM_APPEND"
	exec "$VM_LINUX/linux" mem="$memory" ncpus="$cpus" seccomp=on initrd="$(initrd_file)" \
		uml_dir="$run/" console=ttyS0 ssl0="fd:$never,fd:$log" con=null con0=fd:0,fd:1 \
		vm_root=hostfs vm_rootdir="$VM_ROOT" vm_run="$run" vm_tty=/dev/tty0 \
		loglevel=7 log_buf_len=1M panic=-1 dummy.numdummies=0 "${words[@]}" 2>&"$log"
}
