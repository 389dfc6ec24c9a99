// SPDX-License-Identifier: GPL-2.0
/* 6.12: lockdep asserts that the caller is in an RCU read section. */
#include <linux/rcupdate.h>
void test(void);
void test(void)
{
	lockdep_assert_in_rcu_read_lock();
}
