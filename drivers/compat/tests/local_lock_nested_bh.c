// SPDX-License-Identifier: GPL-2.0
/* 6.11: local_lock_nested_bh() */
#include <linux/local_lock.h>
#include <linux/percpu.h>
DECLARE_PER_CPU(local_lock_t, test_lock);
void test(void);
void test(void)
{
	local_lock_nested_bh(&test_lock);
	local_unlock_nested_bh(&test_lock);
}
