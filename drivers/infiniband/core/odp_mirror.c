// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Mirrors
 *
 * All on-demand regions of a (device, mm) share one mirror, so two regions over
 * the same pages fault once. A hash table finds the mirror; how many mirrors
 * exist makes no difference. A pinned region has a mirror of its own, which is
 * in no table.
 */
#include <linux/rhashtable.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "odp_lifetime.h"
#include "odp_mirror.h"
#include "odp_watch.h"
#include "odp_window.h"

DEFINE_MUTEX(odp_mirrors_lock);		/* protects the list and the table */
LIST_HEAD(odp_mirrors);
static struct rhashtable odp_mirror_hash;

static const struct rhashtable_params odp_mirror_params = {
	.key_len = sizeof(struct odp_mirror_key),
	.key_offset = offsetof(struct odp_mirror, key),
	.head_offset = offsetof(struct odp_mirror, hash),
	.automatic_shrinking = true,
};

/* --- the list ------------------------------------------------------------- */

/*
 * A mirror without a window has no notifier, so it does not hear that its
 * process has ended. Whenever a mirror is added, this function looks at the two
 * mirrors that were not looked at for the longest time. So such mirrors do not
 * accumulate.
 */
static void odp_mirrors_check(void)
{
	struct odp_mirror *mirror;
	unsigned int i;

	lockdep_assert_held(&odp_mirrors_lock);
	for (i = 0; i < 2; i++) {
		mirror = list_first_entry(&odp_mirrors, struct odp_mirror,
					  node);
		list_move_tail(&mirror->node, &odp_mirrors);
		/* A mirror in the list has its mm_count. */
		if (!atomic_read(&mirror->mm->mm_users))
			odp_mirror_tidy_later(mirror);
	}
}

/**
 * odp_mirror_find() - find the mirror of a (device, mm) for one more region
 * @dev: the device
 * @mm: the address space
 * @fresh: a new mirror, which is added if there is none; or NULL
 *
 * Context: may sleep.
 * Return: the mirror, for odp_mirror_put(); an ERR_PTR if @fresh could not be
 * added; NULL if there is no mirror and no @fresh.
 */
struct odp_mirror *odp_mirror_find(struct umem_odp_device *dev,
				   struct mm_struct *mm,
				   struct odp_mirror *fresh)
{
	const struct odp_mirror_key key = { .dev = dev, .mm = mm };
	struct odp_mirror *mirror;
	int ret;

	mutex_lock(&odp_mirrors_lock);
	mirror = rhashtable_lookup_fast(&odp_mirror_hash, &key,
					odp_mirror_params);
	if (!mirror && fresh) {
		ret = rhashtable_insert_fast(&odp_mirror_hash, &fresh->hash,
					     odp_mirror_params);
		mirror = ret ? ERR_PTR(ret) : fresh;
		if (!ret) {
			list_add_tail(&fresh->node, &odp_mirrors);
			odp_mirrors_check();
		}
	}
	if (!IS_ERR_OR_NULL(mirror))
		mirror->nr_regions++;
	mutex_unlock(&odp_mirrors_lock);
	return mirror;
}

static void odp_mirror_unlist(struct odp_mirror *mirror)
{
	lockdep_assert_held(&odp_mirrors_lock);
	if (list_empty(&mirror->node))
		return;
	list_del_init(&mirror->node);
	rhashtable_remove_fast(&odp_mirror_hash, &mirror->hash,
			       odp_mirror_params);
}

/* No region will be added to the mirror: its address space has ended. */
static void odp_mirror_forget(struct odp_mirror *mirror)
{
	mutex_lock(&odp_mirrors_lock);
	odp_mirror_unlist(mirror);
	mutex_unlock(&odp_mirrors_lock);
}

/**
 * odp_mirror_put() - a region no longer uses an on-demand mirror
 * @mirror: the mirror
 *
 * Context: may sleep.
 * Return: true if that was the last region; the caller then destroys the
 * mirror.
 */
bool odp_mirror_put(struct odp_mirror *mirror)
{
	bool last;

	mutex_lock(&odp_mirrors_lock);
	last = --mirror->nr_regions == 0;
	if (last)
		odp_mirror_unlist(mirror);
	mutex_unlock(&odp_mirrors_lock);
	return last;
}

/* --- windows that are no longer needed ------------------------------------ */

/*
 * Frees everything but the mirror itself, which has a few hundred bytes. May
 * run on several CPUs at a time. No fault is under way or can begin.
 */
static void odp_mirror_empty(struct odp_mirror *mirror)
{
	struct odp_window *window;
	unsigned long index;

	mutex_lock(&mirror->windows_lock);
	xa_for_each(&mirror->windows, index, window) {
		odp_window_remove(window);
		cond_resched();
	}
	odp_watch_stop(mirror);
	mutex_unlock(&mirror->windows_lock);
	odp_mirror_drop_mm(mirror);
}

/* Removes the empty windows that no fault uses. */
static void odp_mirror_reap(struct odp_mirror *mirror)
{
	struct odp_window *window;
	unsigned long index;

	mutex_lock(&mirror->windows_lock);
	xa_for_each(&mirror->windows, index, window) {
		if (bitmap_empty(window->populated, ODP_WINDOW_LEAVES) &&
		    refcount_dec_if_one(&window->refs))
			odp_window_remove(window);
		cond_resched();
	}
	mutex_unlock(&mirror->windows_lock);
}

/**
 * odp_mirror_tidy() - remove what a mirror no longer needs
 * @mirror: the mirror
 *
 * Removes the empty windows. After the end of the address space, removes all
 * windows and everything else that is large.
 *
 * Context: may sleep; no lock held.
 */
void odp_mirror_tidy(struct odp_mirror *mirror)
{
	if (odp_mirror_is_dead(mirror)) {
		odp_mirror_forget(mirror);
		odp_mirror_empty(mirror);
	} else {
		odp_mirror_reap(mirror);
	}
}

static void odp_mirror_tidy_work(struct work_struct *work)
{
	struct odp_mirror *mirror =
		container_of(work, struct odp_mirror, tidy);

	odp_mirror_tidy(mirror);
	odp_mirror_put_ref(mirror);
}

/**
 * odp_mirror_drain() - wait for accesses under way
 * @mirror: the mirror
 * @first: first address
 * @last: last address
 *
 * An access that locks a leaf of the range after this function sees what the
 * caller wrote before it. That includes leaves that are not populated when this
 * function looks: they have no entry until odp_leaf_commit() has set their bit.
 *
 * Context: may sleep; no lock held.
 */
void odp_mirror_drain(struct odp_mirror *mirror, unsigned long first,
		      unsigned long last)
{
	unsigned long index = odp_window_index(mirror, first);
	struct odp_window *window;

	smp_mb(); /* Pairs with smp_mb__after_atomic() in odp_leaf_commit(). */
	rcu_read_lock();
	xa_for_each_range(&mirror->windows, index, window, index,
			  odp_window_index(mirror, last)) {
		odp_window_drain(window, first, last);
		rcu_read_unlock();
		cond_resched();
		rcu_read_lock();
	}
	rcu_read_unlock();
}

/* --- creation and destruction --------------------------------------------- */

static void odp_mirror_init(struct odp_mirror *mirror)
{
	refcount_set(&mirror->refs, 1);
	INIT_LIST_HEAD(&mirror->node);
	spin_lock_init(&mirror->mm_lock);
	xa_init_flags(&mirror->windows, XA_FLAGS_ACCOUNT);
	mutex_init(&mirror->windows_lock);
	mirror->regions = RB_ROOT_CACHED;
	spin_lock_init(&mirror->regions_lock);
	INIT_LIST_HEAD(&mirror->faults);
	spin_lock_init(&mirror->faults_lock);
	init_waitqueue_head(&mirror->fault_wait);
	INIT_WORK(&mirror->tidy, odp_mirror_tidy_work);
}

/**
 * odp_mirror_create() - create an empty mirror
 * @dev: the device
 * @mm: the address space; NULL for a mirror of pinned pages
 *
 * For an on-demand mirror, the caller sets up @ahead_work (odp_guess_init())
 * and the workers (odp_user_attach()).
 *
 * Context: may sleep; no lock held, because the owner's memory cgroup may have
 * to be reclaimed.
 * Return: the mirror, for odp_mirror_destroy(); or an ERR_PTR.
 */
struct odp_mirror *odp_mirror_create(struct umem_odp_device *dev,
				     struct mm_struct *mm)
{
	struct odp_mirror *mirror;

	mirror = kzalloc(sizeof(*mirror), GFP_KERNEL_ACCOUNT);
	if (!mirror)
		return ERR_PTR(-ENOMEM);

	odp_mirror_init(mirror);
	mirror->key.dev = dev;
	mirror->key.mm = mm;
	mirror->dev = dev;
	mirror->pinned = !mm;
	mirror->owner = task_tgid_nr(current);
	if (mm) {
		mmgrab(mm);
		mirror->mm = mm;
	}
	get_device(&dev->ibdev->dev);
	return mirror;
}

/**
 * odp_mirror_destroy() - destroy a mirror
 * @mirror: the mirror; no region uses it, it is not in the list, and its
 *	@ahead_work has been cancelled
 *
 * Context: may sleep; no mmap lock held.
 */
void odp_mirror_destroy(struct odp_mirror *mirror)
{
	odp_mirror_empty(mirror);
	xa_destroy(&mirror->windows);
	put_device(&mirror->dev->ibdev->dev);
	odp_mirror_put_ref(mirror);
}

/**
 * odp_mirror_module_init() - create the table of mirrors
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int odp_mirror_module_init(void)
{
	return rhashtable_init(&odp_mirror_hash, &odp_mirror_params);
}

/**
 * odp_mirror_module_exit() - destroy the table of mirrors
 *
 * Context: may sleep; no mirror exists.
 */
void odp_mirror_module_exit(void)
{
	rhashtable_destroy(&odp_mirror_hash);
}
