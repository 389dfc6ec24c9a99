# SPDX-License-Identifier: GPL-2.0
# Our modules, built in the guest's chroot so that the toolchain is the kernel's own.

build_dir() { echo "$VM_CACHE/build/$(hash_of - <<<"$VM_REPO")/$1"; }

# modules_ensure KERNEL [TO]: builds what changed and copies the modules to the folder TO.
modules_ensure() {
	local kernel=$1 to=${2-} dir
	dir=$(build_dir "$kernel")

	mkdir -p "$dir"
	exec {build_fd}>"$dir.lock"
	flock "$build_fd"
	[[ -e $dir/Module.symvers ]] || say "building the modules for $kernel"
	modules_make "$kernel" "$dir" >"$dir.log" 2>&1 || {
		grep -vE '^(make|  (CC|LD|MODPOST|BTF))' "$dir.log" | tail -n 60 >&2
		die "the modules do not build for $kernel, the whole log is $dir.log"
	}
	grep -E -A5 'warning:' "$dir.log" >&2 || true
	[[ ! $to ]] || {
		mkdir -p "$to"
		find "$dir" -name '*.ko' -exec cp -t "$to" {} +
	}
	exec {build_fd}>&-
}

modules_make() {
	local kernel=$1 dir=$2 kdir arch=x86 binds=()

	if [[ $kernel == uml ]]; then
		kdir=$UML_SOURCE
		arch=um
		binds=(--bind "$VM_UML" "$kdir")
	else
		kdir=/lib/modules/$(kernel_release "$kernel")/build
	fi
	in_chroot "$VM_ROOT" "${binds[@]}" --bind "$VM_REPO" "$VM_REPO" --bind "$dir" "$dir" \
		env ARCH="$arch" ${RXE_ODP_PARTS:+RXE_ODP_PARTS="$RXE_ODP_PARTS"} \
		"$VM_LIB/kbuild.sh" "$VM_REPO" "$dir" "$kdir" -j"$(nproc)" W=1
}

# The compiler's commands, as if the checkout were what was compiled; config.h is not in it.
modules_compile_commands() {
	local dir
	dir=$(build_dir uml)

	in_chroot "$VM_ROOT" --bind "$VM_UML" "$UML_SOURCE" --bind "$dir" "$dir" \
		"$UML_SOURCE/scripts/clang-tools/gen_compile_commands.py" -d "$dir" -o /dev/stdout |
		sed -e "s#$dir/#$VM_REPO/#g; s#$UML_SOURCE#$VM_UML#g" \
			-e "s#-include $VM_REPO/drivers/compat#-include $dir/drivers/compat#g"
}
