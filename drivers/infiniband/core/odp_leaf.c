// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Leaves
 *
 * An entry is true as long as it stands: the notifier's callback takes it away,
 * under the leaf's lock, before the mm changes what it says. A page that was
 * written through an entry is marked dirty when the entry loses its right to
 * write; the mm may forget the page after that, never before.
 */
#include <linux/hmm.h>
#include <linux/gfp.h>
#include <linux/pagemap.h>

#include "odp.h"

atomic_long_t odp_nr_tables;

/**
 * odp_table_alloc() - an empty table of ODP_LEAF_PAGES entries
 *
 * Charged to the active memory cgroup.
 *
 * Context: may sleep; no leaf lock held.
 * Return: the table, for odp_table_free(); or NULL.
 */
unsigned long *odp_table_alloc(void)
{
	return (unsigned long *)__get_free_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO,
						 get_order(ODP_LEAF_TABLE_SIZE));
}

/**
 * odp_table_free() - give a table back
 * @table: may be NULL
 *
 * Context: any but hard interrupt.
 */
void odp_table_free(unsigned long *table)
{
	free_pages((unsigned long)table, get_order(ODP_LEAF_TABLE_SIZE));
}

static void odp_count_tables(struct odp_mirror *mirror, long tables)
{
	if (mirror->mm)
		atomic_long_add(tables, &odp_nr_tables);
	atomic_long_add(tables, &mirror->nr_tables);
	atomic_long_add(tables * ODP_LEAF_TABLE_SIZE,
			&mirror->dev->table_bytes);
}

/* Caller: holds the leaf's lock. Frees the table that was there. */
static void odp_leaf_set_word(struct odp_window *window, unsigned long index,
			      unsigned long word)
{
	struct odp_mirror *mirror = window->mirror;
	struct odp_leaf *leaf = &window->leaves[index];
	unsigned long old = leaf->word;

	leaf->word = word;
	if (!old && word) {
		set_bit(index, window->populated);
		atomic_long_inc(&mirror->nr_leaves);
	} else if (old && !word) {
		clear_bit(index, window->populated);
		atomic_long_dec(&mirror->nr_leaves);
	}
	if (word && !(word & ODP_HUGE))
		odp_count_tables(mirror, 1);
	if (old && !(old & ODP_HUGE)) {
		odp_count_tables(mirror, -1);
		odp_table_free(odp_leaf_table(old));
	}
}

/*
 * Folios that lost a dirty entry. They hear of it when the leaf's lock is free
 * again: file systems take locks of their own that softirqs must not wait for.
 * The references keep the folios that long.
 */
struct odp_dirtied {
	unsigned int nr;
	struct folio *folios[32];
};

/* How far an invalidation of a leaf has come. */
struct odp_sweep {
	unsigned int i, last;		/* entries still to be visited */
	enum odp_verdict verdict;
	unsigned long pages;		/* that lost something */
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

/* @pages: how many the entry translates. Returns what is left of it. */
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

/* Goes on until the end, or until there is no more room in sweep->dirtied. */
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

/* Caller: holds the leaf's lock. */
static void odp_leaf_sweep(struct odp_sweep *sweep, struct odp_window *window,
			   unsigned long index)
{
	unsigned long word = window->leaves[index].word;

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
 * odp_leaf_invalidate() - narrow or drop the entries of a range
 * @window: the leaf's window
 * @index: the leaf's place in it
 * @start: first address, inside the leaf
 * @end: where the range ends, not beyond the leaf
 * @verdict: what is left of the entries
 *
 * Waits for accesses through the leaf that are under way. The folios written
 * through the entries are marked dirty when it returns.
 *
 * Context: any but hard interrupt; does not sleep; no lock held that
 * folio_mark_dirty() could want.
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
		leaf = odp_leaf_lock(window, index);
		odp_leaf_sweep(&sweep, window, index);
		odp_leaf_unlock(leaf);
		odp_dirtied_flush(&sweep.dirtied);
		spin_unlock(&window->dirty_lock);
	}
	return sweep.pages;
}

/**
 * odp_leaf_forget() - free a leaf of a pinned mirror
 * @window: the leaf's window
 * @index: the leaf's place in it
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
 * odp_leaf_present() - is a range there?
 * @window: the leaf's window
 * @addr: first address
 * @end: where the range ends, not beyond the leaf
 * @write: writable, not just readable
 *
 * Context: any but hard interrupt. The answer may be old when it arrives.
 */
bool odp_leaf_present(struct odp_window *window, unsigned long addr,
		      unsigned long end, bool write)
{
	struct odp_leaf *leaf = odp_leaf_enter(window, odp_leaf_index(addr));
	unsigned int i;
	bool present = true;

	for (i = odp_page_index(addr); i <= odp_page_index(end - 1); i++) {
		present = odp_entry_allows(odp_leaf_entry(leaf, i), write);
		if (!present)
			break;
	}
	odp_leaf_leave(leaf);
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
 * A valid entry and a page table read under a valid sequence agree on the page,
 * so what is new can only add the right to write, and ODP_DIRTY is kept.
 */
static void odp_leaf_fill(struct odp_window *window, unsigned long index,
			  const unsigned long *hmm_pfns, unsigned long **table)
{
	struct odp_leaf *leaf = &window->leaves[index];
	unsigned long *entries;
	unsigned int i;

	if (odp_is_huge(hmm_pfns)) {
		odp_leaf_set_word(window, index,
				  odp_entry_from_hmm(hmm_pfns[0]) | ODP_HUGE |
				  (leaf->word & ODP_DIRTY));
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
			entries[i] = entry | (entries[i] & ODP_DIRTY);
	}
}

/* One entry for the leaf and a table do not mix. */
static bool odp_leaf_fits(const struct odp_leaf *leaf,
			  const unsigned long *hmm_pfns)
{
	return !leaf->word ||
	       !!(leaf->word & ODP_HUGE) == odp_is_huge(hmm_pfns);
}

/**
 * odp_leaf_commit() - make what hmm_range_fault() found the leaf's entries
 * @window: the leaf's window
 * @base: the leaf's first address
 * @hmm_pfns: of the whole leaf; what is not valid leaves its entry alone
 * @seq: the sequence under which they were found
 * @table: an empty table, taken (set to NULL) if the leaf needs one
 *
 * Context: any but hard interrupt; does not sleep.
 * Return: 0; or, with nothing changed: -EBUSY where an invalidation came in
 * between, -ENOSPC where the leaf needs a table, -EEXIST where it has a table
 * and is to become one entry or the other way round, and has to be dropped
 * first.
 */
int odp_leaf_commit(struct odp_window *window, unsigned long base,
		    const unsigned long *hmm_pfns, unsigned long seq,
		    unsigned long **table)
{
	unsigned long index = odp_leaf_index(base);
	struct odp_leaf *leaf = odp_leaf_lock(window, index);
	int ret = 0;

	set_bit(index, window->populated);
	smp_mb__after_atomic(); /* pairs with the one in odp_notify() */
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
	odp_leaf_unlock(leaf);
	return ret;
}

/**
 * odp_leaf_set() - enter one page of a pinned mirror
 * @window: the page's window
 * @addr: its address
 * @page: the page, pinned until the mirror is gone
 * @write: it may be written
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
		unsigned long *table = odp_table_alloc();

		if (!table)
			return -ENOMEM;
		odp_leaf_set_word(window, index, (unsigned long)table);
	}
	odp_leaf_table(leaf->word)[odp_page_index(addr)] =
		page_to_pfn(page) << PAGE_SHIFT | ODP_VALID |
		(write ? ODP_WRITE : 0);
	return 0;
}
