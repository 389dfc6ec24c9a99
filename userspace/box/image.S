/* SPDX-License-Identifier: GPL-2.0 */
/* What the program carries; the Makefile says which files. */
	.section .rodata
	.global image_kernel_start, image_kernel_end, image_initrd_start, image_initrd_end
	.balign 4096
image_kernel_start:
	.incbin BOX_KERNEL
image_kernel_end:
	.balign 4096
image_initrd_start:
	.incbin BOX_INITRD
image_initrd_end:
	.section .note.GNU-stack, "", @progbits
