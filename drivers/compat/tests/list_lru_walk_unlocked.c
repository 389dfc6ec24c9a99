// SPDX-License-Identifier: GPL-2.0
/* 6.13: the callback of a list_lru walk does not get the list's lock. */
#include <linux/list_lru.h>
static enum lru_status each(struct list_head *item, struct list_lru_one *list,
			    void *arg)
{
	return LRU_SKIP;
}

list_lru_walk_cb test(void);
list_lru_walk_cb test(void)
{
	return each;
}
