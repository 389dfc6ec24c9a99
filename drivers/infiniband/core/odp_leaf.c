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
#include <linux/slab.h>

#include "odp.h"

static struct kmem_cache *odp_table_cache;

/**
 * odp_table_alloc() - an empty table of ODP_LEAF_PAGES entries
 * @gfp: %GFP_KERNEL, and how hard to try
 *
 * Charged to the active memory cgroup.
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
 * odp_table_free() - give a table back
 * @entries: no leaf's any more; may be NULL
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

/* Caller: holds the leaf's lock. A pinned mirror's tables do not go. */
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

/* Caller: holds the leaf's lock. */
static void odp_leaf_free_table(struct odp_window *window,
				unsigned long *entries)
{
	if (!window->mirror->pinned)
		list_lru_del_obj(&odp_tables, &odp_table_of(entries)->lru);
	odp_count_tables(window->mirror, -1);
	odp_table_free(entries);
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
		odp_leaf_add_table(window, index, odp_leaf_table(word));
	if (old && !(old & ODP_HUGE))
		odp_leaf_free_table(window, odp_leaf_table(old));
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

/* The search comes by. Returns whether nobody has used the table since last time. */
static bool odp_leaf_pass(struct odp_leaf *leaf)
{
	unsigned long *entries = odp_leaf_table(leaf->word);
	unsigned int i;

	if (!(leaf->word & ODP_USED))
		return true;
	leaf->word &= ~ODP_USED;
	for (i = 0; i < ODP_LEAF_PAGES; i++)
		if (entries[i] & ODP_USED)
			entries[i] = (entries[i] & ~ODP_USED) | ODP_YOUNG;
	return false;
}

/**
 * odp_leaf_age() - free the table of a leaf that was not used since the last call
 * @window: the leaf's window
 * @index: the leaf's place in it
 *
 * Context: as odp_leaf_invalidate().
 * Return: whether there was such a table.
 */
bool odp_leaf_age(struct odp_window *window, unsigned long index)
{
	unsigned long base = window->base + (index << ODP_LEAF_SHIFT);
	struct odp_leaf *leaf = odp_leaf_lock(window, index);
	bool idle = leaf->word && !(leaf->word & ODP_HUGE) &&
		    odp_leaf_pass(leaf);

	odp_leaf_unlock(leaf);
	if (idle)
		odp_leaf_invalidate(window, index, base, base + ODP_LEAF_SIZE,
				    ODP_FREE);
	return idle;
}

/**
 * odp_leaf_young() - was one of the pages accessed since the mm asked last?
 * @window: the leaf's window
 * @start: first address, inside a leaf
 * @end: where the range ends, not beyond the leaf
 * @clear: begin anew
 *
 * Accesses go on meanwhile.
 *
 * Context: any but hard interrupt; does not sleep.
 */
bool odp_leaf_young(struct odp_window *window, unsigned long start,
		    unsigned long end, bool clear)
{
	struct odp_leaf *leaf = odp_leaf_enter(window, odp_leaf_index(start));
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
	odp_leaf_leave(leaf);
	return young;
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
 * so what is new can only add the right to write, and what was noted is kept.
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

int odp_leaf_module_init(void)
{
	BUILD_BUG_ON(ODP_LEAF_TABLE_SIZE != PAGE_SIZE);
	odp_table_cache = KMEM_CACHE(odp_table, SLAB_ACCOUNT);
	return odp_table_cache ? 0 : -ENOMEM;
}

/* Context: may sleep; there are no tables any more. */
void odp_leaf_module_exit(void)
{
	kmem_cache_destroy(odp_table_cache);
}
