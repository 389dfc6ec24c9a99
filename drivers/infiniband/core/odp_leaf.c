// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Leaves
 *
 * An entry stays true for as long as it exists. The notifier's callback removes
 * it under the leaf's lock before the mm changes the page table. A page that
 * was written through an entry is marked dirty when the entry loses its right
 * to write. The mm may forget the page after that, never before.
 */
#include <linux/hmm.h>
#include <linux/gfp.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "odp_leaf.h"
#include "odp_mirror.h"

struct list_lru odp_tables;
static struct kmem_cache *odp_table_cache;

/**
 * odp_table_alloc() - allocate an empty table of ODP_LEAF_PAGES entries
 * @gfp: %GFP_KERNEL, and flags that say how hard to try
 *
 * The table is charged to the active memory cgroup.
 *
 * Context: may sleep; no leaf lock held.
 * Return: the entries, for odp_table_free(); or NULL.
 */
unsigned long *odp_table_alloc(gfp_t gfp)
{
	struct odp_table *table;
	struct page *page;

	gfp |= __GFP_ACCOUNT | __GFP_ZERO;
	table = kmem_cache_alloc_lru(odp_table_cache, &odp_tables, gfp);
	if (!table)
		return NULL;
	page = alloc_page(gfp);
	if (!page) {
		kmem_cache_free(odp_table_cache, table);
		return NULL;
	}
	INIT_LIST_HEAD(&table->lru);
	set_page_private(page, (unsigned long)table);
	return page_address(page);
}

/**
 * odp_table_free() - free a table
 * @entries: the entries, which belong to no leaf; or NULL
 *
 * Context: any but hard interrupt.
 */
void odp_table_free(unsigned long *entries)
{
	if (!entries)
		return;
	kmem_cache_free(odp_table_cache, odp_table_of(entries));
	set_page_private(virt_to_page(entries), 0);
	free_page((unsigned long)entries);
}

static void odp_count_tables(struct odp_mirror *mirror, long tables)
{
	atomic_long_add(tables, &mirror->nr_tables);
	atomic_long_add(tables * ODP_TABLE_BYTES, &mirror->dev->table_bytes);
}

/* A pinned mirror's tables are never reclaimed, so they are not in the list. */
static void odp_leaf_add_table(struct odp_window *window, unsigned long index,
			       unsigned long *entries)
{
	struct odp_table *table = odp_table_of(entries);

	table->window = window;
	table->index = index;
	odp_count_tables(window->mirror, 1);
	if (!window->mirror->pinned)
		list_lru_add_obj(&odp_tables, &table->lru);
}

static void odp_leaf_free_table(struct odp_window *window,
				unsigned long *entries)
{
	if (!window->mirror->pinned)
		list_lru_del_obj(&odp_tables, &odp_table_of(entries)->lru);
	odp_count_tables(window->mirror, -1);
	odp_table_free(entries);
}

/*
 * Replaces the leaf's word, and frees the table that it pointed to. Caller:
 * holds the leaf's lock. A pinned mirror needs no lock: only its creation and
 * its end change words.
 */
static void odp_leaf_set_word(struct odp_window *window, unsigned long index,
			      unsigned long word)
{
	struct odp_mirror *mirror = window->mirror;
	struct odp_leaf *leaf = &window->leaves[index];
	unsigned long old = leaf->word;

	if (!mirror->pinned)
		lockdep_assert_held_write(&leaf->lock);
	leaf->word = word;
	if (!old && word) {
		set_bit(index, window->populated);
		atomic_long_inc(&mirror->nr_leaves);
	} else if (old && !word) {
		clear_bit(index, window->populated);
		atomic_long_dec(&mirror->nr_leaves);
	}
	if (word && !(word & ODP_HUGE))
		odp_leaf_add_table(window, index, odp_leaf_table(word));
	if (old && !(old & ODP_HUGE))
		odp_leaf_free_table(window, odp_leaf_table(old));
}

/*
 * Folios that lost a dirty entry. They are marked dirty after the leaf's lock
 * has been dropped, because file systems then take locks that are not safe
 * against softirqs. The references keep the folios until then.
 */
struct odp_dirtied {
	unsigned int nr;
	struct folio *folios[32];
};

/* The progress of an invalidation in a leaf. */
struct odp_sweep {
	unsigned int i, last;		/* entries that remain to be visited */
	enum odp_verdict verdict;
	unsigned long pages;		/* pages that lost something */
	struct odp_dirtied dirtied;
};

static void odp_dirtied_flush(struct odp_dirtied *dirtied)
{
	while (dirtied->nr) {
		struct folio *folio = dirtied->folios[--dirtied->nr];

		folio_mark_dirty(folio);
		folio_put(folio);
	}
}

/*
 * Invalidates an entry that translates @pages pages. Returns the new value of
 * the entry.
 */
static unsigned long odp_entry_invalidate(struct odp_sweep *sweep,
					  unsigned long entry,
					  unsigned long pages)
{
	bool keep = sweep->verdict == ODP_KEEP_READ;

	if (entry & ODP_DIRTY) {
		struct folio *folio = page_folio(odp_entry_page(entry, 0));

		folio_get(folio);
		sweep->dirtied.folios[sweep->dirtied.nr++] = folio;
	}
	if (entry & (keep ? ODP_WRITE : ODP_VALID))
		sweep->pages += pages;
	return keep ? entry & ~(ODP_WRITE | ODP_DIRTY) : 0;
}

/* Continues until the last entry, or until sweep->dirtied is full. */
static void odp_table_invalidate(struct odp_sweep *sweep, unsigned long *table)
{
	for (; sweep->i <= sweep->last &&
	       sweep->dirtied.nr < ARRAY_SIZE(sweep->dirtied.folios);
	     sweep->i++)
		if (table[sweep->i])
			table[sweep->i] = odp_entry_invalidate(sweep,
							       table[sweep->i],
							       1);
}

static bool odp_table_empty(const unsigned long *table)
{
	return !memchr_inv(table, 0, ODP_LEAF_TABLE_SIZE);
}

static void odp_leaf_sweep(struct odp_sweep *sweep, struct odp_window *window,
			   unsigned long index)
{
	unsigned long word = window->leaves[index].word;

	lockdep_assert_held_write(&window->leaves[index].lock);
	if (word & ODP_HUGE || !word) {
		word = odp_entry_invalidate(sweep, word, ODP_LEAF_PAGES);
		odp_leaf_set_word(window, index, word);
		sweep->i = sweep->last + 1;
		return;
	}
	odp_table_invalidate(sweep, odp_leaf_table(word));
	if (sweep->i > sweep->last && sweep->verdict == ODP_FREE &&
	    odp_table_empty(odp_leaf_table(word)))
		odp_leaf_set_word(window, index, 0);
}

/**
 * odp_leaf_invalidate() - restrict or remove the entries of a range
 * @window: the leaf's window
 * @index: the leaf's index in the window
 * @start: first address, inside the leaf
 * @end: end of the range, not beyond the leaf
 * @verdict: what to leave of the entries
 *
 * Waits for accesses under way through the leaf. When the function returns, the
 * folios that were written through the entries have been marked dirty.
 *
 * Context: any but hard interrupt; does not sleep; no lock held that
 * folio_mark_dirty() may take.
 * Return: the number of pages that lost a translation or the right to write.
 */
unsigned long odp_leaf_invalidate(struct odp_window *window,
				  unsigned long index, unsigned long start,
				  unsigned long end, enum odp_verdict verdict)
{
	struct odp_sweep sweep = {
		.i = odp_page_index(start),
		.last = odp_page_index(end - 1),
		.verdict = verdict,
	};

	while (sweep.i <= sweep.last) {
		struct odp_leaf *leaf;

		spin_lock(&window->dirty_lock);
		leaf = odp_leaf_write_lock(window, index);
		odp_leaf_sweep(&sweep, window, index);
		odp_leaf_write_unlock(leaf);
		odp_dirtied_flush(&sweep.dirtied);
		spin_unlock(&window->dirty_lock);
	}
	return sweep.pages;
}

/*
 * Turns ODP_USED into ODP_YOUNG in a table. Returns true if the table was not
 * used since the last call.
 */
static bool odp_leaf_clear_used(struct odp_leaf *leaf)
{
	unsigned long *entries = odp_leaf_table(leaf->word);
	unsigned int i;

	lockdep_assert_held_write(&leaf->lock);
	if (!(leaf->word & ODP_USED))
		return true;
	leaf->word &= ~ODP_USED;
	for (i = 0; i < ODP_LEAF_PAGES; i++)
		if (entries[i] & ODP_USED)
			entries[i] = (entries[i] & ~ODP_USED) | ODP_YOUNG;
	return false;
}

/**
 * odp_leaf_age() - free a leaf's table if it was not used since the last call
 * @window: the leaf's window
 * @index: the leaf's index in the window
 *
 * Context: as odp_leaf_invalidate().
 * Return: true if the leaf had a table that was not used.
 */
bool odp_leaf_age(struct odp_window *window, unsigned long index)
{
	unsigned long base = window->base + (index << ODP_LEAF_SHIFT);
	struct odp_leaf *leaf = odp_leaf_write_lock(window, index);
	bool idle = leaf->word && !(leaf->word & ODP_HUGE) &&
		    odp_leaf_clear_used(leaf);

	odp_leaf_write_unlock(leaf);
	if (idle)
		odp_leaf_invalidate(window, index, base, base + ODP_LEAF_SIZE,
				    ODP_FREE);
	return idle;
}

/**
 * odp_leaf_young() - was a page accessed since the mm last asked?
 * @window: the leaf's window
 * @start: first address, inside a leaf
 * @end: end of the range, not beyond the leaf
 * @clear: forget the accesses that were noted
 *
 * Accesses continue meanwhile.
 *
 * Context: any but hard interrupt; does not sleep.
 * Return: true if one of the pages was accessed.
 */
bool odp_leaf_young(struct odp_window *window, unsigned long start,
		    unsigned long end, bool clear)
{
	struct odp_leaf *leaf = odp_leaf_read_lock(window,
						   odp_leaf_index(start));
	unsigned int i;
	bool young = false;

	for (i = odp_page_index(start); i <= odp_page_index(end - 1); i++) {
		unsigned long *entry = odp_leaf_entry(leaf, i);

		if (!entry || !(READ_ONCE(*entry) & (ODP_USED | ODP_YOUNG)))
			continue;
		young = true;
		if (clear) {
			clear_bit(ODP_USED_BIT, entry);
			clear_bit(ODP_YOUNG_BIT, entry);
		}
	}
	odp_leaf_read_unlock(leaf);
	return young;
}

/**
 * odp_leaf_forget() - free a leaf of a pinned mirror
 * @window: the leaf's window
 * @index: the leaf's index in the window
 *
 * Context: no access is under way.
 */
void odp_leaf_forget(struct odp_window *window, unsigned long index)
{
	odp_leaf_set_word(window, index, 0);
}

static bool odp_entry_allows(const unsigned long *entry, bool write)
{
	return entry && (*entry & ODP_VALID) && (!write || *entry & ODP_WRITE);
}

/**
 * odp_leaf_present() - does a range have entries?
 * @window: the leaf's window
 * @addr: first address
 * @end: end of the range, not beyond the leaf
 * @write: the pages have to be writable, not only readable
 *
 * Context: any but hard interrupt. The answer may be out of date at once.
 * Return: true if every page of the range has an entry that allows the access.
 */
bool odp_leaf_present(struct odp_window *window, unsigned long addr,
		      unsigned long end, bool write)
{
	struct odp_leaf *leaf = odp_leaf_read_lock(window,
						   odp_leaf_index(addr));
	unsigned int i;
	bool present = true;

	for (i = odp_page_index(addr); i <= odp_page_index(end - 1); i++) {
		present = odp_entry_allows(odp_leaf_entry(leaf, i), write);
		if (!present)
			break;
	}
	odp_leaf_read_unlock(leaf);
	return present;
}

static unsigned long odp_entry_from_hmm(unsigned long hmm_pfn)
{
	if (!(hmm_pfn & HMM_PFN_VALID) || hmm_pfn & HMM_PFN_ERROR)
		return 0;
	return page_to_pfn(hmm_pfn_to_page(hmm_pfn)) << PAGE_SHIFT | ODP_VALID |
	       (hmm_pfn & HMM_PFN_WRITE ? ODP_WRITE : 0);
}

static bool odp_is_huge(const unsigned long *hmm_pfns)
{
	return odp_entry_from_hmm(hmm_pfns[0]) &&
	       hmm_pfn_to_map_order(hmm_pfns[0]) >= ODP_LEAF_ORDER;
}

/*
 * A valid entry and a page table that was read under a valid sequence name the
 * same page. So a new value can only add the right to write, and the entry
 * keeps its ODP_NOTES.
 */
static void odp_leaf_fill(struct odp_window *window, unsigned long index,
			  const unsigned long *hmm_pfns, unsigned long **table)
{
	struct odp_leaf *leaf = &window->leaves[index];
	unsigned long *entries;
	unsigned int i;

	lockdep_assert_held_write(&leaf->lock);
	if (odp_is_huge(hmm_pfns)) {
		odp_leaf_set_word(window, index,
				  odp_entry_from_hmm(hmm_pfns[0]) | ODP_HUGE |
				  (leaf->word & ODP_NOTES));
		return;
	}
	if (!leaf->word) {
		odp_leaf_set_word(window, index, (unsigned long)*table);
		*table = NULL;
	}
	leaf->word |= ODP_USED;
	entries = odp_leaf_table(leaf->word);
	for (i = 0; i < ODP_LEAF_PAGES; i++) {
		unsigned long entry = odp_entry_from_hmm(hmm_pfns[i]);

		if (entry)
			entries[i] = entry | (entries[i] & ODP_NOTES);
	}
}

/* A leaf has either one huge entry or a table. */
static bool odp_leaf_fits(const struct odp_leaf *leaf,
			  const unsigned long *hmm_pfns)
{
	return !leaf->word ||
	       !!(leaf->word & ODP_HUGE) == odp_is_huge(hmm_pfns);
}

/**
 * odp_leaf_commit() - enter the answer of hmm_range_fault() into a leaf
 * @window: the leaf's window
 * @base: the leaf's first address
 * @hmm_pfns: the answer for the whole leaf; a pfn that is not valid leaves its
 *	entry unchanged
 * @seq: the sequence under which the answer was obtained
 * @table: an empty table; taken (set to NULL) if the leaf needs one
 *
 * Context: any but hard interrupt; does not sleep.
 * Return: 0; or an error with nothing changed: -EBUSY if an invalidation came
 * in between; -ENOSPC if the leaf needs a table; -EEXIST if the leaf has a
 * table and would get a huge entry, or the reverse, so that it has to be
 * invalidated first.
 */
int odp_leaf_commit(struct odp_window *window, unsigned long base,
		    const unsigned long *hmm_pfns, unsigned long seq,
		    unsigned long **table)
{
	unsigned long index = odp_leaf_index(base);
	struct odp_leaf *leaf = odp_leaf_write_lock(window, index);
	int ret = 0;

	set_bit(index, window->populated);
	/* Pairs with smp_mb() in odp_notify() and in odp_mirror_drain(). */
	smp_mb__after_atomic();
	if (mmu_interval_read_retry(&window->notifier, seq))
		ret = -EBUSY;
	else if (!odp_leaf_fits(leaf, hmm_pfns))
		ret = -EEXIST;
	else if (!leaf->word && !*table && !odp_is_huge(hmm_pfns))
		ret = -ENOSPC;
	else
		odp_leaf_fill(window, index, hmm_pfns, table);
	if (!leaf->word)
		clear_bit(index, window->populated);
	odp_leaf_write_unlock(leaf);
	return ret;
}

/**
 * odp_leaf_set() - enter one page of a pinned mirror
 * @window: the page's window
 * @addr: the page's address
 * @page: the page, pinned until the mirror has been destroyed
 * @write: the page may be written
 *
 * Context: may sleep; the mirror is not in use yet.
 * Return: 0 or -ENOMEM.
 */
int odp_leaf_set(struct odp_window *window, unsigned long addr,
		 struct page *page, bool write)
{
	unsigned long index = odp_leaf_index(addr);
	struct odp_leaf *leaf = &window->leaves[index];

	if (!leaf->word) {
		unsigned long *table = odp_table_alloc(GFP_KERNEL);

		if (!table)
			return -ENOMEM;
		odp_leaf_set_word(window, index, (unsigned long)table);
	}
	odp_leaf_table(leaf->word)[odp_page_index(addr)] =
		page_to_pfn(page) << PAGE_SHIFT | ODP_VALID |
		(write ? ODP_WRITE : 0);
	return 0;
}

/**
 * odp_leaf_module_init() - create the cache of struct odp_table
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int odp_leaf_module_init(void)
{
	BUILD_BUG_ON(ODP_LEAF_TABLE_SIZE != PAGE_SIZE);
	odp_table_cache = KMEM_CACHE(odp_table, SLAB_ACCOUNT);
	return odp_table_cache ? 0 : -ENOMEM;
}

/**
 * odp_leaf_module_exit() - destroy the cache of struct odp_table
 *
 * Context: may sleep; no table exists.
 */
void odp_leaf_module_exit(void)
{
	kmem_cache_destroy(odp_table_cache);
}
