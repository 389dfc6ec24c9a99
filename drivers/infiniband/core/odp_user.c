// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Users and their workers
 *
 * Faults that a driver's data path waits for, and prefetches that nothing waits
 * for, are requests that workers serve. Workers belong to a user. So one user's
 * requests, whatever they wait for (a userfaultfd, a disk, a file server), do
 * not delay another user's. A user has a bounded number of workers, however
 * many processes, queue pairs and requests the user has. Root's containers
 * count as separate users, by their memory cgroup. Users of a user namespace
 * count as the user who created the namespace.
 *
 * Workers serve a user's processes in turn. A process has only some of the
 * workers at a time. A request that occupies a worker while others wait is
 * interrupted after its turn. A fault then returns to the driver, which checks
 * whether it still wants the page; a prefetch goes to the end of its process's
 * queue. A process whose last request was interrupted comes after processes
 * whose requests are quick.
 */
#include <linux/cache.h>
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "odp_mirror.h"
#include "odp_user.h"
#include "../../compat/owner.h"

/* How many of a user's workers serve one process at a time. */
#define ODP_FAULT_SHARE		24
#define ODP_PREFETCH_SHARE	1

/* One in so many turns goes to a process whose last request was interrupted. */
#define ODP_SLOW_TURNS		4

static DEFINE_HASHTABLE(odp_users, 6);
static DEFINE_MUTEX(odp_users_lock);	/* protects odp_users */
static struct workqueue_struct *odp_free_wq;
static void (*odp_serve)(struct umem_odp_request *request) __ro_after_init;

/* --- which request is served next ----------------------------------------- */

/**
 * odp_queue_update() - put a queue into the list of its lane that it belongs in
 * @lane: the lane
 * @queue: the queue, whose requests or counts have changed
 *
 * Context: any but hard interrupt; the user's lock held.
 */
void odp_queue_update(struct odp_lane *lane, struct odp_queue *queue)
{
	lockdep_assert_held(&lane->user->lock);
	if (list_empty(&queue->pending) || queue->running >= queue->share)
		list_del_init(&queue->node);
	else if (list_empty(&queue->node))
		list_add_tail(&queue->node,
			      queue->slow ? &lane->slow : &lane->ready);
}

static bool odp_lane_has_waiters(const struct odp_lane *lane)
{
	lockdep_assert_held(&lane->user->lock);
	return !list_empty(&lane->ready) || !list_empty(&lane->slow);
}

static struct odp_queue *odp_lane_next_queue(struct odp_lane *lane)
{
	bool slow = !list_empty(&lane->slow);

	if (!list_empty(&lane->ready) &&
	    !(slow && ++lane->turns % ODP_SLOW_TURNS == 0))
		return list_first_entry(&lane->ready, struct odp_queue, node);
	return list_first_entry_or_null(&lane->slow, struct odp_queue, node);
}

/* Returns the next request, which this worker then has to serve; or NULL. */
static struct umem_odp_request *odp_lane_next(struct odp_lane *lane)
{
	struct odp_queue *queue = odp_lane_next_queue(lane);
	struct umem_odp_request *request;

	lockdep_assert_held(&lane->user->lock);
	if (!queue)
		return NULL;
	request = list_first_entry(&queue->pending, struct umem_odp_request,
				   node);
	list_move_tail(&request->node, &lane->running);
	queue->nr_pending--;
	queue->running++;
	/* The queue goes to the end of the list. */
	list_del_init(&queue->node);
	odp_queue_update(lane, queue);

	request->worker = current;
	request->since = jiffies;
	request->interrupted = false;
	if (!timer_pending(&lane->timer))
		mod_timer(&lane->timer, jiffies + ODP_TURN);
	return request;
}

/**
 * odp_lane_wake() - start an idle worker if a request may be served
 * @lane: the lane
 *
 * Context: any but hard interrupt; the user's lock held.
 */
void odp_lane_wake(struct odp_lane *lane)
{
	unsigned int i = find_first_bit(lane->idle, ODP_FAULT_WORKERS);

	lockdep_assert_held(&lane->user->lock);
	if (i == ODP_FAULT_WORKERS || !odp_lane_has_waiters(lane))
		return;
	__clear_bit(i, lane->idle);
	queue_work(lane->user->wq, &lane->runners[i].work);
}

/* --- turns ---------------------------------------------------------------- */

/**
 * odp_request_interrupt() - tell the worker of a request to stop
 * @request: the request, which is being served
 *
 * The user's lock is held, so the worker either gets the signal before it
 * finishes the request, or gets no signal.
 *
 * Context: any but hard interrupt; the user's lock held.
 */
void odp_request_interrupt(struct umem_odp_request *request)
{
	lockdep_assert_held(&request->user->lock);
	if (request->interrupted)
		return;
	request->interrupted = true;
	send_sig(SIGKILL, request->worker, 1);
}

static bool odp_request_delays_others(const struct umem_odp_request *request,
				      const struct odp_lane *lane)
{
	const struct odp_mirror *mirror = request->umem->mirror;

	if (!list_empty(&mirror->queues[request->lane].pending))
		return true;
	return odp_lane_has_waiters(lane);
}

/* The lane's timer: interrupts the requests whose turn is over. */
static void odp_lane_tick(struct timer_list *timer)
{
	struct odp_lane *lane = container_of(timer, struct odp_lane, timer);
	struct umem_odp_request *request;
	unsigned long turn;

	spin_lock_bh(&lane->user->lock);
	list_for_each_entry(request, &lane->running, node) {
		turn = odp_request_delays_others(request, lane) ? ODP_TURN :
								ODP_TURN_LAST;
		if (time_after_eq(jiffies, request->since + turn))
			odp_request_interrupt(request);
	}
	if (!list_empty(&lane->running))
		mod_timer(&lane->timer, jiffies + ODP_TURN);
	spin_unlock_bh(&lane->user->lock);
}

static void odp_runner_work(struct work_struct *work)
{
	struct odp_runner *runner = container_of(work, struct odp_runner, work);
	struct odp_lane *lane = runner->lane;
	struct odp_user *user = lane->user;
	struct umem_odp_request *request;

	allow_kernel_signal(SIGKILL);
	spin_lock_bh(&user->lock);
	while ((request = odp_lane_next(lane))) {
		spin_unlock_bh(&user->lock);
		odp_serve(request);
		cond_resched();
		spin_lock_bh(&user->lock);
	}
	__set_bit(runner - lane->runners, lane->idle);
	spin_unlock_bh(&user->lock);
	disallow_signal(SIGKILL);
}

/* --- users ---------------------------------------------------------------- */

/*
 * The user ID outside all user namespaces: a user of a namespace counts as the
 * one who created the namespace.
 */
static kuid_t odp_current_uid(void)
{
	struct user_namespace *ns = current_user_ns();
	kuid_t uid = current_uid();

	for (; ns != &init_user_ns; ns = ns->parent)
		uid = ns->owner;
	return uid;
}

static void odp_lane_init(struct odp_lane *lane, struct odp_user *user,
			  struct odp_runner *runners, unsigned int nr)
{
	unsigned int i;

	lane->user = user;
	INIT_LIST_HEAD(&lane->ready);
	INIT_LIST_HEAD(&lane->slow);
	INIT_LIST_HEAD(&lane->running);
	bitmap_set(lane->idle, 0, nr);
	lane->runners = runners;
	timer_setup(&lane->timer, odp_lane_tick, 0);
	for (i = 0; i < nr; i++) {
		INIT_WORK(&runners[i].work, odp_runner_work);
		runners[i].lane = lane;
	}
}

/*
 * Runs in a workqueue of its own, because it waits for the user's workers. One
 * of them may have dropped the last reference.
 */
static void odp_user_free(struct work_struct *work)
{
	struct odp_user *user = container_of(work, struct odp_user, free);
	unsigned int i;

	destroy_workqueue(user->wq);
	for (i = 0; i < ODP_LANES; i++)
		timer_delete_sync(&user->lanes[i].timer);
	kfree_rcu(user, rcu);
}

static struct odp_user *odp_user_create(kuid_t uid, u64 memcg)
{
	struct odp_user *user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);

	if (!user)
		return NULL;
	user->wq = alloc_workqueue("odp/%u", WQ_UNBOUND, ODP_WORKERS,
				   from_kuid(&init_user_ns, uid));
	if (!user->wq) {
		kfree(user);
		return NULL;
	}
	user->uid = uid;
	user->memcg = memcg;
	refcount_set(&user->refs, 1);
	spin_lock_init(&user->lock);
	INIT_WORK(&user->free, odp_user_free);
	odp_lane_init(&user->lanes[ODP_LANE_FAULT], user, user->runners,
		      ODP_FAULT_WORKERS);
	odp_lane_init(&user->lanes[ODP_LANE_PREFETCH], user,
		      user->runners + ODP_FAULT_WORKERS, ODP_PREFETCH_WORKERS);
	return user;
}

static struct odp_user *odp_user_find(kuid_t uid, u64 memcg)
{
	struct odp_user *user;

	lockdep_assert_held(&odp_users_lock);
	hash_for_each_possible(odp_users, user, node, __kuid_val(uid) ^ memcg)
		if (uid_eq(user->uid, uid) && user->memcg == memcg)
			return user;
	return NULL;
}

static struct odp_user *odp_user_get(void)
{
	kuid_t uid = odp_current_uid();
	u64 memcg = uid_eq(uid, GLOBAL_ROOT_UID) ? compat_memcg_number() : 0;
	struct odp_user *user;

	mutex_lock(&odp_users_lock);
	user = odp_user_find(uid, memcg);
	if (user) {
		refcount_inc(&user->refs);
	} else {
		user = odp_user_create(uid, memcg);
		if (user)
			hash_add(odp_users, &user->node,
				 __kuid_val(uid) ^ memcg);
	}
	mutex_unlock(&odp_users_lock);
	return user;
}

static void odp_queue_init(struct odp_queue *queue, unsigned int share)
{
	INIT_LIST_HEAD(&queue->node);
	INIT_LIST_HEAD(&queue->pending);
	queue->share = share;
}

/**
 * odp_user_attach() - give a mirror the workers of the current user
 * @mirror: the mirror of an address space
 *
 * Context: process context of the owner; may sleep.
 * Return: 0 or -ENOMEM.
 */
int odp_user_attach(struct odp_mirror *mirror)
{
	mirror->user = odp_user_get();
	if (!mirror->user)
		return -ENOMEM;
	odp_queue_init(&mirror->queues[ODP_LANE_FAULT], ODP_FAULT_SHARE);
	odp_queue_init(&mirror->queues[ODP_LANE_PREFETCH], ODP_PREFETCH_SHARE);
	return 0;
}

/**
 * odp_user_put() - drop the reference of odp_user_attach()
 * @user: the mirror's user; none of the mirror's requests waits or is served
 *
 * Context: may sleep; may be one of the user's workers.
 */
void odp_user_put(struct odp_user *user)
{
	if (!refcount_dec_and_mutex_lock(&user->refs, &odp_users_lock))
		return;
	hash_del(&user->node);
	mutex_unlock(&odp_users_lock);
	queue_work(odp_free_wq, &user->free);
}

/**
 * odp_user_queue_work() - run work other than requests in a user's worker
 * @user: the user
 * @work: the work, which does not wait
 *
 * Context: any.
 */
void odp_user_queue_work(struct odp_user *user, struct work_struct *work)
{
	queue_work(user->wq, work);
}

/**
 * odp_user_module_init() - prepare for users
 * @serve: serves a request, in a worker
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int odp_user_module_init(void (*serve)(struct umem_odp_request *request))
{
	odp_serve = serve;
	odp_free_wq = alloc_workqueue("odp_free", WQ_UNBOUND, 0);
	return odp_free_wq ? 0 : -ENOMEM;
}

/**
 * odp_user_module_exit() - wait until all users have been freed
 *
 * Context: may sleep; no mirror exists.
 */
void odp_user_module_exit(void)
{
	destroy_workqueue(odp_free_wq);
}
