# SPDX-License-Identifier: GPL-2.0
# The guests' root folders, one for each Debian release and flavour of its kernels, with its compiler, these
# kernels' headers and RDMA programs.

readonly VM_MIRROR=${RXE_ODP_MIRROR:-http://deb.debian.org/debian}

root_packages=(
	bc bison ca-certificates debhelper dh-dkms dkms dpkg-dev e2fsprogs ethtool flex gcc gdb-minimal
	ibverbs-providers ibverbs-utils iproute2 iputils-ping kmod less
	libc6-dev libcmocka-dev libelf-dev libibverbs-dev librdmacm-dev libssl-dev
	make meson ninja-build perftest pkgconf procps psmisc python3-pyverbs
	rdma-core rdmacm-utils rsync sparse strace tcpdump util-linux xz-utils zstd
)

root_key() {
	{
		echo "$VM_MIRROR $VM_SUITE ${root_packages[*]} $(suite_kernels "$VM_SUITE" "$VM_FLAVOUR" | xargs)"
		declare -f root_make kernels_install kernel_newest
	} | hash_of -
}

root_sources() {
	local suite

	for suite in "$VM_SUITE" "$VM_SUITE-updates" "$VM_SUITE-backports"; do
		echo "deb $VM_MIRROR $suite main"
	done
	echo "deb $VM_MIRROR-security $VM_SUITE-security main"
}

root_ensure() { once "$VM_ROOT" "guest root $VM_SUITE $VM_FLAVOUR" root_make; }

root_make() {
	local dir=$1

	root_sources | as_root mmdebstrap --variant=minbase --format=directory \
		--skip=cleanup/apt --include="$(IFS=,; echo "${root_packages[*]}")" \
		"$VM_SUITE" "$dir" -
	as_root mkdir -p "$dir$LINUX_SOURCE" "$dir$LINUX_BUILD"
	kernels_install "$dir"
	in_chroot "$dir" apt-get clean
	as_root rm -f "$dir/etc/hostname"
	# A uml guest accesses the folder with the rights of the user who started it.
	as_root chmod 755 "$dir/root"
}

# debian_ensure SUITE PACKAGE...: prints the folder with these packages, without kernels. Makes it if it is
# missing.
debian_ensure() {
	local dir

	dir=$VM_CACHE/debian-$1-$(echo "$VM_MIRROR $*" | hash_of -)
	once "$dir" "Debian $1" debian_make "$@"
	echo "$dir"
}

# debian_make SUITE PACKAGE... DIR
debian_make() {
	local suite=$1 dir=${*: -1} packages=("${@:2:$#-2}")

	# A mirror's copy of an unreleased suite may be older than its Release file allows.
	as_root mmdebstrap --variant=minbase --format=directory \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		--include="$(IFS=,; echo "${packages[*]}")" "$suite" "$dir" "$VM_MIRROR"
	as_root chmod 755 "$dir/root"
}

# in_chroot DIR [--bind FROM TO]... COMMAND...: runs the command in DIR. Only the command sees the mounts.
in_chroot() {
	local dir=$1 mounts='mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev";
		touch "$root/etc/resolv.conf"; mount --bind /etc/resolv.conf "$root/etc/resolv.conf";'
	shift

	while [[ ${1-} == --bind ]]; do
		mounts+=$(printf ' mkdir -p %q; mount --bind %q %q;' "$dir$3" "$2" "$dir$3")
		shift 3
	done
	as_root env root="$dir" unshare --mount --propagation private \
		bash -ec "$mounts"' exec chroot "$root" "$@"' chroot "$@"
}
