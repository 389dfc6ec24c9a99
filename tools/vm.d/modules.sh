# SPDX-License-Identifier: GPL-2.0
# Builds our modules in the guest's root folder, with the toolchain that the kernel was built with.

build_dir() { echo "$VM_CACHE/build/$(hash_of - <<<"$VM_SOURCE")/$(guest_name)"; }

# modules_ensure [TO]: builds the changed files and copies the modules to the folder TO.
modules_ensure() {
	local to=${1-} dir
	dir=$(build_dir)

	mkdir -p "$dir"
	exec {build_fd}>"$dir.lock"
	flock "$build_fd"
	[[ -e $dir/Module.symvers ]] || say "building the modules for $(guest_name)"
	modules_make "$dir" >"$dir.log" 2>&1 || {
		grep -vE '^(make|  (CC|LD|MODPOST|BTF))' "$dir.log" | tail -n 60 >&2
		die "the modules do not build for $(guest_name), the whole log is $dir.log"
	}
	grep -E -A5 'warning:' "$dir.log" >&2 || true
	[[ ! $to ]] || {
		mkdir -p "$to"
		find "$dir" -name '*.ko' -exec cp -t "$to" {} +
	}
	exec {build_fd}>&-
}

# modules_make DIR [MAKE-ARGUMENT...]: drops the flags of a make that called us, as -s would empty the log
modules_make() {
	local dir=$1 kdir=$LINUX_BUILD inside=(in_linux "$VM_LINUX")

	own_kernel || {
		kdir=/lib/modules/$(kernel_release "$VM_KERNEL")/build
		inside=(in_chroot "$VM_ROOT")
	}
	"${inside[@]}" --bind "$VM_REPO" "$VM_REPO" --bind "$VM_SOURCE" "$VM_SOURCE" --bind "$dir" "$dir" \
		env MAKEFLAGS= ARCH="$(linux_arch)" ${RXE_ODP_PARTS:+RXE_ODP_PARTS="$RXE_ODP_PARTS"} \
		"$VM_LIB/kbuild.sh" "$VM_SOURCE" "$dir" "$kdir" -j"$(nproc)" W=1 "${@:2}"
}

# Fails if sparse finds anything. C=2 would do nothing, because Debian's headers lack the script that tests
# sparse; KBUILD_CHECKSRC=2 is the setting that C=2 stands for.
modules_sparse() {
	local dir
	dir=$(build_dir)

	modules_ensure
	exec {build_fd}>"$dir.lock"
	flock "$build_fd"
	modules_make "$dir" KBUILD_CHECKSRC=2 >"$dir.sparse" 2>&1 || die "sparse failed, its log is $dir.sparse"
	exec {build_fd}>&-
	grep -q '^  CHECK ' "$dir.sparse" || die "sparse has checked no file, its log is $dir.sparse"
	! grep -E ': (warning|error|note): ' "$dir.sparse" | sed "s#$dir/##"
}

# Prints the compiler's commands, with the paths of the checkout in place of the build folder's. config.h
# stays in the build folder, because the checkout has none.
modules_compile_commands() {
	local dir
	dir=$(build_dir)

	in_linux "$VM_LINUX" --bind "$dir" "$dir" \
		"$LINUX_SOURCE/scripts/clang-tools/gen_compile_commands.py" -d "$dir" -o /dev/stdout |
		sed -e "s#$dir/#$VM_REPO/#g" -e "s#$LINUX_BUILD#$VM_LINUX#g" \
			-e "s#$LINUX_SOURCE#$(linux_source_dir)#g" \
			-e "s#-include $VM_REPO/drivers/compat#-include $dir/drivers/compat#g"
}
