# SPDX-License-Identifier: GPL-2.0
# Debian's own kernels with their headers, found and installed with apt in the root of their release. The file
# "kernels" lists them.

# debian_kernels: those that CI runs; all_kernels: those of the other flavours, too
declare -a debian_kernels=() all_kernels=()
declare -A kernel_suite=() kernel_flavour=()
readonly main_flavour=amd64

read_kernels() {
	local kernel suite flavour

	while read -r kernel suite flavour; do
		all_kernels+=("$kernel")
		[[ $flavour != "$main_flavour" ]] || debian_kernels+=("$kernel")
		kernel_suite[$kernel]=$suite
		kernel_flavour[$kernel]=$flavour
	done < <(grep -v '^#' "$(dirname "${BASH_SOURCE[0]}")/kernels")
}

read_kernels
readonly debian_kernels all_kernels kernel_suite kernel_flavour
# shellcheck disable=SC2034 # for the scripts that source this
readonly oldest_kernel=${debian_kernels[0]} newest_kernel=${debian_kernels[-1]}
# shellcheck disable=SC2034
readonly newest_suite=${kernel_suite[$newest_kernel]}

# suite_kernels SUITE [FLAVOUR]: the kernels that guests of this release boot
suite_kernels() {
	local kernel

	for kernel in "${all_kernels[@]}"; do
		[[ ${kernel_suite[$kernel]} != "$1" || ${kernel_flavour[$kernel]} != "${2-$main_flavour}" ]] ||
			echo "$kernel"
	done
}

# kernel_newest ROOT KERNEL: the release of the kernel's newest package, such as 6.12.117+deb13-amd64
kernel_newest() {
	in_chroot "$1" apt-cache pkgnames "linux-image-${2%%-*}." |
		sed -n "s/^linux-image-\([0-9.]*[-+][^-]*-${kernel_flavour[$2]}\)\$/\1/p" | sort -V | tail -n 1
}

kernels_install() {
	local root=$1 kernel release packages=()

	for kernel in $(suite_kernels "$VM_SUITE" "$VM_FLAVOUR"); do
		release=$(kernel_newest "$root" "$kernel")
		[[ $release ]] || die "no linux-image for $kernel in the archive"
		packages+=("linux-image-$release" "linux-headers-$release")
		echo "$release" | as_root tee "$root/boot/$kernel" >/dev/null
	done
	# No initial RAM disks: image.sh makes one that boots faster.
	in_chroot "$root" env INITRD=No DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends -t "$VM_SUITE-backports" "${packages[@]}"
	as_root rm -f "$root"/boot/initrd.img*
}

# kernel_release KERNEL: the release of a kernel that is installed in the guest root
kernel_release() { cat "$VM_ROOT/boot/$1"; }
