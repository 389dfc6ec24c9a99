// SPDX-License-Identifier: GPL-2.0
/* 6.7: shrinkers are allocated by the core. */
#include <linux/shrinker.h>
struct shrinker *test(void);
struct shrinker *test(void)
{
	return shrinker_alloc(0, "test");
}
