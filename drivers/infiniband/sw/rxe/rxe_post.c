// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: The kernel's own requests
 *
 * User space posts into rings that it shares with the tasks. A consumer in the
 * kernel posts into the private copies themselves, and in any context: in an
 * interrupt, and with locks held that its completion handler takes. So posting
 * takes no lock that a task holds, but one of its own with interrupts off, and
 * tasks are kicked apart from the caller.
 */

#include "rxe_post.h"
#include "rxe_sq.h"
#include "rxe_ud.h"
#include "rxe_wr.h"

/* --- sending -------------------------------------------------------------- */

/* The payload is taken now: its addresses are the consumer's own pointers. */
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
		struct rxe_sge sge = {
			.addr = wr->sg_list[i].addr,
			.length = wr->sg_list[i].length,
			.lkey = wr->sg_list[i].lkey,
		};

		if (!rxe_swqe_put(&qp->sq, wqe, i * sizeof(sge), &sge,
				  sizeof(sge)))
			return -EINVAL;
	}
	wqe->num_sge = i;
	return rxe_wr_measure(wqe, rxe_wr_op(wqe)) ? -EINVAL : 0;
}

static int rxe_post_copy_payload(const struct rxe_qp *qp,
				   struct rxe_swqe *wqe,
				   const struct ib_send_wr *wr)
{
	const struct rxe_wr_op *op = rxe_wr_op(wqe);

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
	op = rxe_wr_op(wqe);
	if (!op->kernel || rxe_wr_check(qp, op))
		return -EINVAL;
	if (op->post)
		op->post(wqe, wr);
	ret = rxe_post_copy_payload(qp, wqe, wr);
	if (ret || qp->transport != IB_QPT_UD)
		return ret;
	return rxe_ud_post(qp, wqe, ud_wr(wr));
}

/* Caller: holds post_lock. */
static int rxe_post_one(struct rxe_qp *qp, const struct ib_send_wr *wr)
{
	struct rxe_sq *sq = &qp->sq;
	u32 waiting = sq->posted - smp_load_acquire(&sq->cons);
	int ret;

	if (waiting >= sq->wqe_mask)
		return -ENOMEM;
	ret = rxe_post_fill(qp, rxe_swqe(sq, sq->posted), wr);
	if (!ret)
		smp_store_release(&sq->posted, sq->posted + 1);
	return ret;
}

/**
 * rxe_post_send_kernel() - post_send of the kernel
 * @qp: its queue pair
 * @wr: requests
 * @bad_wr: receives the first that was not taken
 *
 * Context: any.
 * Return: 0; -EINVAL: the QP's state or a request does not allow it; -ENOMEM:
 * the queue is full.
 */
static int rxe_post_send_kernel(struct rxe_qp *qp,
				const struct ib_send_wr *wr,
				const struct ib_send_wr **bad_wr)
{
	unsigned long flags;
	int ret = 0;

	if (rxe_qp_state(qp) < IB_QPS_RTS) {
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
 * rxe_post_recv_kernel() - post_recv of the kernel
 * @qp: its queue pair
 * @wr: requests
 * @bad_wr: receives the first that was not taken
 *
 * Context: any.
 * Return: 0; -EINVAL: the QP's state or a request does not allow it, or it takes
 * from a shared queue; -ENOMEM: the queue is full.
 */
static int rxe_post_recv_kernel(struct rxe_qp *qp,
				const struct ib_recv_wr *wr,
				const struct ib_recv_wr **bad_wr)
{
	int ret;

	if (qp->ib.srq || rxe_qp_state(qp) == IB_QPS_RESET) {
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
 * rxe_post_doorbell() - user space has posted
 * @qp: its queue pair
 *
 * The packets are built and sent before this returns, but for what has to wait.
 *
 * Context: process context.
 * Return: 0; -EINVAL: the QP's state does not allow it; -ENOMEM: what is in the
 * ring is picked up by the next doorbell.
 */
static int rxe_post_doorbell(struct rxe_qp *qp)
{
	if (rxe_qp_state(qp) < IB_QPS_RTS)
		return -EINVAL;
	if (unlikely(!READ_ONCE(qp->sq.wqes)) && rxe_sq_begin(qp))
		return -ENOMEM;
	rxe_task_kick(&qp->sq.task);
	/* User space's receive requests ring no bell; these are to be flushed. */
	if (rxe_qp_state(qp) == IB_QPS_ERR)
		rxe_task_kick(&qp->rq.task);
	return 0;
}

/**
 * rxe_post_send() - there are requests to send
 * @ibqp: the queue pair
 * @wr: the kernel's requests; NULL for a user's, which are in its ring
 * @bad_wr: receives the first that was not taken
 *
 * Context: any for the kernel, process context for a user.
 * Return: as rxe_post_doorbell() and rxe_post_send_kernel(); -EINVAL for a user's
 * requests that do not come in the ring.
 */
int rxe_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
		  const struct ib_send_wr **bad_wr)
{
	struct rxe_qp *qp = to_rqp(ibqp);

	if (!qp->user)
		return rxe_post_send_kernel(qp, wr, bad_wr);
	if (!wr)
		return rxe_post_doorbell(qp);
	*bad_wr = wr;
	return -EINVAL;
}

/**
 * rxe_post_recv() - there are buffers to receive into
 * @ibqp: the queue pair
 * @wr: the kernel's requests
 * @bad_wr: receives the first that was not taken
 *
 * Context: any.
 * Return: as rxe_post_recv_kernel(); -EINVAL for a user's queue pair, whose ring
 * takes no system call.
 */
int rxe_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
		  const struct ib_recv_wr **bad_wr)
{
	struct rxe_qp *qp = to_rqp(ibqp);

	if (!qp->user)
		return rxe_post_recv_kernel(qp, wr, bad_wr);
	*bad_wr = wr;
	return -EINVAL;
}
