// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Posting work requests
 *
 * User space posts into rings, and rings a doorbell for its send requests. A
 * consumer in the kernel posts into the private copies, in any context: in an
 * interrupt, and with locks held that its completion handler takes. So posting
 * takes no lock that a task holds, only post_lock, with interrupts off, and the
 * task does not run in the caller's context.
 */
#include "rxe_post.h"
#include "rxe_sq.h"
#include "rxe_wr.h"

/* --- sending -------------------------------------------------------------- */

/* Copies the payload now: the addresses are pointers of the consumer. */
static int rxe_post_copy_inline(const struct rxe_sq *sq,
				struct rxe_swqe *wqe,
				const struct ib_send_wr *wr)
{
	size_t length = 0;
	int i;

	for (i = 0; i < wr->num_sge; i++) {
		const struct ib_sge *sge = &wr->sg_list[i];

		if (!rxe_swqe_put(sq, wqe, length,
				  (void *)(uintptr_t)sge->addr, sge->length))
			return -EINVAL;
		length += sge->length;
	}
	wqe->length = length;
	return 0;
}

static int rxe_post_copy_list(const struct rxe_qp *qp, struct rxe_swqe *wqe,
			      const struct ib_send_wr *wr)
{
	int i;

	for (i = 0; i < wr->num_sge; i++) {
		struct rxe_sge sge = rxe_sge_of(&wr->sg_list[i]);

		if (!rxe_swqe_put(&qp->sq, wqe, i * sizeof(sge), &sge,
				  sizeof(sge)))
			return -EINVAL;
	}
	wqe->num_sge = i;
	return rxe_wr_measure(wqe, rxe_wqe_op(wqe)) ? -EINVAL : 0;
}

static int rxe_post_copy_payload(const struct rxe_qp *qp,
				 struct rxe_swqe *wqe,
				 const struct ib_send_wr *wr)
{
	const struct rxe_wr_op *op = rxe_wqe_op(wqe);

	if (op->data == RXE_DATA_NONE)
		return 0;
	if (op->data == RXE_DATA_ANY && wqe->flags & IB_SEND_INLINE)
		return rxe_post_copy_inline(&qp->sq, wqe, wr);
	wqe->flags &= ~IB_SEND_INLINE;
	return rxe_post_copy_list(qp, wqe, wr);
}

static int rxe_post_fill(struct rxe_qp *qp, struct rxe_swqe *wqe,
			 const struct ib_send_wr *wr)
{
	const struct rxe_wr_op *op;
	int ret;

	memset(wqe, 0, sizeof(*wqe));
	wqe->wr_id = wr->wr_id;
	wqe->opcode = rxe_wr_row(wr->opcode);
	wqe->flags = wr->send_flags;
	wqe->imm_data = wr->ex.imm_data;
	op = rxe_wqe_op(wqe);
	if (!op->kernel || rxe_wr_check(qp, op)) {
		ibdev_dbg(qp->ib.device,
			  "post_send %u: opcode %u is not allowed\n",
			  qp->ib.qp_num, wr->opcode);
		return -EINVAL;
	}
	if (op->post)
		op->post(wqe, wr);
	ret = rxe_post_copy_payload(qp, wqe, wr);
	if (!ret && qp->service->post)
		ret = qp->service->post(qp, wqe, wr);
	if (ret)
		ibdev_dbg(qp->ib.device,
			  "post_send %u: payload or destination is refused\n",
			  qp->ib.qp_num);
	return ret;
}

static int rxe_post_one(struct rxe_qp *qp, const struct ib_send_wr *wr)
{
	struct rxe_sq *sq = &qp->sq;
	/* Pairs with rxe_sq_finish(): the slot is free. */
	u32 waiting = sq->posted - smp_load_acquire(&sq->cons);
	int ret;

	lockdep_assert_held(&qp->sq.post_lock);
	if (waiting >= sq->wqe_mask)
		return -ENOMEM;
	ret = rxe_post_fill(qp, rxe_sq_wqe(sq, sq->posted), wr);
	if (ret)
		return ret;
	/* Pairs with rxe_req_fetch(): the request is complete. */
	smp_store_release(&sq->posted, sq->posted + 1);
	return 0;
}

/**
 * rxe_post_send_kernel() - post send requests of a consumer in the kernel
 * @qp: the consumer's queue pair
 * @wr: requests
 * @bad_wr: receives the first request that was not posted
 *
 * Context: any.
 * Return: 0; -EINVAL if the QP's state or a request does not allow it; -ENOMEM
 * if the queue is full.
 */
static int rxe_post_send_kernel(struct rxe_qp *qp,
				const struct ib_send_wr *wr,
				const struct ib_send_wr **bad_wr)
{
	unsigned long flags;
	int ret = 0;

	if (rxe_qp_state(qp) < IB_QPS_RTS) {
		ibdev_dbg(qp->ib.device, "post_send %u: not in RTS\n",
			  qp->ib.qp_num);
		*bad_wr = wr;
		return -EINVAL;
	}
	spin_lock_irqsave(&qp->sq.post_lock, flags);
	for (; wr; wr = wr->next) {
		ret = rxe_post_one(qp, wr);
		if (ret) {
			*bad_wr = wr;
			break;
		}
	}
	spin_unlock_irqrestore(&qp->sq.post_lock, flags);
	rxe_task_kick_apart(&qp->sq.task);
	return ret;
}

/* --- receiving ------------------------------------------------------------ */

/**
 * rxe_post_recv_kernel() - post receive requests of a consumer in the kernel
 * @qp: the consumer's queue pair
 * @wr: requests
 * @bad_wr: receives the first request that was not posted
 *
 * Context: any.
 * Return: 0; -EINVAL if the QP's state or a request does not allow it, or if
 * the QP uses a shared receive queue; -ENOMEM if the queue is full.
 */
static int rxe_post_recv_kernel(struct rxe_qp *qp,
				const struct ib_recv_wr *wr,
				const struct ib_recv_wr **bad_wr)
{
	int ret;

	if (qp->ib.srq || rxe_qp_state(qp) == IB_QPS_RESET) {
		ibdev_dbg(qp->ib.device,
			  "post_recv %u: in RESET, or with a shared queue\n",
			  qp->ib.qp_num);
		*bad_wr = wr;
		return -EINVAL;
	}
	ret = rxe_recvq_post(&qp->rq.queue, wr, bad_wr);
	if (rxe_qp_state(qp) == IB_QPS_ERR)
		rxe_task_kick_apart(&qp->rq.task);
	return ret;
}

/* --- the verbs ------------------------------------------------------------ */

/**
 * rxe_post_doorbell() - send the requests that a user has posted
 * @qp: the user's queue pair
 *
 * Packets are built and sent before this returns, except those that must wait.
 *
 * Context: process context.
 * Return: 0; -EINVAL if the QP's state does not allow it; -ENOMEM: the next
 * doorbell picks up the requests.
 */
static int rxe_post_doorbell(struct rxe_qp *qp)
{
	if (rxe_qp_state(qp) < IB_QPS_RTS) {
		ibdev_dbg(qp->ib.device, "post_send %u: not in RTS\n",
			  qp->ib.qp_num);
		return -EINVAL;
	}
	if (unlikely(!READ_ONCE(qp->sq.wqes)) && rxe_sq_begin(qp))
		return -ENOMEM;
	rxe_task_kick(&qp->sq.task);
	/*
	 * Flush receive requests, too: user space posts them without a
	 * doorbell.
	 */
	if (rxe_qp_state(qp) == IB_QPS_ERR)
		rxe_task_kick(&qp->rq.task);
	return 0;
}

/**
 * rxe_post_send() - post send requests
 * @ibqp: the queue pair
 * @wr: the kernel's requests; NULL for a user's, which are in the ring
 * @bad_wr: receives the first request that was not posted
 *
 * Context: any for the kernel, process context for a user.
 * Return: as rxe_post_doorbell() and rxe_post_send_kernel(); -EINVAL for a
 * user's requests that are not in the ring.
 */
int rxe_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
		  const struct ib_send_wr **bad_wr)
{
	struct rxe_qp *qp = to_rqp(ibqp);

	if (!qp->user)
		return rxe_post_send_kernel(qp, wr, bad_wr);
	if (!wr)
		return rxe_post_doorbell(qp);
	ibdev_dbg(ibqp->device, "post_send %u: user space posts into the ring\n",
		  ibqp->qp_num);
	*bad_wr = wr;
	return -EINVAL;
}

/**
 * rxe_post_recv() - post receive requests
 * @ibqp: the queue pair
 * @wr: the kernel's requests
 * @bad_wr: receives the first request that was not posted
 *
 * Context: any.
 * Return: as rxe_post_recv_kernel(); -EINVAL for a user's queue pair, whose
 * requests are in the ring.
 */
int rxe_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
		  const struct ib_recv_wr **bad_wr)
{
	struct rxe_qp *qp = to_rqp(ibqp);

	if (!qp->user)
		return rxe_post_recv_kernel(qp, wr, bad_wr);
	ibdev_dbg(ibqp->device, "post_recv %u: user space posts into the ring\n",
		  ibqp->qp_num);
	*bad_wr = wr;
	return -EINVAL;
}
