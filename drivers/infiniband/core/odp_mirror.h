/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_MIRROR_H
#define ODP_MIRROR_H

#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rhashtable-types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_verbs.h>

#include "odp_ahead.h"
#include "odp_leaf.h"
#include "odp_user.h"

#define ODP_NEAR_WINDOWS	8

/**
 * struct odp_mirror_key - identifies an on-demand mirror
 * @dev: the device
 * @mm: the address space
 */
struct odp_mirror_key {
	struct umem_odp_device *dev;
	struct mm_struct *mm;
};

/**
 * struct odp_mirror - the translations of one address space for one device
 * @key: the key in the table of mirrors; constant
 * @dev: the device. A reference to @dev->ibdev->dev keeps its memory as long as
 *	regions exist, even after the device has been unregistered.
 * @pinned: the mirror holds pinned pages; it has no address space, and nothing
 *	invalidates it
 * @mm: the address space, with an mm_count held; NULL if @pinned, and after the
 *	address space has ended. Protected by @mm_lock, or by a held mm_users.
 * @mm_lock: protects @mm
 * @owner: PID of the process that created the mirror, for output only
 * @nr_regions: number of regions; protected by odp_mirrors_lock
 * @refs: one for the regions, one while @watch is registered, one for each
 *	queued @tidy; a reference keeps the mirror's memory and nothing else
 * @rcu: frees the mirror
 * @hash: node in the table of all on-demand mirrors; protected by
 *	odp_mirrors_lock
 * @node: node in odp_mirrors; empty if the mirror is not in the list; protected
 *	by odp_mirrors_lock
 * @watch: reports the end of the address space, answers which pages were
 *	accessed
 * @watching: @watch is registered; protected by @windows_lock
 * @regions: on-demand regions by address; protected by @regions_lock
 * @regions_lock: protects @regions
 * @origin: address of the window with index 0 in @windows: 0; for a pinned
 *	region, its first window, so that the only entry of a small region needs
 *	no xarray node. Constant once the mirror has windows.
 * @windows: by odp_window_index(); changed under @windows_lock, read under RCU
 * @near: some of the windows, by the low bits of that index, for a lookup in
 *	one step; changed under @windows_lock, read under RCU
 * @windows_lock: serializes adding and removing windows
 * @faults: struct odp_fault, the faults that are asking the mm; protected by
 *	@faults_lock
 * @faults_lock: protects @faults and the ring of guesses
 * @fault_wait: woken when a fault ends
 * @guesses: a ring, the oldest at @first_guess; protected by @faults_lock
 * @first_guess: index into @guesses; protected by @faults_lock
 * @nr_guesses: number of guesses in the ring; protected by @faults_lock
 * @ahead_work: faults in the guessed pages, in one of @user's workers
 * @user: the user whose workers serve the mirror's requests; NULL if @pinned
 * @queues: waiting requests, by enum odp_lane_id
 * @tidy: removes empty windows, or all windows after the address space has
 *	ended
 * @hand: number of the leaf in the address space where the search for tables to
 *	free continues (a hint, without a lock)
 * @nr_windows: see struct umem_odp_mirror_stats
 * @nr_leaves: leaves whose word is not 0
 * @nr_tables: leaves with a table
 * @nr_faults: see struct umem_odp_mirror_stats
 * @nr_invalidations: see struct umem_odp_mirror_stats
 */
struct odp_mirror {
	struct odp_mirror_key key;
	struct umem_odp_device *dev;
	bool pinned;
	struct mm_struct *mm;
	spinlock_t mm_lock;
	pid_t owner;
	unsigned int nr_regions;
	refcount_t refs;
	struct rcu_head rcu;
	struct rhash_head hash;
	struct list_head node;
	struct mmu_notifier watch;
	bool watching;
	struct rb_root_cached regions;
	spinlock_t regions_lock;
	unsigned long origin;
	struct xarray windows;
	struct odp_window __rcu *near[ODP_NEAR_WINDOWS];
	struct mutex windows_lock;
	struct list_head faults;
	spinlock_t faults_lock;
	wait_queue_head_t fault_wait;
	struct odp_guess guesses[ODP_GUESSES];
	unsigned int first_guess, nr_guesses;
	struct work_struct ahead_work;
	struct odp_user *user;
	struct odp_queue queues[ODP_LANES];
	struct work_struct tidy;
	unsigned long hand;
	atomic_long_t nr_windows;
	atomic_long_t nr_leaves;
	atomic_long_t nr_tables;
	atomic64_t nr_faults;
	atomic64_t nr_invalidations;
};

/* On-demand mirrors whose address space has not ended, and their lock. */
extern struct mutex odp_mirrors_lock;
extern struct list_head odp_mirrors;

struct odp_mirror *odp_mirror_create(struct umem_odp_device *dev,
				     struct mm_struct *mm);
void odp_mirror_destroy(struct odp_mirror *mirror);
struct odp_mirror *odp_mirror_find(struct umem_odp_device *dev,
				   struct mm_struct *mm,
				   struct odp_mirror *fresh);
bool odp_mirror_put(struct odp_mirror *mirror);
void odp_mirror_tidy(struct odp_mirror *mirror);
void odp_mirror_drain(struct odp_mirror *mirror, unsigned long first,
		      unsigned long last);
int odp_mirror_module_init(void);
void odp_mirror_module_exit(void);

/* Kernel memory of the mirror's windows and tables, bytes. */
static inline unsigned long
odp_mirror_table_bytes(const struct odp_mirror *mirror)
{
	return atomic_long_read(&mirror->nr_windows) *
		       sizeof(struct odp_window) +
	       atomic_long_read(&mirror->nr_tables) * ODP_TABLE_BYTES;
}

/* The device's name, for output. */
static inline const char *odp_mirror_name(const struct odp_mirror *mirror)
{
	return dev_name(&mirror->dev->ibdev->dev);
}

#endif /* ODP_MIRROR_H */
