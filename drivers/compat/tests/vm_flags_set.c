// SPDX-License-Identifier: GPL-2.0
/* 6.3: a mapping's flags are changed by functions. */
#include <linux/mm.h>
void test(struct vm_area_struct *vma);
void test(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_DONTEXPAND);
}
