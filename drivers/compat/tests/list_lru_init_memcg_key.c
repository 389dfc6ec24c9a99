// SPDX-License-Identifier: GPL-2.0
/* 6.13: list_lru_init_memcg_key() takes the lock class key. */
#include <linux/list_lru.h>
int test(struct list_lru *lru, struct shrinker *shrinker,
	 struct lock_class_key *key);
int test(struct list_lru *lru, struct shrinker *shrinker,
	 struct lock_class_key *key)
{
	return list_lru_init_memcg_key(lru, shrinker, key);
}
