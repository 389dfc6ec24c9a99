// SPDX-License-Identifier: GPL-2.0
/* 6.11: local_lock_nested_bh() */
#include <linux/local_lock.h>
void test(local_lock_t __percpu *lock);
void test(local_lock_t __percpu *lock)
{
	local_lock_nested_bh(lock);
	local_unlock_nested_bh(lock);
}
