// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Workers
 *
 * Faults that a driver's data path waits for, and prefetches that nobody waits for,
 * are requests that workers serve. The workers belong to a user: what one user's
 * requests wait for (a userfaultfd, a disk, a file server) keeps no other user's
 * waiting, and a user has a bounded number of them, however many processes, queue
 * pairs and requests. Containers run by root are users of their own, by their memory
 * cgroup; users that somebody has made in a user namespace are he.
 *
 * Among a user's processes the workers go round. A process has some of them at most
 * at a time. A request that holds a worker while others wait is interrupted after
 * its turn: a fault goes back to the driver, which looks whether it still wants the
 * page; a prefetch goes to the end of its process's queue. A process whose last
 * request was interrupted stands behind those whose requests take no time.
 *
 * A fault in a file system cannot be interrupted, so nobody waits for a worker: who
 * takes a request back while a worker has it leaves it behind (an abandoned
 * request). It has references to all that it uses: the region, through that the
 * mirror, the device's memory and the address space; and one to this module, which
 * therefore cannot be unloaded meanwhile.
 */
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <linux/wait_bit.h>

#include "odp.h"
#include "../../compat/owner.h"

/* Workers of a user that serve faults, and that prefetch. */
#define ODP_FAULT_WORKERS	48
#define ODP_PREFETCH_WORKERS	8
#define ODP_WORKERS		(ODP_FAULT_WORKERS + ODP_PREFETCH_WORKERS)

/* How many of them serve one process at a time. */
#define ODP_FAULT_SHARE		24
#define ODP_PREFETCH_SHARE	1

/* Prefetches that a process may have waiting. */
#define ODP_PREFETCH_MAX	4096

/*
 * How long a request may take while others of the user wait, and at most. While it
 * lasts, the address space of a process that has ended is not freed.
 */
#define ODP_TURN		(HZ / 10)
#define ODP_TURN_LAST		HZ

/*
 * A shortage of memory is passing more often than not, and an error ends a
 * connection. So a fault is tried again for this long, and not at once.
 */
#define ODP_SHORTAGE_MS		500
#define ODP_PAUSE_MS		10

/* Of so many turns, one is of a process that stands behind. */
#define ODP_SLOW_TURNS		4

/**
 * struct odp_runner - a worker of a user
 * @work: serves requests until there are none to be served
 * @lane: which ones
 */
struct odp_runner {
	struct work_struct work;
	struct odp_lane *lane;
};

/**
 * struct odp_lane - the workers of a user for one kind of request
 * @user: the user
 * @ready: queues with a request that may be served, struct odp_queue
 * @slow: the same, of processes whose last request was interrupted
 * @turns: requests taken from @ready while there were @slow ones
 * @running: requests being served
 * @idle: runners that are not at work
 * @runners: all of them
 * @timer: sees to it that turns end
 *
 * All under @user->lock.
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
 * struct odp_user - who has workers
 * @rcu: frees it: odp_request_stop() looks at @lock; kfree_rcu() wants it within 4096 bytes
 * @uid: the user
 * @memcg: for root: number of the memory cgroup; else 0
 * @node: in odp_users; under odp_users_lock
 * @refs: mirrors
 * @wq: runs the runners
 * @lock: protects the lanes, the queues of the user's mirrors, the requests in them,
 *	and "gone" of the regions
 * @lanes: by enum odp_lane_id
 * @runners: of the lanes
 * @free: what remains to be done when the last mirror has gone
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

static DEFINE_HASHTABLE(odp_users, 6);
static DEFINE_MUTEX(odp_users_lock);
static struct workqueue_struct *odp_free_wq;

/* Requests that were left to a worker that is still at them. */
static atomic_t odp_abandoned = ATOMIC_INIT(0);

/* --- which request is served next ----------------------------------------- */

/* Caller: holds the user's lock; so do all callers here. */
static void odp_queue_update(struct odp_lane *lane, struct odp_queue *queue)
{
	lockdep_assert_held(&lane->user->lock);
	if (list_empty(&queue->pending) || queue->running >= queue->share)
		list_del_init(&queue->node);
	else if (list_empty(&queue->node))
		list_add_tail(&queue->node,
			      queue->slow ? &lane->slow : &lane->ready);
}

static bool odp_lane_waits(const struct odp_lane *lane)
{
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

/* The next request, which is this worker's then; or NULL. */
static struct umem_odp_request *odp_lane_next(struct odp_lane *lane)
{
	struct odp_queue *queue = odp_lane_next_queue(lane);
	struct umem_odp_request *request;

	if (!queue)
		return NULL;
	request = list_first_entry(&queue->pending, struct umem_odp_request,
				   node);
	list_move_tail(&request->node, &lane->running);
	queue->nr_pending--;
	queue->running++;
	/* To the end of the row. */
	list_del_init(&queue->node);
	odp_queue_update(lane, queue);

	request->worker = current;
	request->since = jiffies;
	request->interrupted = false;
	if (!timer_pending(&lane->timer))
		mod_timer(&lane->timer, jiffies + ODP_TURN);
	return request;
}

static void odp_lane_wake(struct odp_lane *lane)
{
	unsigned int i = find_first_bit(lane->idle, ODP_FAULT_WORKERS);

	lockdep_assert_held(&lane->user->lock);
	if (i == ODP_FAULT_WORKERS || !odp_lane_waits(lane))
		return;
	__clear_bit(i, lane->idle);
	queue_work(lane->user->wq, &lane->runners[i].work);
}

/* --- turns ---------------------------------------------------------------- */

/*
 * A signal for a request comes before its end or not at all, because the user's
 * lock is held.
 */
static void odp_request_interrupt(struct umem_odp_request *request)
{
	if (request->interrupted)
		return;
	request->interrupted = true;
	send_sig(SIGKILL, request->worker, 1);
}

static bool odp_request_has_waiters(const struct umem_odp_request *request,
				    const struct odp_lane *lane)
{
	const struct odp_mirror *mirror = request->umem->mirror;

	if (!list_empty(&mirror->queues[request->lane].pending))
		return true;
	return odp_lane_waits(lane);
}

static void odp_lane_tick(struct timer_list *timer)
{
	struct odp_lane *lane = container_of(timer, struct odp_lane, timer);
	struct umem_odp_request *request;
	unsigned long turn;

	spin_lock_bh(&lane->user->lock);
	list_for_each_entry(request, &lane->running, node) {
		turn = odp_request_has_waiters(request, lane) ? ODP_TURN :
								ODP_TURN_LAST;
		if (time_after_eq(jiffies, request->since + turn))
			odp_request_interrupt(request);
	}
	if (!list_empty(&lane->running))
		mod_timer(&lane->timer, jiffies + ODP_TURN);
	spin_unlock_bh(&lane->user->lock);
}

/* --- serving -------------------------------------------------------------- */

/**
 * odp_request_put() - the end of a reference to a request
 * @request: the request
 *
 * Context: any.
 */
void odp_request_put(struct umem_odp_request *request)
{
	if (refcount_dec_and_test(&request->refs))
		kfree(request);
}

/* Is what gave @ret to be tried again at once? Pauses where that helps. */
static bool odp_request_again(const struct umem_odp_request *request, long ret,
			      unsigned long since)
{
	if (signal_pending(current))
		return false;
	if (ret != -ENOMEM || request->flags & UMEM_ODP_FAULT_PREFETCH)
		return ret == -EBUSY;
	if (time_after(jiffies, since + msecs_to_jiffies(ODP_SHORTAGE_MS)))
		return false;
	msleep(ODP_PAUSE_MS);
	return true;
}

/* Is the first page of a file system that lets nobody write at present? */
static bool odp_request_is_frozen(const struct umem_odp_request *request,
				  struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	bool frozen = false;

	if (!(request->flags & UMEM_ODP_FAULT_WRITE) ||
	    mmap_read_lock_killable(mm))
		return false;
	vma = vma_lookup(mm, request->umem->address + request->offset);
	if (vma && vma->vm_flags & VM_SHARED && vma->vm_file)
		frozen = READ_ONCE(file_inode(vma->vm_file)->i_sb
					   ->s_writers.frozen) !=
			 SB_UNFROZEN;
	mmap_read_unlock(mm);
	return frozen;
}

/*
 * Who writes to a page of a file system that is frozen waits in the fault, with the
 * mmap lock held, so that the process cannot unmap anything, and deaf to signals. So
 * a worker waits before. (A file system that is frozen just then gets it all the
 * same.)
 */
static int odp_request_await_thaw(const struct umem_odp_request *request,
				  struct mm_struct *mm)
{
	while (odp_request_is_frozen(request, mm))
		if (schedule_timeout_killable(msecs_to_jiffies(ODP_PAUSE_MS)))
			return -EINTR;
	return 0;
}

static long odp_request_try(struct umem_odp_request *request,
			    struct mm_struct *mm)
{
	if (READ_ONCE(request->umem->gone))
		return -EFAULT;
	return odp_request_await_thaw(request, mm) ?:
	       umem_odp_fault(request->umem, request->offset, request->len,
			      request->flags);
}

static long odp_request_fault(struct umem_odp_request *request,
			      struct mm_struct *mm)
{
	unsigned long since = jiffies;
	struct odp_lend lend;
	long ret;

	odp_lend_begin(&lend, mm);
	do {
		ret = odp_request_try(request, mm);
	} while (odp_request_again(request, ret, since));
	odp_lend_end(&lend);
	return ret;
}

/*
 * From here on the request is the worker's no more. Returns false where it is
 * nobody else's either.
 */
static bool odp_request_finish(struct umem_odp_request *request, long *ret)
{
	struct odp_mirror *mirror = request->umem->mirror;
	struct odp_user *user = mirror->user;
	struct odp_queue *queue = &mirror->queues[request->lane];
	struct odp_lane *lane = &user->lanes[request->lane];
	bool wanted;

	spin_lock_bh(&user->lock);
	list_del_init(&request->node);
	request->worker = NULL;
	queue->running--;
	queue->slow = request->interrupted;
	odp_queue_update(lane, queue);
	wanted = !request->abandoned;
	if (wanted)
		atomic_inc(&request->calling);
	/* Pairs with smp_load_acquire() in odp_request_stop(). */
	smp_store_release(&request->user, NULL);
	spin_unlock_bh(&user->lock);

	if (!signal_pending(current))
		return wanted;
	/* What fails with the signal pending may have failed for it. */
	*ret = *ret < 0 ? -EINTR : *ret;
	flush_signals(current);
	return wanted;
}

static void odp_request_done(struct umem_odp_request *request, long ret)
{
	request->done(request, ret);
	if (atomic_dec_and_test(&request->calling))
		wake_up_var(&request->calling);
}

static void odp_request_serve(struct umem_odp_request *request)
{
	struct ib_umem_odp *umem = request->umem;
	struct mm_struct *mm = odp_mirror_mmget(umem->mirror);
	long ret = mm ? odp_request_fault(request, mm) : -ESRCH;
	bool wanted = odp_request_finish(request, &ret);

	if (wanted)
		odp_request_done(request, ret);
	/* The last user's way out may be long, and keeps this user waiting only. */
	if (mm)
		mmput(mm);
	umem_odp_release(umem);
	odp_request_put(request);
	if (wanted)
		return;
	if (atomic_dec_and_test(&odp_abandoned))
		wake_up_var(&odp_abandoned);
	/* What follows is waited for when the module goes: odp_user_free(). */
	module_put(THIS_MODULE);
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
		odp_request_serve(request);
		cond_resched();
		spin_lock_bh(&user->lock);
	}
	__set_bit(runner - lane->runners, lane->idle);
	spin_unlock_bh(&user->lock);
	disallow_signal(SIGKILL);
}

/* --- requests ------------------------------------------------------------- */

struct umem_odp_request *
umem_odp_request_alloc(void (*done)(struct umem_odp_request *request,
				    long result), void *context)
{
	struct umem_odp_request *request =
		kzalloc(sizeof(*request), GFP_KERNEL_ACCOUNT);

	if (!request)
		return NULL;
	refcount_set(&request->refs, 1);
	INIT_LIST_HEAD(&request->node);
	request->lane = ODP_LANE_FAULT;
	request->done = done;
	request->context = context;
	return request;
}
EXPORT_SYMBOL_GPL(umem_odp_request_alloc);

/**
 * odp_request_queue() - have a request served
 * @request: nobody else's; complete
 * @force: even if too many of its kind wait
 *
 * Context: any but hard interrupt.
 * Return: 0; -EFAULT: the region is being deregistered; -ENOMEM: too many wait.
 */
int odp_request_queue(struct umem_odp_request *request, bool force)
{
	struct odp_mirror *mirror = request->umem->mirror;
	struct odp_queue *queue = &mirror->queues[request->lane];
	struct odp_user *user = mirror->user;
	struct odp_lane *lane = &user->lanes[request->lane];
	int ret = 0;

	spin_lock_bh(&user->lock);
	if (request->umem->gone) {
		ret = -EFAULT;
	} else if (!force && queue->nr_pending >= ODP_PREFETCH_MAX) {
		ret = -ENOMEM;
	} else {
		refcount_inc(&request->umem->refs);
		refcount_inc(&request->refs);
		WRITE_ONCE(request->user, user);
		list_add_tail(&request->node, &queue->pending);
		queue->nr_pending++;
		odp_queue_update(lane, queue);
		odp_lane_wake(lane);
	}
	spin_unlock_bh(&user->lock);
	return ret;
}

int umem_odp_request_start(struct umem_odp_request *request,
			   struct ib_umem_odp *umem, u64 offset, u64 len,
			   unsigned int flags)
{
	if (umem->pinned)
		return -EFAULT;
	request->umem = umem;
	request->offset = offset;
	request->len = len;
	request->flags = flags;
	return odp_request_queue(request, true);
}
EXPORT_SYMBOL_GPL(umem_odp_request_start);

void *umem_odp_request_context(const struct umem_odp_request *request)
{
	return request->context;
}
EXPORT_SYMBOL_GPL(umem_odp_request_context);

/* Takes a request that waits out of its queue. */
static void odp_request_unqueue(struct umem_odp_request *request)
{
	struct odp_mirror *mirror = request->umem->mirror;
	struct odp_queue *queue = &mirror->queues[request->lane];

	list_del_init(&request->node);
	queue->nr_pending--;
	WRITE_ONCE(request->user, NULL);
	odp_queue_update(&mirror->user->lanes[request->lane], queue);
}

/* Leaves a request to the worker that has it. */
static void odp_request_abandon(struct umem_odp_request *request)
{
	request->abandoned = true;
	atomic_inc(&odp_abandoned);
	__module_get(THIS_MODULE);
	odp_request_interrupt(request);
}

/* Takes a request back. Returns true if it was waiting. */
static bool odp_request_stop(struct umem_odp_request *request)
{
	struct odp_user *user;
	bool waited = false;

	rcu_read_lock();
	/* Pairs with smp_store_release() in odp_request_finish(). */
	user = smp_load_acquire(&request->user);
	if (user) {
		spin_lock_bh(&user->lock);
		waited = request->user && !request->worker;
		if (waited)
			odp_request_unqueue(request);
		else if (request->user)
			odp_request_abandon(request);
		spin_unlock_bh(&user->lock);
	}
	rcu_read_unlock();
	return waited;
}

void umem_odp_request_free(struct umem_odp_request *request)
{
	if (!request)
		return;
	if (odp_request_stop(request)) {
		umem_odp_release(request->umem);
		odp_request_put(request);
	}
	wait_var_event(&request->calling, !atomic_read(&request->calling));
	odp_request_put(request);
}
EXPORT_SYMBOL_GPL(umem_odp_request_free);

/**
 * odp_requests_forget() - a region goes
 * @umem: the region; no new requests come
 *
 * Prefetches go with it. Faults are the drivers'; they are told that they fail, as
 * soon as they can be interrupted.
 *
 * Context: process context; does not wait for a worker.
 */
void odp_requests_forget(struct ib_umem_odp *umem)
{
	struct odp_mirror *mirror = umem->mirror;
	struct odp_queue *queue = &mirror->queues[ODP_LANE_PREFETCH];
	struct odp_user *user = mirror->user;
	struct umem_odp_request *request, *next;
	LIST_HEAD(gone);

	spin_lock_bh(&user->lock);
	WRITE_ONCE(umem->gone, true);
	list_for_each_entry_safe(request, next, &queue->pending, node) {
		if (request->umem != umem)
			continue;
		odp_request_unqueue(request);
		list_add(&request->node, &gone);
	}
	list_for_each_entry(request, &user->lanes[ODP_LANE_PREFETCH].running,
			    node)
		if (request->umem == umem)
			odp_request_abandon(request);
	list_for_each_entry(request, &user->lanes[ODP_LANE_FAULT].running, node)
		if (request->umem == umem)
			odp_request_interrupt(request);
	spin_unlock_bh(&user->lock);

	list_for_each_entry_safe(request, next, &gone, node) {
		umem_odp_release(umem);
		odp_request_put(request);
	}
}

void umem_odp_settle(void)
{
	wait_var_event_timeout(&odp_abandoned, !atomic_read(&odp_abandoned),
			       ODP_TURN_LAST);
}
EXPORT_SYMBOL_GPL(umem_odp_settle);

/* --- users ---------------------------------------------------------------- */

/* Of a user that a user namespace has made, it is who has made the namespace. */
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

/* Not in a worker of the user's own, which it waits for. */
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
 * odp_workers_get() - give a mirror workers: those of the current user
 * @mirror: the mirror of an address space
 *
 * Context: process context of the owner; may sleep.
 * Return: 0 or -ENOMEM.
 */
int odp_workers_get(struct odp_mirror *mirror)
{
	mirror->user = odp_user_get();
	if (!mirror->user)
		return -ENOMEM;
	odp_queue_init(&mirror->queues[ODP_LANE_FAULT], ODP_FAULT_SHARE);
	odp_queue_init(&mirror->queues[ODP_LANE_PREFETCH], ODP_PREFETCH_SHARE);
	return 0;
}

/**
 * odp_workers_put() - the end of what odp_workers_get() began
 * @mirror: the mirror; none of its requests waits or is served
 *
 * Context: may sleep; may be one of the user's workers.
 */
void odp_workers_put(struct odp_mirror *mirror)
{
	struct odp_user *user = mirror->user;

	if (!refcount_dec_and_mutex_lock(&user->refs, &odp_users_lock))
		return;
	hash_del(&user->node);
	mutex_unlock(&odp_users_lock);
	queue_work(odp_free_wq, &user->free);
}

/**
 * odp_workers_queue() - have something done by a worker of a mirror's user
 * @mirror: the mirror of an address space
 * @work: waits for nobody
 *
 * Context: any.
 */
void odp_workers_queue(struct odp_mirror *mirror, struct work_struct *work)
{
	queue_work(mirror->user->wq, work);
}

int odp_workers_module_init(void)
{
	odp_free_wq = alloc_workqueue("odp_free", WQ_UNBOUND, 0);
	return odp_free_wq ? 0 : -ENOMEM;
}

/* Context: may sleep; there are no mirrors any more. */
void odp_workers_module_exit(void)
{
	destroy_workqueue(odp_free_wq);
}
