# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154 # the box expands; tests/box/run assigns
# Pages that are replaced while a program on another processor writes to them

# Without um_tlb_wait() in the box's kernel this loses about ten writes a second.
test_pages_replaced_under_a_program() {
	rdmabox --cpus 2 --root sh -ec 'PATH=$PATH:/usr/sbin:/sbin
		echo 256M >/sys/block/zram0/disksize
		mkswap /dev/zram0 >/dev/null
		swapon /dev/zram0
		"$1" 5 >lost
		awk "/^pswpin/ { exit \$2 < 100 }" /proc/vmstat' sh "$work/bin/lost" || {
		cat lost
		return 1
	}
}

test_pages_of_a_ring_in_a_child() {
	check 'wrong pages' "$(rdmabox "$work/bin/rings" 2>&1)" '0 of 4 pages are wrong in a child'
}
