/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_H
#define ODP_H

/**
 * DOC: Files of ib_umem_odp.ko
 *
 * A file calls only files above it in this list, so there is no circle.
 * Each file that others call has a header of its name; odp_fault.h serves
 * odp_join.c, odp_span.c and odp_fault.c. Calls in the other direction go
 * through pointers: odp_user.c calls the function that odp_worker.c gave it,
 * and works and notifiers call what was registered for them.
 *
 * ================= =======================================================
 * odp_trace.c       the tracepoints
 * odp_lend.c        a worker borrows the limits of the process it serves
 * odp_fault_in.c    asks the mm to make pages present
 * odp_leaf.c        leaves: the translations of 2 MiB
 * odp_lifetime.c    references to a mirror's memory and to its mm
 * odp_watch.c       the end of an address space; which pages were accessed
 * odp_window.c      windows of 512 MiB, and the interval notifier's callback
 * odp_mirror.c      mirrors, and the list of them
 * odp_user.c        a user's workers: which request is served next
 * odp_shrink.c      frees tables that were not used lately
 * odp_alloc.c       allocates tables and windows within the limits
 * odp_ahead.c       guesses which pages a stream of faults needs next
 * odp_join.c        faults on the same pages wait for each other
 * odp_span.c        the part of a fault that lies in one leaf
 * odp_fault.c       umem_odp_fault()
 * odp_guess.c       faults in the guessed pages
 * odp_region.c      regions
 * odp_access.c      copies and atomics, which never sleep
 * odp_worker.c      requests: faults that a worker makes
 * odp_prefetch.c    prefetches
 * odp_debugfs.c     the list of mirrors in debugfs
 * umem_odp.c        deregistration; the module
 * ================= =======================================================
 */

/**
 * DOC: Lock order of ib_umem_odp.ko
 *
 * Outermost first. A lock may be taken while the locks to its left are held::
 *
 *	odp_mirrors_lock
 *	  mirror->windows_lock
 *	    mmap_lock, then the mm's own locks
 *	      window->dirty_lock	taken by callbacks, never in softirq
 *	        window->gate		bottom halves off
 *	          leaf->lock		bottom halves off
 *	            odp_tables' locks	bottom halves off
 *	        the locks that folio_mark_dirty() takes
 *	      mirror->regions_lock	taken by callbacks, never in softirq
 *	odp_users_lock
 *	mirror->faults_lock, mirror->mm_lock, dev->waiters_lock
 *					innermost
 *	user->lock			bottom halves off; inside drivers' locks
 *
 * One leaf->lock is held at a time, with one exception. A copy between two
 * leaves passes both gates first, and then takes the two locks in the order of
 * their addresses.
 *
 * The notifier's callback takes dirty_lock, gate, leaf->lock and regions_lock.
 * Copies take gate and leaf->lock. Windows are looked up under RCU.
 */

#include <linux/mm.h>

#ifndef CONFIG_64BIT
#error "On-demand paging needs a 64-bit kernel: entries and ranges are longs."
#endif

/*
 * A table fills one page, whatever the page size. So a leaf covers what one
 * table of PTEs covers: 2 MiB with pages of 4 KiB, 512 MiB with
 * pages of 64 KiB.
 */
#define ODP_LEAF_ORDER		(PAGE_SHIFT - 3)
#define ODP_LEAF_SHIFT		(PAGE_SHIFT + ODP_LEAF_ORDER)
#define ODP_LEAF_SIZE		(1UL << ODP_LEAF_SHIFT)
#define ODP_LEAF_PAGES		(1UL << ODP_LEAF_ORDER)
#define ODP_LEAF_TABLE_SIZE	(ODP_LEAF_PAGES * sizeof(unsigned long))

#define ODP_WINDOW_SHIFT	(ODP_LEAF_SHIFT + 8)
#define ODP_WINDOW_SIZE		(1UL << ODP_WINDOW_SHIFT)
#define ODP_WINDOW_LEAVES	(1UL << (ODP_WINDOW_SHIFT - ODP_LEAF_SHIFT))

static inline unsigned long odp_leaf_index(unsigned long addr)
{
	return (addr >> ODP_LEAF_SHIFT) & (ODP_WINDOW_LEAVES - 1);
}

static inline unsigned long odp_leaf_end(unsigned long addr)
{
	return (addr | (ODP_LEAF_SIZE - 1)) + 1;
}

static inline unsigned int odp_page_index(unsigned long addr)
{
	return (addr >> PAGE_SHIFT) & (ODP_LEAF_PAGES - 1);
}

#endif /* ODP_H */
