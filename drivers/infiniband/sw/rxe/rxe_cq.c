// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Completion queues
 *
 * The ring belongs to whoever polls: user space reads and frees slots without a
 * system call, the kernel through rxe_poll_cq(). Whoever completes work only
 * adds to it. That there is a completion is told by a task, so that no completion
 * handler runs under a lock.
 */
#include <rdma/uverbs_ioctl.h>

#include "rxe.h"
#include "rxe_cq.h"
#include "rxe_limits.h"

/* --- adding --------------------------------------------------------------- */

static u32 rxe_cq_consumer(const struct rxe_cq *cq)
{
	return cq->user ? rxe_ring_consumer(&cq->ring) : cq->consumer;
}

static u32 rxe_cq_unread(const struct rxe_cq *cq)
{
	return (cq->producer - rxe_cq_consumer(cq)) & cq->ring.mask;
}

/* One of the flags has another value in user space, see enum ibv_wc_flags. */
#define RXE_UVERBS_WC_WITH_INV	BIT(3)

static u32 rxe_wc_user_flags(int flags)
{
	return (flags & (IB_WC_GRH | IB_WC_WITH_IMM)) |
	       (flags & IB_WC_WITH_INVALIDATE ? RXE_UVERBS_WC_WITH_INV : 0);
}

/* In the kernel, who polls may be an interrupt. */
static unsigned long rxe_cq_lock(struct rxe_cq *cq) __acquires(&cq->lock)
{
	unsigned long flags = 0;

	if (cq->user)
		spin_lock_bh(&cq->lock);
	else
		spin_lock_irqsave(&cq->lock, flags);
	return flags;
}

static void rxe_cq_unlock(struct rxe_cq *cq, unsigned long flags)
	__releases(&cq->lock)
{
	if (cq->user)
		spin_unlock_bh(&cq->lock);
	else
		spin_unlock_irqrestore(&cq->lock, flags);
}

static void rxe_cq_store(struct rxe_cq *cq, const struct ib_wc *wc)
{
	void *slot = rxe_ring_slot(&cq->ring, cq->producer);

	if (!cq->user) {
		*(struct ib_wc *)slot = *wc;
		return;
	}
	*(struct ib_uverbs_wc *)slot = (struct ib_uverbs_wc){
		.wr_id = wc->wr_id,
		.status = wc->status,
		.opcode = wc->opcode,
		.vendor_err = wc->vendor_err,
		.byte_len = wc->byte_len,
		.ex.imm_data = wc->ex.imm_data,
		.qp_num = wc->qp->qp_num,
		.src_qp = wc->src_qp,
		.wc_flags = rxe_wc_user_flags(wc->wc_flags),
		.pkey_index = wc->pkey_index,
		.slid = wc->slid,
		.sl = wc->sl,
		.dlid_path_bits = wc->dlid_path_bits,
		.port_num = wc->port_num,
	};
}

static bool rxe_cq_wants(const struct rxe_cq *cq, const struct ib_wc *wc,
			 bool solicited)
{
	if (cq->armed & IB_CQ_NEXT_COMP)
		return true;
	return cq->armed && (solicited || wc->status != IB_WC_SUCCESS);
}

static void rxe_cq_add(struct rxe_cq *cq, const struct ib_wc *wc,
		       bool solicited)
{
	rxe_cq_store(cq, wc);
	cq->producer++;
	rxe_ring_publish_producer(&cq->ring, cq->producer);
	if (rxe_cq_wants(cq, wc, solicited)) {
		cq->armed = 0;
		cq->due = true;
	}
}

static void rxe_cq_report_overflow(struct rxe_cq *cq)
{
	struct ib_event event = {
		.device = cq->ib.device,
		.element.cq = &cq->ib,
		.event = IB_EVENT_CQ_ERR,
	};

	if (cq->ib.event_handler)
		cq->ib.event_handler(&event, cq->ib.cq_context);
}

/**
 * rxe_cq_post() - add a completion
 * @cq: the completion queue
 * @wc: the completion; @wc->qp is set
 * @solicited: the sender asked for an event
 *
 * A completion that finds the queue full is lost, and with it every later one:
 * the queue is in error, which its owner is told once. A queue pair that has lost
 * a completion goes to the error state; that is the caller's concern.
 *
 * Context: a task, which may hold any lock that comes before cq->lock.
 * Return: true; false: the completion is lost.
 */
bool rxe_cq_post(struct rxe_cq *cq, const struct ib_wc *wc, bool solicited)
{
	unsigned long flags;
	bool tell;

	flags = rxe_cq_lock(cq);
	if (unlikely(cq->overflowed || rxe_cq_unread(cq) >= cq->ring.mask)) {
		tell = !cq->overflowed;
		cq->overflowed = true;
		rxe_cq_unlock(cq, flags);
		if (tell)
			rxe_cq_report_overflow(cq);
		return false;
	}
	rxe_cq_add(cq, wc, solicited);
	tell = cq->due;
	rxe_cq_unlock(cq, flags);

	if (tell)
		rxe_task_kick(&cq->notify);
	return true;
}

static bool rxe_cq_notify(struct rxe_task *task)
{
	struct rxe_cq *cq = container_of(task, struct rxe_cq, notify);
	unsigned long flags;
	bool due;

	flags = rxe_cq_lock(cq);
	due = cq->due;
	cq->due = false;
	rxe_cq_unlock(cq, flags);

	if (due && cq->ib.comp_handler)
		cq->ib.comp_handler(&cq->ib, cq->ib.cq_context);
	return false;
}

/* --- taking --------------------------------------------------------------- */

/**
 * rxe_poll_cq() - take completions from a kernel completion queue
 * @ibcq: the queue
 * @num: how many at most
 * @wc: receives them
 *
 * Context: any.
 * Return: how many there were.
 */
int rxe_poll_cq(struct ib_cq *ibcq, int num, struct ib_wc *wc)
{
	struct rxe_cq *cq = to_rcq(ibcq);
	unsigned long flags;
	int i;

	flags = rxe_cq_lock(cq);
	for (i = 0; i < num && rxe_cq_unread(cq); i++, cq->consumer++)
		wc[i] = *(struct ib_wc *)rxe_ring_slot(&cq->ring, cq->consumer);
	rxe_cq_unlock(cq, flags);
	return i;
}

/**
 * rxe_req_notify_cq() - ask for an event
 * @ibcq: the completion queue
 * @flags: IB_CQ_SOLICITED or IB_CQ_NEXT_COMP, which wins over what was asked
 *	for before only if it asks for more; IB_CQ_REPORT_MISSED_EVENTS
 *
 * Context: any for the kernel's queue, process context for a user's.
 * Return: 1 if missed events were asked for and there are completions, else 0.
 */
int rxe_req_notify_cq(struct ib_cq *ibcq, enum ib_cq_notify_flags flags)
{
	struct rxe_cq *cq = to_rcq(ibcq);
	unsigned long irq;
	int missed;

	irq = rxe_cq_lock(cq);
	cq->armed |= flags & IB_CQ_SOLICITED_MASK;
	missed = flags & IB_CQ_REPORT_MISSED_EVENTS && rxe_cq_unread(cq);
	rxe_cq_unlock(cq, irq);
	return missed;
}

/* --- making, resizing, destroying ----------------------------------------- */

static struct lock_class_key rxe_kernel_cq_key;

/* One that is taken in interrupts is another to lockdep. */
static void rxe_cq_init_lock(struct rxe_cq *cq)
{
	spin_lock_init(&cq->lock);
	if (!cq->user)
		lockdep_set_class(&cq->lock, &rxe_kernel_cq_key);
}

static int rxe_cq_ring_init(struct rxe_ring *ring, u32 cqe, bool user)
{
	if (!cqe || cqe > RXE_MAX_CQE)
		return -EINVAL;
	return rxe_ring_init(ring, cqe, user ? sizeof(struct ib_uverbs_wc) :
					       sizeof(struct ib_wc));
}

static void rxe_cq_ring_free(struct rxe_cq *cq, struct rxe_ring *ring)
{
	rxe_mmap_withdraw(to_rxe(cq->ib.device), ring);
	rxe_ring_free(ring);
}

/* The answer to create and to resize: where to map the ring. */
static int rxe_cq_respond(struct rxe_cq *cq, struct rxe_ring *ring,
			  struct ib_udata *udata)
{
	struct rxe_ucontext *context =
		rdma_udata_to_drv_context(udata, struct rxe_ucontext, ib);
	struct rxe_create_cq_resp resp = {};
	int ret;

	ret = rxe_mmap_offer(to_rxe(cq->ib.device), &context->ib, ring,
			     &resp.mi);
	return ret ?: ib_copy_to_udata(udata, &resp, sizeof(resp));
}

/**
 * rxe_create_cq() - make a completion queue
 * @ibcq: the queue
 * @attr: how many completions it must hold, and flags, of which none is known
 * @attrs: the command; NULL for the kernel
 *
 * Context: process context.
 * Return: 0; -EINVAL for a size out of range or no room for the answer;
 * -EOPNOTSUPP for a flag; -ENOMEM; -EFAULT.
 */
int rxe_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		  struct compat_create_cq_attrs *attrs)
{
	struct ib_udata *udata = compat_cq_udata(attrs);
	struct rxe_cq *cq = to_rcq(ibcq);
	int ret;

	if (attr->flags)
		return -EOPNOTSUPP;
	if (udata && udata->outlen < sizeof(struct rxe_create_cq_resp))
		return -EINVAL;

	cq->user = udata;
	rxe_cq_init_lock(cq);
	mutex_init(&cq->resize_lock);
	rxe_task_init(&cq->notify, rxe_cq_notify);
	ret = rxe_cq_ring_init(&cq->ring, attr->cqe, cq->user);
	if (ret)
		return ret;
	ibcq->cqe = cq->ring.mask;
	if (!udata)
		return 0;

	ret = rxe_cq_respond(cq, &cq->ring, udata);
	if (ret)
		rxe_cq_ring_free(cq, &cq->ring);
	return ret;
}

/* Completions that are copied at a time, where nobody may wait for it. */
#define RXE_CQ_MOVE_STEP	64

/* Copies completions [@i, @end), counted from @consumer on, to another ring. */
static void rxe_cq_copy(const struct rxe_cq *cq, struct rxe_ring *ring,
			u32 consumer, u32 i, u32 end)
{
	for (; i < end; i++)
		memcpy(rxe_ring_slot(ring, i),
		       rxe_ring_slot(&cq->ring, consumer + i),
		       sizeof(struct ib_uverbs_wc));
}

/*
 * Goes over to another ring if only few completions are left to be copied behind
 * *@copied of them. Returns 0; -EINVAL if there are more than @cqe; or -EAGAIN, with
 * *@unread, how many there are.
 */
static int rxe_cq_switch(struct rxe_cq *cq, struct rxe_ring *ring, u32 cqe,
			 u32 consumer, u32 copied, u32 *unread)
{
	int ret = 0;

	spin_lock_bh(&cq->lock);
	*unread = cq->producer - consumer;
	if (*unread > min(cqe, cq->ring.mask)) {
		ret = -EINVAL;
	} else if (*unread - copied > RXE_CQ_MOVE_STEP) {
		ret = -EAGAIN;
	} else {
		rxe_cq_copy(cq, ring, consumer, copied, *unread);
		rxe_ring_publish_producer(ring, *unread);
		cq->producer = *unread;
		swap(cq->ring, *ring);
		cq->ib.cqe = cq->ring.mask;
	}
	spin_unlock_bh(&cq->lock);
	return ret;
}

/*
 * Goes over to another ring, taking along what has not been read. Its user does not
 * poll meanwhile, so completions stay where they are, and most of them are copied
 * while others are added. That a ring is a little larger than @cqe is of no account:
 * what was asked for decides. Caller: holds resize_lock.
 */
static int rxe_cq_move(struct rxe_cq *cq, struct rxe_ring *ring, u32 cqe)
{
	u32 consumer, unread, copied = 0;
	int ret;

	lockdep_assert_held(&cq->resize_lock);
	spin_lock_bh(&cq->lock);
	consumer = cq->producer - rxe_cq_unread(cq);
	spin_unlock_bh(&cq->lock);
	while ((ret = rxe_cq_switch(cq, ring, cqe, consumer, copied,
				    &unread)) == -EAGAIN) {
		u32 end = min(unread, copied + RXE_CQ_MOVE_STEP);

		rxe_cq_copy(cq, ring, consumer, copied, end);
		copied = end;
		cond_resched();
	}
	return ret;
}

/**
 * rxe_resize_cq() - give a user's completion queue another size
 * @ibcq: the queue; its user does not poll it until it has mapped the new ring
 * @cqe: how many completions it must hold
 * @udata: the command
 *
 * Context: process context.
 * Return: 0; -EINVAL for a size out of range or smaller than what has not been
 * read, or no room for the answer; -EOPNOTSUPP for a kernel queue; -ENOMEM;
 * -EFAULT. After an error the queue is as it was.
 */
int rxe_resize_cq(struct ib_cq *ibcq, compat_resize_cqe cqe,
		  struct ib_udata *udata)
{
	struct rxe_cq *cq = to_rcq(ibcq);
	struct rxe_ring ring;
	int ret;

	if (!udata)
		return -EOPNOTSUPP;
	if (udata->outlen < sizeof(struct rxe_resize_cq_resp))
		return -EINVAL;

	ret = rxe_cq_ring_init(&ring, cqe, true);
	if (ret)
		return ret;
	ret = rxe_cq_respond(cq, &ring, udata);
	if (!ret) {
		mutex_lock(&cq->resize_lock);
		ret = rxe_cq_move(cq, &ring, cqe);
		mutex_unlock(&cq->resize_lock);
	}
	/* After a move, this is the old one. */
	rxe_cq_ring_free(cq, &ring);
	return ret;
}

/**
 * rxe_destroy_cq() - the end of a completion queue
 * @ibcq: the queue; no QP refers to it
 * @udata: not used
 *
 * Context: process context.
 * Return: 0.
 */
int rxe_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata)
{
	struct rxe_cq *cq = to_rcq(ibcq);

	rxe_task_drain(&cq->notify);
	rxe_cq_ring_free(cq, &cq->ring);
	return 0;
}
