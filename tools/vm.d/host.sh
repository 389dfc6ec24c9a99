# SPDX-License-Identifier: GPL-2.0
# The programs that the host needs, with the exact names of their Debian packages. Missing ones are installed.

readonly host_tools=(
	mmdebstrap:mmdebstrap qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils mke2fs:e2fsprogs
	cpio:cpio xz:xz-utils rsync:rsync flock:util-linux pkill:procps
)

host_ensure() {
	local tool missing=()

	for tool in "${host_tools[@]}"; do
		PATH=$PATH:/usr/sbin:/sbin command -v "${tool%%:*}" >/dev/null || missing+=("${tool#*:}")
	done
	[[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
	((${#missing[@]})) || return 0

	((EUID == 0)) || say "installing with sudo: ${missing[*]}"
	step 'host packages' host_install "${missing[@]}"
}

host_install() {
	as_root apt-get update
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}
