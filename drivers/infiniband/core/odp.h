/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside ib_umem_odp.ko.
 *
 *	umem_odp.c	regions; finding and making the mirror of a (device, mm)
 *	odp_mirror.c	mirrors and their windows; the notifier's callback
 *	odp_leaf.c	2 MiB of translations
 *	odp_access.c	copies and atomics: never sleep
 *	odp_fault.c	making pages present: sleeps
 *
 * Lock order, outermost first:
 *
 *	odp_mirrors_lock (umem_odp.c)
 *	  mirror->fault_locks[]		one of them
 *	    mirror->windows_lock
 *	      mmap_lock, then the mm's own locks
 *	        window->dirty_lock	callbacks; never in a softirq
 *	          leaf->lock		one at a time, bottom halves off
 *	          what folio_mark_dirty() takes
 *
 * The notifier's callback takes the last two only, copies leaf->lock. Windows
 * are found under RCU.
 */
#ifndef ODP_H
#define ODP_H

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <rdma/ib_umem_odp.h>

#define ODP_LEAF_SHIFT		21
#define ODP_LEAF_SIZE		(1UL << ODP_LEAF_SHIFT)
#define ODP_LEAF_ORDER		(ODP_LEAF_SHIFT - PAGE_SHIFT)
#define ODP_LEAF_PAGES		(1UL << ODP_LEAF_ORDER)
#define ODP_LEAF_TABLE_SIZE	(ODP_LEAF_PAGES * sizeof(unsigned long))

#define ODP_WINDOW_SHIFT	30
#define ODP_WINDOW_SIZE		(1UL << ODP_WINDOW_SHIFT)
#define ODP_WINDOW_LEAVES	(1UL << (ODP_WINDOW_SHIFT - ODP_LEAF_SHIFT))

#define ODP_FAULT_LOCKS		64

/*
 * An entry translates a page, or, with ODP_HUGE, a whole leaf:
 * pfn << PAGE_SHIFT | flags. 0 is no translation.
 */
#define ODP_VALID		BIT(0)
#define ODP_WRITE		BIT(1)
#define ODP_DIRTY		BIT(2)
#define ODP_HUGE		BIT(3)

/**
 * struct odp_leaf - the translations of an aligned 2 MiB
 * @lock: held while pages are accessed through the leaf, and while entries
 *	change. Not a reader-writer lock: with bottom halves off readers pass
 *	waiting writers, and could keep the notifier's callback out for ever.
 * @word: 0: none; with ODP_HUGE: the one entry; else the address of a table
 *	of ODP_LEAF_PAGES entries. Under @lock.
 */
struct odp_leaf {
	spinlock_t lock;
	unsigned long word;
};

/**
 * struct odp_window - an aligned 1 GiB of an address space
 * @notifier: not registered in a pinned mirror
 * @mirror: whose window it is
 * @base: first address
 * @dirty_lock: held from taking entries that are dirty until their folios have
 *	heard of it, so that no other callback for them returns before
 * @refs: one for being in mirror->windows, one for each fault under way
 * @rcu: frees it
 * @populated: leaves whose word is not 0; a bit changes under the leaf's lock
 * @leaves: in order of address
 */
struct odp_window {
	struct mmu_interval_notifier notifier;
	struct odp_mirror *mirror;
	unsigned long base;
	spinlock_t dirty_lock;
	refcount_t refs;
	struct rcu_head rcu;
	DECLARE_BITMAP(populated, ODP_WINDOW_LEAVES);
	struct odp_leaf leaves[ODP_WINDOW_LEAVES];
};

/**
 * struct odp_mirror - the translations of an address space for a device
 * @ibdev: the device
 * @mm: the address space, of which a mm_count is held; NULL if pinned
 * @regions: regions that use it; under odp_mirrors_lock
 * @node: in the list of all mirrors; under odp_mirrors_lock
 * @windows: by address >> ODP_WINDOW_SHIFT; changed under @windows_lock, read
 *	under RCU
 * @windows_lock: serialises making and removing windows
 * @fault_locks: serialise faults on a leaf, by hash of its address
 * @reap: removes windows that unmapping has emptied
 * @nr_windows: see struct umem_odp_mirror_stats
 * @nr_leaves: leaves with a word
 * @nr_tables: leaves with a table
 * @nr_faults: see struct umem_odp_mirror_stats
 * @nr_invalidations: see struct umem_odp_mirror_stats
 */
struct odp_mirror {
	struct ib_device *ibdev;
	struct mm_struct *mm;
	unsigned int regions;
	struct list_head node;
	struct xarray windows;
	struct mutex windows_lock;
	struct mutex fault_locks[ODP_FAULT_LOCKS];
	struct work_struct reap;
	atomic_long_t nr_windows;
	atomic_long_t nr_leaves;
	atomic_long_t nr_tables;
	atomic64_t nr_faults;
	atomic64_t nr_invalidations;
};

/* What an invalidation leaves of the entries it covers. */
enum odp_verdict {
	ODP_KEEP_READ,		/* take away writing */
	ODP_DROP,		/* drop the entries, keep the table */
	ODP_FREE,		/* drop the entries and tables that lie inside */
};

/* odp_mirror.c */

struct odp_mirror *odp_mirror_create(struct ib_device *ibdev,
				     struct mm_struct *mm);
void odp_mirror_destroy(struct odp_mirror *mirror);

/* The window that holds @addr, or NULL. Caller: in an RCU read section. */
static inline struct odp_window *odp_window_find(struct odp_mirror *mirror,
						 unsigned long addr)
{
	return xa_load(&mirror->windows, addr >> ODP_WINDOW_SHIFT);
}

struct odp_window *odp_window_get(struct odp_mirror *mirror,
				  unsigned long addr);
void odp_window_put(struct odp_window *window);

/* odp_leaf.c: a leaf is named by its window and index */

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

static inline unsigned long *odp_leaf_table(unsigned long word)
{
	return (unsigned long *)word;
}

/*
 * The place of a page's entry, or NULL where the leaf has none. Caller: holds
 * leaf->lock. For a huge entry the page is @i pages after its pfn.
 */
static inline unsigned long *odp_leaf_entry(struct odp_leaf *leaf,
					    unsigned int i)
{
	if (leaf->word & ODP_HUGE)
		return &leaf->word;
	return leaf->word ? odp_leaf_table(leaf->word) + i : NULL;
}

static inline struct page *odp_entry_page(unsigned long entry, unsigned int i)
{
	struct page *page = pfn_to_page(entry >> PAGE_SHIFT);

	return entry & ODP_HUGE ? page + i : page;
}

unsigned long *odp_table_alloc(void);
void odp_table_free(unsigned long *table);

bool odp_leaf_present(struct odp_window *window, unsigned long addr,
		      unsigned long end, bool write);
void odp_leaf_reshape(struct odp_window *window, unsigned long base,
		      const unsigned long *hmm_pfns);
bool odp_leaf_commit(struct odp_window *window, unsigned long base,
		     const unsigned long *hmm_pfns, unsigned long seq,
		     unsigned long **table);
int odp_leaf_set(struct odp_window *window, unsigned long addr,
		 struct page *page, bool write);
void odp_leaf_invalidate(struct odp_window *window, unsigned long index,
			 unsigned long start, unsigned long end,
			 enum odp_verdict verdict);
void odp_leaf_forget(struct odp_window *window, unsigned long index);

#endif /* ODP_H */
