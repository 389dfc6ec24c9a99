// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Requests
 *
 * A driver that must not sleep starts a request, and a worker of the user
 * (odp_user.c) calls umem_odp_fault() for it.
 *
 * A fault in a file system cannot be interrupted, so nothing waits for a
 * worker. A driver that takes a request back while a worker serves it leaves
 * the request to the worker (an abandoned request). The request has references
 * to everything that the worker uses: to the region, which keeps the mirror,
 * the device's memory and the address space; and to this module, which
 * therefore cannot be unloaded meanwhile.
 */
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "odp_lend.h"
#include "odp_lifetime.h"
#include "odp_mirror.h"
#include "odp_user.h"
#include "odp_worker.h"

/* Prefetches of a process that may wait. */
#define ODP_PREFETCH_MAX	4096

/*
 * A shortage of memory usually passes, and an error ends a connection. So a
 * fault that fails with -ENOMEM is retried for this long, with pauses.
 */
#define ODP_SHORTAGE_MS		500
#define ODP_PAUSE_MS		10

/* Abandoned requests that a worker still serves. */
static atomic_t odp_abandoned = ATOMIC_INIT(0);

/* --- serving -------------------------------------------------------------- */

/**
 * odp_request_put() - drop a reference to a request
 * @request: the request
 *
 * Context: any.
 */
void odp_request_put(struct umem_odp_request *request)
{
	if (refcount_dec_and_test(&request->refs))
		kfree(request);
}

/* Should a try that returned @ret be repeated at once? Pauses if that helps. */
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

/* Is the request's first page in a file of a file system that is frozen now? */
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
 * A writer to a page of a frozen file system waits in the fault, with the mmap
 * lock held, and ignores signals; its process then cannot unmap anything. So
 * the worker waits before the fault. (A file system may still be frozen between
 * this check and the fault; the worker then waits in the fault.)
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
 * After this function the worker no longer owns the request. Returns false if
 * the request was abandoned, so that done() must not be called.
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
	/* With the signal pending, the signal may be the cause of an error. */
	*ret = *ret < 0 ? -EINTR : *ret;
	flush_signals(current);
	return wanted;
}

static void odp_request_done(struct umem_odp_request *request, long ret)
{
	request->done(request, ret);
	/*
	 * A full barrier: pairs with wait_var_event() in
	 * umem_odp_request_free().
	 */
	if (atomic_dec_and_test(&request->calling))
		wake_up_var(&request->calling);
}

/* Serves a request in a worker, called by odp_user.c. */
static void odp_request_serve(struct umem_odp_request *request)
{
	struct ib_umem_odp *umem = request->umem;
	struct mm_struct *mm = odp_mirror_mmget(umem->mirror);
	long ret = mm ? odp_request_fault(request, mm) : -ESRCH;
	bool wanted = odp_request_finish(request, &ret);

	if (wanted)
		odp_request_done(request, ret);
	/* Tearing the mm down may take long, but only delays this user. */
	if (mm)
		mmput(mm);
	umem_odp_release(umem);
	odp_request_put(request);
	if (wanted)
		return;
	/*
	 * A full barrier: pairs with wait_var_event_timeout() in
	 * umem_odp_settle().
	 */
	if (atomic_dec_and_test(&odp_abandoned))
		wake_up_var(&odp_abandoned);
	/* odp_user_free() waits for the rest when the module is unloaded. */
	module_put(THIS_MODULE);
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
 * odp_request_queue() - queue a request for a worker
 * @request: the request, complete; nothing else uses it
 * @force: queue it even if too many requests of its kind wait
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

/* Takes a waiting request out of its queue. */
static void odp_request_unqueue(struct umem_odp_request *request)
{
	struct odp_mirror *mirror = request->umem->mirror;
	struct odp_queue *queue = &mirror->queues[request->lane];

	lockdep_assert_held(&mirror->user->lock);
	list_del_init(&request->node);
	queue->nr_pending--;
	WRITE_ONCE(request->user, NULL);
	odp_queue_update(&mirror->user->lanes[request->lane], queue);
}

/* Leaves a request to the worker that serves it. */
static void odp_request_abandon(struct umem_odp_request *request)
{
	lockdep_assert_held(&request->user->lock);
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
 * odp_requests_forget() - cancel the requests of a region
 * @umem: the region; nothing starts new requests
 *
 * Prefetches are cancelled. Faults belong to drivers: their workers are
 * interrupted, and the drivers are told of an error as soon as that has
 * succeeded.
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

/**
 * odp_worker_module_init() - prepare for requests
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int odp_worker_module_init(void)
{
	return odp_user_module_init(odp_request_serve);
}

/**
 * odp_worker_module_exit() - wait for all workers
 *
 * Context: may sleep; no mirror exists.
 */
void odp_worker_module_exit(void)
{
	odp_user_module_exit();
}
