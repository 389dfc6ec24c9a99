// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Giving tables back
 *
 * A table is a cache: what it says can be asked of the mm again. Under memory
 * pressure, and when a process has as many as it may, those go that were not
 * used since they were looked at last (a clock). A leaf that is one huge entry
 * has no table and stays.
 */
#include <linux/moduleparam.h>
#include <linux/shrinker.h>

#include "odp.h"

#define ODP_TABLE_LIMIT_MIN	SZ_1M

static unsigned long odp_table_limit;
module_param_named(table_limit, odp_table_limit, ulong, 0644);
MODULE_PARM_DESC(table_limit,
		 "Bytes of tables that a process may have for a device; 0: no limit");

static struct shrinker *odp_shrinker;

/* Frees the table of a leaf that was not used since the last time. */
static bool odp_leaf_age(struct odp_window *window, unsigned long index)
{
	unsigned long base = window->base + (index << ODP_LEAF_SHIFT);
	struct odp_leaf *leaf = odp_leaf_lock(window, index);
	bool idle = leaf->word && !(leaf->word & (ODP_HUGE | ODP_USED));

	leaf->word &= ~ODP_USED;
	odp_leaf_unlock(leaf);
	if (idle)
		odp_leaf_invalidate(window, index, base, base + ODP_LEAF_SIZE,
				    ODP_FREE);
	return idle;
}

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
		schedule_work(&mirror->reap);
	return freed;
}

/* --- the limit of a process ----------------------------------------------- */

static bool odp_mirror_full(struct odp_mirror *mirror)
{
	unsigned long limit = READ_ONCE(odp_table_limit);

	return limit && odp_mirror_table_bytes(mirror) + ODP_LEAF_TABLE_SIZE >
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
		if (!odp_mirror_shrink(mirror, ODP_WINDOW_LEAVES) &&
		    !READ_ONCE(mirror->hand))
			turns--;
		cond_resched();
	}
}

/* --- memory pressure ------------------------------------------------------ */

static unsigned long odp_shrink_count(struct shrinker *shrinker,
				      struct shrink_control *sc)
{
	return atomic_long_read(&odp_nr_tables) ?: SHRINK_EMPTY;
}

/* Who reclaims may be who holds the lock: making a mirror takes memory. */
static unsigned long odp_shrink_scan(struct shrinker *shrinker,
				     struct shrink_control *sc)
{
	unsigned long freed = 0, share;
	struct odp_mirror *mirror;

	if (!mutex_trylock(&odp_mirrors_lock))
		return SHRINK_STOP;
	list_for_each_entry(mirror, &odp_mirrors, node) {
		/* In proportion to what it has, and something of each. */
		share = mult_frac(sc->nr_to_scan,
				  atomic_long_read(&mirror->nr_tables),
				  max(atomic_long_read(&odp_nr_tables), 1L));
		freed += odp_mirror_shrink(mirror, share + 1);
	}
	mutex_unlock(&odp_mirrors_lock);
	return freed;
}

int odp_shrink_module_init(void)
{
	odp_shrinker = shrinker_alloc(0, "ib_umem_odp");
	if (!odp_shrinker)
		return -ENOMEM;
	odp_shrinker->count_objects = odp_shrink_count;
	odp_shrinker->scan_objects = odp_shrink_scan;
	shrinker_register(odp_shrinker);
	return 0;
}

void odp_shrink_module_exit(void)
{
	shrinker_free(odp_shrinker);
}
