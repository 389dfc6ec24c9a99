// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: debugfs
 *
 * /sys/kernel/debug/ib_umem_odp/mirrors has a line for each process and device:
 * what the mirror holds now, and what it costs.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "odp_debugfs.h"
#include "odp_leaf.h"
#include "odp_mirror.h"

static struct dentry *odp_debugfs;

/* What a mirror holds, in pages; @huge is in leaves. */
struct odp_census {
	unsigned long huge;
	unsigned long resident;
	unsigned long writable;
	unsigned long dirty;
};

static void odp_census_entry(struct odp_census *census, unsigned long entry,
			     unsigned long pages)
{
	if (entry & ODP_VALID)
		census->resident += pages;
	if (entry & ODP_WRITE)
		census->writable += pages;
	if (entry & ODP_DIRTY)
		census->dirty += pages;
}

static void odp_census_leaf(struct odp_census *census,
			    struct odp_window *window, unsigned long index)
{
	struct odp_leaf *leaf = odp_leaf_write_lock(window, index);
	unsigned long i;

	if (leaf->word & ODP_HUGE) {
		census->huge++;
		odp_census_entry(census, leaf->word, ODP_LEAF_PAGES);
	} else if (leaf->word) {
		for (i = 0; i < ODP_LEAF_PAGES; i++)
			odp_census_entry(census, odp_leaf_table(leaf->word)[i],
					 1);
	}
	odp_leaf_write_unlock(leaf);
}

static void odp_census_take(struct odp_census *census,
			    struct odp_mirror *mirror)
{
	struct odp_window *window;
	unsigned long index, i;

	lockdep_assert_held(&odp_mirrors_lock);
	/*
	 * The holder of windows_lock may wait for the mmap lock as long as a
	 * fault in a file system lasts. odp_mirrors_lock is held here, so do
	 * not wait.
	 */
	if (!mutex_trylock(&mirror->windows_lock))
		return;
	xa_for_each(&mirror->windows, index, window) {
		for_each_set_bit(i, window->populated, ODP_WINDOW_LEAVES)
			odp_census_leaf(census, window, i);
		cond_resched();
	}
	mutex_unlock(&mirror->windows_lock);
}

static void odp_mirror_show(struct seq_file *m, struct odp_mirror *mirror)
{
	struct odp_census census = {};

	odp_census_take(&census, mirror);
	seq_printf(m, "%-10s %8d %8u %8ld %8ld %6lu %10lu %10lu %8lu %12lu %10lld %13lld\n",
		   odp_mirror_name(mirror), mirror->owner, mirror->nr_regions,
		   atomic_long_read(&mirror->nr_windows),
		   atomic_long_read(&mirror->nr_leaves), census.huge,
		   census.resident, census.writable, census.dirty,
		   odp_mirror_table_bytes(mirror),
		   atomic64_read(&mirror->nr_faults),
		   atomic64_read(&mirror->nr_invalidations));
}

static int mirrors_show(struct seq_file *m, void *unused)
{
	struct odp_mirror *mirror;

	seq_printf(m, "%-10s %8s %8s %8s %8s %6s %10s %10s %8s %12s %10s %13s\n",
		   "device", "owner", "regions", "windows", "leaves", "huge",
		   "resident", "writable", "dirty", "table_bytes", "faults",
		   "invalidations");
	mutex_lock(&odp_mirrors_lock);
	list_for_each_entry(mirror, &odp_mirrors, node)
		odp_mirror_show(m, mirror);
	mutex_unlock(&odp_mirrors_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mirrors);

/**
 * odp_debugfs_module_init() - create the files in debugfs
 *
 * Context: may sleep.
 * Return: 0; debugfs may be missing.
 */
int odp_debugfs_module_init(void)
{
	odp_debugfs = debugfs_create_dir("ib_umem_odp", NULL);
	debugfs_create_file("mirrors", 0400, odp_debugfs, NULL, &mirrors_fops);
	return 0;
}

/**
 * odp_debugfs_module_exit() - remove the files in debugfs
 *
 * Context: may sleep.
 */
void odp_debugfs_module_exit(void)
{
	debugfs_remove_recursive(odp_debugfs);
}
