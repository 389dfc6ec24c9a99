// SPDX-License-Identifier: GPL-2.0
/* 6.8: list_lru_add() is told the cgroup; who wants the object's says so. */
#include <linux/list_lru.h>
bool test(struct list_lru *lru, struct list_head *item);
bool test(struct list_lru *lru, struct list_head *item)
{
	return list_lru_add_obj(lru, item);
}
