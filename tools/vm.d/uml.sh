# SPDX-License-Identifier: GPL-2.0
# Linux as a user process: built from Debian's linux-source in the guest's chroot, static, so
# that it runs outside of it.

readonly UML_SERIES=7.3
# Where the chroot sees it
readonly UML_SOURCE=/usr/src/linux-uml

uml_key() { hash_of "$VM_LIB/uml.config" <(declare -f uml_recipe uml_unpack); }

uml_ensure() {
	root_ensure
	once "$VM_UML" 'uml kernel' uml_make
}

uml_make() {
	local dir=$1

	as_root mkdir -p "$dir"
	uml_unpack "$dir"
	as_root cp "$VM_LIB/uml.config" "$dir/"
	in_chroot "$VM_ROOT" --bind "$dir" "$UML_SOURCE" bash -ex -c "cd $UML_SOURCE; $(uml_recipe)"
}

# Afterwards only what a module's build needs is kept: 1 part of 7.
uml_recipe() {
	cat <<'SH'
	make ARCH=um KCONFIG_ALLCONFIG=uml.config allnoconfig
	if grep '^CONFIG' uml.config | grep -vxFf .config; then exit 1; fi
	nice make ARCH=um -j"$(nproc)" linux modules
	make ARCH=um INSTALL_MOD_PATH=. INSTALL_MOD_STRIP=1 modules_install
	rm -rf lib/modules/*/build vmlinux*
	find . -mindepth 1 -maxdepth 1 -type d ! -name arch ! -name include ! -name lib \
		! -name scripts ! -name LICENSES -exec rm -r {} +
	find arch -mindepth 1 -maxdepth 1 -type d ! -name um ! -name x86 -exec rm -r {} +
	find lib -mindepth 1 -maxdepth 1 ! -name modules -exec rm -r {} +
	find arch -name '*.[oa]' -delete
SH
}

# Without what a kernel for a process has no use for.
uml_unpack() {
	local dir=$1 name=linux-source-$UML_SERIES

	in_chroot "$VM_ROOT" --bind "$dir" "$UML_SOURCE" sh -ec \
		"cd $UML_SOURCE; apt-get -o APT::Sandbox::User=root download $name"
	dpkg-deb --fsys-tarfile "$dir/$name"_*.deb | tar -xO "./usr/src/$name.tar.xz" |
		as_root tar -xJ -C "$dir" --strip-components=1 --exclude='*/Documentation/?*/*' \
			--exclude='*/drivers/gpu/drm/amd/include' --exclude='*/tools/testing/selftests'
	as_root rm "$dir/$name"_*.deb
}

# uml_start RUN_DIR MEMORY CPUS LOG NEVER: becomes the guest, with its terminal on our stdio, its
# log on the descriptor LOG; from the descriptor NEVER nothing comes.
uml_start() {
	local run=$1 memory=$2 cpus=$3 log=$4 never=$5

	export TMPDIR
	TMPDIR=$(uml_memory_dir)
	exec "$VM_UML/linux" mem="$memory" ncpus="$cpus" seccomp=on initrd="$(initrd_file uml)" \
		uml_dir="$run/" console=ttyS0 ssl0="fd:$never,fd:$log" con=null con0=fd:0,fd:1 \
		vm_root=hostfs vm_rootdir="$VM_ROOT" vm_run="$run" vm_tty=/dev/tty0 \
		loglevel=7 panic=-1 dummy.numdummies=0 2>&"$log"
}

# UML maps a file as its memory; a container's /dev/shm may be too small for it.
uml_memory_dir() {
	if (($(df --output=avail -k /dev/shm | tail -n 1) > 4 << 20)); then
		echo /dev/shm
	else
		echo "$VM_CACHE/run"
	fi
}
