// SPDX-License-Identifier: GPL-2.0
/* 7.1: callbacks that test for young pages return bool. */
#include <linux/mmu_notifier.h>
static bool young(struct mmu_notifier *notifier, struct mm_struct *mm,
		  unsigned long start, unsigned long end)
{
	return false;
}

struct mmu_notifier_ops test(void);
struct mmu_notifier_ops test(void)
{
	return (struct mmu_notifier_ops){ .clear_young = young };
}
