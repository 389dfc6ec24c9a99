# SPDX-License-Identifier: GPL-2.0
# Kernels of our own configuration, built from Debian's linux-source in the guests' root folder:
# Linux as a user process (uml), and the debug kernels of --debug, for a process or for QEMU.

readonly LINUX_SERIES=$newest_kernel
# The folders of the source and of the build inside the chroot
readonly LINUX_SOURCE=/usr/src/linux LINUX_BUILD=/usr/src/linux-build

# The variant of --debug without a value: as many checkers as leave the kernel fast enough to use
readonly DEBUG_DEFAULT=kasan+lockdep

debug_variants() { (cd "$VM_LIB/config" && ls debug-*.config) | sed 's/debug-\(.*\)\.config/\1/'; }

user_process() { [[ $VM_KERNEL == uml ]]; }

linux_arch() { if user_process; then echo um; else echo x86; fi; }

# The whole configuration: the common part, the machine's part, and the checkers' parts
linux_config() {
	local part parts=("$VM_LIB/config/base.config")

	if user_process; then parts+=("$VM_LIB/config/uml.config")
	else parts+=("$VM_LIB/config/x86.config"); fi
	if [[ $VM_DEBUG ]]; then
		parts+=("$VM_LIB/config/debug.config")
		! user_process || parts+=("$VM_LIB/config/uml-debug.config")
	fi
	for part in ${VM_DEBUG//+/ }; do
		parts+=("$VM_LIB/config/debug-$part.config")
	done
	cat "${parts[@]}"
}

# Everything that the source depends on, for all kernels and for uml. Another origin gives another name, so a
# change in these functions builds the kernels again.
linux_origin() { echo "$LINUX_SERIES"; declare -f linux_unpack; }
linux_origin_uml() { declare -f linux_patch_uml; cat "$VM_LIB"/linux/*.patch; }

linux_source_dir() { echo "$VM_CACHE/linux-source-$(hash_of <(linux_origin; linux_origin_uml))"; }

linux_dir() {
	echo "$VM_CACHE/linux-$(guest_name)-$(hash_of <(
		linux_config
		declare -f linux_recipe
		linux_origin
		! user_process || linux_origin_uml
	))"
}

linux_source_ensure() { once "$(linux_source_dir)" 'linux source' linux_source_make; }

linux_ensure() {
	root_ensure
	[[ ! -e $VM_LINUX ]] || return 0
	linux_source_ensure
	once "$VM_LINUX" "linux $(guest_name)" linux_make
}

# Makes the kernel of VM_KERNEL and VM_DEBUG with its headers: Debian's, in the root, or one of our own.
kernel_ensure() {
	root_ensure
	! own_kernel || linux_ensure
}

# The reports that a debug kernel makes without our driver do not fail a run with our driver.
linux_own_reports() { echo "$VM_LINUX.own-$(hash_of "$VM_LIB/provoke.sh" "$VM_LIB/klog.sh")"; }

linux_own_reports_ensure() {
	once "$(linux_own_reports)" "what $(guest_name) reports by itself" linux_own_reports_make
}

linux_own_reports_make() {
	local to=$1 status=0

	"$VM_REPO/tools/vm" run --kernel "$VM_KERNEL" --debug="$VM_DEBUG" --driver none \
		-- "$VM_LIB/provoke.sh" >"$to.log" || status=$?
	((status == 0 || status == EXIT_KERNEL)) || return 1
	klog_lines <"$to.log" | sort -u | as_root tee "$to" || true
	rm "$to.log"
}

# in_linux BUILD [--bind FROM TO]... COMMAND...: runs the command in the guests' root folder, with the source
# and the build.
in_linux() {
	local build=$1
	shift

	in_chroot "$VM_ROOT" --bind "$(linux_source_dir)" "$LINUX_SOURCE" \
		--bind "$build" "$LINUX_BUILD" "$@"
}

linux_make() {
	local dir=$1

	as_root mkdir -p "$dir"
	linux_config | as_root tee "$dir/parts.config" >/dev/null
	in_linux "$dir" env ARCH="$(linux_arch)" bash -e -o pipefail -c "$(linux_recipe)"
}

# Builds the kernel, and keeps only the files that a module's build and a boot need.
linux_recipe() {
	cat <<'SH'
	cd /usr/src/linux
	export O=/usr/src/linux-build KBUILD_BUILD_HOST=rxe-odp KBUILD_BUILD_USER=vm
	make O=$O KCONFIG_ALLCONFIG=$O/parts.config allnoconfig
	cd $O
	if grep '^CONFIG.*=[^n]' parts.config | grep -vxFf .config; then
		echo 'the configuration does not take these'
		exit 1
	fi
	if [ $ARCH = um ]; then image=linux; else image=bzImage; fi
	nice make -j"$(nproc)" $image modules
	[ $ARCH = um ] || cp arch/x86/boot/bzImage linux
	make INSTALL_MOD_PATH=. INSTALL_MOD_STRIP=1 modules_install
	find . -depth \( -name '*.[oa]' -o -name '*.cmd' -o -name '.tmp_*' \) ! -path './scripts/*' \
		! -path './tools/*' -delete
	find . -name '*.ko' ! -path './lib/*' -delete
	rm -rf lib/modules/*/build vmlinux.o vmlinux.unstripped
SH
}

# Unpacks the source without large parts that a guest's kernel does not need.
linux_unpack() {
	local dir=$1 name=linux-source-$LINUX_SERIES

	as_root mkdir -p "$dir"
	in_chroot "$VM_ROOT" --bind "$dir" "$LINUX_SOURCE" sh -ec \
		"cd $LINUX_SOURCE; apt-get -o APT::Sandbox::User=root download $name"
	dpkg-deb --fsys-tarfile "$dir/$name"_*.deb | tar -xO "./usr/src/$name.tar.xz" |
		as_root tar -xJ -C "$dir" --strip-components=1 --exclude='*/Documentation/?*/*' \
			--exclude='*/drivers/gpu/drm/amd/include' --exclude='*/tools/testing/selftests'
	as_root rm "$dir/$name"_*.deb
}

# Mends what is wrong or slow in uml itself, and adds what rdmabox needs.
linux_patch_uml() {
	local patch

	for patch in "$VM_LIB"/linux/*.patch; do
		in_chroot "$VM_ROOT" --bind "$1" "$LINUX_SOURCE" patch -d "$LINUX_SOURCE" -p1 --fuzz=0 <"$patch"
	done
}

linux_source_make() {
	linux_unpack "$1"
	linux_patch_uml "$1"
}
