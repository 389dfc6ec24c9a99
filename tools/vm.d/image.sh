# SPDX-License-Identifier: GPL-2.0
# A guest boots from an initial RAM disk with init.c and the modules that the root needs, and, under QEMU,
# from a read-only ext4 image of the guest's root folder.

readonly boot_modules=(virtio_pci virtio_blk virtio_console ext4 9p 9pnet_virtio)

image_file() { echo "$VM_ROOT.ext4"; }

image_ensure() { once "$(image_file)" "guest image $VM_SUITE $VM_FLAVOUR" image_make; }

image_make() {
	local file=$1 size

	size=$(as_root du -sm "$VM_ROOT" | cut -f1)
	as_root mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -N 262144 \
		-d "$VM_ROOT" "$file" "$((size + 4096))M"
	as_root chmod a+r "$file"
}

# disk_make FILE: a disk for a guest's writes on top of the image
disk_make() {
	qemu-img create -q -f qcow2 -F raw -b "$(image_file)" "$1"
}

initrd_file() {
	local kernel=$VM_KERNEL

	! own_kernel || kernel=own
	echo "$VM_ROOT.initrd-$kernel-$(hash_of "$VM_LIB/init.c" <(declare -f initrd_make initrd_modules))"
}

initrd_ensure() { once "$(initrd_file)" "initial RAM disk for $VM_KERNEL" initrd_make; }

initrd_make() {
	local file=$1 dir=$1.d

	mkdir -p "$dir/modules" "$dir/dev"
	in_chroot "$VM_ROOT" gcc -x c -O2 -Wall -static -s -o /dev/stdout - \
		<"$VM_LIB/init.c" >"$dir/init"
	chmod +x "$dir/init"
	own_kernel || initrd_modules "$(kernel_release "$VM_KERNEL")" "$dir/modules"
	(cd "$dir" && find . | cpio --quiet -o -H newc) >"$file"
	rm -r "$dir"
}

initrd_modules() {
	local release=$1 dir=$2 n=100 module

	in_chroot "$VM_ROOT" modprobe -aS "$release" --show-depends "${boot_modules[@]}" |
		sed -n 's/^insmod \(\S*\).*/\1/p' | awk '!seen[$0]++' |
		while read -r module; do
			case $module in
			*.xz) xz -dc "$VM_ROOT$module" ;;
			*) cat "$VM_ROOT$module" ;;
			esac >"$dir/$n-$(basename "$module" .xz)"
			((++n))
		done
}
