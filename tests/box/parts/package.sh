# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # tests/box/run assigns
# Slow: Debian's packages are built
# The Debian package has the program, its manual page and its completion.

if ((EUID == 0)) && [[ -e $here/../../tools/deb ]]; then
test_package() {
	local root=$dir/root

	RDMABOX=$work/bin/rdmabox "$here/../../tools/deb" "$dir/packages"
	dpkg-deb -x packages/rdmabox_*.deb "$root"
	check status "$("$root/usr/bin/rdmabox" sh -c 'exit 9'; echo $?)" 9
	check 'the manual page' "$(zgrep -c '^\.TH RDMABOX' "$root/usr/share/man/man1/rdmabox.1.gz")" 1
	bash -n "$root/usr/share/bash-completion/completions/rdmabox"
	check dependencies "$(dpkg-deb -f packages/rdmabox_*.deb Depends)" ''
}
fi
