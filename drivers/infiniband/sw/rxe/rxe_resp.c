// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: The responder
 *
 * Executes request packets in the order of their PSNs, where they arrive. What
 * cannot go on for want of a page stays at the head of the queue: the task is
 * parked, and looks at the packet again when the page is there. If that takes
 * long, the peer is told to come back (RNR NAK), so that it does not use up its
 * retries.
 */
#include "rxe_transport.h"

/* How long a fault may take before the peer hears of it: between these. */
#define RXE_FAULT_PATIENCE_MIN	(8 * NSEC_PER_MSEC)
#define RXE_FAULT_PATIENCE_MAX	(500 * NSEC_PER_MSEC)
/* The RNR timer codes to answer with, by how long it has taken already. */
#define RXE_RNR_CODE_MIN	14	/* 1.28 ms */
#define RXE_RNR_CODE_MAX	30	/* 327.68 ms */

/* What became of a packet. */
enum rxe_verdict {
	RXE_DONE,		/* it can go */
	RXE_PARKED,		/* look at it again */
	RXE_FATAL,		/* the QP is in the error state */
};

/* --- answers ------------------------------------------------------------- */

/* Returns false where there is no memory for it. */
static bool rxe_resp_answer(struct rxe_qp *qp, u32 psn, u8 syndrome)
{
	struct rxe_headers headers = {
		.opcode = IB_OPCODE_RC_ACKNOWLEDGE,
		.qpn = qp->attr.dest_qp_num,
		.psn = psn,
		.syndrome = syndrome,
		.msn = qp->rq.msn,
	};
	struct sk_buff *skb = rxe_wire_build(&headers, 0);

	if (!skb)
		return false;
	rxe_net_send(qp, skb);
	return true;
}

static void rxe_resp_flush_ack(struct rxe_qp *qp)
{
	if (!qp->rq.ack_due)
		return;
	qp->rq.ack_due = false;
	rxe_resp_answer(qp, rxe_psn_add(qp->rq.psn, -1), RXE_AETH_ACK);
}

/* What is behind the packet in question is now dropped without a word. */
static void rxe_resp_rnr(struct rxe_qp *qp, u32 psn, u8 timer)
{
	rxe_resp_flush_ack(qp);
	rxe_count(qp_rxe(qp), RXE_CNT_SND_RNR);
	qp->rq.nak_sent = rxe_resp_answer(qp, psn, RXE_AETH_RNR | timer);
}

/* --- receive requests ---------------------------------------------------- */

static void rxe_resp_complete(struct rxe_qp *qp, struct ib_wc *wc,
			      bool solicited)
{
	wc->wr_id = qp->rq.wqe.wr_id;
	wc->qp = &qp->ib;
	wc->src_qp = qp->attr.dest_qp_num;
	wc->port_num = 1;
	qp->rq.have_wqe = false;
	rxe_cq_post(to_rcq(qp->ib.recv_cq), wc, solicited);
}

/* Takes the next receive request. Returns false where there is none. */
static bool rxe_resp_take_wqe(struct rxe_qp *qp)
{
	struct rxe_rq *rq = &qp->rq;

	if (!rq->have_wqe)
		rq->have_wqe = qp->ib.srq ?
				       rxe_srq_take(to_rsrq(qp->ib.srq),
						    &rq->wqe) :
				       rxe_recvq_take(&rq->queue, &rq->wqe);
	return rq->have_wqe;
}

static void rxe_resp_flush_wqe(struct rxe_qp *qp)
{
	struct ib_wc wc = { .status = IB_WC_WR_FLUSH_ERR };

	rxe_resp_complete(qp, &wc, false);
}

/*
 * User space may post as fast as this completes: it has to end. Returns true if
 * there is more.
 */
static bool rxe_resp_flush(struct rxe_qp *qp)
{
	unsigned int budget = RXE_TASK_BUDGET;

	while (rxe_resp_take_wqe(qp)) {
		rxe_resp_flush_wqe(qp);
		if (!--budget)
			return true;
	}
	return false;
}

/*
 * What is still in the shared queue is for other QPs. Its owner hears that this
 * one will not take anything any more.
 */
static void rxe_resp_leave_srq(struct rxe_qp *qp)
{
	if (qp->rq.have_wqe)
		rxe_resp_flush_wqe(qp);
	if (qp->rq.last_wqe_event)
		return;
	qp->rq.last_wqe_event = true;
	rxe_qp_event(qp, IB_EVENT_QP_LAST_WQE_REACHED);
}

/**
 * rxe_resp_post() - post_recv of the kernel
 * @qp: the queue pair
 * @wr: requests
 * @bad_wr: receives the first that was not taken
 *
 * User space posts into its ring without a system call.
 *
 * Context: process or softirq.
 * Return: 0; -EINVAL: the QP's state or a request does not allow it, or it takes
 * from a shared queue; -ENOMEM: the queue is full.
 */
int rxe_resp_post(struct rxe_qp *qp, const struct ib_recv_wr *wr,
		  const struct ib_recv_wr **bad_wr)
{
	int ret;

	if (qp->user || qp->ib.srq || rxe_qp_state(qp) == IB_QPS_RESET) {
		*bad_wr = wr;
		return -EINVAL;
	}
	spin_lock_bh(&qp->rq.lock);
	ret = rxe_recvq_post(&qp->rq.queue, wr, bad_wr);
	spin_unlock_bh(&qp->rq.lock);
	if (rxe_qp_state(qp) == IB_QPS_ERR)
		rxe_task_kick(&qp->rq.task);
	return ret;
}

/* --- errors -------------------------------------------------------------- */

/*
 * Answers the request that @psn belongs to with a NAK and ends the connection.
 * A receive request under way completes with @status.
 */
static enum rxe_verdict rxe_resp_fail(struct rxe_qp *qp, u32 psn, u8 syndrome,
				      enum ib_wc_status status)
{
	struct ib_wc wc = { .status = status };

	rxe_resp_flush_ack(qp);
	rxe_resp_answer(qp, psn, syndrome);
	if (qp->rq.have_wqe && status)
		rxe_resp_complete(qp, &wc, false);
	else if (syndrome == RXE_AETH_NAK_ACCESS)
		rxe_qp_event(qp, IB_EVENT_QP_ACCESS_ERR);
	else if (syndrome == RXE_AETH_NAK_INVALID)
		rxe_qp_event(qp, IB_EVENT_QP_REQ_ERR);
	else if (syndrome == RXE_AETH_NAK_OP)
		rxe_qp_event(qp, IB_EVENT_QP_FATAL);
	rxe_qp_error(qp);
	return RXE_FATAL;
}

static enum rxe_verdict rxe_resp_invalid(struct rxe_qp *qp, u32 psn)
{
	return rxe_resp_fail(qp, psn, RXE_AETH_NAK_INVALID,
			     IB_WC_REM_INV_REQ_ERR);
}

/* What an access to the peer's choice of memory has come to. */
static enum rxe_verdict rxe_resp_access(struct rxe_qp *qp, u32 psn, int ret)
{
	if (!ret)
		return RXE_DONE;
	if (ret == -EAGAIN)
		return RXE_PARKED;
	if (ret == -ENOMEM)
		return rxe_resp_fail(qp, psn, RXE_AETH_NAK_OP,
				     IB_WC_LOC_PROT_ERR);
	return rxe_resp_fail(qp, psn, RXE_AETH_NAK_ACCESS,
			     IB_WC_REM_ACCESS_ERR);
}

/* The PSN of what is being executed. */
static u32 rxe_resp_at(const struct rxe_rq *rq)
{
	return rq->reading ? rq->read_psn : rq->psn;
}

/* The error that the fault for this PSN has ended with, once. */
static int rxe_resp_fault_result(struct rxe_rq *rq)
{
	int ret = rq->place.result;

	if (rxe_resp_at(rq) != rq->fault_psn)
		return 0;
	rq->place.result = 0;
	return ret;
}

/* --- READ ---------------------------------------------------------------- */

static struct rxe_replay *rxe_resp_record(struct rxe_rq *rq)
{
	return &rq->replays[rq->num_replays++ % rq->max_replays];
}

static struct rxe_replay *rxe_resp_recall(struct rxe_rq *rq, u32 psn, u8 kind)
{
	u32 kept = min(rq->num_replays, rq->max_replays);
	u32 i;

	for (i = 0; i < kept; i++) {
		struct rxe_replay *replay = &rq->replays[i];

		if (replay->kind == kind &&
		    rxe_psn_cmp(psn, replay->first_psn) >= 0 &&
		    rxe_psn_cmp(psn, replay->end_psn) < 0)
			return replay;
	}
	return NULL;
}

static u32 rxe_read_packets(const struct rxe_qp *qp, u32 length)
{
	return max_t(u32, DIV_ROUND_UP(length, qp->mtu), 1);
}

static u8 rxe_read_opcode(bool first, bool last)
{
	if (first)
		return last ? IB_OPCODE_RC_RDMA_READ_RESPONSE_ONLY :
			      IB_OPCODE_RC_RDMA_READ_RESPONSE_FIRST;
	return last ? IB_OPCODE_RC_RDMA_READ_RESPONSE_LAST :
		      IB_OPCODE_RC_RDMA_READ_RESPONSE_MIDDLE;
}

static enum rxe_verdict rxe_resp_read_packet(struct rxe_qp *qp)
{
	struct rxe_rq *rq = &qp->rq;
	const struct rxe_replay *read = &rq->read;
	u32 offset = rxe_psn_cmp(rq->read_psn, read->first_psn) * qp->mtu;
	u32 rest = read->length - offset;
	u32 len = min(rest, qp->mtu);
	bool last = len == rest;
	struct rxe_headers headers = {
		.opcode = rxe_read_opcode(!offset, last),
		.qpn = qp->attr.dest_qp_num,
		.psn = rq->read_psn,
		.syndrome = RXE_AETH_ACK,
		.msn = read->msn,
	};
	struct sk_buff *skb;
	int ret;

	skb = rxe_wire_build(&headers, len);
	if (!skb) {
		/* The peer will ask again. */
		rq->reading = false;
		return RXE_DONE;
	}
	ret = rxe_resp_fault_result(rq);
	if (!ret)
		ret = rxe_region_copy(qp, read->rkey, read->addr + offset,
				      rxe_payload(skb), len, rest,
				      IB_ACCESS_REMOTE_READ, &rq->place);
	if (ret) {
		kfree_skb(skb);
		return rxe_resp_access(qp, rq->read_psn, ret);
	}
	rq->read_psn = rxe_psn_add(rq->read_psn, 1);
	rq->reading = !last;
	rxe_net_send(qp, skb);
	return RXE_DONE;
}

static void rxe_resp_begin_read(struct rxe_qp *qp,
				const struct rxe_replay *read)
{
	rxe_resp_flush_ack(qp);
	qp->rq.read = *read;
	qp->rq.read_psn = read->first_psn;
	qp->rq.reading = true;
}

static enum rxe_verdict rxe_resp_read(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct rxe_rq *rq = &qp->rq;
	struct rxe_replay *replay;
	struct rxe_headers headers;
	struct rxe_place place;
	int ret = 0;

	rxe_wire_decode(skb, &headers);
	if (!(qp->attr.qp_access_flags & IB_ACCESS_REMOTE_READ))
		return rxe_resp_invalid(qp, headers.psn);
	if (headers.length) {
		rcu_read_lock();
		ret = rxe_rkey_resolve(qp, headers.rkey, headers.va,
				       headers.length, IB_ACCESS_REMOTE_READ,
				       &place);
		rcu_read_unlock();
	}
	if (ret)
		return rxe_resp_access(qp, headers.psn, ret);

	rq->msn++;
	replay = rxe_resp_record(rq);
	*replay = (struct rxe_replay){
		.kind = RXE_OP_READ,
		.first_psn = headers.psn,
		.end_psn = rxe_psn_add(headers.psn,
				       rxe_read_packets(qp, headers.length)),
		.rkey = headers.rkey,
		.addr = headers.va,
		.length = headers.length,
		.msn = rq->msn,
	};
	rq->psn = replay->end_psn;
	rxe_resp_begin_read(qp, replay);
	return RXE_DONE;
}

/* --- atomics, ATOMIC WRITE, FLUSH ---------------------------------------- */

/* What is not an atomic in the narrow sense is answered as an empty READ. */
static void rxe_resp_atomic_answer(struct rxe_qp *qp,
				   const struct rxe_replay *replay)
{
	struct rxe_headers headers = {
		.opcode = replay->kind == RXE_OP_ATOMIC ?
				  IB_OPCODE_RC_ATOMIC_ACKNOWLEDGE :
				  IB_OPCODE_RC_RDMA_READ_RESPONSE_ONLY,
		.qpn = qp->attr.dest_qp_num,
		.psn = replay->first_psn,
		.syndrome = RXE_AETH_ACK,
		.msn = replay->msn,
		.original = replay->value,
	};
	struct sk_buff *skb;

	rxe_resp_flush_ack(qp);
	skb = rxe_wire_build(&headers, 0);
	if (skb)
		rxe_net_send(qp, skb);
}

/* A request of one packet has been executed, and must not be again. */
static void rxe_resp_executed(struct rxe_qp *qp, u8 kind, u64 value)
{
	struct rxe_rq *rq = &qp->rq;
	struct rxe_replay *replay = rxe_resp_record(rq);

	rq->msn++;
	*replay = (struct rxe_replay){
		.kind = kind,
		.first_psn = rq->psn,
		.end_psn = rxe_psn_add(rq->psn, 1),
		.value = value,
		.msn = rq->msn,
	};
	rq->psn = replay->end_psn;
	rxe_resp_atomic_answer(qp, replay);
}

static enum rxe_verdict rxe_resp_atomic(struct rxe_qp *qp, struct sk_buff *skb)
{
	u8 kind = rxe_pkt(skb)->op->kind;
	int right = IB_ACCESS_REMOTE_ATOMIC;
	struct rxe_headers headers;
	enum rxe_verdict verdict;
	u64 old;
	int ret;

	rxe_wire_decode(skb, &headers);
	if (kind == RXE_OP_ATOMIC_WRITE) {
		if (rxe_pkt(skb)->payload != sizeof(u64))
			return rxe_resp_invalid(qp, headers.psn);
		memcpy(&headers.swap_add, rxe_payload(skb), sizeof(u64));
		right = IB_ACCESS_REMOTE_WRITE;
	}
	if (!(qp->attr.qp_access_flags & right) ||
	    !IS_ALIGNED(headers.va, sizeof(u64)))
		return rxe_resp_invalid(qp, headers.psn);

	ret = rxe_resp_fault_result(&qp->rq);
	if (!ret)
		ret = rxe_region_atomic(qp, &headers, &old, &qp->rq.place);
	verdict = rxe_resp_access(qp, headers.psn, ret);
	if (verdict == RXE_DONE)
		rxe_resp_executed(qp, kind, old);
	return verdict;
}

/*
 * What has been written before is visible to all processors when a later store
 * is, so making it visible takes a barrier, and no page has to be there.
 */
static enum rxe_verdict rxe_resp_flush_memory(struct rxe_qp *qp,
					      struct sk_buff *skb)
{
	struct rxe_headers headers;
	struct rxe_place place;
	int ret, access = 0;

	rxe_wire_decode(skb, &headers);
	if (headers.flush_type & IB_FLUSH_GLOBAL)
		access |= IB_ACCESS_FLUSH_GLOBAL;
	if (headers.flush_type & IB_FLUSH_PERSISTENT)
		access |= IB_ACCESS_FLUSH_PERSISTENT;
	if (!access || headers.flush_level > IB_FLUSH_MR)
		return rxe_resp_invalid(qp, headers.psn);

	rcu_read_lock();
	if (headers.flush_level == IB_FLUSH_MR)
		ret = rxe_rkey_check(qp, headers.rkey, access);
	else
		ret = rxe_rkey_resolve(qp, headers.rkey, headers.va,
				       headers.length, access, &place);
	rcu_read_unlock();
	if (ret)
		return rxe_resp_access(qp, headers.psn, ret);
	smp_wmb();
	rxe_resp_executed(qp, RXE_OP_FLUSH, 0);
	return RXE_DONE;
}

/* --- SEND and WRITE ------------------------------------------------------ */

/* The end of a packet that was executed. */
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

/* Completes the receive request that the message has used up. */
static void rxe_resp_received(struct rxe_qp *qp,
			      const struct rxe_headers *headers)
{
	const struct rxe_op *op = &rxe_ops[headers->opcode];
	struct ib_wc wc = {
		.opcode = op->kind == RXE_OP_SEND ? IB_WC_RECV :
						    IB_WC_RECV_RDMA_WITH_IMM,
		.byte_len = qp->rq.offset,
	};

	if (op->imm) {
		wc.wc_flags = IB_WC_WITH_IMM;
		wc.ex.imm_data = headers->imm_data;
	} else if (op->inv) {
		wc.wc_flags = IB_WC_WITH_INVALIDATE;
		wc.ex.invalidate_rkey = headers->invalidate_rkey;
	}
	rxe_resp_complete(qp, &wc, headers->solicited);
}

static enum rxe_verdict rxe_resp_not_ready(struct rxe_qp *qp)
{
	rxe_resp_rnr(qp, qp->rq.psn, qp->attr.min_rnr_timer);
	return RXE_DONE;
}

static enum rxe_verdict rxe_resp_send(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	struct rxe_rq *rq = &qp->rq;
	struct rxe_list list = {
		.sge = rq->wqe.sge,
		.access = IB_ACCESS_LOCAL_WRITE,
		.pd = rq->pd,
	};
	struct rxe_headers headers;
	int ret;

	if (pkt->op->first) {
		if (!rxe_resp_take_wqe(qp))
			return rxe_resp_not_ready(qp);
		rq->offset = 0;
	}
	if (rq->offset + (u64)pkt->payload > rq->wqe.length)
		return rxe_resp_fail(qp, pkt->psn, RXE_AETH_NAK_INVALID,
				     IB_WC_LOC_LEN_ERR);

	list.num_sge = rq->wqe.num_sge;
	ret = rxe_resp_fault_result(rq);
	if (!ret)
		ret = rxe_list_copy(qp, &list, rq->offset, rxe_payload(skb),
				    pkt->payload, pkt->payload, &rq->place);
	if (ret == -EAGAIN)
		return RXE_PARKED;
	if (ret)
		return rxe_resp_fail(qp, pkt->psn, RXE_AETH_NAK_OP,
				     IB_WC_LOC_PROT_ERR);

	rxe_wire_decode(skb, &headers);
	if (pkt->op->inv && rxe_rkey_invalidate(qp, headers.invalidate_rkey))
		return rxe_resp_access(qp, pkt->psn, -EINVAL);
	rxe_resp_advance(qp, pkt);
	if (pkt->op->last)
		rxe_resp_received(qp, &headers);
	return RXE_DONE;
}

/* Checks the whole message at its first packet. */
static enum rxe_verdict rxe_resp_begin_write(struct rxe_qp *qp,
					     const struct rxe_headers *headers)
{
	struct rxe_rq *rq = &qp->rq;
	struct rxe_place place;
	int ret = 0;

	if (headers->length) {
		rcu_read_lock();
		ret = rxe_rkey_resolve(qp, headers->rkey, headers->va,
				       headers->length, IB_ACCESS_REMOTE_WRITE,
				       &place);
		rcu_read_unlock();
	}
	rq->offset = 0;
	rq->addr = headers->va;
	rq->rkey = headers->rkey;
	rq->resid = headers->length;
	return rxe_resp_access(qp, headers->psn, ret);
}

static enum rxe_verdict rxe_resp_write(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	struct rxe_rq *rq = &qp->rq;
	struct rxe_headers headers;
	enum rxe_verdict verdict;
	int ret;

	rxe_wire_decode(skb, &headers);
	if (!(qp->attr.qp_access_flags & IB_ACCESS_REMOTE_WRITE))
		return rxe_resp_invalid(qp, pkt->psn);
	if (pkt->op->imm && !rxe_resp_take_wqe(qp))
		return rxe_resp_not_ready(qp);
	if (pkt->op->first) {
		verdict = rxe_resp_begin_write(qp, &headers);
		if (verdict != RXE_DONE)
			return verdict;
	}
	if (pkt->payload > rq->resid ||
	    (pkt->op->last && pkt->payload != rq->resid))
		return rxe_resp_invalid(qp, pkt->psn);

	ret = rxe_resp_fault_result(rq);
	if (!ret)
		ret = rxe_region_copy(qp, rq->rkey, rq->addr, rxe_payload(skb),
				      pkt->payload, rq->resid,
				      IB_ACCESS_REMOTE_WRITE, &rq->place);
	verdict = rxe_resp_access(qp, pkt->psn, ret);
	if (verdict != RXE_DONE)
		return verdict;
	rq->addr += pkt->payload;
	rq->resid -= pkt->payload;
	rxe_resp_advance(qp, pkt);
	if (pkt->op->imm)
		rxe_resp_received(qp, &headers);
	return RXE_DONE;
}

/* --- packets ------------------------------------------------------------- */

static void rxe_resp_replay_read(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct rxe_replay *replay, read;
	struct rxe_headers headers;
	u32 skipped;

	rxe_wire_decode(skb, &headers);
	replay = rxe_resp_recall(&qp->rq, headers.psn, RXE_OP_READ);
	if (!replay)
		return;
	skipped = rxe_psn_cmp(headers.psn, replay->first_psn) * qp->mtu;
	if (headers.rkey != replay->rkey ||
	    headers.va != replay->addr + skipped ||
	    headers.length > replay->length - skipped)
		return;
	read = *replay;
	read.first_psn = headers.psn;
	read.addr = headers.va;
	read.length = headers.length;
	rxe_resp_begin_read(qp, &read);
}

/* A packet that has been executed before (specification, 9.7.5.1.4). */
static enum rxe_verdict rxe_resp_duplicate(struct rxe_qp *qp,
					   struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	struct rxe_replay *replay;

	rxe_count(qp_rxe(qp), RXE_CNT_DUP_REQ);
	switch (pkt->op->kind) {
	case RXE_OP_READ:
		rxe_resp_replay_read(qp, skb);
		break;
	case RXE_OP_ATOMIC:
	case RXE_OP_ATOMIC_WRITE:
	case RXE_OP_FLUSH:
		replay = rxe_resp_recall(&qp->rq, pkt->psn, pkt->op->kind);
		if (replay)
			rxe_resp_atomic_answer(qp, replay);
		break;
	default:
		qp->rq.ack_due = true;
		break;
	}
	return RXE_DONE;
}

static enum rxe_verdict rxe_resp_out_of_order(struct rxe_qp *qp)
{
	rxe_count(qp_rxe(qp), RXE_CNT_OUT_OF_SEQ_REQ);
	if (!qp->rq.nak_sent) {
		rxe_resp_flush_ack(qp);
		qp->rq.nak_sent = rxe_resp_answer(qp, qp->rq.psn,
						  RXE_AETH_NAK_SEQ);
	}
	return RXE_DONE;
}

/* Does the packet continue what is under way, with the length that it must? */
static bool rxe_resp_in_sequence(const struct rxe_qp *qp,
				 const struct rxe_pkt *pkt)
{
	const struct rxe_op *op = pkt->op;

	if (op->first ? qp->rq.kind != RXE_OP_NONE : qp->rq.kind != op->kind)
		return false;
	if (!op->payload || op->kind == RXE_OP_ATOMIC_WRITE)
		return true;
	if (!op->last)
		return pkt->payload == qp->mtu;
	return pkt->payload <= qp->mtu && (op->first || pkt->payload);
}

/* The peer is there: it is worth knowing for who waits to go on to RTS. */
static void rxe_resp_established(struct rxe_qp *qp)
{
	if (qp->rq.established)
		return;
	qp->rq.established = true;
	if (rxe_qp_state(qp) == IB_QPS_RTR)
		rxe_qp_event(qp, IB_EVENT_COMM_EST);
}

static enum rxe_verdict rxe_resp_packet(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	int order = rxe_psn_cmp(pkt->psn, qp->rq.psn);

	if (order < 0)
		return rxe_resp_duplicate(qp, skb);
	if (order > 0)
		return rxe_resp_out_of_order(qp);
	qp->rq.nak_sent = false;
	rxe_resp_established(qp);
	if (!rxe_resp_in_sequence(qp, pkt))
		return rxe_resp_invalid(qp, pkt->psn);

	switch (pkt->op->kind) {
	case RXE_OP_SEND:
		return rxe_resp_send(qp, skb);
	case RXE_OP_WRITE:
		return rxe_resp_write(qp, skb);
	case RXE_OP_READ:
		return rxe_resp_read(qp, skb);
	case RXE_OP_FLUSH:
		return rxe_resp_flush_memory(qp, skb);
	default:
		return rxe_resp_atomic(qp, skb);
	}
}

/* --- slow faults --------------------------------------------------------- */

static u8 rxe_resp_rnr_code(ktime_t since)
{
	s64 waited = ktime_us_delta(ktime_get(), since);
	u8 code = RXE_RNR_CODE_MIN;
	s64 delay;

	/* Each second code doubles the delay. */
	for (delay = 1280; delay < waited && code < RXE_RNR_CODE_MAX; delay *= 2)
		code += 2;
	return code;
}

/*
 * The page is still missing. Has it been for long, the peer is told to send
 * again later, from where it is missing, and what it has sent is let go.
 */
static void rxe_resp_wait(struct rxe_qp *qp)
{
	struct rxe_rq *rq = &qp->rq;

	if (!rq->fault_long)
		return;
	if (rq->rnr_sent && skb_queue_empty_lockless(&rq->requests))
		return;
	rq->rnr_sent = true;
	skb_queue_purge(&rq->requests);
	rxe_count(qp_rxe(qp), RXE_CNT_PAGE_FAULT_RNR);
	rxe_resp_rnr(qp, rq->fault_psn,
		     rxe_resp_rnr_code(rq->place.since));
}

/*
 * A quarter of the time after which the peer sends again, which is most often
 * that of this side, too. Who is told to come back comes when its page may have
 * gone again, so it is not done early.
 */
static s64 rxe_resp_patience(const struct rxe_qp *qp)
{
	s64 timeout = 4096LL << qp->attr.timeout;

	if (rxe_qp_state(qp) == IB_QPS_RTR)
		return RXE_FAULT_PATIENCE_MIN;
	if (!qp->attr.timeout)
		return RXE_FAULT_PATIENCE_MAX;
	return clamp_t(s64, timeout / 4, RXE_FAULT_PATIENCE_MIN,
		       RXE_FAULT_PATIENCE_MAX);
}

static void rxe_resp_park(struct rxe_qp *qp)
{
	qp->rq.fault_long = false;
	qp->rq.fault_psn = rxe_resp_at(&qp->rq);
	hrtimer_start(&qp->rq.fault_timer,
		      ktime_add_ns(qp->rq.place.since, rxe_resp_patience(qp)),
		      HRTIMER_MODE_ABS_SOFT);
}

/*
 * The page has come, or it is known why it cannot. If the peer has been sent
 * away, there is no packet to go on with: it will ask anew, also for what is
 * left of a READ, and then it gets to know.
 */
static void rxe_resp_unpark(struct rxe_qp *qp)
{
	struct rxe_rq *rq = &qp->rq;

	rq->fault_long = false;
	if (!rq->rnr_sent)
		return;
	rq->rnr_sent = false;
	rq->reading = false;
}

/* --- the task ------------------------------------------------------------ */

static enum rxe_verdict rxe_resp_next(struct rxe_qp *qp, struct sk_buff *skb)
{
	enum rxe_verdict verdict;

	if (qp->rq.reading)
		return rxe_resp_read_packet(qp);
	verdict = rxe_resp_packet(qp, skb);
	if (verdict != RXE_PARKED) {
		skb_unlink(skb, &qp->rq.requests);
		kfree_skb(skb);
	}
	return verdict;
}

/* Returns true if there is more to do than a task may do at once. */
static bool rxe_resp_run(struct rxe_qp *qp)
{
	struct rxe_rq *rq = &qp->rq;
	unsigned int budget = RXE_TASK_BUDGET;
	enum rxe_verdict verdict = RXE_DONE;

	if (rxe_fault_busy(&rq->place)) {
		rxe_resp_wait(qp);
		return false;
	}
	rxe_resp_unpark(qp);
	while (verdict == RXE_DONE && budget--) {
		struct sk_buff *skb = skb_peek(&rq->requests);

		if (!skb && !rq->reading)
			break;
		verdict = rxe_resp_next(qp, skb);
	}
	if (verdict != RXE_FATAL)
		rxe_resp_flush_ack(qp);
	if (verdict == RXE_PARKED)
		rxe_resp_park(qp);
	return verdict == RXE_DONE &&
	       (rq->reading || !skb_queue_empty_lockless(&rq->requests));
}

/**
 * rxe_resp_task() - the receiving task of a QP
 * @task: the QP's rq.task
 *
 * Return: true if there is more to do.
 */
bool rxe_resp_task(struct rxe_task *task)
{
	struct rxe_qp *qp = container_of(task, struct rxe_qp, rq.task);
	bool more = false;

	spin_lock_bh(&qp->rq.lock);
	switch (rxe_qp_state(qp)) {
	case IB_QPS_RTR:
	case IB_QPS_RTS:
	case IB_QPS_SQD:
	case IB_QPS_SQE:
		more = rxe_resp_run(qp);
		break;
	case IB_QPS_ERR:
		skb_queue_purge(&qp->rq.requests);
		if (qp->ib.srq)
			rxe_resp_leave_srq(qp);
		else
			more = rxe_resp_flush(qp);
		break;
	default:
		skb_queue_purge(&qp->rq.requests);
		break;
	}
	spin_unlock_bh(&qp->rq.lock);
	return more;
}
