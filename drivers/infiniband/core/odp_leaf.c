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
		atomic_long_inc(&mirror->nr_tables);
	if (old && !(old & ODP_HUGE)) {
		atomic_long_dec(&mirror->nr_tables);
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

static void odp_dirtied_flush(struct odp_dirtied *dirtied)
{
	while (dirtied->nr) {
		struct folio *folio = dirtied->folios[--dirtied->nr];

		folio_mark_dirty(folio);
		folio_put(folio);
	}
}

static unsigned long odp_entry_invalidate(unsigned long entry,
					  enum odp_verdict verdict,
					  struct odp_dirtied *dirtied)
{
	if (entry & ODP_DIRTY) {
		struct folio *folio = page_folio(odp_entry_page(entry, 0));

		folio_get(folio);
		dirtied->folios[dirtied->nr++] = folio;
	}
	return verdict == ODP_KEEP_READ ? entry & ~(ODP_WRITE | ODP_DIRTY) : 0;
}

/* Returns where to go on: past @last, or earlier when @dirtied is full. */
static unsigned int odp_table_invalidate(unsigned long *table,
					 unsigned int i, unsigned int last,
					 enum odp_verdict verdict,
					 struct odp_dirtied *dirtied)
{
	for (; i <= last && dirtied->nr < ARRAY_SIZE(dirtied->folios); i++)
		if (table[i])
			table[i] = odp_entry_invalidate(table[i], verdict,
							dirtied);
	return i;
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
 */
void odp_leaf_invalidate(struct odp_window *window, unsigned long index,
			 unsigned long start, unsigned long end,
			 enum odp_verdict verdict)
{
	struct odp_leaf *leaf = &window->leaves[index];
	unsigned int last = odp_page_index(end - 1);
	unsigned int i = odp_page_index(start);
	struct odp_dirtied dirtied = {};

	while (i <= last) {
		spin_lock(&window->dirty_lock);
		spin_lock_bh(&leaf->lock);
		if (leaf->word & ODP_HUGE || !leaf->word) {
			odp_leaf_set_word(window, index,
				odp_entry_invalidate(leaf->word, verdict,
						     &dirtied));
			i = last + 1;
		} else {
			i = odp_table_invalidate(odp_leaf_table(leaf->word), i,
						 last, verdict, &dirtied);
			if (i > last && verdict == ODP_FREE &&
			    end - start == ODP_LEAF_SIZE)
				odp_leaf_set_word(window, index, 0);
		}
		spin_unlock_bh(&leaf->lock);
		odp_dirtied_flush(&dirtied);
		spin_unlock(&window->dirty_lock);
	}
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
	struct odp_leaf *leaf = &window->leaves[odp_leaf_index(addr)];
	unsigned int i;
	bool present = true;

	spin_lock_bh(&leaf->lock);
	for (i = odp_page_index(addr); i <= odp_page_index(end - 1); i++) {
		present = odp_entry_allows(odp_leaf_entry(leaf, i), write);
		if (!present)
			break;
	}
	spin_unlock_bh(&leaf->lock);
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
	entries = odp_leaf_table(leaf->word);
	for (i = 0; i < ODP_LEAF_PAGES; i++) {
		unsigned long entry = odp_entry_from_hmm(hmm_pfns[i]);

		if (entry)
			entries[i] = entry | (entries[i] & ODP_DIRTY);
	}
}

/**
 * odp_leaf_reshape() - drop a leaf that odp_leaf_commit() cannot add to
 * @window: the leaf's window
 * @base: the leaf's first address
 * @hmm_pfns: what is to be committed
 *
 * One entry for the leaf and a table do not mix; a leaf changes from one to the
 * other by being dropped.
 *
 * Context: any but hard interrupt; the caller holds the leaf's fault lock, so
 * that no other fault changes the shape.
 */
void odp_leaf_reshape(struct odp_window *window, unsigned long base,
		      const unsigned long *hmm_pfns)
{
	unsigned long index = odp_leaf_index(base);
	unsigned long word = READ_ONCE(window->leaves[index].word);

	if (word && !(word & ODP_HUGE) == odp_is_huge(hmm_pfns))
		odp_leaf_invalidate(window, index, base, base + ODP_LEAF_SIZE,
				    ODP_FREE);
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
 * Return: false where an invalidation came in between, or took the leaf's table
 * before the caller had a spare one; nothing was changed.
 */
bool odp_leaf_commit(struct odp_window *window, unsigned long base,
		     const unsigned long *hmm_pfns, unsigned long seq,
		     unsigned long **table)
{
	unsigned long index = odp_leaf_index(base);
	struct odp_leaf *leaf = &window->leaves[index];
	bool stale;

	spin_lock_bh(&leaf->lock);
	set_bit(index, window->populated);
	smp_mb__after_atomic(); /* pairs with the one in odp_notify() */
	stale = mmu_interval_read_retry(&window->notifier, seq) ||
		(!leaf->word && !*table && !odp_is_huge(hmm_pfns));
	if (!stale)
		odp_leaf_fill(window, index, hmm_pfns, table);
	if (!leaf->word)
		clear_bit(index, window->populated);
	spin_unlock_bh(&leaf->lock);
	return !stale;
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
