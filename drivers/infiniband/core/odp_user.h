/* SPDX-License-Identifier: GPL-2.0 */
/* Users, their workers, and the requests that wait for a worker. */
#ifndef ODP_USER_H
#define ODP_USER_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>

struct ib_umem_odp;
struct odp_mirror;
struct task_struct;

/* A user's workers for faults, and for prefetches. */
#define ODP_FAULT_WORKERS	48
#define ODP_PREFETCH_WORKERS	8
#define ODP_WORKERS		(ODP_FAULT_WORKERS + ODP_PREFETCH_WORKERS)

/*
 * How long a request may take while others of the user wait, and how long at
 * most. While a request lasts, the address space of a process that has ended is
 * not freed.
 */
#define ODP_TURN		(HZ / 10)
#define ODP_TURN_LAST		HZ

/**
 * enum odp_lane_id - kinds of requests; each kind has its own workers
 * @ODP_LANE_FAULT: the data path waits for the request
 * @ODP_LANE_PREFETCH: nothing waits for the request
 * @ODP_LANES: number of kinds
 */
enum odp_lane_id {
	ODP_LANE_FAULT,
	ODP_LANE_PREFETCH,
	ODP_LANES,
};

/**
 * struct odp_queue - a process's requests of one kind
 * @node: in one of the lane's lists while a request of the queue may be served
 * @pending: struct umem_odp_request, the waiting requests
 * @nr_pending: number of waiting requests
 * @running: number of requests that are being served
 * @share: how many may be served at a time; constant
 * @slow: the last served request had to be interrupted
 *
 * Protected by the user's lock.
 */
struct odp_queue {
	struct list_head node;
	struct list_head pending;
	unsigned int nr_pending;
	unsigned int running;
	unsigned int share;
	bool slow;
};

/**
 * struct umem_odp_request - pages that a worker makes present
 * @refs: one for the driver that allocated the request, one while it is queued
 *	or served
 * @node: in the queue's pending list or the lane's running list; protected by
 *	the user's lock
 * @lane: the kind of request; constant
 * @umem: the region; referenced while @user is not NULL
 * @offset: bytes from the region's start
 * @len: bytes
 * @left: for a prefetch: bytes from @offset on, of which the next step covers
 *	@len
 * @flags: enum umem_odp_fault_flags
 * @user: the user whose worker the request waits for or has; NULL if there is
 *	none. Changes under the user's lock.
 * @worker: the worker; NULL while the request waits; protected by the user's
 *	lock
 * @since: when the worker began, in jiffies; protected by the user's lock
 * @interrupted: the worker was told to stop; protected by the user's lock
 * @abandoned: @done will not be called; protected by the user's lock
 * @calling: number of calls of @done under way
 * @done: called when the worker has finished
 * @context: for @done
 */
struct umem_odp_request {
	refcount_t refs;
	struct list_head node;
	enum odp_lane_id lane;
	struct ib_umem_odp *umem;
	u64 offset;
	u64 len;
	u64 left;
	unsigned int flags;
	struct odp_user *user;
	struct task_struct *worker;
	unsigned long since;
	bool interrupted;
	bool abandoned;
	atomic_t calling;
	void (*done)(struct umem_odp_request *request, long result);
	void *context;
};

/**
 * struct odp_runner - a worker of a user
 * @work: serves requests until none may be served
 * @lane: the lane whose requests it serves
 */
struct odp_runner {
	struct work_struct work;
	struct odp_lane *lane;
};

/**
 * struct odp_lane - a user's workers for one kind of request
 * @user: the user
 * @ready: struct odp_queue, queues with a request that may be served
 * @slow: the same, of processes whose last request was interrupted
 * @turns: requests that were taken from @ready while @slow was not empty
 * @running: requests that are being served
 * @idle: runners without work
 * @runners: all runners
 * @timer: ends turns
 *
 * Protected by @user->lock.
 */
struct odp_lane {
	struct odp_user *user;
	struct list_head ready;
	struct list_head slow;
	unsigned int turns;
	struct list_head running;
	DECLARE_BITMAP(idle, ODP_FAULT_WORKERS);
	struct odp_runner *runners;
	struct timer_list timer;
};

/**
 * struct odp_user - the owner of workers
 * @rcu: frees the user, because odp_request_stop() takes @lock under RCU;
 *	kfree_rcu() wants it within 4096 bytes
 * @uid: the user's ID
 * @memcg: for root: number of the memory cgroup; otherwise 0
 * @node: in odp_users; protected by odp_users_lock
 * @refs: number of mirrors
 * @wq: runs the runners
 * @lock: protects the lanes, the queues of the user's mirrors, the requests in
 *	them, and @gone of the regions
 * @lanes: by enum odp_lane_id
 * @runners: the runners of all lanes
 * @free: frees the user after the last mirror
 */
struct odp_user {
	struct rcu_head rcu;
	kuid_t uid;
	u64 memcg;
	struct hlist_node node;
	refcount_t refs;
	struct workqueue_struct *wq;
	spinlock_t lock;
	struct odp_lane lanes[ODP_LANES];
	struct odp_runner runners[ODP_WORKERS];
	struct work_struct free;
};

int odp_user_attach(struct odp_mirror *mirror);
void odp_user_put(struct odp_user *user);
void odp_user_queue_work(struct odp_user *user, struct work_struct *work);
void odp_queue_update(struct odp_lane *lane, struct odp_queue *queue);
void odp_lane_wake(struct odp_lane *lane);
void odp_request_interrupt(struct umem_odp_request *request);
int odp_user_module_init(void (*serve)(struct umem_odp_request *request));
void odp_user_module_exit(void);

#endif /* ODP_USER_H */
