// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Prefetching
 *
 * A fault before there is a miss. What is to be prefetched while nobody waits is
 * queued at the mirror, whose one worker takes the requests in turn: prefetching
 * takes nothing from faults that a queue pair waits for, and no process can keep
 * another's from being served. A region that goes takes its requests with it.
 */
#include <linux/export.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "odp.h"

/* Requests that a process may have waiting. */
#define ODP_PREFETCH_MAX	4096

/**
 * struct odp_prefetch - a request
 * @node: in the mirror's list; under prefetch_lock
 * @umem: the region, which cancels the request before it goes
 * @offset: bytes from its start
 * @len: bytes
 * @flags: enum umem_odp_fault_flags
 * @cancelled: the worker is to leave off
 */
struct odp_prefetch {
	struct list_head node;
	struct ib_umem_odp *umem;
	u64 offset;
	u64 len;
	unsigned int flags;
	bool cancelled;
};

static struct workqueue_struct *odp_prefetch_wq;

/* Up to a leaf. Returns as umem_odp_fault(). */
static ssize_t odp_prefetch_leaf(struct ib_umem_odp *umem, u64 offset, u64 len,
				 unsigned int flags)
{
	u64 addr = umem->address + offset;

	return umem_odp_fault(umem, offset,
			      min(len, odp_leaf_end(addr) - addr),
			      flags | UMEM_ODP_FAULT_PREFETCH);
}

static int odp_prefetch_range(struct ib_umem_odp *umem, u64 offset, u64 len,
			      unsigned int flags, const bool *cancelled)
{
	while (len) {
		ssize_t ret;

		if (READ_ONCE(*cancelled) || fatal_signal_pending(current))
			return -EINTR;
		ret = odp_prefetch_leaf(umem, offset, len, flags);
		if (ret == -EBUSY)
			continue;
		if (ret < 0)
			return ret;
		offset += ret;
		len -= ret;
	}
	return 0;
}

static int odp_prefetch_check(const struct ib_umem_odp *umem, u64 offset,
			      u64 len, unsigned int flags)
{
	if (umem->pinned)
		return -EINVAL;
	if (flags & UMEM_ODP_FAULT_WRITE && !umem->writable)
		return -EPERM;
	if (offset > umem->length || len > umem->length - offset)
		return -EFAULT;
	return 0;
}

int umem_odp_prefetch(struct ib_umem_odp *umem, u64 offset, u64 len,
		      unsigned int flags)
{
	bool cancelled = false;
	int ret = odp_prefetch_check(umem, offset, len, flags);

	return ret ?: odp_prefetch_range(umem, offset, len, flags, &cancelled);
}
EXPORT_SYMBOL_GPL(umem_odp_prefetch);

/* --- the worker ----------------------------------------------------------- */

static struct odp_prefetch *odp_prefetch_next(struct odp_mirror *mirror)
{
	struct odp_prefetch *next;

	spin_lock(&mirror->prefetch_lock);
	next = list_first_entry_or_null(&mirror->prefetches,
					struct odp_prefetch, node);
	if (next) {
		list_del_init(&next->node);
		mirror->nr_prefetches--;
		mirror->prefetcher = current;
	}
	mirror->prefetching = next;
	spin_unlock(&mirror->prefetch_lock);
	return next;
}

/* A cancelled request's signal comes before this or not at all. */
static void odp_prefetch_finish(struct odp_mirror *mirror,
				struct odp_prefetch *request)
{
	spin_lock(&mirror->prefetch_lock);
	mirror->prefetching = NULL;
	spin_unlock(&mirror->prefetch_lock);
	flush_signals(current);
	kfree(request);
	wake_up_all(&mirror->prefetch_wait);
}

static void odp_prefetch_work(struct work_struct *work)
{
	struct odp_mirror *mirror =
		container_of(work, struct odp_mirror, prefetch_work);
	struct odp_prefetch *request = odp_prefetch_next(mirror);

	if (!request)
		return;
	allow_kernel_signal(SIGKILL);
	odp_prefetch_range(request->umem, request->offset, request->len,
			   request->flags, &request->cancelled);
	disallow_signal(SIGKILL);
	odp_prefetch_finish(mirror, request);
	/* The next one in its turn among all processes'. */
	queue_work(odp_prefetch_wq, &mirror->prefetch_work);
}

int umem_odp_prefetch_async(struct ib_umem_odp *umem, u64 offset, u64 len,
			    unsigned int flags)
{
	struct odp_mirror *mirror = umem->mirror;
	struct odp_prefetch *request;
	int ret = odp_prefetch_check(umem, offset, len, flags);

	if (ret)
		return ret;
	request = kmalloc(sizeof(*request), GFP_KERNEL_ACCOUNT);
	if (!request)
		return -ENOMEM;
	*request = (struct odp_prefetch){
		.umem = umem,
		.offset = offset,
		.len = len,
		.flags = flags,
	};

	spin_lock(&mirror->prefetch_lock);
	if (mirror->nr_prefetches < ODP_PREFETCH_MAX) {
		list_add_tail(&request->node, &mirror->prefetches);
		mirror->nr_prefetches++;
	} else {
		ret = -ENOMEM;
	}
	spin_unlock(&mirror->prefetch_lock);
	if (ret)
		kfree(request);
	else
		queue_work(odp_prefetch_wq, &mirror->prefetch_work);
	return ret;
}
EXPORT_SYMBOL_GPL(umem_odp_prefetch_async);

/* --- the end -------------------------------------------------------------- */

/* Is the worker at a request for the region? Tells it to leave off. */
static bool odp_prefetch_stop(struct ib_umem_odp *umem)
{
	struct odp_mirror *mirror = umem->mirror;
	bool busy;

	spin_lock(&mirror->prefetch_lock);
	busy = mirror->prefetching && mirror->prefetching->umem == umem;
	if (busy) {
		WRITE_ONCE(mirror->prefetching->cancelled, true);
		send_sig(SIGKILL, mirror->prefetcher, 1);
	}
	spin_unlock(&mirror->prefetch_lock);
	return busy;
}

/**
 * odp_prefetch_cancel() - forget what was to be prefetched for a region
 * @umem: the region; no new requests come
 *
 * Context: may sleep.
 */
void odp_prefetch_cancel(struct ib_umem_odp *umem)
{
	struct odp_mirror *mirror = umem->mirror;
	struct odp_prefetch *request, *next;
	LIST_HEAD(gone);

	spin_lock(&mirror->prefetch_lock);
	list_for_each_entry_safe(request, next, &mirror->prefetches, node) {
		if (request->umem != umem)
			continue;
		list_move(&request->node, &gone);
		mirror->nr_prefetches--;
	}
	spin_unlock(&mirror->prefetch_lock);
	list_for_each_entry_safe(request, next, &gone, node)
		kfree(request);
	wait_event(mirror->prefetch_wait, !odp_prefetch_stop(umem));
}

/**
 * odp_prefetch_init() - make a mirror's part
 * @mirror: the mirror
 */
void odp_prefetch_init(struct odp_mirror *mirror)
{
	INIT_LIST_HEAD(&mirror->prefetches);
	spin_lock_init(&mirror->prefetch_lock);
	init_waitqueue_head(&mirror->prefetch_wait);
	INIT_WORK(&mirror->prefetch_work, odp_prefetch_work);
}

int odp_prefetch_module_init(void)
{
	odp_prefetch_wq = alloc_workqueue("odp_prefetch", WQ_UNBOUND, 0);
	return odp_prefetch_wq ? 0 : -ENOMEM;
}

void odp_prefetch_module_exit(void)
{
	destroy_workqueue(odp_prefetch_wq);
}
