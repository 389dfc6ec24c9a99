# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154 # another shell expands; tests/box/run assigns
# Boxes in folders with Debian's programs, which only root can make. No tests.

# in_folder ROOT COMMAND...: as nobody in this folder of tools/vm debian, with $dir as its /tmp
in_folder() {
	chmod 1777 "$dir"
	cp "$work/bin/rdmabox" "$dir/"
	root=$1 dir=$dir timeout -k 1 300 unshare --mount --propagation private bash -ec '
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mount --bind "$dir" "$root/tmp"
		exec chroot "$root" setpriv --reuid 65534 --regid 65534 --clear-groups \
			env -i -C /tmp HOME=/tmp LC_ALL=C PATH=/usr/bin:/bin:/usr/sbin:/sbin "$@"' sh "${@:2}" </dev/null
}
