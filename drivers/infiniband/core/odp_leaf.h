/* SPDX-License-Identifier: GPL-2.0 */
/* Leaves, their entries and their tables; the window that holds leaves. */
#ifndef ODP_LEAF_H
#define ODP_LEAF_H

#include <linux/bitmap.h>
#include <linux/list_lru.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>

#include "odp.h"

/*
 * An entry translates one page, or a whole leaf if ODP_HUGE is set:
 * pfn << PAGE_SHIFT | flags. 0 means: no translation.
 */
#define ODP_VALID_BIT		0
#define ODP_VALID		BIT(ODP_VALID_BIT)
#define ODP_WRITE		BIT(1)
#define ODP_DIRTY_BIT		2
#define ODP_DIRTY		BIT(ODP_DIRTY_BIT)
#define ODP_HUGE		BIT(3)
/*
 * In an entry: the page was accessed since the mm or the search for idle tables
 * last asked. In the word of a leaf with a table: a page of the leaf was
 * accessed since the last such search. The word has the bit whenever one of its
 * entries has it.
 */
#define ODP_USED_BIT		4
#define ODP_USED		BIT(ODP_USED_BIT)
/*
 * In an entry: the search for idle tables found ODP_USED and cleared it, and
 * the mm has not asked since.
 */
#define ODP_YOUNG_BIT		5
#define ODP_YOUNG		BIT(ODP_YOUNG_BIT)
/* The flags that an entry keeps when its page is entered again. */
#define ODP_NOTES		(ODP_DIRTY | ODP_USED | ODP_YOUNG)

/**
 * struct odp_table - describes a leaf's table, which is a page of entries
 * @lru: node in odp_tables, by memory cgroup, while the table belongs to a leaf
 *	of an on-demand mirror
 * @window: the leaf's window
 * @index: the leaf's index in the window
 *
 * This is a separate object, charged like the table; page_private() of the
 * table's page points to it. Protected by the leaf's lock; constant while the
 * table is in odp_tables.
 */
struct odp_table {
	struct list_head lru;
	struct odp_window *window;
	unsigned long index;
};

/* Kernel memory of a table, bytes. */
#define ODP_TABLE_BYTES		(ODP_LEAF_TABLE_SIZE + sizeof(struct odp_table))

/**
 * struct odp_leaf - the translations of an aligned range of ODP_LEAF_SIZE bytes
 * @lock: held for reading while pages are accessed through the leaf, and for
 *	writing while entries change; see odp_leaf_read_lock() and
 *	odp_leaf_write_lock()
 * @word: 0: no translations; with ODP_HUGE: the leaf's only entry; otherwise
 *	the address of a table of ODP_LEAF_PAGES entries. Protected by @lock. A
 *	holder of @lock for reading may atomically set ODP_USED in the word, set
 *	or clear ODP_NOTES in an entry, and clear ODP_VALID in an entry.
 */
struct odp_leaf {
	rwlock_t lock;
	unsigned long word;
};

/**
 * struct odp_window - an aligned range of ODP_WINDOW_SIZE bytes of an mm
 * @notifier: the interval notifier; not registered in a pinned mirror
 * @mirror: the mirror that the window belongs to
 * @base: first address
 * @dirty_lock: held from the removal of dirty entries until their folios have
 *	been marked dirty, so that no other callback for these pages returns
 *	earlier
 * @gate: held by a writer that waits for a leaf's lock
 * @refs: one for mirror->windows, one for each fault under way
 * @rcu: frees the window
 * @populated: leaves whose word is not 0; a bit changes under the leaf's lock
 * @leaves: in order of address
 */
struct odp_window {
	struct mmu_interval_notifier notifier;
	struct odp_mirror *mirror;
	unsigned long base;
	spinlock_t dirty_lock;
	spinlock_t gate;
	refcount_t refs;
	struct rcu_head rcu;
	DECLARE_BITMAP(populated, ODP_WINDOW_LEAVES);
	struct odp_leaf leaves[ODP_WINDOW_LEAVES];
};

/**
 * enum odp_verdict - what an invalidation leaves of the entries in its range
 * @ODP_KEEP_READ: remove the right to write
 * @ODP_DROP: remove the entries, keep the table
 * @ODP_FREE: remove the entries, and free the table if that empties it
 */
enum odp_verdict {
	ODP_KEEP_READ,
	ODP_DROP,
	ODP_FREE,
};

/* struct odp_table of on-demand mirrors; odp_shrink.c makes the list. */
extern struct list_lru odp_tables;

/*
 * With bottom halves off, readers of an rwlock_t overtake waiting writers. A
 * few busy CPUs could then keep the notifier's callback out for ever. So a new
 * reader waits at the gate until no writer waits. Caller: holds no leaf's lock.
 */
static inline void odp_gate_pass(struct odp_window *window)
{
	if (unlikely(spin_is_locked(&window->gate))) {
		spin_lock(&window->gate);
		spin_unlock(&window->gate);
	}
}

/* Locks a leaf for accesses, until odp_leaf_read_unlock(). */
static inline struct odp_leaf *odp_leaf_read_lock(struct odp_window *window,
						  unsigned long index)
{
	struct odp_leaf *leaf = &window->leaves[index];

	local_bh_disable();
	odp_gate_pass(window);
	read_lock(&leaf->lock);
	return leaf;
}

static inline void odp_leaf_read_unlock(struct odp_leaf *leaf)
{
	read_unlock_bh(&leaf->lock);
}

/* Locks a leaf and excludes accesses, until odp_leaf_write_unlock(). */
static inline struct odp_leaf *odp_leaf_write_lock(struct odp_window *window,
						   unsigned long index)
{
	struct odp_leaf *leaf = &window->leaves[index];

	spin_lock_bh(&window->gate);
	write_lock(&leaf->lock);
	spin_unlock(&window->gate);
	return leaf;
}

static inline void odp_leaf_write_unlock(struct odp_leaf *leaf)
{
	write_unlock_bh(&leaf->lock);
}

static inline unsigned long *odp_leaf_table(unsigned long word)
{
	return (unsigned long *)(word & PAGE_MASK);
}

/*
 * The location of a page's entry, or NULL if the leaf has none. A huge entry
 * translates page @i to the page @i pages after its pfn. Caller: holds
 * leaf->lock.
 */
static inline unsigned long *odp_leaf_entry(struct odp_leaf *leaf,
					    unsigned int i)
{
	unsigned long word = READ_ONCE(leaf->word);

	lockdep_assert_held(&leaf->lock);
	if (word & ODP_HUGE)
		return &leaf->word;
	return word ? odp_leaf_table(word) + i : NULL;
}

static inline struct page *odp_entry_page(unsigned long entry, unsigned int i)
{
	struct page *page = pfn_to_page(entry >> PAGE_SHIFT);

	return entry & ODP_HUGE ? page + i : page;
}

static inline struct odp_table *odp_table_of(const unsigned long *entries)
{
	return (struct odp_table *)page_private(virt_to_page(entries));
}

unsigned long *odp_table_alloc(gfp_t gfp);
void odp_table_free(unsigned long *entries);

bool odp_leaf_present(struct odp_window *window, unsigned long addr,
		      unsigned long end, bool write);
int odp_leaf_commit(struct odp_window *window, unsigned long base,
		    const unsigned long *hmm_pfns, unsigned long seq,
		    unsigned long **table);
int odp_leaf_set(struct odp_window *window, unsigned long addr,
		 struct page *page, bool write);
unsigned long odp_leaf_invalidate(struct odp_window *window,
				  unsigned long index, unsigned long start,
				  unsigned long end, enum odp_verdict verdict);
void odp_leaf_forget(struct odp_window *window, unsigned long index);
bool odp_leaf_age(struct odp_window *window, unsigned long index);
bool odp_leaf_young(struct odp_window *window, unsigned long start,
		    unsigned long end, bool clear);
int odp_leaf_module_init(void);
void odp_leaf_module_exit(void);

#endif /* ODP_LEAF_H */
