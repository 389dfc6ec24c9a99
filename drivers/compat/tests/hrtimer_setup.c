// SPDX-License-Identifier: GPL-2.0
/* 6.13: hrtimer_setup() initializes a timer with its function. */
#include <linux/hrtimer.h>
void test(struct hrtimer *timer, enum hrtimer_restart (*fn)(struct hrtimer *));
void test(struct hrtimer *timer, enum hrtimer_restart (*fn)(struct hrtimer *))
{
	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
}
