// SPDX-License-Identifier: GPL-2.0
/* 6.17: the flag WQ_PERCPU binds a workqueue to CPUs. */
#include <linux/workqueue.h>
int test(void);
int test(void)
{
	return WQ_PERCPU;
}
