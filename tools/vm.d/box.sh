# SPDX-License-Identifier: GPL-2.0
# build/rdmabox: one program with a kernel, both drivers and an init in it. The kernel is the guests' uml.

box_dir() { echo "$VM_CACHE/box/$(hash_of - <<<"$VM_REPO")"; }

box_compile() { in_root make -s -C "$VM_REPO/userspace/box" O="$1" VERSION="$(box_version)" "${@:2}" >&2; }

box_version() {
	local ours linux=("$VM_LINUX"/lib/modules/*)

	ours=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$VM_REPO/debian/changelog")
	echo "$ours, Linux ${linux[0]##*/}"
}

box_initrd() {
	local dir=$1 tree=$1/tree modules=$1/modules

	rm -rf "$tree"
	mkdir -p "$tree"/{dev,root,modules/ours,modules/stock}
	cp "$dir/init" "$tree/"
	cp "$modules/ib_umem_odp.ko" "$tree/modules/ours/1-ib_umem_odp.ko"
	cp "$modules/rdma_rxe.ko" "$tree/modules/ours/2-rdma_rxe.ko"
	find "$VM_LINUX/lib/modules" -name rdma_rxe.ko -exec cp {} "$tree/modules/stock/1-rdma_rxe.ko" \;
	in_root strip --strip-debug "$tree"/modules/*/*.ko
	(cd "$tree" && find . | cpio --quiet -o -H newc) >"$dir/initrd"
}

box_ensure() {
	local dir
	dir=$(box_dir)

	root_ensure
	linux_ensure
	mkdir -p "$dir"
	exec {box_fd}>"$dir/lock"
	flock "$box_fd"
	modules_ensure "$dir/modules"
	box_compile "$dir" "$dir/init" || die "rdmabox's init does not build"
	box_initrd "$dir"
	in_root strip -o "$dir/kernel" "$VM_LINUX/linux"
	box_compile "$dir" "$dir/rdmabox" || die "rdmabox does not build"
	mkdir -p "$VM_REPO/build"
	cp "$dir/rdmabox" "$VM_REPO/build/rdmabox.new"
	mv "$VM_REPO/build/rdmabox.new" "$VM_REPO/build/rdmabox"
	exec {box_fd}>&-
	say "built build/rdmabox, $(($(stat -c %s "$VM_REPO/build/rdmabox") >> 20)) MiB"
}
