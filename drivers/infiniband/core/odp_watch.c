// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Watching the address space
 *
 * The interval notifiers of the windows report what becomes untrue. Each mirror
 * has one more notifier, an mmu_notifier, which its first window registers. It
 * has two tasks:
 *
 * - It reports the end of the address space. A worker then frees everything but
 *   the regions, even if another process keeps the regions.
 * - Reclaim asks it whether a page was accessed. So a page that RDMA uses is in
 *   use. An access notes itself in the page's entry, which it reads anyway, and
 *   only once until the mm has asked.
 */
#include "odp_lifetime.h"
#include "odp_watch.h"
#include "odp_window.h"

static struct odp_mirror *odp_watch_mirror(struct mmu_notifier *watch)
{
	return container_of(watch, struct odp_mirror, watch);
}

/* The windows' notifiers were called before: no entries are left. */
static void odp_watch_release(struct mmu_notifier *watch,
			      struct mm_struct *mm)
{
	odp_mirror_tidy_later(odp_watch_mirror(watch));
}

/*
 * Called with the page table's lock held, for one page or for as many pages as
 * one entry of the CPU's page table maps.
 */
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

/* Called after the grace period that follows odp_watch_stop(). */
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
 * odp_watch_start() - register the mirror's mmu_notifier
 * @mirror: the mirror, on-demand; nothing happens if it is registered already
 *
 * Context: may sleep; windows_lock held; an mm_users held and no mmap lock.
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
 * odp_watch_stop() - unregister the mirror's mmu_notifier
 * @mirror: the mirror
 *
 * Does not wait for callbacks under way.
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

/**
 * odp_watch_module_exit() - wait until all notifiers have been freed
 *
 * Context: may sleep; no mirror exists.
 */
void odp_watch_module_exit(void)
{
	mmu_notifier_synchronize();
}
