// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Allocating tables and windows
 *
 * Tables and windows are charged to the memory cgroup of the process whose
 * memory they translate. If the cgroup is full, the mirror's own tables and
 * empty windows are freed first. Only then may the OOM killer be called. The
 * table_limit parameter bounds what a process may have.
 */
#include <linux/moduleparam.h>
#include <linux/sizes.h>

#include "odp_alloc.h"
#include "odp_mirror.h"
#include "odp_shrink.h"
#include "odp_window.h"

#define ODP_TABLE_LIMIT_MIN	SZ_1M

static unsigned long odp_table_limit;
module_param_named(table_limit, odp_table_limit, ulong, 0644);
MODULE_PARM_DESC(table_limit,
		 "Bytes of tables that a process may have for a device; 0: no limit");

static bool odp_mirror_full(struct odp_mirror *mirror)
{
	unsigned long limit = READ_ONCE(odp_table_limit);

	return limit && odp_mirror_table_bytes(mirror) + ODP_TABLE_BYTES >
				max(limit, (unsigned long)ODP_TABLE_LIMIT_MIN);
}

/*
 * Keeps to the limit before a table is added. This is best effort: windows
 * count, and a worker removes them a little later.
 */
static void odp_mirror_make_room(struct odp_mirror *mirror)
{
	/* The rest of this round, one that clears ODP_USED, one that frees. */
	unsigned int turns = 3;

	while (odp_mirror_full(mirror) && turns) {
		if (!odp_mirror_shrink(mirror, ODP_SHRINK_BATCH) &&
		    !READ_ONCE(mirror->hand))
			turns--;
		cond_resched();
	}
}

/*
 * Frees some of a mirror's memory now. Visits all leaves until a table has been
 * freed. If all tables are in use, frees one that was used. The shrinker also
 * frees tables, those of the whole cgroup, but it must not remove windows.
 */
static void odp_mirror_reclaim(struct odp_mirror *mirror)
{
	/* The rest of this round, one that clears ODP_USED, one that frees. */
	unsigned int turns = 3;

	while (!odp_mirror_shrink(mirror, ODP_SHRINK_BATCH) && turns) {
		if (!READ_ONCE(mirror->hand))
			turns--;
		cond_resched();
	}
	odp_mirror_tidy(mirror);
}

/**
 * odp_mirror_table() - allocate a table for a mirror
 * @mirror: the mirror, on-demand
 *
 * Keeps to the process's limit. If there is no memory, tables that are not used
 * are freed before the OOM killer is called.
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

/* As odp_mirror_table(): the mirror frees what it can before the OOM killer. */
static struct odp_window *odp_mirror_window(struct odp_mirror *mirror,
					    unsigned long addr)
{
	struct odp_window *window;

	if (!mirror->pinned) {
		window = odp_window_alloc(mirror, addr, GFP_KERNEL |
					  __GFP_NORETRY | __GFP_NOWARN);
		if (window)
			return window;
		odp_mirror_reclaim(mirror);
	}
	return odp_window_alloc(mirror, addr, GFP_KERNEL);
}

/**
 * odp_window_get() - get the window of an address, and create it if necessary
 * @mirror: the mirror
 * @addr: any address in the window
 *
 * Context: may sleep. For an on-demand mirror the caller holds an mm_users and
 * no mmap lock.
 * Return: a referenced window, for odp_window_put(); or an ERR_PTR.
 */
struct odp_window *odp_window_get(struct odp_mirror *mirror,
				  unsigned long addr)
{
	struct odp_window *window = odp_window_try_get(mirror, addr);

	if (window)
		return window;
	window = odp_mirror_window(mirror, addr);
	return window ? odp_window_add(window, addr) : ERR_PTR(-ENOMEM);
}
