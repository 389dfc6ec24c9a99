# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154 # the box expands; tests/box/run assigns
# What the command has of its caller: files, folder, environment, user, limits.

test_folder_and_environment() {
	check folder "$(rdmabox pwd)" "$dir"
	check variable "$(COLOUR='a b' rdmabox sh -c 'echo "$COLOUR"')" 'a b'
	check 'nothing else' "$(env -i A=1 "$work/bin/rdmabox" /usr/bin/env)" A=1
	check arguments "$(rdmabox printf '%s,' 'a b' '' $'new\nline')" $'a b,,new\nline,'
	check 'host name' "$(rdmabox uname -n)" "$(uname -n)"
}

test_user() {
	check user "$(rdmabox id)" "$(id)"
	check root "$(rdmabox --root id -u)" 0
	check umask "$(umask 027; rdmabox sh -c umask)" 0027
}

test_files_belong_to_the_caller() {
	(umask 027; rdmabox sh -c 'echo x >made; mkdir folder')
	check owner "$(stat -c %u made)" "$(id -u)"
	check mode "$(stat -c %a made)" 640
	check folder "$(stat -c %a folder)" 750
	rdmabox --root sh -c 'echo x >as-root'
	check 'owner with --root' "$(stat -c %u as-root)" "$(id -u)"
}

test_file_times() {
	touch -d '2020-01-01 00:00:00.123456789' old
	rdmabox touch old
	[[ old -nt /proc/1 || $(stat -c %Y old) -gt 1600000000 ]]
	touch -d '2020-01-01 00:00:00.123456789' exact
	rdmabox cp -p exact copy
	check 'time of the copy' "$(stat -c %y copy)" "$(stat -c %y exact)"
}

# A file that somebody outside writes while it is open inside
test_file_grows_outside() {
	local try

	echo one >log
	# Without inotify, which knows nothing of the host's writers
	start timeout 20 tail ---disable-inotify -n +1 -f log >seen
	for ((try = 0; try < 300; try++)); do
		[[ ! -s seen ]] || break
		sleep 0.1
	done
	echo two >>log
	for ((try = 0; try < 50; try++)); do
		[[ $(<seen) != $'one\ntwo' ]] || break
		sleep 0.1
	done
	kill "$pid"
	wait "$job" || true
	check 'what tail has seen' "$(<seen)" $'one\ntwo'
}

test_limits() {
	check 'memlock, descriptors, core' "$(ulimit -l 64; ulimit -n 333; ulimit -c 0
		rdmabox bash -c 'ulimit -l; ulimit -n; ulimit -c' | xargs)" '64 333 0'
	check 'file size' "$(ulimit -S -f 1000; rdmabox bash -c 'ulimit -f')" 1000
}

test_tmpfs_and_overlay() {
	mkdir -p a b
	echo outside >b/file
	rdmabox --tmpfs "$dir/a" --overlay "$dir/b" sh -c 'echo x >a/new; echo inside >>b/file; cat b/file' >out
	check 'in the box' "$(xargs <out)" 'outside inside'
	check 'outside' "$(ls a; cat b/file)" outside
}

test_whole_root_overlay() {
	rdmabox --overlay / sh -c "echo x >$dir/new; cat $dir/new" >out
	check 'in the box' "$(<out)" x
	[[ ! -e new ]]
}

test_device() {
	check device "$(rdmabox ls /sys/class/infiniband)" rxe0
	check 'for everybody' "$(rdmabox stat -c %a /dev/infiniband/uverbs0 /dev/infiniband/rdma_cm | xargs)" \
		'666 666'
	check mtu "$(rdmabox --mtu 1500 cat /sys/class/net/veth0/mtu)" 1500
	rdmabox grep -q 2001:0db8 /sys/class/infiniband/rxe0/ports/1/gids/2
}

test_drivers() {
	check ours "$(rdmabox ls -d /sys/module/ib_umem_odp)" /sys/module/ib_umem_odp
	check stock "$(status --driver stock ls /sys/module/ib_umem_odp)" 2
	check 'stock device' "$(rdmabox --driver stock ls /sys/class/infiniband)" rxe0
}

test_kernel_log() {
	rdmabox --kernel-log log true
	grep -q 'Linux version' log
}

# A warning of the kernel ends the box with status 125. Here root writes the warning to the kernel's log.
test_complaint() {
	check status "$(status --root sh -c 'echo "WARNING: a test" >/dev/kmsg; sleep 0.1')" 125
	grep -q 'WARNING: a test' "$dir/err"
}

test_busy_machine_is_no_complaint() {
	check 'seconds until the watchdogs complain' "$(rdmabox cat /proc/sys/kernel/watchdog_thresh \
		/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout | xargs)" '60 120'
}
