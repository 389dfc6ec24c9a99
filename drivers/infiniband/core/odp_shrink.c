// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Freeing tables
 *
 * A table is a cache: the mm can be asked again for what it says. The tables
 * that were not used since the last search are freed:
 *
 * - when the machine, or the memory cgroup that they are charged to, is short
 *   of memory (a shrinker, for any kind of memory);
 * - when a fault finds its own cgroup full, before the OOM killer is called
 *   (odp_alloc.c);
 * - when a process has as many as it may have (odp_alloc.c).
 *
 * A leaf with a huge entry has no table and stays.
 */
#include <linux/shrinker.h>
#include <linux/swap.h>

#include "odp_leaf.h"
#include "odp_lifetime.h"
#include "odp_mirror.h"
#include "odp_shrink.h"

static struct shrinker *odp_shrinker;

/* --- a mirror's tables ---------------------------------------------------- */

/*
 * Visits *@nr leaves from mirror->hand on, or fewer up to the end, and
 * subtracts them from *@nr. Returns the number of tables that it freed.
 */
static unsigned long odp_clock_turn(struct odp_mirror *mirror,
				    unsigned long *nr)
{
	unsigned long hand = READ_ONCE(mirror->hand);
	unsigned long i = hand % ODP_WINDOW_LEAVES;
	struct odp_window *window;
	unsigned long at, freed = 0;

	rcu_read_lock();
	xa_for_each_start(&mirror->windows, at, window,
			  hand / ODP_WINDOW_LEAVES) {
		if (at != hand / ODP_WINDOW_LEAVES)
			i = 0;
		for_each_set_bit_from(i, window->populated, ODP_WINDOW_LEAVES) {
			if (!*nr) {
				hand = at * ODP_WINDOW_LEAVES + i;
				goto out;
			}
			--*nr;
			freed += odp_leaf_age(window, i);
		}
	}
	hand = 0;
out:
	rcu_read_unlock();
	WRITE_ONCE(mirror->hand, hand);
	return freed;
}

/**
 * odp_mirror_shrink() - free tables of a mirror that were not used lately
 * @mirror: the mirror
 * @nr: number of leaves to visit at most, from mirror->hand on
 *
 * A worker removes the windows that become empty. mirror->hand is 0 after the
 * last leaf.
 *
 * Context: any but hard interrupt; does not sleep; no lock held that
 * folio_mark_dirty() may take.
 * Return: the number of tables that were freed.
 */
unsigned long odp_mirror_shrink(struct odp_mirror *mirror, unsigned long nr)
{
	unsigned long freed;

	freed = odp_clock_turn(mirror, &nr);
	if (freed)
		odp_mirror_tidy_later(mirror);
	return freed;
}

/* --- memory pressure ------------------------------------------------------ */

/* The leaves whose tables are to be aged next. */
struct odp_suspects {
	unsigned int nr;
	struct {
		struct odp_window *window;
		unsigned long index;
	} leaf[ODP_SHRINK_BATCH];
};

/* The list's lock nests inside the leaf's lock, so only write the leaf down. */
static enum lru_status odp_suspect_add(struct list_head *item,
				       struct list_lru_one *list,
				       compat_lru_lock_param void *arg)
{
	struct odp_table *table = container_of(item, struct odp_table, lru);
	struct odp_suspects *suspects = arg;

	suspects->leaf[suspects->nr].window = table->window;
	suspects->leaf[suspects->nr].index = table->index;
	suspects->nr++;
	return LRU_ROTATE;
}

/*
 * Finds the next @nr tables of a cgroup and a node, or fewer. A table leaves
 * the list before its window is freed, so the windows stay until the end of the
 * caller's RCU read section.
 */
static void odp_suspects_find(struct odp_suspects *suspects,
			      struct shrink_control *sc, unsigned long nr)
{
	suspects->nr = 0;
	/* The list's lock is also taken with bottom halves off. */
	local_bh_disable();
	list_lru_walk_one(&odp_tables, sc->nid, sc->memcg, odp_suspect_add,
			  suspects, &nr);
	local_bh_enable();
}

/*
 * Ages the next @nr tables. Returns the number of tables that it freed;
 * *@looked is the number that it visited.
 */
static unsigned long odp_shrink_some(struct shrink_control *sc,
				     unsigned long nr, unsigned long *looked)
{
	struct odp_suspects suspects;
	unsigned long freed = 0;
	unsigned int i;

	rcu_read_lock();
	odp_suspects_find(&suspects, sc, nr);
	for (i = 0; i < suspects.nr; i++) {
		struct odp_window *window = suspects.leaf[i].window;

		if (!odp_leaf_age(window, suspects.leaf[i].index))
			continue;
		freed++;
		if (bitmap_empty(window->populated, ODP_WINDOW_LEAVES))
			odp_mirror_tidy_later(window->mirror);
	}
	rcu_read_unlock();
	*looked = suspects.nr;
	return freed;
}

static unsigned long odp_shrink_count(struct shrinker *shrinker,
				      struct shrink_control *sc)
{
	return list_lru_shrink_count(&odp_tables, sc) ?: SHRINK_EMPTY;
}

static unsigned long odp_shrink_scan(struct shrinker *shrinker,
				     struct shrink_control *sc)
{
	unsigned long freed = 0, looked, done;

	for (done = 0; done < sc->nr_to_scan; done += looked) {
		freed += odp_shrink_some(sc, min(sc->nr_to_scan - done,
						 ODP_SHRINK_BATCH + 0UL),
					 &looked);
		if (!looked)
			break;
		cond_resched();
	}
	mm_account_reclaimed_pages(freed);
	return freed;
}

/**
 * odp_shrink_module_init() - create the list of tables and its shrinker
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int odp_shrink_module_init(void)
{
	/*
	 * Unlike other lists' locks, this one is taken with bottom halves off.
	 */
	static struct lock_class_key key;

	odp_shrinker = shrinker_alloc(SHRINKER_MEMCG_AWARE |
				      SHRINKER_NUMA_AWARE, "ib_umem_odp");
	if (!odp_shrinker)
		return -ENOMEM;
	if (list_lru_init_memcg_key(&odp_tables, odp_shrinker, &key)) {
		shrinker_free(odp_shrinker);
		return -ENOMEM;
	}
	odp_shrinker->scan_objects = odp_shrink_scan;
	odp_shrinker->count_objects = odp_shrink_count;
	shrinker_register(odp_shrinker);
	return 0;
}

/**
 * odp_shrink_module_exit() - remove the shrinker and the list of tables
 *
 * Context: may sleep; no table exists.
 */
void odp_shrink_module_exit(void)
{
	shrinker_free(odp_shrinker);
	list_lru_destroy(&odp_tables);
}
