# SPDX-License-Identifier: GPL-2.0
# Debian's own kernels with their headers, found and installed with apt in the root of their release.

readonly debian_kernels=(6.1 6.12 7.3)
declare -rA kernel_suite=([6.1]=bookworm [6.12]=trixie [7.3]=trixie)

# suite_kernels SUITE: those that guests of this release boot
suite_kernels() {
	local series

	for series in "${debian_kernels[@]}"; do
		[[ ${kernel_suite[$series]} != "$1" ]] || echo "$series"
	done
}

# kernel_newest ROOT SERIES: the newest package's release, as in 6.12.117+deb13-amd64, 6.1.0-44-amd64
kernel_newest() {
	in_chroot "$1" apt-cache pkgnames "linux-image-$2." |
		sed -n 's/^linux-image-\([0-9.]*[-+][^-]*-amd64\)$/\1/p' | sort -V | tail -n 1
}

kernels_install() {
	local root=$1 series release packages=()

	for series in $(suite_kernels "$VM_SUITE"); do
		release=$(kernel_newest "$root" "$series")
		[[ $release ]] || die "no linux-image-$series in the archive"
		packages+=("linux-image-$release" "linux-headers-$release")
		echo "$release" | as_root tee "$root/boot/$series" >/dev/null
	done
	# No initial RAM disks: image.sh makes one that boots faster.
	in_chroot "$root" env INITRD=No DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends -t "$VM_SUITE-backports" "${packages[@]}"
	as_root rm -f "$root"/boot/initrd.img*
}

# kernel_release SERIES: of a kernel that stands in the guest root
kernel_release() { cat "$VM_ROOT/boot/$1"; }
