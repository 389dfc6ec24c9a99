// SPDX-License-Identifier: GPL-2.0
/* 6.17: workqueues say that they are bound to processors. */
#include <linux/workqueue.h>
int test(void);
int test(void)
{
	return WQ_PERCPU;
}
