// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Windows
 *
 * The first fault in a window creates it. A window exists until an unmapping
 * has emptied it, or until its mirror is destroyed. It contains the interval
 * notifier. So an address space without faults has no notifier and pays
 * nothing.
 */

/**
 * DOC: Translation and invalidation
 *
 * A fault that enters a translation may race with an invalidation. No lock
 * covers a whole window; the following protocol orders the two::
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
 * The two barriers pair. Either the fault sees the new sequence, or the
 * callback sees the bit and then finds the entries. So the callback need not
 * visit empty leaves.
 */
#include <linux/slab.h>

#include "odp_lifetime.h"
#include "odp_trace.h"
#include "odp_watch.h"
#include "odp_window.h"

/* A cache, because kmalloc() would round up to almost twice the size. */
static struct kmem_cache *odp_window_cache;

/* --- the notifier's callback ---------------------------------------------- */

static enum odp_verdict odp_event_verdict(enum mmu_notifier_event event)
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

/* Returns the number of pages that lost a translation or the right to write. */
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
 * An invalidation is counted for so many regions at most, those with the lowest
 * addresses. Otherwise a process that truncates a file would wait for all
 * regions that a stranger has registered over the file.
 */
#define ODP_COUNTED_REGIONS	32

static void odp_count_pages_lost(struct umem_odp_counters *counters,
				 unsigned long pages)
{
	atomic64_inc(&counters->invalidations);
	atomic64_add(pages, &counters->pages_invalidated);
}

/*
 * A region that covers only part of the range is charged with as many pages as
 * that part can have lost.
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
 * The interval notifier's callback. It never sleeps, so it also does its work
 * for callers that must not block (the OOM reaper).
 */
static bool odp_notify(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *range,
		       unsigned long cur_seq)
{
	struct odp_window *window =
		container_of(notifier, struct odp_window, notifier);
	enum odp_verdict verdict = odp_event_verdict(range->event);
	unsigned long pages = 0;

	mmu_interval_set_seq(notifier, cur_seq);
	smp_mb(); /* Pairs with smp_mb__after_atomic() in odp_leaf_commit(). */
	if (!bitmap_empty(window->populated, ODP_WINDOW_LEAVES))
		pages = odp_window_invalidate(window, range->start, range->end,
					      verdict);
	if (pages) {
		odp_count_invalidation(window->mirror, range, pages);
		trace_odp_invalidate(window->mirror, range, pages);
	}
	/*
	 * Another callback may have emptied a leaf, so that this one skipped
	 * it. Wait until the other one has marked its folios dirty.
	 */
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

/* --- adding and removing -------------------------------------------------- */

/* For a pinned mirror: ib_umem_release() marks the pages dirty. */
static void odp_window_forget(struct odp_window *window)
{
	unsigned long i;

	for_each_set_bit(i, window->populated, ODP_WINDOW_LEAVES)
		odp_leaf_forget(window, i);
}

/*
 * The cache's constructor. A window is freed with empty, unlocked leaves, so
 * allocation need not initialize its 256 leaves again.
 */
static void odp_window_construct(void *object)
{
	struct odp_window *window = object;
	unsigned long i;

	for (i = 0; i < ODP_WINDOW_LEAVES; i++) {
		rwlock_init(&window->leaves[i].lock);
		window->leaves[i].word = 0;
	}
}

static void odp_window_free(struct rcu_head *rcu)
{
	struct odp_window *window = container_of(rcu, struct odp_window, rcu);

	WARN_ON_ONCE(!bitmap_empty(window->populated, ODP_WINDOW_LEAVES));
	kmem_cache_free(odp_window_cache, window);
}

static int odp_window_publish(struct odp_window *window)
{
	struct odp_mirror *mirror = window->mirror;
	struct odp_window __rcu **slot = odp_window_slot(mirror, window->base);
	int ret = xa_err(xa_store(&mirror->windows,
				  odp_window_index(mirror, window->base),
				  window, GFP_KERNEL_ACCOUNT));

	lockdep_assert_held(&mirror->windows_lock);
	if (!ret && !rcu_access_pointer(*slot))
		rcu_assign_pointer(*slot, window);
	return ret;
}

/**
 * odp_window_remove() - remove a window from its mirror, and free it
 * @window: the window; the caller has the last reference
 *
 * If the shrinker is freeing one of the window's tables, it has stopped using
 * the mirror and the device when this function returns.
 *
 * Context: may sleep; windows_lock held.
 */
void odp_window_remove(struct odp_window *window)
{
	struct odp_mirror *mirror = window->mirror;
	struct odp_window __rcu **slot = odp_window_slot(mirror, window->base);

	lockdep_assert_held(&mirror->windows_lock);
	if (rcu_access_pointer(*slot) == window)
		RCU_INIT_POINTER(*slot, NULL);
	xa_erase(&mirror->windows, odp_window_index(mirror, window->base));
	if (!mirror->pinned) {
		odp_window_invalidate(window, window->base,
				      window->base + ODP_WINDOW_SIZE, ODP_FREE);
		mmu_interval_notifier_remove(&window->notifier);
		/*
		 * A callback or the shrinker may still be marking folios dirty.
		 */
		spin_lock(&window->dirty_lock);
		spin_unlock(&window->dirty_lock);
	} else {
		odp_window_forget(window);
	}
	atomic_long_dec(&mirror->nr_windows);
	atomic_long_sub(sizeof(*window), &mirror->dev->table_bytes);
	call_rcu(&window->rcu, odp_window_free);
}

/**
 * odp_window_alloc() - allocate an empty window
 * @mirror: the mirror that it is for
 * @addr: any address in the window
 * @gfp: how to allocate
 *
 * Context: as @gfp allows.
 * Return: the window, for odp_window_add(); or NULL.
 */
struct odp_window *odp_window_alloc(struct odp_mirror *mirror,
				    unsigned long addr, gfp_t gfp)
{
	struct odp_window *window = kmem_cache_alloc(odp_window_cache, gfp);

	if (!window)
		return NULL;
	memset(window, 0, offsetof(struct odp_window, leaves));
	window->mirror = mirror;
	window->base = ALIGN_DOWN(addr, ODP_WINDOW_SIZE);
	spin_lock_init(&window->dirty_lock);
	spin_lock_init(&window->gate);
	refcount_set(&window->refs, 1);
	return window;
}

/*
 * Registers the notifiers of a window and, if it is the first, of its mirror.
 */
static int odp_window_subscribe(struct odp_window *window)
{
	struct odp_mirror *mirror = window->mirror;
	int ret = odp_watch_start(mirror);

	return ret ?: mmu_interval_notifier_insert(&window->notifier,
						   mirror->mm, window->base,
						   ODP_WINDOW_SIZE,
						   &odp_notifier_ops);
}

/* Makes @window one of the mirror's windows. */
static int odp_window_insert(struct odp_window *window)
{
	struct odp_mirror *mirror = window->mirror;
	int ret;

	lockdep_assert_held(&mirror->windows_lock);
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

/**
 * odp_window_try_get() - get the window of an address if it exists
 * @mirror: the mirror
 * @addr: any address in the window
 *
 * Context: any.
 * Return: a referenced window, for odp_window_put(); or NULL.
 */
struct odp_window *odp_window_try_get(struct odp_mirror *mirror,
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

/**
 * odp_window_add() - add a window to its mirror
 * @fresh: the window, of odp_window_alloc(); freed on failure, and if the
 *	mirror already has a window for @addr
 * @addr: any address in the window
 *
 * Context: may sleep. For an on-demand mirror the caller holds an mm_users and
 * no mmap lock.
 * Return: the mirror's window, referenced, for odp_window_put(); or an ERR_PTR.
 */
struct odp_window *odp_window_add(struct odp_window *fresh,
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
 * odp_window_put() - drop a reference to a window
 * @window: the window; the mirror's own reference keeps it
 *
 * Context: any.
 */
void odp_window_put(struct odp_window *window)
{
	refcount_dec(&window->refs);
}

/**
 * odp_window_drain() - wait for accesses under way in part of a window
 * @window: the window
 * @first: first address; may be before the window
 * @last: last address; may be behind the window
 *
 * Context: any but hard interrupt; an RCU read section keeps the window.
 */
void odp_window_drain(struct odp_window *window, unsigned long first,
		      unsigned long last)
{
	unsigned long i, end;

	first = max(first, window->base);
	last = min(last, window->base + ODP_WINDOW_SIZE - 1);
	i = odp_leaf_index(first);
	end = odp_leaf_index(last) + 1;
	for_each_set_bit_from(i, window->populated, end)
		odp_leaf_write_unlock(odp_leaf_write_lock(window, i));
}

/**
 * odp_window_module_init() - create the cache of windows
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int odp_window_module_init(void)
{
	odp_window_cache = kmem_cache_create("odp_window",
					     sizeof(struct odp_window), 0,
					     SLAB_ACCOUNT,
					     odp_window_construct);
	return odp_window_cache ? 0 : -ENOMEM;
}

/**
 * odp_window_module_exit() - destroy the cache of windows
 *
 * Context: may sleep; no mirror exists.
 */
void odp_window_module_exit(void)
{
	odp_watch_module_exit();
	rcu_barrier();
	kmem_cache_destroy(odp_window_cache);
}
