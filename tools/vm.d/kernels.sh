# SPDX-License-Identifier: GPL-2.0
# Debian's own kernels with their headers, found and installed with apt in the root of their release. The file
# "kernels" lists them.

declare -a debian_kernels=()
declare -A kernel_suite=()

read_kernels() {
	local series suite

	while read -r series suite; do
		debian_kernels+=("$series")
		kernel_suite[$series]=$suite
	done < <(grep -v '^#' "$(dirname "${BASH_SOURCE[0]}")/kernels")
}

read_kernels
readonly debian_kernels kernel_suite
# shellcheck disable=SC2034 # for the scripts that source this
readonly oldest_kernel=${debian_kernels[0]} newest_kernel=${debian_kernels[-1]}
# shellcheck disable=SC2034
readonly newest_suite=${kernel_suite[$newest_kernel]}

# suite_kernels SUITE: the kernels that guests of this release boot
suite_kernels() {
	local series

	for series in "${debian_kernels[@]}"; do
		[[ ${kernel_suite[$series]} != "$1" ]] || echo "$series"
	done
}

# kernel_newest ROOT SERIES: the release of the series' newest package, such as 6.12.117+deb13-amd64
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

# kernel_release SERIES: the release of a kernel that is installed in the guest root
kernel_release() { cat "$VM_ROOT/boot/$1"; }
