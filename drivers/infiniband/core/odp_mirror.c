// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Mirrors and windows
 *
 * A window exists from the first fault in it until an unmapping has emptied it
 * or the mirror goes. It carries the interval notifier, so an address space in
 * which nothing of ours was touched has no notifier and pays nothing.
 *
 * How a translation and an invalidation that race are kept apart, without a
 * lock that covers a window:
 *
 *	fault				callback
 *	-----				--------
 *	seq = read_begin()		mmu_interval_set_seq()
 *	hmm_range_fault()		smp_mb()
 *	lock leaf			for each leaf in populated:
 *	set bit in populated			lock leaf
 *	smp_mb()				drop entries
 *	read_retry(seq)? undo, again		unlock leaf
 *	write entries
 *	unlock leaf
 *
 * Either the fault sees the new sequence, or the callback sees the bit and then
 * finds the entries. So the callback need not visit leaves that are empty.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "odp.h"

#define CREATE_TRACE_POINTS
#include "odp_trace.h"

/*
 * Faults of one process that are served at the same time. Each is a thread; most
 * sleep, and one that waits for another process (userfaultfd) does so for long.
 */
#define ODP_FAULT_WORKERS	128

/* kmalloc() would take the next power of two, almost twice as much. */
static struct kmem_cache *odp_window_cache;

static enum odp_verdict odp_verdict(enum mmu_notifier_event event)
{
	switch (event) {
	case MMU_NOTIFY_PROTECTION_PAGE:
	case MMU_NOTIFY_SOFT_DIRTY:
		return ODP_KEEP_READ;
	case MMU_NOTIFY_UNMAP:
	case MMU_NOTIFY_RELEASE:
		return ODP_FREE;
	default:
		return ODP_DROP;
	}
}

/* Returns the number of pages that lost something by it. */
static unsigned long odp_window_invalidate(struct odp_window *window,
					   unsigned long start,
					   unsigned long end,
					   enum odp_verdict verdict)
{
	unsigned long i, last, pages = 0;

	start = max(start, window->base);
	end = min(end, window->base + ODP_WINDOW_SIZE);
	i = odp_leaf_index(start);
	last = odp_leaf_index(end - 1);

	for_each_set_bit_from(i, window->populated, last + 1) {
		unsigned long base = window->base + (i << ODP_LEAF_SHIFT);

		pages += odp_leaf_invalidate(window, i, max(start, base),
					     min(end, base + ODP_LEAF_SIZE),
					     verdict);
	}
	return pages;
}

static void odp_count_pages_lost(struct umem_odp_counters *counters,
				 unsigned long pages)
{
	atomic64_inc(&counters->invalidations);
	atomic64_add(pages, &counters->pages_invalidated);
}

/*
 * A region that covers only a part of the range is charged with as many pages
 * as that part may have lost.
 */
static void odp_count_invalidation(struct odp_mirror *mirror,
				   const struct mmu_notifier_range *range,
				   unsigned long pages)
{
	unsigned long start = range->start, last = range->end - 1;
	struct interval_tree_node *node;

	atomic64_inc(&mirror->nr_invalidations);
	odp_count_pages_lost(&mirror->dev->counters, pages);
	spin_lock(&mirror->regions_lock);
	for (node = interval_tree_iter_first(&mirror->regions, start, last);
	     node; node = interval_tree_iter_next(node, start, last)) {
		struct ib_umem_odp *umem =
			container_of(node, struct ib_umem_odp, node);
		unsigned long from = max(start, node->start) >> PAGE_SHIFT;
		unsigned long to = min(last, node->last) >> PAGE_SHIFT;

		odp_count_pages_lost(&umem->counters,
				     min(pages, to - from + 1));
	}
	spin_unlock(&mirror->regions_lock);
}

/*
 * Never sleeps, so it does its work for callers that may not block, too (the
 * OOM reaper).
 */
static bool odp_notify(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *range,
		       unsigned long cur_seq)
{
	struct odp_window *window =
		container_of(notifier, struct odp_window, notifier);
	enum odp_verdict verdict = odp_verdict(range->event);
	unsigned long pages = 0;

	mmu_interval_set_seq(notifier, cur_seq);
	smp_mb(); /* pairs with the one in odp_leaf_commit() */
	if (!bitmap_empty(window->populated, ODP_WINDOW_LEAVES))
		pages = odp_window_invalidate(window, range->start, range->end,
					      verdict);
	if (pages) {
		odp_count_invalidation(window->mirror, range, pages);
		trace_odp_invalidate(window->mirror, range, pages);
	}
	/* For who has just emptied a leaf that is therefore not looked at. */
	spin_lock(&window->dirty_lock);
	spin_unlock(&window->dirty_lock);

	if (range->event == MMU_NOTIFY_UNMAP &&
	    bitmap_empty(window->populated, ODP_WINDOW_LEAVES))
		schedule_work(&window->mirror->reap);
	return true;
}

static const struct mmu_interval_notifier_ops odp_notifier_ops = {
	.invalidate = odp_notify,
};

/* Pinned pages are marked dirty when they are unpinned. */
static void odp_window_forget(struct odp_window *window)
{
	unsigned long i;

	for_each_set_bit(i, window->populated, ODP_WINDOW_LEAVES)
		odp_leaf_forget(window, i);
}

static void odp_window_free(struct rcu_head *rcu)
{
	kmem_cache_free(odp_window_cache,
			container_of(rcu, struct odp_window, rcu));
}

/* Caller: holds windows_lock. */
static int odp_window_publish(struct odp_window *window)
{
	struct odp_mirror *mirror = window->mirror;
	struct odp_window __rcu **slot = odp_window_slot(mirror, window->base);
	int ret = xa_err(xa_store(&mirror->windows,
				  window->base >> ODP_WINDOW_SHIFT, window,
				  GFP_KERNEL_ACCOUNT));

	if (!ret && !rcu_access_pointer(*slot))
		rcu_assign_pointer(*slot, window);
	return ret;
}

/* Caller: holds windows_lock; has the last reference. */
static void odp_window_remove(struct odp_window *window)
{
	struct odp_mirror *mirror = window->mirror;
	struct odp_window __rcu **slot = odp_window_slot(mirror, window->base);

	if (rcu_access_pointer(*slot) == window)
		RCU_INIT_POINTER(*slot, NULL);
	xa_erase(&mirror->windows, window->base >> ODP_WINDOW_SHIFT);
	if (mirror->mm) {
		odp_window_invalidate(window, window->base,
				      window->base + ODP_WINDOW_SIZE, ODP_FREE);
		mmu_interval_notifier_remove(&window->notifier);
	} else {
		odp_window_forget(window);
	}
	atomic_long_dec(&mirror->nr_windows);
	atomic_long_sub(sizeof(*window), &mirror->dev->table_bytes);
	call_rcu(&window->rcu, odp_window_free);
}

static struct odp_window *odp_window_create(struct odp_mirror *mirror,
					    unsigned long addr)
{
	struct odp_window *window;
	unsigned long i;
	int ret;

	window = kmem_cache_zalloc(odp_window_cache, GFP_KERNEL);
	if (!window)
		return ERR_PTR(-ENOMEM);

	window->mirror = mirror;
	window->base = ALIGN_DOWN(addr, ODP_WINDOW_SIZE);
	spin_lock_init(&window->dirty_lock);
	spin_lock_init(&window->gate);
	refcount_set(&window->refs, 1);
	for (i = 0; i < ODP_WINDOW_LEAVES; i++)
		rwlock_init(&window->leaves[i].lock);

	if (mirror->mm) {
		ret = mmu_interval_notifier_insert(&window->notifier,
						   mirror->mm, window->base,
						   ODP_WINDOW_SIZE,
						   &odp_notifier_ops);
		if (ret)
			goto err_free;
	}
	ret = odp_window_publish(window);
	if (ret)
		goto err_remove;

	atomic_long_inc(&mirror->nr_windows);
	atomic_long_add(sizeof(*window), &mirror->dev->table_bytes);
	return window;

err_remove:
	if (mirror->mm)
		mmu_interval_notifier_remove(&window->notifier);
err_free:
	kmem_cache_free(odp_window_cache, window);
	return ERR_PTR(ret);
}

/**
 * odp_window_get() - the window of an address, made if it is not there
 * @mirror: whose
 * @addr: any address in it
 *
 * Context: may sleep. For an on-demand mirror the caller holds a reference to
 * the mm's users (mmget) and no mmap lock.
 * Return: a referenced window, for odp_window_put(); or an ERR_PTR.
 */
struct odp_window *odp_window_get(struct odp_mirror *mirror,
				  unsigned long addr)
{
	struct odp_window *window;

	rcu_read_lock();
	window = odp_window_find(mirror, addr);
	if (window && !refcount_inc_not_zero(&window->refs))
		window = NULL;
	rcu_read_unlock();
	if (window)
		return window;

	mutex_lock(&mirror->windows_lock);
	window = odp_window_find(mirror, addr);
	if (!window)
		window = odp_window_create(mirror, addr);
	if (!IS_ERR(window))
		refcount_inc(&window->refs);
	mutex_unlock(&mirror->windows_lock);
	return window;
}

/**
 * odp_window_put() - end of a use that odp_window_get() began
 * @window: the window
 *
 * Context: any. The mirror's own reference keeps the window.
 */
void odp_window_put(struct odp_window *window)
{
	refcount_dec(&window->refs);
}

static void odp_mirror_reap(struct work_struct *work)
{
	struct odp_mirror *mirror =
		container_of(work, struct odp_mirror, reap);
	struct odp_window *window;
	unsigned long index;

	mutex_lock(&mirror->windows_lock);
	xa_for_each(&mirror->windows, index, window) {
		if (bitmap_empty(window->populated, ODP_WINDOW_LEAVES) &&
		    refcount_dec_if_one(&window->refs))
			odp_window_remove(window);
	}
	mutex_unlock(&mirror->windows_lock);
}

/**
 * odp_mirror_create() - an empty mirror
 * @dev: the device
 * @mm: the address space; NULL for a mirror of pinned pages
 *
 * Context: may sleep.
 * Return: the mirror, for odp_mirror_destroy(); or an ERR_PTR.
 */
struct odp_mirror *odp_mirror_create(struct umem_odp_device *dev,
				     struct mm_struct *mm)
{
	struct odp_mirror *mirror;

	mirror = kzalloc(sizeof(*mirror), GFP_KERNEL_ACCOUNT);
	if (!mirror)
		return ERR_PTR(-ENOMEM);

	mirror->dev = dev;
	get_device(&dev->ibdev->dev);
	mirror->mm = mm;
	mirror->owner = task_tgid_nr(current);
	if (mm) {
		mirror->fault_wq = alloc_workqueue("odp_fault/%d", WQ_UNBOUND,
						   ODP_FAULT_WORKERS,
						   mirror->owner);
		if (!mirror->fault_wq) {
			put_device(&dev->ibdev->dev);
			kfree(mirror);
			return ERR_PTR(-ENOMEM);
		}
		mmgrab(mm);
	}
	xa_init_flags(&mirror->windows, XA_FLAGS_ACCOUNT);
	mutex_init(&mirror->windows_lock);
	mirror->regions = RB_ROOT_CACHED;
	spin_lock_init(&mirror->regions_lock);
	INIT_LIST_HEAD(&mirror->faults);
	spin_lock_init(&mirror->faults_lock);
	init_waitqueue_head(&mirror->fault_wait);
	INIT_WORK(&mirror->reap, odp_mirror_reap);
	odp_prefetch_init(mirror);
	return mirror;
}

/**
 * odp_mirror_destroy() - give everything back
 * @mirror: no region uses it any more
 *
 * Context: may sleep; no mmap lock held.
 */
void odp_mirror_destroy(struct odp_mirror *mirror)
{
	struct odp_window *window;
	unsigned long index;

	mutex_lock(&mirror->windows_lock);
	xa_for_each(&mirror->windows, index, window)
		odp_window_remove(window);
	mutex_unlock(&mirror->windows_lock);
	cancel_work_sync(&mirror->reap);
	cancel_work_sync(&mirror->prefetch_work);

	xa_destroy(&mirror->windows);
	if (mirror->mm) {
		destroy_workqueue(mirror->fault_wq);
		mmdrop(mirror->mm);
	}
	put_device(&mirror->dev->ibdev->dev);
	kfree(mirror);
}

int odp_mirror_module_init(void)
{
	odp_window_cache = KMEM_CACHE(odp_window, SLAB_ACCOUNT);
	return odp_window_cache ? 0 : -ENOMEM;
}

/* Context: may sleep; there are no mirrors any more. */
void odp_mirror_module_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(odp_window_cache);
}
