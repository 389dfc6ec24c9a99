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

/* kmalloc() would take the next power of two, almost twice as much. */
static struct kmem_cache *odp_window_cache;
static struct workqueue_struct *odp_tidy_wq;

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

/*
 * So many regions hear of an invalidation, those with the lowest addresses: whoever
 * takes a page away, of a file that a stranger has mapped and registered, too, does
 * not wait for as many as there are.
 */
#define ODP_COUNTED_REGIONS	32

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
	unsigned int left = ODP_COUNTED_REGIONS;
	struct interval_tree_node *node;

	atomic64_inc(&mirror->nr_invalidations);
	odp_count_pages_lost(&mirror->dev->counters, pages);
	spin_lock(&mirror->regions_lock);
	for (node = interval_tree_iter_first(&mirror->regions, start, last);
	     node && left--;
	     node = interval_tree_iter_next(node, start, last)) {
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
		odp_mirror_tidy_later(window->mirror);
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
				  odp_window_index(mirror, window->base),
				  window, GFP_KERNEL_ACCOUNT));

	if (!ret && !rcu_access_pointer(*slot))
		rcu_assign_pointer(*slot, window);
	return ret;
}

/*
 * Caller: holds windows_lock; has the last reference. Who is freeing one of its
 * tables (the shrinker) is through with the mirror and the device when it returns.
 */
static void odp_window_remove(struct odp_window *window)
{
	struct odp_mirror *mirror = window->mirror;
	struct odp_window __rcu **slot = odp_window_slot(mirror, window->base);

	if (rcu_access_pointer(*slot) == window)
		RCU_INIT_POINTER(*slot, NULL);
	xa_erase(&mirror->windows, odp_window_index(mirror, window->base));
	if (!mirror->pinned) {
		odp_window_invalidate(window, window->base,
				      window->base + ODP_WINDOW_SIZE, ODP_FREE);
		mmu_interval_notifier_remove(&window->notifier);
		spin_lock(&window->dirty_lock);
		spin_unlock(&window->dirty_lock);
	} else {
		odp_window_forget(window);
	}
	atomic_long_dec(&mirror->nr_windows);
	atomic_long_sub(sizeof(*window), &mirror->dev->table_bytes);
	call_rcu(&window->rcu, odp_window_free);
}

/* An empty window, which nothing knows of. */
static struct odp_window *odp_window_alloc(struct odp_mirror *mirror,
					   unsigned long addr, gfp_t gfp)
{
	struct odp_window *window = kmem_cache_zalloc(odp_window_cache, gfp);
	unsigned long i;

	if (!window)
		return NULL;
	window->mirror = mirror;
	window->base = ALIGN_DOWN(addr, ODP_WINDOW_SIZE);
	spin_lock_init(&window->dirty_lock);
	spin_lock_init(&window->gate);
	refcount_set(&window->refs, 1);
	for (i = 0; i < ODP_WINDOW_LEAVES; i++)
		rwlock_init(&window->leaves[i].lock);
	return window;
}

/* Caller: holds windows_lock. */
static int odp_window_subscribe(struct odp_window *window)
{
	struct odp_mirror *mirror = window->mirror;
	int ret = odp_watch_start(mirror);

	return ret ?: mmu_interval_notifier_insert(&window->notifier,
						   mirror->mm, window->base,
						   ODP_WINDOW_SIZE,
						   &odp_notifier_ops);
}

/* Makes @window one of the mirror's. Caller: holds windows_lock. */
static int odp_window_insert(struct odp_window *window)
{
	struct odp_mirror *mirror = window->mirror;
	int ret;

	if (!mirror->pinned) {
		ret = odp_window_subscribe(window);
		if (ret)
			return ret;
	}
	ret = odp_window_publish(window);
	if (ret) {
		if (!mirror->pinned)
			mmu_interval_notifier_remove(&window->notifier);
		return ret;
	}
	atomic_long_inc(&mirror->nr_windows);
	atomic_long_add(sizeof(*window), &mirror->dev->table_bytes);
	return 0;
}

/* The window that holds @addr, with a reference, if there is one. */
static struct odp_window *odp_window_try(struct odp_mirror *mirror,
					 unsigned long addr)
{
	struct odp_window *window;

	rcu_read_lock();
	window = odp_window_find(mirror, addr);
	if (window && !refcount_inc_not_zero(&window->refs))
		window = NULL;
	rcu_read_unlock();
	return window;
}

/* As odp_mirror_table(): nobody is killed for what the mirror can give back. */
static struct odp_window *odp_window_memory(struct odp_mirror *mirror,
					    unsigned long addr)
{
	struct odp_window *window;

	if (!mirror->pinned) {
		window = odp_window_alloc(mirror, addr, GFP_KERNEL |
					  __GFP_NORETRY | __GFP_NOWARN);
		if (window)
			return window;
		odp_mirror_reclaim(mirror);
	}
	return odp_window_alloc(mirror, addr, GFP_KERNEL);
}

/* Takes @fresh as the window of @addr, or frees it where another one is there. */
static struct odp_window *odp_window_settle(struct odp_window *fresh,
					    unsigned long addr)
{
	struct odp_mirror *mirror = fresh->mirror;
	struct odp_window *window;
	int ret = 0;

	mutex_lock(&mirror->windows_lock);
	window = odp_window_find(mirror, addr);
	if (!window) {
		ret = odp_window_insert(fresh);
		window = fresh;
	}
	if (!ret)
		refcount_inc(&window->refs);
	mutex_unlock(&mirror->windows_lock);
	if (ret || window != fresh)
		kmem_cache_free(odp_window_cache, fresh);
	return ret ? ERR_PTR(ret) : window;
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
	struct odp_window *window = odp_window_try(mirror, addr);

	if (window)
		return window;
	window = odp_window_memory(mirror, addr);
	return window ? odp_window_settle(window, addr) : ERR_PTR(-ENOMEM);
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

/* --- mirrors -------------------------------------------------------------- */

/**
 * odp_mirror_mmget() - the address space, for a fault
 * @mirror: the mirror
 *
 * Context: any but hard interrupt.
 * Return: the mm with a mm_users held, for mmput(); NULL where it has been torn down.
 */
struct mm_struct *odp_mirror_mmget(struct odp_mirror *mirror)
{
	struct mm_struct *mm;

	spin_lock(&mirror->mm_lock);
	mm = mirror->mm;
	if (mm && !mmget_not_zero(mm))
		mm = NULL;
	spin_unlock(&mirror->mm_lock);
	return mm;
}

static bool odp_mirror_is_dead(struct odp_mirror *mirror)
{
	bool dead;

	spin_lock(&mirror->mm_lock);
	dead = !mirror->mm || !atomic_read(&mirror->mm->mm_users);
	spin_unlock(&mirror->mm_lock);
	return dead;
}

static void odp_mirror_drop_mm(struct odp_mirror *mirror)
{
	struct mm_struct *mm;

	spin_lock(&mirror->mm_lock);
	mm = mirror->mm;
	mirror->mm = NULL;
	spin_unlock(&mirror->mm_lock);
	if (mm)
		mmdrop(mm);
}

/*
 * Gives back all but the mirror's own few hundred bytes. More than one may do so; no
 * fault is under way or can begin.
 */
static void odp_mirror_empty(struct odp_mirror *mirror)
{
	struct odp_window *window;
	unsigned long index;

	mutex_lock(&mirror->windows_lock);
	xa_for_each(&mirror->windows, index, window) {
		odp_window_remove(window);
		cond_resched();
	}
	odp_watch_stop(mirror);
	mutex_unlock(&mirror->windows_lock);
	odp_mirror_drop_mm(mirror);
}

static void odp_mirror_reap(struct odp_mirror *mirror)
{
	struct odp_window *window;
	unsigned long index;

	mutex_lock(&mirror->windows_lock);
	xa_for_each(&mirror->windows, index, window) {
		if (bitmap_empty(window->populated, ODP_WINDOW_LEAVES) &&
		    refcount_dec_if_one(&window->refs))
			odp_window_remove(window);
		cond_resched();
	}
	mutex_unlock(&mirror->windows_lock);
}

/* Passes through the leaves of a window in [@first, @last]. */
static void odp_window_pass(struct odp_window *window, unsigned long first,
			    unsigned long last)
{
	unsigned long i, end;

	first = max(first, window->base);
	last = min(last, window->base + ODP_WINDOW_SIZE - 1);
	i = odp_leaf_index(first);
	end = odp_leaf_index(last) + 1;
	for_each_set_bit_from(i, window->populated, end)
		odp_leaf_unlock(odp_leaf_lock(window, i));
}

/**
 * odp_mirror_pass() - wait for accesses that are under way
 * @mirror: the mirror
 * @first: first address
 * @last: last address
 *
 * Who enters a leaf of the range later sees what the caller has written before. A
 * leaf that is not populated when it is looked at is no exception: it has no entry
 * until odp_leaf_commit() has set its bit.
 *
 * Context: may sleep; no lock held.
 */
void odp_mirror_pass(struct odp_mirror *mirror, unsigned long first,
		     unsigned long last)
{
	unsigned long index = odp_window_index(mirror, first);
	struct odp_window *window;

	smp_mb(); /* pairs with the one in odp_leaf_commit() */
	rcu_read_lock();
	xa_for_each_range(&mirror->windows, index, window, index,
			  odp_window_index(mirror, last)) {
		odp_window_pass(window, first, last);
		rcu_read_unlock();
		cond_resched();
		rcu_read_lock();
	}
	rcu_read_unlock();
}

/**
 * odp_mirror_tidy() - remove what a mirror needs no more
 * @mirror: the mirror
 *
 * That is windows without an entry; all of them, and whatever else is large, if the
 * address space is gone.
 *
 * Context: may sleep; no lock held.
 */
void odp_mirror_tidy(struct odp_mirror *mirror)
{
	if (odp_mirror_is_dead(mirror)) {
		odp_mirror_forget(mirror);
		odp_mirror_empty(mirror);
	} else {
		odp_mirror_reap(mirror);
	}
}

static void odp_mirror_tidy_work(struct work_struct *work)
{
	struct odp_mirror *mirror =
		container_of(work, struct odp_mirror, tidy);

	odp_mirror_tidy(mirror);
	odp_mirror_put_ref(mirror);
}

/**
 * odp_mirror_tidy_later() - the same, in a worker
 * @mirror: the mirror; its memory stays meanwhile (RCU), it may be gone
 *
 * Context: any but hard interrupt.
 */
void odp_mirror_tidy_later(struct odp_mirror *mirror)
{
	if (refcount_inc_not_zero(&mirror->refs) &&
	    !queue_work(odp_tidy_wq, &mirror->tidy))
		odp_mirror_put_ref(mirror);
}

/**
 * odp_mirror_put_ref() - a user of the mirror's memory has gone
 * @mirror: the mirror
 *
 * Context: any.
 */
void odp_mirror_put_ref(struct odp_mirror *mirror)
{
	if (refcount_dec_and_test(&mirror->refs))
		kfree_rcu(mirror, rcu);
}

static int odp_mirror_attach(struct odp_mirror *mirror, struct mm_struct *mm)
{
	int ret = odp_workers_get(mirror);

	if (ret)
		return ret;
	mmgrab(mm);
	mirror->mm = mm;
	return 0;
}

static void odp_mirror_init(struct odp_mirror *mirror)
{
	refcount_set(&mirror->refs, 1);
	INIT_LIST_HEAD(&mirror->node);
	spin_lock_init(&mirror->mm_lock);
	xa_init_flags(&mirror->windows, XA_FLAGS_ACCOUNT);
	mutex_init(&mirror->windows_lock);
	mirror->regions = RB_ROOT_CACHED;
	spin_lock_init(&mirror->regions_lock);
	odp_fault_init(mirror);
	INIT_WORK(&mirror->tidy, odp_mirror_tidy_work);
}

/**
 * odp_mirror_create() - an empty mirror
 * @dev: the device
 * @mm: the address space; NULL for a mirror of pinned pages
 * @origin: address of the first window that a pinned region is in; else 0
 *
 * Context: may sleep.
 * Return: the mirror, for odp_mirror_destroy(); or an ERR_PTR.
 */
struct odp_mirror *odp_mirror_create(struct umem_odp_device *dev,
				     struct mm_struct *mm, unsigned long origin)
{
	struct odp_mirror *mirror;

	mirror = kzalloc(sizeof(*mirror), GFP_KERNEL_ACCOUNT);
	if (!mirror)
		return ERR_PTR(-ENOMEM);

	odp_mirror_init(mirror);
	mirror->key.dev = dev;
	mirror->key.mm = mm;
	mirror->dev = dev;
	mirror->pinned = !mm;
	mirror->origin = origin;
	mirror->owner = task_tgid_nr(current);
	if (mm && odp_mirror_attach(mirror, mm)) {
		kfree(mirror);
		return ERR_PTR(-ENOMEM);
	}
	get_device(&dev->ibdev->dev);
	return mirror;
}

/**
 * odp_mirror_destroy() - give everything back
 * @mirror: no region uses it any more; it has been forgotten
 *
 * Context: may sleep; no mmap lock held.
 */
void odp_mirror_destroy(struct odp_mirror *mirror)
{
	/* Guesses would make windows anew. */
	if (!mirror->pinned)
		cancel_work_sync(&mirror->ahead_work);
	odp_mirror_empty(mirror);
	xa_destroy(&mirror->windows);
	if (!mirror->pinned)
		odp_workers_put(mirror);
	put_device(&mirror->dev->ibdev->dev);
	odp_mirror_put_ref(mirror);
}

int odp_mirror_module_init(void)
{
	odp_tidy_wq = alloc_workqueue("odp_tidy", WQ_UNBOUND, 0);
	if (!odp_tidy_wq)
		return -ENOMEM;
	odp_window_cache = KMEM_CACHE(odp_window, SLAB_ACCOUNT);
	if (!odp_window_cache) {
		destroy_workqueue(odp_tidy_wq);
		return -ENOMEM;
	}
	return 0;
}

/* Context: may sleep; there are no mirrors any more. */
void odp_mirror_module_exit(void)
{
	destroy_workqueue(odp_tidy_wq);
	odp_watch_module_exit();
	rcu_barrier();
	kmem_cache_destroy(odp_window_cache);
}
