// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Giving tables back
 *
 * A table is a cache: what it says can be asked of the mm again. Those go that were
 * not used since they were looked at last: when the machine, or the memory cgroup
 * that they are charged to, is short of memory (a shrinker, for any cause); when a
 * fault finds its own cgroup full, before anybody is killed for it; and when a
 * process has as many as it may. A leaf that is one huge entry has no table and
 * stays.
 */
#include <linux/moduleparam.h>
#include <linux/shrinker.h>
#include <linux/swap.h>

#include "odp.h"

#define ODP_TABLE_LIMIT_MIN	SZ_1M

static unsigned long odp_table_limit;
module_param_named(table_limit, odp_table_limit, ulong, 0644);
MODULE_PARM_DESC(table_limit,
		 "Bytes of tables that a process may have for a device; 0: no limit");

/* Leaves that are looked at in a row, in an RCU read section. */
#define ODP_SHRINK_BATCH	32

static struct shrinker *odp_shrinker;
struct list_lru odp_tables;

/*
 * Goes on from where the hand is for @nr leaves, or to the end. Returns how many
 * tables it has freed, and takes the leaves from @nr.
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

/* Looks at up to @nr leaves. Windows that become empty by it go later. */
static unsigned long odp_mirror_shrink(struct odp_mirror *mirror,
				       unsigned long nr)
{
	unsigned long freed;

	freed = odp_clock_turn(mirror, &nr);
	if (freed)
		odp_mirror_tidy_later(mirror);
	return freed;
}

/* --- the limit of a process ----------------------------------------------- */

static bool odp_mirror_full(struct odp_mirror *mirror)
{
	unsigned long limit = READ_ONCE(odp_table_limit);

	return limit && odp_mirror_table_bytes(mirror) + ODP_TABLE_BYTES >
				max(limit, (unsigned long)ODP_TABLE_LIMIT_MIN);
}

/**
 * odp_mirror_make_room() - keep to the limit before there is one table more
 * @mirror: the mirror
 *
 * Best effort: windows count, and go a little later.
 *
 * Context: may sleep.
 */
void odp_mirror_make_room(struct odp_mirror *mirror)
{
	/* To the end, a whole round that only looks, and one that frees. */
	unsigned int turns = 3;

	while (odp_mirror_full(mirror) && turns) {
		if (!odp_mirror_shrink(mirror, ODP_SHRINK_BATCH) &&
		    !READ_ONCE(mirror->hand))
			turns--;
		cond_resched();
	}
}

/* --- a cgroup that is full ------------------------------------------------ */

/**
 * odp_mirror_reclaim() - have some of a mirror's memory back, now
 * @mirror: the mirror
 *
 * Looks at all leaves until something has gone; what was used since it was looked at
 * last, if there is nothing else. The shrinker frees tables as well, and of the whole
 * cgroup, but it may not remove windows.
 *
 * Context: may sleep; no lock held.
 */
void odp_mirror_reclaim(struct odp_mirror *mirror)
{
	/* To the end, a whole round that only looks, and one that frees. */
	unsigned int turns = 3;

	while (!odp_mirror_shrink(mirror, ODP_SHRINK_BATCH) && turns) {
		if (!READ_ONCE(mirror->hand))
			turns--;
		cond_resched();
	}
	odp_mirror_tidy(mirror);
}

/**
 * odp_mirror_table() - a table for a mirror
 * @mirror: the mirror, on-demand
 *
 * Within what its process may have. Where there is no memory, tables that nobody uses
 * go before the OOM killer is called.
 *
 * Context: may sleep; no lock held.
 * Return: the entries, for odp_table_free(); or NULL.
 */
unsigned long *odp_mirror_table(struct odp_mirror *mirror)
{
	unsigned long *entries;

	odp_mirror_make_room(mirror);
	entries = odp_table_alloc(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
	if (entries)
		return entries;
	odp_mirror_reclaim(mirror);
	return odp_table_alloc(GFP_KERNEL);
}

/* --- memory pressure ------------------------------------------------------ */

/* Leaves whose tables come next. */
struct odp_suspects {
	unsigned int nr;
	struct {
		struct odp_window *window;
		unsigned long index;
	} leaf[ODP_SHRINK_BATCH];
};

/* The list's lock comes after the leaf's, so here the leaf is only written down. */
static enum lru_status odp_suspect(struct list_head *item,
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
 * The next @nr tables of a cgroup and a node, or fewer. A table leaves the list before
 * its window goes, so the windows stay until the end of the caller's RCU read section.
 */
static void odp_suspects_find(struct odp_suspects *suspects,
			      struct shrink_control *sc, unsigned long nr)
{
	suspects->nr = 0;
	/* Tables leave the list with bottom halves off. */
	local_bh_disable();
	list_lru_walk_one(&odp_tables, sc->nid, sc->memcg, odp_suspect,
			  suspects, &nr);
	local_bh_enable();
}

/* Returns how many it has freed of the next @nr tables; *@looked: of how many. */
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

int odp_shrink_module_init(void)
{
	/* Other lists' locks are taken with softirqs on, and never below a leaf's. */
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

void odp_shrink_module_exit(void)
{
	shrinker_free(odp_shrinker);
	list_lru_destroy(&odp_tables);
}
