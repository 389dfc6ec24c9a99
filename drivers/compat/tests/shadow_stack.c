// SPDX-License-Identifier: GPL-2.0
/* 6.6: mappings may be shadow stacks. */
#include <linux/mm.h>
unsigned long test(void);
unsigned long test(void)
{
	return VM_SHADOW_STACK;
}
