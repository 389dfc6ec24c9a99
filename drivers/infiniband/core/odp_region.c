// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Regions
 *
 * A region is a range and a reference to a mirror. It costs nothing to
 * register, whatever its length: the first fault creates everything that costs
 * anything.
 *
 * A pinned region has a private mirror, which is filled at registration and
 * which nothing invalidates. So one copy routine serves both kinds of region.
 */
#include <linux/export.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_verbs.h>

#include "odp_alloc.h"
#include "odp_guess.h"
#include "odp_mirror.h"
#include "odp_region.h"
#include "odp_user.h"
#include "odp_window.h"

/* --- the region's mirror -------------------------------------------------- */

static void odp_region_destroy_mirror(struct odp_mirror *mirror)
{
	struct odp_user *user = mirror->user;

	/* The work would create windows again. Pinned pages need no guesses. */
	if (!mirror->pinned)
		cancel_work_sync(&mirror->ahead_work);
	odp_mirror_destroy(mirror);
	if (user)
		odp_user_put(user);
}

/* Creates a mirror; one of pinned pages if @mm is NULL. */
static struct odp_mirror *odp_region_create_mirror(struct umem_odp_device *dev,
						   struct mm_struct *mm)
{
	struct odp_mirror *mirror = odp_mirror_create(dev, mm);

	if (IS_ERR(mirror) || !mm)
		return mirror;
	odp_guess_init(mirror);
	if (odp_user_attach(mirror)) {
		odp_mirror_destroy(mirror);
		return ERR_PTR(-ENOMEM);
	}
	return mirror;
}

/* Gets the mirror of a (device, mm) for one more region. */
static struct odp_mirror *odp_region_get_mirror(struct umem_odp_device *dev,
						struct mm_struct *mm)
{
	struct odp_mirror *mirror = odp_mirror_find(dev, mm, NULL), *fresh;

	if (mirror)
		return mirror;
	fresh = odp_region_create_mirror(dev, mm);
	if (IS_ERR(fresh))
		return fresh;
	mirror = odp_mirror_find(dev, mm, fresh);
	if (mirror != fresh)
		odp_region_destroy_mirror(fresh);
	return mirror;
}

/* --- registration --------------------------------------------------------- */

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

/* Adds the region to those that invalidations are counted for. */
static void odp_region_insert(struct ib_umem_odp *umem)
{
	struct odp_mirror *mirror = umem->mirror;

	umem->node.start = umem->address;
	umem->node.last = umem->address + umem->length - 1;
	spin_lock(&mirror->regions_lock);
	interval_tree_insert(&umem->node, &mirror->regions);
	spin_unlock(&mirror->regions_lock);
}

/**
 * odp_region_remove() - invalidations are no longer counted for a region
 * @umem: the region, on-demand
 *
 * Context: process context.
 */
void odp_region_remove(struct ib_umem_odp *umem)
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

	umem->mirror = odp_region_get_mirror(dev, current->mm);
	if (IS_ERR(umem->mirror)) {
		struct odp_mirror *err = umem->mirror;

		kfree(umem);
		return ERR_CAST(err);
	}
	odp_region_insert(umem);
	return umem;
}
EXPORT_SYMBOL_GPL(umem_odp_get);

static int odp_fill_pinned(struct ib_umem_odp *umem)
{
	unsigned long addr = umem->address & PAGE_MASK;
	struct odp_window *window = NULL;
	struct sg_page_iter iter;
	int ret = 0;

	for_each_sgtable_page(&umem->pinned->sgt_append.sgt, &iter, 0) {
		if (!window || IS_ALIGNED(addr, ODP_WINDOW_SIZE)) {
			if (window)
				odp_window_put(window);
			window = odp_window_get(umem->mirror, addr);
			if (IS_ERR(window))
				return PTR_ERR(window);
		}
		ret = odp_leaf_set(window, addr, sg_page_iter_page(&iter),
				   umem->writable);
		if (ret)
			break;
		addr += PAGE_SIZE;
		cond_resched();
	}
	odp_window_put(window);
	return ret;
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
	umem->mirror = odp_region_create_mirror(dev, NULL);
	if (IS_ERR(umem->mirror)) {
		ret = PTR_ERR(umem->mirror);
		goto err_release;
	}
	umem->mirror->origin = ALIGN_DOWN(umem->address, ODP_WINDOW_SIZE);
	ret = odp_fill_pinned(umem);
	if (ret)
		goto err_mirror;
	return umem;

err_mirror:
	odp_region_destroy_mirror(umem->mirror);
err_release:
	ib_umem_release(umem->pinned);
err_free:
	kfree(umem);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(umem_odp_get_pinned);

/* --- the end of a region -------------------------------------------------- */

void umem_odp_close(struct ib_umem_odp *umem)
{
	unsigned long first = umem->address;
	unsigned long last = first + umem->length - 1;

	if (!umem->length)
		return;
	WRITE_ONCE(umem->length, 0);
	odp_mirror_drain(umem->mirror, first, last);
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
		odp_region_destroy_mirror(umem->mirror);
		ib_umem_release(umem->pinned);
	} else if (odp_mirror_put(umem->mirror)) {
		odp_region_destroy_mirror(umem->mirror);
	}
	kfree_rcu(umem, rcu);
}
EXPORT_SYMBOL_GPL(umem_odp_release);

/* --- queries -------------------------------------------------------------- */

bool umem_odp_same_owner(const struct ib_umem_odp *a,
			 const struct ib_umem_odp *b)
{
	/* On-demand regions of an address space share its mirror. */
	if (!a->pinned && !b->pinned)
		return a->mirror == b->mirror;
	return a->pinned && b->pinned &&
	       a->pinned->owning_mm == b->pinned->owning_mm;
}
EXPORT_SYMBOL_GPL(umem_odp_same_owner);

void umem_odp_get_mirror_stats(const struct ib_umem_odp *umem,
			       struct umem_odp_mirror_stats *stats)
{
	struct odp_mirror *mirror = umem->mirror;

	stats->windows = atomic_long_read(&mirror->nr_windows);
	stats->leaves = atomic_long_read(&mirror->nr_leaves);
	stats->table_bytes = odp_mirror_table_bytes(mirror);
	stats->faults = atomic64_read(&mirror->nr_faults);
	stats->invalidations = atomic64_read(&mirror->nr_invalidations);
}
EXPORT_SYMBOL_GPL(umem_odp_get_mirror_stats);
