// SPDX-License-Identifier: GPL-2.0
/* 6.13: who is called for each item of a list is not given the list's lock. */
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
