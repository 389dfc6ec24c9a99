// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Regions
 *
 * A region is a range and a reference to a mirror. Everything that costs
 * anything is made by the first fault.
 */
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_verbs.h>

#include "odp.h"

static DEFINE_MUTEX(odp_mirrors_lock);
static LIST_HEAD(odp_mirrors);		/* on-demand ones; odp_mirrors_lock */

static struct odp_mirror *odp_mirror_get(struct ib_device *ibdev,
					 struct mm_struct *mm)
{
	struct odp_mirror *mirror;

	mutex_lock(&odp_mirrors_lock);
	list_for_each_entry(mirror, &odp_mirrors, node)
		if (mirror->ibdev == ibdev && mirror->mm == mm)
			goto found;

	mirror = odp_mirror_create(ibdev, mm);
	if (IS_ERR(mirror))
		goto out;
	list_add(&mirror->node, &odp_mirrors);
found:
	mirror->regions++;
out:
	mutex_unlock(&odp_mirrors_lock);
	return mirror;
}

static void odp_mirror_put(struct odp_mirror *mirror)
{
	bool last;

	mutex_lock(&odp_mirrors_lock);
	last = --mirror->regions == 0;
	if (last)
		list_del(&mirror->node);
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

	umem->address = address;
	umem->length = length;
	umem->writable = ib_access_writable(access);
	return umem;
}

struct ib_umem_odp *umem_odp_get(struct ib_device *ibdev, u64 address,
				 u64 length, int access)
{
	struct ib_umem_odp *umem;

	if (!length || address > TASK_SIZE || length > TASK_SIZE - address)
		return ERR_PTR(-EINVAL);

	umem = odp_region_alloc(address, length, access);
	if (IS_ERR(umem))
		return umem;

	umem->mirror = odp_mirror_get(ibdev, current->mm);
	if (IS_ERR(umem->mirror)) {
		struct odp_mirror *err = umem->mirror;

		kfree(umem);
		return ERR_CAST(err);
	}
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

struct ib_umem_odp *umem_odp_get_pinned(struct ib_device *ibdev, u64 address,
					u64 length, int access)
{
	struct ib_umem_odp *umem;
	int ret;

	umem = odp_region_alloc(address, length, access);
	if (IS_ERR(umem))
		return umem;

	umem->pinned = ib_umem_get_va(ibdev, address, length, access);
	if (IS_ERR(umem->pinned)) {
		ret = PTR_ERR(umem->pinned);
		goto err_free;
	}
	umem->mirror = odp_mirror_create(ibdev, NULL);
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

void umem_odp_put(struct ib_umem_odp *umem)
{
	if (umem->pinned) {
		odp_mirror_destroy(umem->mirror);
		ib_umem_release(umem->pinned);
	} else {
		odp_mirror_put(umem->mirror);
	}
	kfree(umem);
}
EXPORT_SYMBOL_GPL(umem_odp_put);

void umem_odp_mirror_stats(const struct ib_umem_odp *umem,
			   struct umem_odp_mirror_stats *stats)
{
	struct odp_mirror *mirror = umem->mirror;

	stats->windows = atomic_long_read(&mirror->nr_windows);
	stats->leaves = atomic_long_read(&mirror->nr_leaves);
	stats->table_bytes = stats->windows * sizeof(struct odp_window) +
			     atomic_long_read(&mirror->nr_tables) *
				     ODP_LEAF_TABLE_SIZE;
	stats->faults = atomic64_read(&mirror->nr_faults);
	stats->invalidations = atomic64_read(&mirror->nr_invalidations);
}
EXPORT_SYMBOL_GPL(umem_odp_mirror_stats);

MODULE_AUTHOR("the rxe-odp developers");
MODULE_DESCRIPTION("On-demand paging for RDMA drivers");
MODULE_LICENSE("GPL");
