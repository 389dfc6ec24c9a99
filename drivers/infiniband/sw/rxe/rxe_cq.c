// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Completion queues
 *
 * User space reads CQEs from its ring and frees the slots without a system
 * call. Kernel consumers call rxe_poll_cq(). Tasks that complete work requests
 * only add CQEs. A task of the queue calls the completion handler, so no
 * handler runs under a lock.
 */
#include <rdma/uverbs_ioctl.h>

#include "rxe.h"
#include "rxe_cq.h"
#include "rxe_limits.h"
#include "rxe_mmap.h"
#include "rxe_pd.h"

/* --- adding --------------------------------------------------------------- */

static u32 rxe_cq_consumer(const struct rxe_cq *cq)
{
	return cq->user ? rxe_ring_consumer(&cq->ring) : cq->consumer;
}

static u32 rxe_cq_unread(const struct rxe_cq *cq)
{
	lockdep_assert_held(&cq->lock);
	return (cq->producer - rxe_cq_consumer(cq)) & cq->ring.mask;
}

/* The value of IBV_WC_WITH_INV in user space; the kernel's flag differs. */
#define RXE_UVERBS_WC_WITH_INV	BIT(3)

static u32 rxe_wc_user_flags(int flags)
{
	return (flags & (IB_WC_GRH | IB_WC_WITH_IMM)) |
	       (flags & IB_WC_WITH_INVALIDATE ? RXE_UVERBS_WC_WITH_INV : 0);
}

/* A kernel consumer may poll in an interrupt handler. */
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

/* Is an event due for this CQE? */
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
	lockdep_assert_held(&cq->lock);
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
 * If the queue is full, it goes to the error state: this completion and all
 * later ones are lost, and the owner gets one IB_EVENT_CQ_ERR. The caller must
 * move a queue pair whose completion was lost to the error state.
 *
 * Context: a task, which may hold any lock that comes before cq->lock in the
 * lock order.
 * Return: true if the completion was added, false if it is lost.
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
 * rxe_poll_cq() - poll a kernel consumer's completion queue
 * @ibcq: the completion queue
 * @num: the largest number of completions to take
 * @wc: receives the completions
 *
 * Context: any.
 * Return: the number of completions taken.
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
 * rxe_req_notify_cq() - arm a completion queue
 * @ibcq: the completion queue
 * @flags: IB_CQ_SOLICITED or IB_CQ_NEXT_COMP; also IB_CQ_REPORT_MISSED_EVENTS.
 *	A queue that is armed for any completion stays so when it is armed for
 *	solicited ones.
 *
 * Context: any for a kernel consumer's queue, process context for a user's.
 * Return: 1 if IB_CQ_REPORT_MISSED_EVENTS is set and the queue is not empty,
 * else 0.
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

/*
 * Kernel consumers' queues take the lock with interrupts off and users' queues
 * do not, so lockdep needs two classes.
 */
static void rxe_cq_init_lock(struct rxe_cq *cq)
{
	spin_lock_init(&cq->lock);
	if (!cq->user)
		lockdep_set_class(&cq->lock, &rxe_kernel_cq_key);
}

static int rxe_cq_ring_init(struct rxe_cq *cq, struct rxe_ring *ring, u32 cqe,
			    bool user)
{
	if (!cqe || cqe > RXE_MAX_CQE) {
		ibdev_dbg(cq->ib.device, "CQ of %u entries is not in 1..%u\n",
			  cqe, RXE_MAX_CQE);
		return -EINVAL;
	}
	return rxe_ring_init(ring, cqe, user ? sizeof(struct ib_uverbs_wc) :
					       sizeof(struct ib_wc));
}

static void rxe_cq_ring_free(struct rxe_cq *cq, struct rxe_ring *ring)
{
	rxe_mmap_withdraw(to_rxe(cq->ib.device), ring);
	rxe_ring_free(ring);
}

/*
 * Answers create and resize commands: tells user space where to map the ring.
 */
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
 * rxe_create_cq() - create a completion queue
 * @ibcq: the completion queue
 * @attr: the number of completions that the queue must hold, and flags; no flag
 *	is supported
 * @attrs: the user's command; NULL for a kernel consumer
 *
 * Context: process context; may sleep.
 * Return: 0; -EINVAL: the size is out of range, or the command has no room for
 * the answer; -EOPNOTSUPP: a flag is set; -ENOMEM; -EFAULT.
 */
int rxe_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		  struct compat_create_cq_attrs *attrs)
{
	struct ib_udata *udata = compat_cq_udata(attrs);
	struct rxe_cq *cq = to_rcq(ibcq);
	int ret;

	if (attr->flags) {
		ibdev_dbg(ibcq->device,
			  "create_cq: flags 0x%x are not supported\n",
			  attr->flags);
		return -EOPNOTSUPP;
	}
	if (udata && udata->outlen < sizeof(struct rxe_create_cq_resp)) {
		ibdev_dbg(ibcq->device,
			  "create_cq: the command has no room for the answer\n");
		return -EINVAL;
	}

	cq->user = udata;
	rxe_cq_init_lock(cq);
	mutex_init(&cq->resize_lock);
	rxe_task_init(&cq->notify, rxe_cq_notify);
	ret = rxe_cq_ring_init(cq, &cq->ring, attr->cqe, cq->user);
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

/* The largest number of completions that is copied under cq->lock. */
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
 * Switches to another ring if at most RXE_CQ_MOVE_STEP completions are left to
 * copy after the @copied ones. Returns 0; -EINVAL if more than @cqe completions
 * are unread; or -EAGAIN if too many are left to copy. *@unread receives the
 * number of unread completions.
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
 * Moves the unread completions to another ring and switches to it. User space
 * does not poll while it resizes, so unread completions stay in their slots,
 * and most of them can be copied without cq->lock, while others are added. The
 * limit for the unread completions is @cqe, which user space asked for,
 * although the new ring may hold a few more.
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
 * rxe_resize_cq() - change the size of a user's completion queue
 * @ibcq: the completion queue; user space does not poll it until it has mapped
 *	the new ring
 * @cqe: the number of completions that the queue must hold
 * @udata: the command
 *
 * Context: process context; may sleep.
 * Return: 0; -EINVAL: the size is out of range or smaller than the number of
 * unread completions, or the command has no room for the answer; -EOPNOTSUPP:
 * the queue is a kernel consumer's; -ENOMEM; -EFAULT. After an error the queue
 * is unchanged.
 */
int rxe_resize_cq(struct ib_cq *ibcq, compat_resize_cqe cqe,
		  struct ib_udata *udata)
{
	struct rxe_cq *cq = to_rcq(ibcq);
	struct rxe_ring ring;
	int ret;

	if (!udata) {
		ibdev_dbg(ibcq->device,
			  "resize_cq: not supported for kernel consumers\n");
		return -EOPNOTSUPP;
	}
	if (udata->outlen < sizeof(struct rxe_resize_cq_resp)) {
		ibdev_dbg(ibcq->device,
			  "resize_cq: the command has no room for the answer\n");
		return -EINVAL;
	}

	ret = rxe_cq_ring_init(cq, &ring, cqe, true);
	if (ret)
		return ret;
	ret = rxe_cq_respond(cq, &ring, udata);
	if (!ret) {
		mutex_lock(&cq->resize_lock);
		ret = rxe_cq_move(cq, &ring, cqe);
		mutex_unlock(&cq->resize_lock);
		if (ret)
			ibdev_dbg(ibcq->device,
				  "resize_cq: too many unread completions for %u\n",
				  (u32)cqe);
	}
	/* After a move, @ring is the old ring. */
	rxe_cq_ring_free(cq, &ring);
	return ret;
}

/**
 * rxe_destroy_cq() - destroy a completion queue
 * @ibcq: the completion queue; no queue pair refers to it
 * @udata: not used
 *
 * Context: process context; may sleep.
 * Return: 0.
 */
int rxe_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata)
{
	struct rxe_cq *cq = to_rcq(ibcq);

	rxe_task_drain(&cq->notify);
	rxe_cq_ring_free(cq, &cq->ring);
	return 0;
}
