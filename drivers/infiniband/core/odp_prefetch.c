// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Prefetching
 *
 * A prefetch is a fault before an access misses. An asynchronous prefetch is a
 * request in a lane of its own (odp_user.c), one leaf per turn, so it takes
 * nothing from faults that a queue pair waits for. Deregistration cancels a
 * region's prefetches.
 *
 * A thread that waits for a prefetch also waits for a worker. It does not fault
 * by itself: a thread in a fault that cannot be interrupted would keep the
 * region from being deregistered and the device from being removed.
 */
#include <linux/completion.h>
#include <linux/export.h>
#include <linux/sched/signal.h>

#include "odp_mirror.h"
#include "odp_prefetch.h"
#include "odp_worker.h"

/* The bytes of a request that are in its first leaf. */
static u64 odp_prefetch_step(const struct ib_umem_odp *umem, u64 offset,
			     u64 len)
{
	u64 addr = umem->address + offset;

	return min(len, odp_leaf_end(addr) - addr);
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

/* --- asynchronous prefetches ---------------------------------------------- */

/* Queues the rest of a request. */
static int odp_prefetch_queue(struct umem_odp_request *request, bool force)
{
	request->len = odp_prefetch_step(request->umem, request->offset,
					 request->left);
	return odp_request_queue(request, force);
}

static void odp_prefetch_done(struct umem_odp_request *request, long ret)
{
	if (ret > 0) {
		request->offset += ret;
		request->left -= ret;
	} else if (ret != -EINTR && ret != -EBUSY) {
		return;
	}
	if (request->left)
		odp_prefetch_queue(request, true);
}

int umem_odp_prefetch_async(struct ib_umem_odp *umem, u64 offset, u64 len,
			    unsigned int flags)
{
	struct umem_odp_request *request;
	int ret = odp_prefetch_check(umem, offset, len, flags);

	if (ret || !len)
		return ret;
	request = umem_odp_request_alloc(odp_prefetch_done, NULL);
	if (!request)
		return -ENOMEM;
	request->lane = ODP_LANE_PREFETCH;
	request->umem = umem;
	request->offset = offset;
	request->left = len;
	request->flags = flags | UMEM_ODP_FAULT_PREFETCH;
	ret = odp_prefetch_queue(request, false);
	odp_request_put(request);
	return ret;
}
EXPORT_SYMBOL_GPL(umem_odp_prefetch_async);

/* --- the caller waits ----------------------------------------------------- */

/**
 * struct odp_waiter - a thread that waits for a prefetch
 * @node: in the device's waiters; protected by waiters_lock
 * @umem: the region
 * @done: completed when the worker has finished, or to abort the wait
 * @result: the worker's result
 * @aborted: the region or the device is going away; written under waiters_lock
 */
struct odp_waiter {
	struct list_head node;
	struct ib_umem_odp *umem;
	struct completion done;
	long result;
	bool aborted;
};

static void odp_waiter_done(struct umem_odp_request *request, long result)
{
	struct odp_waiter *waiter = umem_odp_request_context(request);

	waiter->result = result;
	complete(&waiter->done);
}

static void odp_waiter_abort(struct odp_waiter *waiter)
{
	WRITE_ONCE(waiter->aborted, true);
	complete(&waiter->done);
}

/*
 * A waiter of a device or region that is already going away is aborted at once.
 */
static void odp_waiter_add(struct odp_waiter *waiter)
{
	struct umem_odp_device *dev = waiter->umem->mirror->dev;

	spin_lock(&dev->waiters_lock);
	list_add(&waiter->node, &dev->waiters);
	if (dev->removing || waiter->umem->gone)
		odp_waiter_abort(waiter);
	spin_unlock(&dev->waiters_lock);
}

static void odp_waiter_del(struct odp_waiter *waiter)
{
	struct umem_odp_device *dev = waiter->umem->mirror->dev;

	spin_lock(&dev->waiters_lock);
	list_del(&waiter->node);
	spin_unlock(&dev->waiters_lock);
}

/**
 * odp_waiters_abort() - abort all waits for a region, or for a device
 * @dev: the device
 * @umem: the region, which is being deregistered; NULL: all regions of the
 *	device, which is being removed
 *
 * Context: process context.
 */
void odp_waiters_abort(struct umem_odp_device *dev,
		       const struct ib_umem_odp *umem)
{
	struct odp_waiter *waiter;

	spin_lock(&dev->waiters_lock);
	if (!umem)
		dev->removing = true;
	list_for_each_entry(waiter, &dev->waiters, node)
		if (!umem || waiter->umem == umem)
			odp_waiter_abort(waiter);
	spin_unlock(&dev->waiters_lock);
}

void umem_odp_device_removing(struct umem_odp_device *dev)
{
	odp_waiters_abort(dev, NULL);
}
EXPORT_SYMBOL_GPL(umem_odp_device_removing);

/* Waits for one step. Returns as umem_odp_fault(), or -EIO. */
static long odp_waiter_wait(struct odp_waiter *waiter,
			    struct umem_odp_request *request, u64 offset,
			    u64 len, unsigned int flags)
{
	int ret;

	ret = umem_odp_request_start(request, waiter->umem, offset,
				     odp_prefetch_step(waiter->umem, offset,
						       len),
				     flags | UMEM_ODP_FAULT_PREFETCH);
	if (!ret)
		ret = wait_for_completion_killable(&waiter->done);
	if (ret)
		return ret == -ERESTARTSYS ? -EINTR : ret;
	return READ_ONCE(waiter->aborted) ? -EIO : waiter->result;
}

static int odp_prefetch_range(struct odp_waiter *waiter,
			      struct umem_odp_request *request, u64 offset,
			      u64 len, unsigned int flags)
{
	while (len) {
		long ret = odp_waiter_wait(waiter, request, offset, len, flags);

		if (fatal_signal_pending(current))
			return -EINTR;
		/* -EINTR: the worker's turn has ended. */
		if (ret == -EBUSY || ret == -EINTR)
			continue;
		if (ret < 0)
			return ret;
		offset += ret;
		len -= ret;
	}
	return 0;
}

int umem_odp_prefetch(struct ib_umem_odp *umem, u64 offset, u64 len,
		      unsigned int flags)
{
	struct odp_waiter waiter = { .umem = umem };
	struct umem_odp_request *request;
	int ret = odp_prefetch_check(umem, offset, len, flags);

	if (ret)
		return ret;
	request = umem_odp_request_alloc(odp_waiter_done, &waiter);
	if (!request)
		return -ENOMEM;
	init_completion(&waiter.done);
	odp_waiter_add(&waiter);
	ret = odp_prefetch_range(&waiter, request, offset, len, flags);
	odp_waiter_del(&waiter);
	umem_odp_request_free(request);
	return ret;
}
EXPORT_SYMBOL_GPL(umem_odp_prefetch);
