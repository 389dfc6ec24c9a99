/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RXE_ODP_COMPAT_SHRINKER_H
#define RXE_ODP_COMPAT_SHRINKER_H

#include <linux/atomic.h>
#include <linux/printk.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

/* As the functions of these names in 6.7, for a shrinker without flags. */
static inline struct shrinker *shrinker_alloc(unsigned int flags,
					      const char *name)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (shrinker)
		shrinker->seeks = DEFAULT_SEEKS;
	return shrinker;
}

static inline void shrinker_register(struct shrinker *shrinker)
{
	if (register_shrinker(shrinker, KBUILD_MODNAME))
		pr_warn(KBUILD_MODNAME ": no shrinker: no memory for it\n");
}

/* Of one that was not registered, too. */
static inline void shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}

#endif /* RXE_ODP_COMPAT_SHRINKER_H */
