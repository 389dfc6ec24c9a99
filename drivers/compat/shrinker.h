/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RXE_ODP_COMPAT_SHRINKER_H
#define RXE_ODP_COMPAT_SHRINKER_H

#include <linux/atomic.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

static inline unsigned long compat_shrink_nothing(struct shrinker *shrinker,
						  struct shrink_control *sc)
{
	return SHRINK_EMPTY;
}

/*
 * As the functions of these names in 6.7. There a shrinker has its number, which a
 * list_lru wants, from the beginning; here from being registered, so it is registered
 * at once and says that there is nothing, until it gets functions of its own. The one
 * that counts has to be set last.
 */
static inline struct shrinker *shrinker_alloc(unsigned int flags,
					      const char *name)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->seeks = DEFAULT_SEEKS;
	shrinker->flags = flags;
	shrinker->count_objects = compat_shrink_nothing;
	shrinker->scan_objects = compat_shrink_nothing;
	if (register_shrinker(shrinker, "%s", name)) {
		kfree(shrinker);
		return NULL;
	}
	return shrinker;
}

static inline void shrinker_register(struct shrinker *shrinker)
{
}

static inline void shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}

#endif /* RXE_ODP_COMPAT_SHRINKER_H */
