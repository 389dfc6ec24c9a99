# SPDX-License-Identifier: GPL-2.0
# One run of a guest: makes its folder, boots it (again if the boot fails), and judges how it ended.

readonly BOOT_TRIES=4 RUNS_KEPT=100

# Makes the run's folder and locks it for the time of the run. Deletes the oldest unlocked folders.
run_dir_make() {
	local dir n=0

	mkdir -p "$VM_CACHE/run"
	RUN=$(mktemp -d "$VM_CACHE/run/$(date +%H%M%S)-$(guest_name)-XXXX")
	chmod 755 "$RUN"
	exec {run_fd}>"$RUN/lock"
	flock "$run_fd"
	while read -r dir; do
		((++n <= RUNS_KEPT)) || flock -n "$dir/lock" rm -rf "$dir" || true
	done < <(ls -dt "$VM_CACHE"/run/*/)
}

# Makes everything that the guest boots from: the root, the kernel, the images.
guest_ensure() {
	kernel_ensure
	user_process || image_ensure
	[[ ! $VM_DISK || -e $VM_DISK ]] || disk_make "$VM_DISK"
	initrd_ensure
}

run_prepare() {
	guest_ensure
	run_dir_make
	[[ $VM_DRIVER != ours ]] || modules_ensure "$RUN/modules"
	: >"$RUN/own-reports"
	if [[ $VM_DEBUG && $VM_DRIVER != none ]]; then
		linux_own_reports_ensure
		cp "$(linux_own_reports)" "$RUN/own-reports"
	fi
	cp "$VM_LIB/guest-init.sh" "$RUN/"
	VM_MHZ=$(sed -n 's/^cpu MHz\s*: //p;T;q' /proc/cpuinfo)
	declare -p ${!VM_*} >"$RUN/job.sh"
}

run_start() {
	if [[ $VM_KERNEL == uml ]]; then
		uml_start "$RUN" "$VM_MEM" "$VM_SMP" "$1" "$2"
	else
		qemu_start "$RUN" "$VM_MEM" "$VM_SMP" "$1"
	fi
}

# Ends the guest if it does not reach init, or exceeds its time limit.
run_guard() {
	local guest=$1 left=$VM_TIMEOUT i boot_seconds=90

	[[ ! $VM_DEBUG$VM_ICOUNT ]] || boot_seconds=400
	for ((i = 0; i < boot_seconds * 10; i++)); do
		[[ ! -e $RUN/started ]] || break
		sleep 0.1
	done
	if [[ -e $RUN/started ]]; then
		sleep "$left"
		: >"$RUN/timed-out"
	fi
	kill -9 "$guest"
}

# run_once IN OUT NEVER: boots once, with the guest's terminal on the descriptors IN and OUT, and sets
# guest_status to the exit status of the guest's process. UML polls its descriptors, so the kernel's log and
# an input without a keyboard (NEVER) must be pipes.
run_once() {
	local guest guard writer log

	rm -f "$RUN"/{started,ready,status,timed-out}
	exec {log}> >(exec cat >"$RUN/kernel.log")
	writer=$!
	(run_start "$log" "$3") <&"$1" >&"$2" &
	guest=$!
	run_guard "$guest" </dev/null >/dev/null 2>&1 {log}>&- &
	guard=$!
	exec {log}>&-
	# shellcheck disable=SC2064
	trap "disown -a; kill -9 $guest; pkill -P $guard; exit 130" INT TERM HUP
	guest_status=0
	wait "$guest" 2>/dev/null || guest_status=$?
	trap - INT TERM HUP
	end "$guard"
	wait "$writer"
}

# UML sets a terminal to raw mode, so a command's output goes through a pipe.
run_guest() {
	local try never out cat guest_status=0

	run_prepare
	exec {never}<> <(:) {out}> >(exec cat)
	cat=$!
	for ((try = 1; try <= BOOT_TRIES; try++)); do
		if [[ $VM_INTERACTIVE ]]; then
			run_once 0 1 "$never"
		else
			run_once "$never" "$out" "$never"
		fi
		[[ ! -e $RUN/started ]] || break
		cp "$RUN/kernel.log" "$RUN/kernel.log.boot-$try"
		say "the guest died before init (log: $RUN/kernel.log.boot-$try), try $try of $BOOT_TRIES"
	done
	exec {out}>&-
	wait "$cat"
	run_verdict
}

# Sets the exit status. A complaint of the kernel has priority over the time limit, and both have priority
# over the command's status.
run_verdict() {
	if klog_report "$RUN/kernel.log" "$RUN/own-reports"; then
		say "kernel log: $RUN/kernel.log"
		exit "$EXIT_KERNEL"
	elif [[ -e $RUN/timed-out ]]; then
		say "stopped after $VM_TIMEOUT s, kernel log: $RUN/kernel.log"
		exit "$EXIT_TIMEOUT"
	elif [[ ! -e $RUN/ready ]]; then
		die "the guest did not reach the command, kernel log: $RUN/kernel.log"
	elif [[ ! -s $RUN/status ]]; then
		say "the guest died (exit status $guest_status); the end of $RUN/kernel.log:"
		tail -n 20 "$RUN/kernel.log" >&2
		exit "$EXIT_KERNEL"
	fi
	exit "$(<"$RUN/status")"
}
