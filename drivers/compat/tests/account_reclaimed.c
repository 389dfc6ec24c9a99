// SPDX-License-Identifier: GPL-2.0
/* 6.4: mm_account_reclaimed_pages() reports pages freed in reclaim. */
#include <linux/swap.h>
void test(void);
void test(void)
{
	mm_account_reclaimed_pages(1);
}
