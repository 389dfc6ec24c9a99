# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2154 # another shell expands; other files assign and use
# Boxes in folders with Debian's programs and in containers, which only root can make. No tests.

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

traffic_packages=(
	openmpi-bin libopenmpi-dev mpich libmpich-dev gcc libc6-dev rdmacm-utils perftest ibverbs-utils
	ibverbs-providers ucx-utils tshark iproute2 procps
)

# Sets debian to the folder that has these packages
debian_ensure() {
	[[ ${debian-} ]] || debian=$("$here/../../tools/vm" debian trixie "${traffic_packages[@]}")
}

# in_debian COMMAND...: as in_folder
in_debian() {
	debian_ensure
	in_folder "$debian" "$@"
}

containers_ensure() { command -v podman runc >/dev/null || "$here/../../tools/vm" host-install podman runc; }

# containers ARGUMENT...: podman, as it works here
containers() { podman --runtime runc --cgroup-manager cgroupfs "$@"; }

container_limits=(--ulimit nofile=1024:1024 --ulimit nproc=4096:4096)	# podman's own may be too many here
