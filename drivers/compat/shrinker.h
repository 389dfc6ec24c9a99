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
 * The functions with these names in 6.7. A list_lru needs the ID of its
 * shrinker. In 6.7 a shrinker gets its ID when it is allocated; in older
 * kernels, when it is registered. So shrinker_alloc() registers it here, with
 * functions that report SHRINK_EMPTY. The caller must set count_objects last.
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
