// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Shared receive queues
 *
 * Many queue pairs take receive requests from one queue. A request that has
 * been taken belongs to the queue pair. Its memory must belong to the
 * protection domain of the shared queue.
 */
#include <rdma/uverbs_ioctl.h>

#include "rxe.h"
#include "rxe_mmap.h"
#include "rxe_pd.h"
#include "rxe_srq.h"

/* --- taking --------------------------------------------------------------- */

/**
 * rxe_srq_take() - take the oldest request
 * @srq: the shared receive queue
 * @wqe: receives a copy of the request
 *
 * Context: a task, which may hold any lock that comes before srq->lock.
 * Return: whether @wqe is valid.
 */
enum rxe_taken rxe_srq_take(struct rxe_srq *srq, struct rxe_rwqe *wqe)
{
	enum rxe_taken taken;
	bool tell = false;

	spin_lock_bh(&srq->lock);
	taken = rxe_recvq_take(&srq->queue, wqe);
	if (taken && rxe_recvq_left(&srq->queue) < srq->limit) {
		srq->limit = 0;
		srq->due++;
		tell = true;
	}
	spin_unlock_bh(&srq->lock);
	if (tell)
		rxe_task_kick(&srq->notify);
	return taken;
}

static bool rxe_srq_notify(struct rxe_task *task)
{
	struct rxe_srq *srq = container_of(task, struct rxe_srq, notify);
	struct ib_event event = {
		.device = srq->ib.device,
		.element.srq = &srq->ib,
		.event = IB_EVENT_SRQ_LIMIT_REACHED,
	};
	bool due, more;

	spin_lock_bh(&srq->lock);
	due = srq->due;
	if (due)
		srq->due--;
	more = srq->due;
	spin_unlock_bh(&srq->lock);
	if (due && srq->ib.event_handler)
		srq->ib.event_handler(&event, srq->ib.srq_context);
	return more;
}

/* --- making --------------------------------------------------------------- */

static int rxe_check_srq(struct ib_device *ibdev,
			 const struct ib_srq_init_attr *init,
			 const struct ib_udata *udata)
{
	if (init->srq_type != IB_SRQT_BASIC) {
		ibdev_dbg(ibdev, "create_srq: no SRQs of type %d\n",
			  init->srq_type);
		return -EOPNOTSUPP;
	}
	if (udata && udata->outlen < sizeof(struct rxe_create_srq_resp)) {
		ibdev_dbg(ibdev, "create_srq: room for %zu bytes is too small\n",
			  udata->outlen);
		return -EINVAL;
	}
	if (!init->attr.max_wr || init->attr.max_wr > RXE_MAX_SRQ_WR ||
	    !init->attr.max_sge || init->attr.max_sge > RXE_MAX_SRQ_SGE) {
		ibdev_dbg(ibdev,
			  "create_srq: %u requests, %u elements are out of range\n",
			  init->attr.max_wr, init->attr.max_sge);
		return -EINVAL;
	}
	return 0;
}

static void rxe_srq_free(struct rxe_srq *srq)
{
	struct rxe_dev *rxe = to_rxe(srq->ib.device);

	if (srq->user)
		rxe_mmap_withdraw(rxe, &srq->queue.ring);
	rxe_recvq_free(&srq->queue);
	ida_free(&rxe->srqs, srq->num);
}

static int rxe_srq_respond(struct rxe_srq *srq, struct ib_udata *udata)
{
	struct rxe_ucontext *context =
		rdma_udata_to_drv_context(udata, struct rxe_ucontext, ib);
	struct rxe_create_srq_resp resp = { .srq_num = srq->num };
	int ret;

	ret = rxe_mmap_offer(to_rxe(srq->ib.device), &context->ib,
			     &srq->queue.ring, &resp.mi);
	return ret ?: ib_copy_to_udata(udata, &resp, sizeof(resp));
}

/**
 * rxe_create_srq() - create a shared receive queue
 * @ibsrq: the queue
 * @init: least sizes; receives the actual sizes
 * @udata: the command; NULL for the kernel
 *
 * Context: process context.
 * Return: 0; -EOPNOTSUPP for types other than the basic one; -EINVAL for sizes
 * beyond the device's limits, or a command that does not follow the ABI;
 * -ENOMEM; -EFAULT.
 */
int rxe_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *init,
		   struct ib_udata *udata)
{
	struct rxe_dev *rxe = to_rxe(ibsrq->device);
	struct rxe_srq *srq = to_rsrq(ibsrq);
	int ret;

	ret = rxe_check_srq(ibsrq->device, init, udata);
	if (ret)
		return ret;
	spin_lock_init(&srq->lock);
	srq->queue.owner_lock = &srq->lock;
	mutex_init(&srq->resize_lock);
	rxe_task_init(&srq->notify, rxe_srq_notify);
	srq->user = udata;
	ret = ida_alloc_range(&rxe->srqs, 1, RXE_MAX_SRQ, GFP_KERNEL);
	if (ret < 0)
		return -ENOMEM;
	srq->num = ret;

	ret = rxe_recvq_init(&srq->queue, init->attr.max_wr, init->attr.max_sge,
			     srq->user);
	if (!ret && udata)
		ret = rxe_srq_respond(srq, udata);
	if (ret)
		rxe_srq_free(srq);
	else
		init->attr.max_wr = srq->queue.ring.mask;
	return ret;
}

/* --- changing ------------------------------------------------------------- */

/* Writes the new ring's mmap offset to the address in the command. */
static int rxe_srq_tell_ring(struct rxe_srq *srq, struct rxe_ring *ring,
			     struct ib_udata *udata)
{
	struct rxe_ucontext *context =
		rdma_udata_to_drv_context(udata, struct rxe_ucontext, ib);
	struct rxe_modify_srq_cmd cmd;
	struct mminfo info = {};
	int ret;

	ret = ib_copy_from_udata(&cmd, udata, sizeof(cmd)) ?:
	      rxe_mmap_offer(to_rxe(srq->ib.device), &context->ib, ring, &info);
	if (!ret && copy_to_user(u64_to_user_ptr(cmd.mmap_info_addr), &info,
				 sizeof(info)))
		ret = -EFAULT;
	return ret;
}

/* Moves the queue to another ring, while queue pairs take requests from it. */
static int rxe_srq_move(struct rxe_srq *srq, struct rxe_ring *ring, u32 wrs)
{
	u32 cons, left;

	lockdep_assert_held(&srq->resize_lock);
	spin_lock_bh(&srq->lock);
	cons = srq->queue.cons;
	left = rxe_recvq_left(&srq->queue);
	spin_unlock_bh(&srq->lock);
	if (left > wrs) {
		ibdev_dbg(srq->ib.device,
			  "modify_srq %u: %u requests wait, more than %u\n",
			  srq->num, left, wrs);
		return -EINVAL;
	}

	rxe_recvq_copy(&srq->queue, ring, cons, left);
	spin_lock_bh(&srq->lock);
	rxe_recvq_switch(&srq->queue, ring, cons, left);
	spin_unlock_bh(&srq->lock);
	return 0;
}

static int rxe_srq_resize(struct rxe_srq *srq, u32 wrs, struct ib_udata *udata)
{
	struct rxe_recvq fresh = { .owner_lock = &srq->lock };
	int ret;

	if (!srq->user) {
		ibdev_dbg(srq->ib.device,
			  "modify_srq %u: the kernel's SRQs are not resized\n",
			  srq->num);
		return -EOPNOTSUPP;
	}
	if (udata->inlen < sizeof(struct rxe_modify_srq_cmd)) {
		ibdev_dbg(srq->ib.device,
			  "modify_srq %u: driver data of %zu bytes is too short\n",
			  srq->num, udata->inlen);
		return -EINVAL;
	}
	ret = rxe_recvq_init(&fresh, wrs, srq->queue.max_sge, true) ?:
	      rxe_srq_tell_ring(srq, &fresh.ring, udata);
	if (!ret) {
		mutex_lock(&srq->resize_lock);
		ret = rxe_srq_move(srq, &fresh.ring, wrs);
		mutex_unlock(&srq->resize_lock);
	}
	/* After a move, @fresh has the old ring. */
	rxe_mmap_withdraw(to_rxe(srq->ib.device), &fresh.ring);
	rxe_recvq_free(&fresh);
	return ret;
}

static int rxe_check_srq_change(const struct rxe_srq *srq,
				const struct ib_srq_attr *attr, int mask)
{
	u32 max_wr = READ_ONCE(srq->queue.ring.mask);

	if (mask & ~(IB_SRQ_MAX_WR | IB_SRQ_LIMIT)) {
		ibdev_dbg(srq->ib.device,
			  "modify_srq %u: attributes %#x are not known\n",
			  srq->num, mask);
		return -EINVAL;
	}
	if (mask & IB_SRQ_MAX_WR) {
		max_wr = attr->max_wr;
		if (!max_wr || max_wr > RXE_MAX_SRQ_WR ||
		    (!(mask & IB_SRQ_LIMIT) &&
		     max_wr < READ_ONCE(srq->limit))) {
			ibdev_dbg(srq->ib.device,
				  "modify_srq %u: %u requests are out of range\n",
				  srq->num, max_wr);
			return -EINVAL;
		}
	}
	if (mask & IB_SRQ_LIMIT && attr->srq_limit > max_wr) {
		ibdev_dbg(srq->ib.device,
			  "modify_srq %u: limit %u is beyond the size, %u\n",
			  srq->num, attr->srq_limit, max_wr);
		return -EINVAL;
	}
	return 0;
}

/**
 * rxe_modify_srq() - change a shared receive queue
 * @ibsrq: the queue
 * @attr: its new size, or the limit for an event; 0 disarms the event
 * @mask: enum ib_srq_attr_mask, the attributes to change
 * @udata: the command to change the size; its user does not post before it has
 *	mapped the new ring
 *
 * Context: process context.
 * Return: 0; -EINVAL for a size that is out of range, or smaller than the limit
 * or the number of waiting requests, and for a limit beyond the size;
 * -EOPNOTSUPP for the size of a kernel queue; -ENOMEM; -EFAULT. After an error
 * the queue is unchanged.
 */
int rxe_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr,
		   enum ib_srq_attr_mask mask, struct ib_udata *udata)
{
	struct rxe_srq *srq = to_rsrq(ibsrq);
	int ret = rxe_check_srq_change(srq, attr, mask);

	if (!ret && mask & IB_SRQ_MAX_WR)
		ret = rxe_srq_resize(srq, attr->max_wr, udata);
	if (ret || !(mask & IB_SRQ_LIMIT))
		return ret;
	spin_lock_bh(&srq->lock);
	srq->limit = attr->srq_limit;
	spin_unlock_bh(&srq->lock);
	return 0;
}

/**
 * rxe_query_srq() - report a shared receive queue's attributes
 * @ibsrq: the queue
 * @attr: receives its size and its limit, 0 if the event is not armed
 *
 * Return: 0.
 */
int rxe_query_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr)
{
	struct rxe_srq *srq = to_rsrq(ibsrq);

	spin_lock_bh(&srq->lock);
	attr->max_wr = srq->queue.ring.mask;
	attr->max_sge = srq->queue.max_sge;
	attr->srq_limit = srq->limit;
	spin_unlock_bh(&srq->lock);
	return 0;
}

/**
 * rxe_destroy_srq() - destroy a shared receive queue
 * @ibsrq: the queue; no QP refers to it
 * @udata: not used
 *
 * Context: process context.
 * Return: 0.
 */
int rxe_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata)
{
	struct rxe_srq *srq = to_rsrq(ibsrq);

	rxe_task_drain(&srq->notify);
	rxe_srq_free(srq);
	return 0;
}

/**
 * rxe_post_srq_recv() - post receive requests
 * @ibsrq: the queue
 * @wr: the kernel's requests
 * @bad_wr: receives the first request that was not posted
 *
 * Context: any.
 * Return: 0; -EINVAL for too many elements, and for a user's queue, to which
 * user space posts without a system call; -ENOMEM if the queue is full.
 */
int rxe_post_srq_recv(struct ib_srq *ibsrq, const struct ib_recv_wr *wr,
		      const struct ib_recv_wr **bad_wr)
{
	struct rxe_srq *srq = to_rsrq(ibsrq);

	if (srq->user) {
		ibdev_dbg(ibsrq->device,
			  "post_srq_recv %u: user space posts into the ring\n",
			  srq->num);
		*bad_wr = wr;
		return -EINVAL;
	}
	return rxe_recvq_post(&srq->queue, wr, bad_wr);
}
