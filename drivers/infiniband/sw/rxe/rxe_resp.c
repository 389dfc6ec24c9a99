// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The responder
 *
 * Executes request packets in the softirq that receives them: takes receive
 * requests, and copies the payload of SEND and WRITE to its destination. The
 * transport decides what to do with packets out of order, and how to refuse a
 * request (rxe_rc.c, rxe_uc.c, rxe_ud.c). A packet that misses a page stays at
 * the head of the queue: the task is parked, and tries the packet again when
 * the page is there.
 */
#include "rxe_access.h"
#include "rxe_copy.h"
#include "rxe_cq.h"
#include "rxe_qp_state.h"
#include "rxe_resp.h"
#include "rxe_srq.h"

/* Limits of the time after which the peer learns that a page is missing. */
#define RXE_FAULT_PATIENCE_MIN	(8 * NSEC_PER_MSEC)
#define RXE_FAULT_PATIENCE_MAX	(500 * NSEC_PER_MSEC)

static enum rxe_verdict rxe_resp_refuse(struct rxe_qp *qp, u32 psn, u8 syndrome,
					enum ib_wc_status status)
{
	return qp->service->refuse(qp, psn, syndrome, status);
}

/* --- receive requests ---------------------------------------------------- */

/*
 * A completion of @status has been lost. After a lost error the queue pair is
 * in the error state anyway.
 */
static enum rxe_verdict rxe_resp_lost(struct rxe_qp *qp,
				      enum ib_wc_status status)
{
	if (!qp->service->unreported)
		rxe_qp_fatal(qp);
	else if (!status)
		qp->service->unreported(qp);
	return RXE_FATAL;
}

/**
 * rxe_resp_complete() - complete the receive request under way
 * @qp: the receive request's queue pair
 * @wc: the completion; the members known from @qp and the request are filled in
 * @solicited: the sender asked for an event
 *
 * Context: rq.lock held.
 * Return: RXE_DONE; RXE_FATAL if there was no room for the completion.
 */
enum rxe_verdict rxe_resp_complete(struct rxe_qp *qp, struct ib_wc *wc,
				   bool solicited)
{
	lockdep_assert_held(&qp->rq.lock);
	wc->wr_id = qp->rq.wqe.wr_id;
	wc->qp = qp->handle;
	if (!wc->src_qp)
		wc->src_qp = qp->attr.dest_qp_num;
	wc->port_num = 1;
	qp->rq.have_wqe = RXE_TAKEN_NONE;
	if (unlikely(!rxe_cq_post(to_rcq(qp->ib.recv_cq), wc, solicited)))
		return rxe_resp_lost(qp, wc->status);
	if (!wc->status)
		rxe_count(qp_rxe(qp), RXE_CNT_RDMA_RECV);
	return RXE_DONE;
}

/**
 * rxe_resp_take_wqe() - take a receive request, unless one is under way
 * @qp: the queue pair
 *
 * Context: rq.lock held.
 * Return: whether rq.wqe is valid.
 */
enum rxe_taken rxe_resp_take_wqe(struct rxe_qp *qp)
{
	struct rxe_rq *rq = &qp->rq;

	lockdep_assert_held(&qp->rq.lock);
	if (!rq->have_wqe)
		rq->have_wqe = qp->ib.srq ?
				       rxe_srq_take(to_rsrq(qp->ib.srq),
						    &rq->wqe) :
				       rxe_recvq_take(&rq->queue, &rq->wqe);
	return rq->have_wqe;
}

/**
 * rxe_resp_not_ready() - act when rxe_resp_take_wqe() had no usable request
 * @qp: the queue pair
 * @psn: PSN of the packet that needs the request
 *
 * Context: rq.lock held.
 * Return: what becomes of the packet.
 */
enum rxe_verdict rxe_resp_not_ready(struct rxe_qp *qp, u32 psn)
{
	lockdep_assert_held(&qp->rq.lock);
	if (!qp->rq.have_wqe)
		return qp->service->not_ready(qp);
	return rxe_resp_own_fault(qp, psn, IB_WC_LOC_QP_OP_ERR);
}

/* --- errors -------------------------------------------------------------- */

/**
 * rxe_resp_own_fault() - the receive request under way is unusable
 * @qp: the request's queue pair; goes to the error state on every transport
 * @psn: PSN of the packet that needs the request
 * @status: status that the request completes with
 *
 * Context: rq.lock held.
 * Return: RXE_FATAL.
 */
enum rxe_verdict rxe_resp_own_fault(struct rxe_qp *qp, u32 psn,
				    enum ib_wc_status status)
{
	struct ib_wc wc = { .status = status };

	lockdep_assert_held(&qp->rq.lock);
	if (qp->service->own_fault)
		return qp->service->own_fault(qp, psn, status);
	rxe_resp_complete(qp, &wc, false);
	rxe_qp_error(qp);
	return RXE_FATAL;
}

/**
 * rxe_resp_access() - act on the result of an access by the peer's key
 * @qp: the queue pair
 * @psn: PSN of the packet that asked for the access
 * @ret: 0 or -errno
 *
 * Context: rq.lock held.
 * Return: what becomes of the packet.
 */
enum rxe_verdict rxe_resp_access(struct rxe_qp *qp, u32 psn, int ret)
{
	lockdep_assert_held(&qp->rq.lock);
	if (!ret)
		return RXE_DONE;
	if (ret == -EAGAIN)
		return RXE_PARKED;
	if (ret == -ENOMEM)
		return rxe_resp_refuse(qp, psn, RXE_AETH_NAK_OP,
				       IB_WC_LOC_PROT_ERR);
	return rxe_resp_refuse(qp, psn, RXE_AETH_NAK_ACCESS,
			       IB_WC_REM_ACCESS_ERR);
}

/**
 * rxe_resp_fault_result() - get the result of the fault for this packet
 * @rq: the receiving half
 *
 * Context: rq.lock held.
 * Return: an error, which is reported once; or 0.
 */
int rxe_resp_fault_result(struct rxe_rq *rq)
{
	int ret = rq->fault.result;

	lockdep_assert_held(&rq->lock);
	if (rxe_rq_at(rq) != rq->fault_psn)
		return 0;
	rq->fault.result = 0;
	return ret;
}

/* --- SEND and WRITE ------------------------------------------------------ */

/* A packet has been executed. */
static void rxe_resp_advance(struct rxe_qp *qp, const struct rxe_pkt *pkt)
{
	struct rxe_rq *rq = &qp->rq;

	rq->kind = pkt->op->last ? RXE_OP_NONE : pkt->op->kind;
	rq->offset += pkt->payload;
	if (pkt->op->last)
		rq->msn++;
	rq->psn = rxe_psn_add(rq->psn, 1);
	rq->ack_due |= pkt->ack_req;
}

/**
 * rxe_resp_received() - complete the receive request of a complete message
 * @qp: the request's queue pair; rq.offset is the message's length
 * @headers: of the last packet: opcode, solicited, and immediate data or rkey
 *
 * Context: rq.lock held.
 * Return: as rxe_resp_complete().
 */
enum rxe_verdict rxe_resp_received(struct rxe_qp *qp,
				   const struct rxe_headers *headers)
{
	const struct rxe_op *op = &rxe_ops[headers->opcode];
	struct ib_wc wc = {
		.opcode = op->kind == RXE_OP_SEND ? IB_WC_RECV :
						    IB_WC_RECV_RDMA_WITH_IMM,
		.byte_len = qp->rq.offset,
	};

	lockdep_assert_held(&qp->rq.lock);
	if (op->imm) {
		wc.wc_flags = IB_WC_WITH_IMM;
		wc.ex.imm_data = headers->imm_data;
	} else if (op->inv) {
		wc.wc_flags = IB_WC_WITH_INVALIDATE;
		wc.ex.invalidate_rkey = headers->invalidate_rkey;
	}
	return rxe_resp_complete(qp, &wc, headers->solicited);
}

/**
 * rxe_resp_scatter() - copy into the receive request under way
 * @qp: the request's queue pair
 * @offset: bytes from the start of the request's scatter list
 * @buf: bytes to copy
 * @len: number of bytes
 * @rest: bytes from @offset on that are known to follow, at least @len
 *
 * Context: rq.lock held.
 * Return: as rxe_list_copy().
 */
int rxe_resp_scatter(struct rxe_qp *qp, u64 offset, void *buf, u32 len,
		     u64 rest)
{
	struct rxe_rq *rq = &qp->rq;
	struct rxe_list list = {
		.sge = rq->wqe.sge,
		.num_sge = rq->wqe.num_sge,
		.access = IB_ACCESS_LOCAL_WRITE,
		.pd = rq->pd,
	};

	lockdep_assert_held(&qp->rq.lock);
	return rxe_list_copy(qp, &list, offset, buf, len, rest, &rq->fault);
}

/**
 * rxe_resp_send() - execute a packet of a SEND
 * @qp: the queue pair, connected
 * @skb: the packet with the expected PSN
 *
 * Context: rq.lock held.
 * Return: what becomes of the packet.
 */
enum rxe_verdict rxe_resp_send(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	struct rxe_rq *rq = &qp->rq;
	struct rxe_headers headers;
	int ret;

	lockdep_assert_held(&qp->rq.lock);
	if (pkt->op->first) {
		if (rxe_resp_take_wqe(qp) != RXE_TAKEN)
			return rxe_resp_not_ready(qp, pkt->psn);
		rq->offset = 0;
	}
	if (rq->offset + (u64)pkt->payload > rq->wqe.length)
		return rxe_resp_refuse(qp, pkt->psn, RXE_AETH_NAK_INVALID,
				       IB_WC_LOC_LEN_ERR);

	ret = rxe_resp_fault_result(rq);
	if (!ret)
		ret = rxe_resp_scatter(qp, rq->offset, rxe_payload(skb),
				       pkt->payload, pkt->payload);
	if (ret == -EAGAIN)
		return RXE_PARKED;
	if (ret)
		return rxe_resp_own_fault(qp, pkt->psn, IB_WC_LOC_PROT_ERR);

	if (!pkt->op->last) {
		rxe_resp_advance(qp, pkt);
		return RXE_DONE;
	}
	rxe_wire_decode(skb, &headers);
	if (pkt->op->inv && rxe_rkey_invalidate(qp, headers.invalidate_rkey))
		return rxe_resp_access(qp, pkt->psn, -EINVAL);
	rxe_resp_advance(qp, pkt);
	return rxe_resp_received(qp, &headers);
}

/* Checks the whole message when its first packet arrives. */
static enum rxe_verdict rxe_resp_begin_write(struct rxe_qp *qp,
					     const struct rxe_headers *headers)
{
	struct rxe_rq *rq = &qp->rq;
	struct rxe_place place;
	int ret = 0;

	if (headers->length > RXE_MAX_MSG)
		return rxe_resp_refuse(qp, headers->psn, RXE_AETH_NAK_INVALID,
				       IB_WC_REM_INV_REQ_ERR);
	if (headers->length)
		ret = rxe_rkey_resolve(qp, headers->rkey, headers->va,
				       headers->length, IB_ACCESS_REMOTE_WRITE,
				       &place);
	rq->offset = 0;
	rq->addr = headers->va;
	rq->rkey = headers->rkey;
	rq->resid = headers->length;
	return rxe_resp_access(qp, headers->psn, ret);
}

/**
 * rxe_resp_write() - execute a packet of a WRITE
 * @qp: the queue pair, connected
 * @skb: the packet with the expected PSN
 *
 * Context: rq.lock held.
 * Return: what becomes of the packet.
 */
enum rxe_verdict rxe_resp_write(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	struct rxe_rq *rq = &qp->rq;
	struct rxe_headers headers;
	enum rxe_verdict verdict;
	int ret;

	lockdep_assert_held(&qp->rq.lock);
	if (!(qp->rights & IB_ACCESS_REMOTE_WRITE))
		return rxe_resp_refuse(qp, pkt->psn, RXE_AETH_NAK_INVALID,
				       IB_WC_REM_INV_REQ_ERR);
	if (pkt->op->imm && rxe_resp_take_wqe(qp) != RXE_TAKEN)
		return rxe_resp_not_ready(qp, pkt->psn);
	if (pkt->op->first || pkt->op->imm)
		rxe_wire_decode(skb, &headers);
	if (pkt->op->first) {
		verdict = rxe_resp_begin_write(qp, &headers);
		if (verdict != RXE_DONE)
			return verdict;
	}
	if (pkt->payload > rq->resid ||
	    (pkt->op->last && pkt->payload != rq->resid))
		return rxe_resp_refuse(qp, pkt->psn, RXE_AETH_NAK_INVALID,
				       IB_WC_REM_INV_REQ_ERR);

	ret = rxe_resp_fault_result(rq);
	if (!ret)
		ret = rxe_region_copy(qp, rq->rkey, rq->addr, rxe_payload(skb),
				      pkt->payload, rq->resid,
				      IB_ACCESS_REMOTE_WRITE, &rq->fault);
	verdict = rxe_resp_access(qp, pkt->psn, ret);
	if (verdict != RXE_DONE)
		return verdict;
	rq->addr += pkt->payload;
	rq->resid -= pkt->payload;
	rxe_resp_advance(qp, pkt);
	return pkt->op->imm ? rxe_resp_received(qp, &headers) : RXE_DONE;
}

/**
 * rxe_resp_in_sequence() - does a packet continue the message under way?
 * @qp: the queue pair, connected
 * @pkt: the packet
 *
 * Context: rq.lock held.
 * Return: true if it does, and if its length is right.
 */
bool rxe_resp_in_sequence(const struct rxe_qp *qp, const struct rxe_pkt *pkt)
{
	const struct rxe_op *op = pkt->op;

	lockdep_assert_held(&qp->rq.lock);
	if (op->first ? qp->rq.kind != RXE_OP_NONE : qp->rq.kind != op->kind)
		return false;
	if (!op->payload || op->word)
		return true;
	if (!op->last)
		return pkt->payload == qp->mtu;
	return pkt->payload <= qp->mtu && (op->first || pkt->payload);
}

/**
 * rxe_resp_established() - a packet has arrived from the peer
 * @qp: the queue pair, connected
 *
 * An owner in RTR learns from IB_EVENT_COMM_EST that it can go on to RTS.
 *
 * Context: rq.lock held.
 */
void rxe_resp_established(struct rxe_qp *qp)
{
	lockdep_assert_held(&qp->rq.lock);
	if (qp->rq.established)
		return;
	qp->rq.established = true;
	if (rxe_qp_state(qp) == IB_QPS_RTR)
		rxe_qp_event(qp, IB_EVENT_COMM_EST);
}

/* --- slow faults --------------------------------------------------------- */

/**
 * rxe_resp_patience() - how long a responder waits before it sends an RNR NAK
 * @qp: the responder
 *
 * A quarter of the timeout after which the requester retransmits, which is
 * usually the timeout of this side, too. A requester that is told to retry may
 * find that the page has gone again, so the NAK is not sent early.
 *
 * Context: any.
 * Return: nanoseconds from the start of the page fault.
 */
s64 rxe_resp_patience(const struct rxe_qp *qp)
{
	s64 timeout = 4096LL << qp->attr.timeout;

	if (rxe_qp_state(qp) == IB_QPS_RTR)
		return RXE_FAULT_PATIENCE_MIN;
	if (!qp->attr.timeout)
		return RXE_FAULT_PATIENCE_MAX;
	return clamp_t(s64, timeout / 4, RXE_FAULT_PATIENCE_MIN,
		       RXE_FAULT_PATIENCE_MAX);
}
