// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Regions
 *
 * A region is a range and a reference to a mirror. Everything that costs
 * anything is made by the first fault.
 */
#include <linux/module.h>
#include <linux/rhashtable.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_verbs.h>

#include "odp.h"

DEFINE_MUTEX(odp_mirrors_lock);
LIST_HEAD(odp_mirrors);			/* odp_mirrors_lock */
static struct rhashtable odp_mirror_hash;	/* odp_mirrors_lock */

static const struct rhashtable_params odp_mirror_params = {
	.key_len = sizeof(struct odp_mirror_key),
	.key_offset = offsetof(struct odp_mirror, key),
	.head_offset = offsetof(struct odp_mirror, hash),
	.automatic_shrinking = true,
};

/*
 * A process that ended before its first fault told nobody: the longest known two are
 * looked at whenever a mirror is added, so that such mirrors do not pile up. Caller:
 * holds odp_mirrors_lock.
 */
static void odp_mirrors_check(void)
{
	struct odp_mirror *mirror;
	unsigned int i;

	lockdep_assert_held(&odp_mirrors_lock);
	for (i = 0; i < 2; i++) {
		mirror = list_first_entry(&odp_mirrors, struct odp_mirror,
					  node);
		list_move_tail(&mirror->node, &odp_mirrors);
		/* One that can be found has its mm_count. */
		if (!atomic_read(&mirror->mm->mm_users))
			odp_mirror_tidy_later(mirror);
	}
}

/* The mirror of that key with one region more. Adds @fresh, if there is none yet. */
static struct odp_mirror *odp_mirror_find(const struct odp_mirror_key *key,
					  struct odp_mirror *fresh)
{
	struct odp_mirror *mirror;
	int ret;

	mutex_lock(&odp_mirrors_lock);
	mirror = rhashtable_lookup_fast(&odp_mirror_hash, key,
					odp_mirror_params);
	if (!mirror && fresh) {
		ret = rhashtable_insert_fast(&odp_mirror_hash, &fresh->hash,
					     odp_mirror_params);
		mirror = ret ? ERR_PTR(ret) : fresh;
		if (!ret) {
			list_add_tail(&fresh->node, &odp_mirrors);
			odp_mirrors_check();
		}
	}
	if (!IS_ERR_OR_NULL(mirror))
		mirror->nr_regions++;
	mutex_unlock(&odp_mirrors_lock);
	return mirror;
}

/* A mirror is made with no lock held: its owner's cgroup may have to be reclaimed. */
static struct odp_mirror *odp_mirror_get(struct umem_odp_device *dev,
					 struct mm_struct *mm)
{
	const struct odp_mirror_key key = { .dev = dev, .mm = mm };
	struct odp_mirror *mirror = odp_mirror_find(&key, NULL), *fresh;

	if (mirror)
		return mirror;
	fresh = odp_mirror_create(dev, mm);
	if (IS_ERR(fresh))
		return fresh;
	mirror = odp_mirror_find(&key, fresh);
	if (mirror != fresh)
		odp_mirror_destroy(fresh);
	return mirror;
}

static void odp_mirror_unlist(struct odp_mirror *mirror)
{
	lockdep_assert_held(&odp_mirrors_lock);
	if (list_empty(&mirror->node))
		return;
	list_del_init(&mirror->node);
	rhashtable_remove_fast(&odp_mirror_hash, &mirror->hash,
			       odp_mirror_params);
}

/**
 * odp_mirror_forget() - no region is going to be added to a mirror
 * @mirror: its address space is gone
 *
 * Context: may sleep; no lock held.
 */
void odp_mirror_forget(struct odp_mirror *mirror)
{
	mutex_lock(&odp_mirrors_lock);
	odp_mirror_unlist(mirror);
	mutex_unlock(&odp_mirrors_lock);
}

static void odp_mirror_put(struct odp_mirror *mirror)
{
	bool last;

	mutex_lock(&odp_mirrors_lock);
	last = --mirror->nr_regions == 0;
	if (last)
		odp_mirror_unlist(mirror);
	mutex_unlock(&odp_mirrors_lock);
	if (last)
		odp_mirror_destroy(mirror);
}

static struct ib_umem_odp *odp_region_alloc(u64 address, u64 length, int access)
{
	struct ib_umem_odp *umem;

	umem = kzalloc(sizeof(*umem), GFP_KERNEL_ACCOUNT);
	if (!umem)
		return ERR_PTR(-ENOMEM);

	refcount_set(&umem->refs, 1);
	umem->address = address;
	umem->length = length;
	umem->writable = ib_access_writable(access);
	return umem;
}

/* Invalidations are counted for the regions that they touch. */
static void odp_region_enter(struct ib_umem_odp *umem)
{
	struct odp_mirror *mirror = umem->mirror;

	umem->node.start = umem->address;
	umem->node.last = umem->address + umem->length - 1;
	spin_lock(&mirror->regions_lock);
	interval_tree_insert(&umem->node, &mirror->regions);
	spin_unlock(&mirror->regions_lock);
}

static void odp_region_leave(struct ib_umem_odp *umem)
{
	struct odp_mirror *mirror = umem->mirror;

	spin_lock(&mirror->regions_lock);
	interval_tree_remove(&umem->node, &mirror->regions);
	spin_unlock(&mirror->regions_lock);
}

struct ib_umem_odp *umem_odp_get(struct umem_odp_device *dev, u64 address,
				 u64 length, int access)
{
	struct ib_umem_odp *umem;

	if (!current->mm)
		return ERR_PTR(-ESRCH);
	if (!address && length == U64_MAX)
		length = TASK_SIZE;
	if (!length || address > TASK_SIZE || length > TASK_SIZE - address)
		return ERR_PTR(-EINVAL);

	umem = odp_region_alloc(address, length, access);
	if (IS_ERR(umem))
		return umem;

	umem->mirror = odp_mirror_get(dev, current->mm);
	if (IS_ERR(umem->mirror)) {
		struct odp_mirror *err = umem->mirror;

		kfree(umem);
		return ERR_CAST(err);
	}
	odp_region_enter(umem);
	return umem;
}
EXPORT_SYMBOL_GPL(umem_odp_get);

static int odp_fill_pinned(struct ib_umem_odp *umem)
{
	unsigned long addr = umem->address & PAGE_MASK;
	struct sg_page_iter iter;

	for_each_sgtable_page(&umem->pinned->sgt_append.sgt, &iter, 0) {
		struct odp_window *window = odp_window_get(umem->mirror, addr);
		int ret;

		if (IS_ERR(window))
			return PTR_ERR(window);
		ret = odp_leaf_set(window, addr, sg_page_iter_page(&iter),
				   umem->writable);
		odp_window_put(window);
		if (ret)
			return ret;
		addr += PAGE_SIZE;
		cond_resched();
	}
	return 0;
}

struct ib_umem_odp *umem_odp_get_pinned(struct umem_odp_device *dev,
					u64 address, u64 length, int access)
{
	struct ib_umem_odp *umem;
	int ret;

	if (!current->mm)
		return ERR_PTR(-ESRCH);
	umem = odp_region_alloc(address, length, access);
	if (IS_ERR(umem))
		return umem;

	umem->pinned = ib_umem_get_va(dev->ibdev, address, length, access);
	if (IS_ERR(umem->pinned)) {
		ret = PTR_ERR(umem->pinned);
		goto err_free;
	}
	umem->mirror = odp_mirror_create(dev, NULL);
	if (IS_ERR(umem->mirror)) {
		ret = PTR_ERR(umem->mirror);
		goto err_release;
	}
	ret = odp_fill_pinned(umem);
	if (ret)
		goto err_mirror;
	return umem;

err_mirror:
	odp_mirror_destroy(umem->mirror);
err_release:
	ib_umem_release(umem->pinned);
err_free:
	kfree(umem);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(umem_odp_get_pinned);

void umem_odp_close(struct ib_umem_odp *umem)
{
	unsigned long first = umem->address;
	unsigned long last = first + umem->length - 1;

	if (!umem->length)
		return;
	WRITE_ONCE(umem->length, 0);
	odp_mirror_pass(umem->mirror, first, last);
}
EXPORT_SYMBOL_GPL(umem_odp_close);

bool umem_odp_hold(struct ib_umem_odp *umem)
{
	return refcount_inc_not_zero(&umem->refs);
}
EXPORT_SYMBOL_GPL(umem_odp_hold);

void umem_odp_release(struct ib_umem_odp *umem)
{
	if (!refcount_dec_and_test(&umem->refs))
		return;
	if (umem->pinned) {
		odp_mirror_destroy(umem->mirror);
		ib_umem_release(umem->pinned);
	} else {
		odp_mirror_put(umem->mirror);
	}
	kfree_rcu(umem, rcu);
}
EXPORT_SYMBOL_GPL(umem_odp_release);

void umem_odp_put(struct ib_umem_odp *umem)
{
	umem_odp_close(umem);
	if (!umem->pinned) {
		odp_requests_forget(umem);
		odp_waiters_abort(umem->mirror->dev, umem);
		odp_region_leave(umem);
	}
	umem_odp_release(umem);
}
EXPORT_SYMBOL_GPL(umem_odp_put);

bool umem_odp_same_owner(const struct ib_umem_odp *a,
			 const struct ib_umem_odp *b)
{
	/* All on-demand regions of a (device, mm) share one mirror. */
	if (!a->pinned && !b->pinned)
		return a->mirror == b->mirror;
	return a->pinned && b->pinned &&
	       a->pinned->owning_mm == b->pinned->owning_mm;
}
EXPORT_SYMBOL_GPL(umem_odp_same_owner);

void umem_odp_mirror_stats(const struct ib_umem_odp *umem,
			   struct umem_odp_mirror_stats *stats)
{
	struct odp_mirror *mirror = umem->mirror;

	stats->windows = atomic_long_read(&mirror->nr_windows);
	stats->leaves = atomic_long_read(&mirror->nr_leaves);
	stats->table_bytes = odp_mirror_table_bytes(mirror);
	stats->faults = atomic64_read(&mirror->nr_faults);
	stats->invalidations = atomic64_read(&mirror->nr_invalidations);
}
EXPORT_SYMBOL_GPL(umem_odp_mirror_stats);

static int odp_umem_module_init(void)
{
	return rhashtable_init(&odp_mirror_hash, &odp_mirror_params);
}

static void odp_umem_module_exit(void)
{
	rhashtable_destroy(&odp_mirror_hash);
}

/* What there is to be made, in that order, and unmade. */
static const struct {
	int (*init)(void);
	void (*exit)(void);
} odp_parts[] = {
	{ odp_umem_module_init, odp_umem_module_exit },
	{ odp_shrink_module_init, odp_shrink_module_exit },
	{ odp_leaf_module_init, odp_leaf_module_exit },
	{ odp_mirror_module_init, odp_mirror_module_exit },
	{ odp_workers_module_init, odp_workers_module_exit },
	{ odp_debugfs_module_init, odp_debugfs_module_exit },
};

static void odp_parts_exit(unsigned int n)
{
	while (n--)
		odp_parts[n].exit();
}

static int __init odp_module_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(odp_parts); i++) {
		ret = odp_parts[i].init();
		if (ret) {
			odp_parts_exit(i);
			return ret;
		}
	}
	return 0;
}

static void __exit odp_module_exit(void)
{
	odp_parts_exit(ARRAY_SIZE(odp_parts));
}

module_init(odp_module_init);
module_exit(odp_module_exit);

MODULE_AUTHOR("the rxe-odp developers");
MODULE_DESCRIPTION("On-demand paging for RDMA drivers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
