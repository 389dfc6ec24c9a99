// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Watching the address space
 *
 * The windows' notifiers say what becomes untrue. One more notifier a mirror, which
 * the first window brings, says when the address space ends: everything but the
 * regions goes then, whoever still keeps them. And by it the mm asks, when reclaim
 * looks for pages that nobody uses, whether a page was accessed: what RDMA uses is in
 * use. An access notes that in the page's entry, where it looks anyway, and once
 * until the mm has asked.
 */
#include "odp.h"

static struct odp_mirror *odp_watch_mirror(struct mmu_notifier *watch)
{
	return container_of(watch, struct odp_mirror, watch);
}

/* The windows have heard of it before, and have no entries any more. */
static void odp_watch_release(struct mmu_notifier *watch,
			      struct mm_struct *mm)
{
	odp_mirror_tidy_later(odp_watch_mirror(watch));
}

/* Under the page table's lock: a page, or as many as one entry of the CPU is for. */
static bool odp_watch_young(struct mmu_notifier *watch, unsigned long start,
			    unsigned long end, bool clear)
{
	struct odp_mirror *mirror = odp_watch_mirror(watch);
	unsigned long addr, next;
	bool young = false;

	rcu_read_lock();
	for (addr = start; addr < end; addr = next) {
		struct odp_window *window = odp_window_find(mirror, addr);

		next = min(end, odp_leaf_end(addr));
		if (window && test_bit(odp_leaf_index(addr), window->populated))
			young |= odp_leaf_young(window, addr, next, clear);
	}
	rcu_read_unlock();
	return young;
}

static compat_young odp_watch_clear_young(struct mmu_notifier *watch,
					  struct mm_struct *mm,
					  unsigned long start,
					  unsigned long end)
{
	return odp_watch_young(watch, start, end, true);
}

static compat_young odp_watch_test_young(struct mmu_notifier *watch,
					 struct mm_struct *mm,
					 unsigned long addr)
{
	return odp_watch_young(watch, addr, addr + 1, false);
}

/* A grace period after odp_watch_stop(). */
static void odp_watch_free(struct mmu_notifier *watch)
{
	odp_mirror_put_ref(odp_watch_mirror(watch));
}

static const struct mmu_notifier_ops odp_watch_ops = {
	.release = odp_watch_release,
	.clear_flush_young = odp_watch_clear_young,
	.clear_young = odp_watch_clear_young,
	.test_young = odp_watch_test_young,
	.free_notifier = odp_watch_free,
};

/**
 * odp_watch_start() - hear of the address space from now on
 * @mirror: the mirror, on-demand
 *
 * Context: may sleep; windows_lock held; a mm_users held and no mmap lock.
 * Return: 0 or -errno.
 */
int odp_watch_start(struct odp_mirror *mirror)
{
	int ret;

	lockdep_assert_held(&mirror->windows_lock);
	if (mirror->watching)
		return 0;
	mirror->watch.ops = &odp_watch_ops;
	ret = mmu_notifier_register(&mirror->watch, mirror->mm);
	if (ret)
		return ret;
	refcount_inc(&mirror->refs);
	mirror->watching = true;
	return 0;
}

/**
 * odp_watch_stop() - hear no more of it
 * @mirror: the mirror
 *
 * Does not wait for anybody.
 *
 * Context: may sleep; windows_lock held.
 */
void odp_watch_stop(struct odp_mirror *mirror)
{
	lockdep_assert_held(&mirror->windows_lock);
	if (mirror->watching)
		mmu_notifier_put(&mirror->watch);
	mirror->watching = false;
}

/* Context: may sleep; there are no mirrors any more. */
void odp_watch_module_exit(void)
{
	mmu_notifier_synchronize();
}
