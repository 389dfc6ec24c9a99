// SPDX-License-Identifier: GPL-2.0
/* 6.4: who frees pages in reclaim says so by a function. */
#include <linux/swap.h>
void test(void);
void test(void)
{
	mm_account_reclaimed_pages(1);
}
