// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The requester
 *
 * Copies work requests from the ring, and builds and sends their packets in the
 * context of the doorbell. It stops where the protocol requires it (window,
 * outstanding READs, fence, RNR), where a page of the payload is missing, and
 * at the end of its budget. A response, the end of a fault or the task list
 * starts it again. The direct way takes the requests that need no packets.
 */
#include <linux/indirect_call_wrapper.h>

#include "rxe_copy.h"
#include "rxe_direct.h"
#include "rxe_qp_state.h"
#include "rxe_req.h"
#include "rxe_send.h"
#include "rxe_sq.h"
#include "rxe_wr.h"

/* --- from the ring ------------------------------------------------------- */

static enum ib_wc_status rxe_fetch_data(const struct rxe_qp *qp,
					struct rxe_swqe *wqe, u32 len,
					const void *data)
{
	if (!rxe_swqe_put(&qp->sq, wqe, 0, data, len))
		return IB_WC_LOC_LEN_ERR;
	wqe->length = len;
	return IB_WC_SUCCESS;
}

/* Copies the list or the inline data. Returns the status of a bad request. */
static enum ib_wc_status rxe_fetch_payload(const struct rxe_qp *qp,
					   struct rxe_swqe *wqe, u32 num_sge,
					   u32 data_len, const void *data)
{
	const struct rxe_wr_op *op = rxe_wqe_op(wqe);

	if (op->data == RXE_DATA_NONE)
		return IB_WC_SUCCESS;
	if (op->data == RXE_DATA_WORD)
		return rxe_fetch_data(qp, wqe, sizeof(u64), data);
	if (op->data == RXE_DATA_ANY && wqe->flags & IB_SEND_INLINE)
		return rxe_fetch_data(qp, wqe, data_len, data);
	wqe->flags &= ~IB_SEND_INLINE;

	if (!rxe_swqe_put(&qp->sq, wqe, 0, data,
			  (size_t)num_sge * sizeof(*wqe->sge)))
		return IB_WC_LOC_QP_OP_ERR;
	wqe->num_sge = num_sge;
	return rxe_wr_measure(wqe, op);
}

/*
 * User space may write to the slot at any time. So each field is read once, and
 * only the copy is checked.
 */
static void rxe_fetch_one(struct rxe_qp *qp, const struct rxe_send_wqe *slot,
			  struct rxe_swqe *wqe)
{
	const struct rxe_wr_op *op;
	struct rxe_send_wr wr;
	u32 num_sge, data_len;

	memcpy(&wr, &slot->wr, sizeof(wr));
	num_sge = READ_ONCE(slot->dma.num_sge);
	data_len = READ_ONCE(slot->dma.length);
	/* Do not read the slot again below. */
	barrier();

	memset(wqe, 0, sizeof(*wqe));
	wqe->wr_id = wr.wr_id;
	wqe->opcode = rxe_wr_row(wr.opcode);
	wqe->flags = wr.send_flags;
	wqe->imm_data = wr.ex.imm_data;
	op = rxe_wqe_op(wqe);
	if (op->fetch)
		INDIRECT_CALL_1(op->fetch, rxe_fetch_rdma, wqe, &wr, data_len);
	wqe->status = op->user ? rxe_wr_check(qp, op) : IB_WC_LOC_QP_OP_ERR;
	if (!wqe->status)
		wqe->status = rxe_fetch_payload(qp, wqe, num_sge, data_len,
						slot->dma.sge);
	if (!wqe->status && qp->service->fetch)
		wqe->status = qp->service->fetch(qp, wqe, &wr);
}

/**
 * rxe_req_fetch() - pick up requests that have been posted
 * @qp: the queue pair
 *
 * Picks up as many as there are free private copies. The kernel posts into the
 * private copies, so there only the index moves.
 *
 * Context: sq.lock held.
 * Return: true if more requests wait in the ring.
 */
bool rxe_req_fetch(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;
	u32 posted, n, i;

	lockdep_assert_held(&qp->sq.lock);
	if (!qp->user) {
		/* Pairs with rxe_post_one(): the requests are complete. */
		sq->prod = smp_load_acquire(&sq->posted);
		return false;
	}
	posted = (rxe_ring_producer(&sq->ring) - sq->prod) & sq->ring.mask;
	n = min(posted, sq->wqe_mask - (sq->prod - sq->cons));
	for (i = 0; i < n; i++, sq->prod++)
		rxe_fetch_one(qp, rxe_ring_slot(&sq->ring, sq->prod),
			      rxe_sq_wqe(sq, sq->prod));
	/*
	 * Before the first doorbell there are no copies that could become free.
	 */
	return n < posted && sq->wqe_mask;
}

/* --- to the wire --------------------------------------------------------- */

static int rxe_gather(struct rxe_qp *qp, const struct rxe_swqe *wqe, void *buf,
		      u32 len)
{
	struct rxe_list list = {
		.sge = wqe->sge,
		.num_sge = wqe->num_sge,
		.pd = qp->ib.pd,
	};
	u32 offset = qp->sq.offset;

	if (wqe->flags & IB_SEND_INLINE) {
		memcpy(buf, wqe->inline_data + offset, len);
		return 0;
	}
	qp->sq.gather_for = qp->sq.cur;
	return rxe_list_copy(qp, &list, offset, buf, len, wqe->length - offset,
			     &qp->sq.gather);
}

/*
 * There is no memory for a packet, or the queues of the network stack are full
 * with packets that nobody acknowledges. Pauses as after an RNR NAK.
 */
static int rxe_req_pause(struct rxe_sq *sq)
{
	sq->recovery.rnr_wait = true;
	sq->recovery.no_memory = true;
	hrtimer_start(&sq->rnr_timer,
		      ktime_add_ns(ktime_get(), RXE_PAUSE_NS),
		      HRTIMER_MODE_ABS_SOFT);
	return -EAGAIN;
}

static void rxe_req_sent(struct rxe_qp *qp, u32 next_psn)
{
	struct rxe_sq *sq = &qp->sq;

	sq->psn = next_psn;
	sq->direct.result = 0;
	/* There will be no acknowledgment. */
	if (!qp->service->acked)
		sq->una = next_psn;
	if (rxe_psn_cmp(next_psn, sq->sent_psn) > 0)
		sq->sent_psn = next_psn;
}

/* Sends the next packet of a SEND or WRITE. */
static int rxe_req_payload(struct rxe_qp *qp, struct rxe_swqe *wqe)
{
	struct rxe_sq *sq = &qp->sq;
	u32 len = min(qp->mtu, wqe->length - sq->offset);
	bool first = !sq->offset;
	bool last = sq->offset + len == wqe->length;
	struct rxe_headers headers = {
		.opcode = qp->service->opcodes |
			  rxe_wqe_op(wqe)->packets[first][last],
		.solicited = last && wqe->flags & IB_SEND_SOLICITED,
		.ack_req = qp->service->acked &&
			   (last || sq->psn % RXE_ACK_EVERY == 0),
		.qpn = qp->attr.dest_qp_num,
		.psn = sq->psn,
		.va = wqe->remote_addr,
		.rkey = wqe->rkey,
		.length = wqe->length,
		.imm_data = wqe->imm_data,
		.invalidate_rkey = wqe->invalidate_rkey,
	};
	struct sk_buff *skb;
	int ret;

	if (qp->service->address)
		qp->service->address(qp, wqe, &headers);
	skb = rxe_wire_build(&headers, len);
	if (!skb)
		return rxe_req_pause(sq);
	ret = rxe_gather(qp, wqe, rxe_payload(skb), len);
	if (ret) {
		kfree_skb(skb);
		return ret;
	}
	rxe_req_sent(qp, rxe_psn_add(sq->psn, 1));
	sq->offset += len;
	if (last) {
		sq->cur++;
		sq->offset = 0;
	}
	if (rxe_send(qp, &qp->sq.train, skb) == -EBUSY)
		rxe_req_pause(sq);
	return 0;
}

/*
 * The responder sends a READ's response as fast as it can. So a long READ is
 * requested in pieces, one at a time. A retransmission uses the same pieces,
 * because the responder recognizes duplicates by their ranges.
 */
static u32 rxe_read_piece(const struct rxe_qp *qp, const struct rxe_swqe *wqe)
{
	u32 piece = RXE_READ_PACKETS * qp->mtu;
	u32 offset = qp->sq.offset;

	return min(wqe->length - offset, piece - offset % piece);
}

/* Sends a query, or of a READ the request for the next piece. */
static int rxe_req_query(struct rxe_qp *qp, struct rxe_swqe *wqe)
{
	const struct rxe_wr_op *op = rxe_wqe_op(wqe);
	struct rxe_sq *sq = &qp->sq;
	u32 rest = wqe->length - sq->offset;
	u32 len = op->pieces ? rxe_read_piece(qp, wqe) : rest;
	struct rxe_headers headers = {
		.opcode = op->packets[true][true],
		.ack_req = true,
		.qpn = qp->attr.dest_qp_num,
		.psn = sq->psn,
		.va = wqe->remote_addr + sq->offset,
		.rkey = wqe->rkey,
		.length = op->range ? wqe->flush.length : len,
		.flush_type = wqe->flush.type,
		.flush_level = wqe->flush.level,
		.swap_add = wqe->swap_add,
		.compare = wqe->compare,
	};
	u32 payload = op->data == RXE_DATA_WORD ? sizeof(u64) : 0;
	struct sk_buff *skb = rxe_wire_build(&headers, payload);

	if (!skb)
		return rxe_req_pause(sq);
	memcpy(rxe_payload(skb), wqe->inline_data, payload);
	if (len < rest) {
		rxe_req_sent(qp, rxe_psn_add(sq->psn,
					     DIV_ROUND_UP(len, qp->mtu)));
		sq->offset += len;
	} else {
		rxe_req_sent(qp, wqe->end_psn);
		sq->rd_atomic++;
		sq->cur++;
		sq->offset = 0;
	}
	rxe_send(qp, &qp->sq.train, skb);
	return 0;
}

static void rxe_req_start(struct rxe_qp *qp, struct rxe_swqe *wqe)
{
	u32 packets = 0;

	if (!rxe_wqe_op(wqe)->local)
		packets = max_t(u32, DIV_ROUND_UP(wqe->length, qp->mtu), 1);
	wqe->first_psn = qp->sq.psn;
	wqe->end_psn = rxe_psn_add(wqe->first_psn, packets);
	wqe->started = true;
}

/*
 * Executes a request without packets, once: it is not executed again when
 * requests before it are retransmitted. It completes after the requests before
 * it, so at most RXE_MAX_STARTED wait for that, and no loop over them is long.
 */
static int rxe_req_local(struct rxe_qp *qp, struct rxe_swqe *wqe)
{
	struct rxe_sq *sq = &qp->sq;
	int ret = 0;

	if (!wqe->started) {
		if (sq->cur - sq->cons >= RXE_MAX_STARTED)
			return -EAGAIN;
		rxe_req_start(qp, wqe);
		ret = rxe_wqe_op(wqe)->execute(qp, wqe);
	}
	if (ret) {
		wqe->status = IB_WC_MW_BIND_ERR;
		return ret;
	}
	sq->cur++;
	return 0;
}

/*
 * Requests before an invalidation may need the kernel's region once more, if
 * they have to be retransmitted.
 */
static bool rxe_needs_quiet(const struct rxe_qp *qp, const struct rxe_swqe *wqe)
{
	return rxe_wqe_op(wqe)->quiet && !qp->user;
}

/* May the next packet of @wqe be sent now? */
static bool rxe_req_may_send(const struct rxe_qp *qp,
			     const struct rxe_swqe *wqe)
{
	bool query = rxe_wqe_op(wqe)->query;
	const struct rxe_sq *sq = &qp->sq;

	if (!wqe->started && rxe_qp_state(qp) == IB_QPS_SQD)
		return false;
	if (sq->recovery.probing && sq->cur != sq->cons)
		return false;
	if (rxe_needs_quiet(qp, wqe))
		return sq->cons == sq->cur;
	if (wqe->flags & IB_SEND_FENCE && !sq->offset && sq->rd_atomic)
		return false;
	/*
	 * A READ's next piece is requested when the pieces before it have
	 * arrived.
	 */
	if (query && sq->offset)
		return sq->psn == sq->una;
	if (query && sq->rd_atomic >= qp->attr.max_rd_atomic)
		return false;
	return rxe_psn_cmp(sq->psn, sq->una) < RXE_WINDOW;
}

/* @wqe may not be sent now. Returns -EAGAIN, or -EINVAL if it never may. */
static int rxe_req_blocked(const struct rxe_qp *qp, struct rxe_swqe *wqe)
{
	if (rxe_qp_state(qp) != IB_QPS_RTS || qp->sq.offset ||
	    !rxe_wqe_op(wqe)->query || qp->attr.max_rd_atomic)
		return -EAGAIN;
	/*
	 * modify_qp has set max_rd_atomic to 0 in SQD, after the request was
	 * posted.
	 */
	wqe->status = IB_WC_LOC_QP_OP_ERR;
	return -EINVAL;
}

/*
 * Returns the number of packets sent, 1 for a step without packets, or 0 or
 * -errno if nothing can be done now.
 */
static int rxe_req_step(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;
	struct rxe_swqe *wqe;
	int ret;

	if (sq->recovery.rnr_wait || sq->cur == sq->prod ||
	    rxe_fault_busy(&sq->gather) ||
	    (rxe_fault_busy(&sq->direct) && !sq->direct_late))
		return -EAGAIN;
	wqe = rxe_sq_wqe(sq, sq->cur);
	if (sq->gather.result && sq->gather_for == sq->cur) {
		wqe->status = IB_WC_LOC_PROT_ERR;
		sq->gather.result = 0;
	}
	if (wqe->status)
		return -EINVAL;
	if (rxe_needs_quiet(qp, wqe))
		rxe_sq_retire(qp);
	if (!rxe_req_may_send(qp, wqe))
		return rxe_req_blocked(qp, wqe);

	if (rxe_wqe_op(wqe)->local)
		return rxe_req_local(qp, wqe) ?: 1;
	if (!wqe->started)
		rxe_req_start(qp, wqe);
	ret = rxe_direct_step(qp, wqe);
	if (ret)
		return ret;
	if (rxe_wqe_op(wqe)->query)
		return rxe_req_query(qp, wqe) ?: 1;
	ret = rxe_req_payload(qp, wqe);
	if (ret && ret != -EAGAIN)
		wqe->status = ret == -EMSGSIZE ? IB_WC_LOC_LEN_ERR :
						 IB_WC_LOC_PROT_ERR;
	return ret ?: 1;
}

static void rxe_req_check_drained(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	if (rxe_qp_state(qp) != IB_QPS_SQD || sq->drained_event ||
	    sq->cons != sq->cur || sq->offset)
		return;
	sq->drained_event = true;
	if (qp->attr.en_sqd_async_notify)
		rxe_qp_event(qp, IB_EVENT_SQ_DRAINED);
}

/**
 * rxe_req_send() - send what may be sent
 * @qp: the queue pair, in RTS or SQD
 * @budget: packets to send; a train that is begun is filled beyond that
 *
 * A request that cannot be sent fails when those before it are complete.
 *
 * Context: sq.lock held.
 * Return: number of packets sent.
 */
unsigned int rxe_req_send(struct rxe_qp *qp, unsigned int budget)
{
	struct rxe_sq *sq = &qp->sq;
	unsigned int sent = 0;
	int ret;

	lockdep_assert_held(&qp->sq.lock);
	/* A turn does not end with a train half full. */
	while ((sent < budget || sq->train.packets) &&
	       (ret = rxe_req_step(qp)) > 0)
		sent += ret;
	rxe_sq_retire(qp);
	if (sq->cur != sq->prod && sq->cons == sq->cur) {
		struct rxe_swqe *wqe = rxe_sq_wqe(sq, sq->cur);

		if (wqe->status)
			rxe_sq_fail(qp, wqe, wqe->status);
	}
	rxe_req_check_drained(qp);
	rxe_sq_arm(qp);
	return sent;
}
