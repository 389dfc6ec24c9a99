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

DEFINE_MUTEX(odp_mirrors_lock);
LIST_HEAD(odp_mirrors);			/* odp_mirrors_lock */
static struct workqueue_struct *odp_wq;	/* for what has no mirror's own */

static struct odp_mirror *odp_mirror_get(struct umem_odp_device *dev,
					 struct mm_struct *mm)
{
	struct odp_mirror *mirror;

	mutex_lock(&odp_mirrors_lock);
	list_for_each_entry(mirror, &odp_mirrors, node)
		if (mirror->dev == dev && mirror->mm == mm)
			goto found;

	mirror = odp_mirror_create(dev, mm);
	if (IS_ERR(mirror))
		goto out;
	list_add(&mirror->node, &odp_mirrors);
found:
	mirror->nr_regions++;
out:
	mutex_unlock(&odp_mirrors_lock);
	return mirror;
}

static void odp_mirror_put(struct odp_mirror *mirror)
{
	bool last;

	mutex_lock(&odp_mirrors_lock);
	last = --mirror->nr_regions == 0;
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

void umem_odp_put(struct ib_umem_odp *umem)
{
	if (umem->pinned) {
		odp_mirror_destroy(umem->mirror);
		ib_umem_release(umem->pinned);
	} else {
		odp_prefetch_cancel(umem);
		odp_region_leave(umem);
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
	stats->table_bytes = odp_mirror_table_bytes(mirror);
	stats->faults = atomic64_read(&mirror->nr_faults);
	stats->invalidations = atomic64_read(&mirror->nr_invalidations);
}
EXPORT_SYMBOL_GPL(umem_odp_mirror_stats);

bool umem_odp_queue_work(struct ib_umem_odp *umem, struct work_struct *work)
{
	return queue_work(umem->mirror->fault_wq ?: odp_wq, work);
}
EXPORT_SYMBOL_GPL(umem_odp_queue_work);

static int __init odp_module_init(void)
{
	int ret;

	odp_wq = alloc_workqueue("odp", WQ_UNBOUND, 0);
	if (!odp_wq)
		return -ENOMEM;
	ret = odp_mirror_module_init();
	if (ret)
		goto err_wq;
	ret = odp_prefetch_module_init();
	if (ret)
		goto err_mirror;
	ret = odp_shrink_module_init();
	if (ret)
		goto err_prefetch;
	odp_debugfs_module_init();
	return 0;

err_prefetch:
	odp_prefetch_module_exit();
err_mirror:
	odp_mirror_module_exit();
err_wq:
	destroy_workqueue(odp_wq);
	return ret;
}

static void __exit odp_module_exit(void)
{
	odp_debugfs_module_exit();
	odp_shrink_module_exit();
	odp_prefetch_module_exit();
	odp_mirror_module_exit();
	destroy_workqueue(odp_wq);
}

module_init(odp_module_init);
module_exit(odp_module_exit);

MODULE_AUTHOR("the rxe-odp developers");
MODULE_DESCRIPTION("On-demand paging for RDMA drivers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
