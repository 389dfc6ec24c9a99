// SPDX-License-Identifier: GPL-2.0
/* 6.8: list_lru_add_obj() uses the memory cgroup of the object. */
#include <linux/list_lru.h>
bool test(struct list_lru *lru, struct list_head *item);
bool test(struct list_lru *lru, struct list_head *item)
{
	return list_lru_add_obj(lru, item);
}
