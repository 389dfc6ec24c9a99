// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The responder of a Reliable Connection
 *
 * This file has what only this transport has: acknowledgments, queries and
 * their responses, duplicates and packets out of order. When a fault takes
 * long, the peer is told to retry later (RNR NAK), so that it does not use up
 * its retries.
 */
#include "rxe_access.h"
#include "rxe_copy.h"
#include "rxe_pktq.h"
#include "rxe_qp_state.h"
#include "rxe_rc.h"
#include "rxe_resp.h"
#include "rxe_send.h"

/* Limits of the RNR timer codes for a page that is missing. */
#define RXE_RNR_CODE_MIN	14	/* 1.28 ms */
#define RXE_RNR_CODE_MAX	30	/* 327.68 ms */

/* --- answers ------------------------------------------------------------- */

/* Returns false if there is no memory for the packet. */
static bool rxe_rc_answer(struct rxe_qp *qp, u32 psn, u8 syndrome)
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
	rxe_send(qp, &qp->rq.train, skb);
	return true;
}

/**
 * rxe_rc_acknowledge() - send the ACK that is due
 * @qp: the queue pair
 *
 * Context: rq.lock held.
 */
void rxe_rc_acknowledge(struct rxe_qp *qp)
{
	lockdep_assert_held(&qp->rq.lock);
	if (!qp->rq.ack_due)
		return;
	qp->rq.ack_due = false;
	rxe_rc_answer(qp, rxe_psn_add(qp->rq.psn, -1), RXE_AETH_ACK);
}

/* Suppresses NAKs for later packets. */
static void rxe_rc_rnr(struct rxe_qp *qp, u32 psn, u8 timer)
{
	rxe_rc_acknowledge(qp);
	rxe_count(qp_rxe(qp), RXE_CNT_SND_RNR);
	qp->rq.nak_sent = rxe_rc_answer(qp, psn, RXE_AETH_RNR | timer) ?
				  RXE_AETH_RNR : 0;
}

static enum rxe_verdict rxe_rc_not_ready(struct rxe_qp *qp)
{
	rxe_rc_rnr(qp, qp->rq.psn, qp->attr.min_rnr_timer);
	return RXE_DROPPED;
}

/* --- errors -------------------------------------------------------------- */

/*
 * Answers the request that @psn belongs to with a NAK, and ends the connection.
 * A receive request under way completes with @status.
 */
static enum rxe_verdict rxe_rc_refuse(struct rxe_qp *qp, u32 psn, u8 syndrome,
				      enum ib_wc_status status)
{
	struct ib_wc wc = { .status = status };

	lockdep_assert_held(&qp->rq.lock);
	rxe_rc_acknowledge(qp);
	rxe_rc_answer(qp, psn, syndrome);
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

static enum rxe_verdict rxe_rc_own_fault(struct rxe_qp *qp, u32 psn,
					 enum ib_wc_status status)
{
	return rxe_rc_refuse(qp, psn, RXE_AETH_NAK_OP, status);
}

/*
 * The owner does not learn of the message, so the peer must not learn that it
 * was received: it gets a NAK in place of the ACK.
 */
static void rxe_rc_unreported(struct rxe_qp *qp)
{
	qp->rq.ack_due = false;
	rxe_rc_refuse(qp, rxe_psn_add(qp->rq.psn, -1), RXE_AETH_NAK_OP,
		      IB_WC_SUCCESS);
}

static enum rxe_verdict rxe_rc_invalid(struct rxe_qp *qp, u32 psn)
{
	return rxe_rc_refuse(qp, psn, RXE_AETH_NAK_INVALID,
			     IB_WC_REM_INV_REQ_ERR);
}

/* --- READ ---------------------------------------------------------------- */

static struct rxe_replay *rxe_rc_record(struct rxe_rq *rq)
{
	return &rq->replays[rq->num_replays++ & rq->replay_mask];
}

/* Searches the latest record first, because PSNs wrap. */
static struct rxe_replay *rxe_rc_recall(struct rxe_rq *rq, u32 psn, u8 kind)
{
	u32 kept = min(rq->num_replays, rq->max_replays);
	u32 i;

	for (i = 1; i <= kept; i++) {
		u32 slot = (rq->num_replays - i) & rq->replay_mask;
		struct rxe_replay *replay = &rq->replays[slot];

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

/**
 * rxe_rc_respond() - send the next packet of a READ's response
 * @qp: the queue pair; a response is under way (rq.reading)
 *
 * Context: rq.lock held.
 * Return: RXE_DONE, also without memory for the packet; RXE_PARKED; RXE_FATAL.
 */
enum rxe_verdict rxe_rc_respond(struct rxe_qp *qp)
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

	lockdep_assert_held(&qp->rq.lock);
	skb = rxe_wire_build(&headers, len);
	if (!skb) {
		/* The peer will request it again. */
		rq->reading = false;
		return RXE_DONE;
	}
	ret = rxe_resp_fault_result(rq);
	if (!ret)
		ret = rxe_region_copy(qp, read->rkey, read->addr + offset,
				      rxe_payload(skb), len, rest,
				      IB_ACCESS_REMOTE_READ, &rq->fault);
	if (ret) {
		kfree_skb(skb);
		return rxe_resp_access(qp, rq->read_psn, ret);
	}
	rq->read_psn = rxe_psn_add(rq->read_psn, 1);
	rq->reading = !last;
	rxe_send(qp, &qp->rq.train, skb);
	return RXE_DONE;
}

static void rxe_rc_begin_read(struct rxe_qp *qp,
			      const struct rxe_replay *read)
{
	rxe_rc_acknowledge(qp);
	qp->rq.read = *read;
	qp->rq.read_psn = read->first_psn;
	qp->rq.reading = true;
}

static enum rxe_verdict rxe_rc_read(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct rxe_rq *rq = &qp->rq;
	struct rxe_replay *replay;
	struct rxe_headers headers;
	struct rxe_place place;
	int ret = 0;

	rxe_wire_decode(skb, &headers);
	if (!(qp->rights & IB_ACCESS_REMOTE_READ) ||
	    headers.length > RXE_MAX_MSG)
		return rxe_rc_invalid(qp, headers.psn);
	if (headers.length)
		ret = rxe_rkey_resolve(qp, headers.rkey, headers.va,
				       headers.length, IB_ACCESS_REMOTE_READ,
				       &place);
	if (ret)
		return rxe_resp_access(qp, headers.psn, ret);

	rq->msn++;
	replay = rxe_rc_record(rq);
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
	rxe_rc_begin_read(qp, replay);
	return RXE_DONE;
}

/* --- atomics, ATOMIC WRITE, FLUSH ---------------------------------------- */

/* ATOMIC WRITE and FLUSH are answered like an empty READ. */
static void rxe_rc_atomic_answer(struct rxe_qp *qp,
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

	rxe_rc_acknowledge(qp);
	skb = rxe_wire_build(&headers, 0);
	if (skb)
		rxe_send(qp, &qp->rq.train, skb);
}

/* A query of one packet has been executed, and must not be executed again. */
static void rxe_rc_executed(struct rxe_qp *qp, u8 kind, u64 value)
{
	struct rxe_rq *rq = &qp->rq;
	struct rxe_replay *replay = rxe_rc_record(rq);

	rq->msn++;
	*replay = (struct rxe_replay){
		.kind = kind,
		.first_psn = rq->psn,
		.end_psn = rxe_psn_add(rq->psn, 1),
		.value = value,
		.msn = rq->msn,
	};
	rq->psn = replay->end_psn;
	rxe_rc_atomic_answer(qp, replay);
}

static enum rxe_verdict rxe_rc_atomic(struct rxe_qp *qp, struct sk_buff *skb)
{
	u8 kind = rxe_pkt(skb)->op->kind;
	int right = IB_ACCESS_REMOTE_ATOMIC;
	struct rxe_headers headers;
	enum rxe_verdict verdict;
	u64 old;
	int ret;

	rxe_wire_decode(skb, &headers);
	if (rxe_pkt(skb)->op->word) {
		if (rxe_pkt(skb)->payload != sizeof(u64) ||
		    headers.length != sizeof(u64) ||
		    !qp->attr.max_dest_rd_atomic)
			return rxe_rc_invalid(qp, headers.psn);
		memcpy(&headers.swap_add, rxe_payload(skb), sizeof(u64));
		right = IB_ACCESS_REMOTE_WRITE;
	}
	if (!(qp->rights & right) ||
	    !IS_ALIGNED(headers.va, sizeof(u64)))
		return rxe_rc_invalid(qp, headers.psn);

	ret = rxe_resp_fault_result(&qp->rq);
	if (!ret)
		ret = rxe_region_atomic(qp, &headers, &old, &qp->rq.fault);
	verdict = rxe_resp_access(qp, headers.psn, ret);
	if (verdict == RXE_DONE)
		rxe_rc_executed(qp, kind, old);
	return verdict;
}

/*
 * A barrier is enough to make earlier WRITEs visible before any later store. No
 * page has to be present.
 */
static enum rxe_verdict rxe_rc_flush_memory(struct rxe_qp *qp,
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
	if (!access || access & ~qp->rights ||
	    headers.flush_level > IB_FLUSH_MR ||
	    !qp->attr.max_dest_rd_atomic)
		return rxe_rc_invalid(qp, headers.psn);

	if (headers.flush_level == IB_FLUSH_MR)
		ret = rxe_rkey_check(qp, headers.rkey, access);
	else
		ret = rxe_rkey_resolve(qp, headers.rkey, headers.va,
				       headers.length, access, &place);
	if (ret)
		return rxe_resp_access(qp, headers.psn, ret);
	/* Pairs with the barrier of the program that polls for such a store. */
	smp_wmb();
	rxe_rc_executed(qp, RXE_OP_FLUSH, 0);
	return RXE_DONE;
}

/* --- packets ------------------------------------------------------------- */

static void rxe_rc_replay_read(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct rxe_replay *replay, read;
	struct rxe_headers headers;
	u32 skipped;

	rxe_wire_decode(skb, &headers);
	replay = rxe_rc_recall(&qp->rq, headers.psn, RXE_OP_READ);
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
	rxe_rc_begin_read(qp, &read);
}

/* A packet that was executed before (specification, 9.7.5.1.4). */
static enum rxe_verdict rxe_rc_duplicate(struct rxe_qp *qp,
					 struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	struct rxe_replay *replay;

	rxe_count(qp_rxe(qp), RXE_CNT_DUP_REQ);
	switch (pkt->op->kind) {
	case RXE_OP_READ:
		rxe_rc_replay_read(qp, skb);
		break;
	case RXE_OP_ATOMIC:
	case RXE_OP_ATOMIC_WRITE:
	case RXE_OP_FLUSH:
		replay = rxe_rc_recall(&qp->rq, pkt->psn, pkt->op->kind);
		if (replay)
			rxe_rc_atomic_answer(qp, replay);
		break;
	case RXE_OP_RESERVED:
		break;
	default:
		qp->rq.ack_due = true;
		break;
	}
	return RXE_DONE;
}

/*
 * Asks the peer to retransmit from the expected PSN, unless it was asked
 * already.
 */
static void rxe_rc_ask_again(struct rxe_qp *qp)
{
	struct rxe_rq *rq = &qp->rq;

	WRITE_ONCE(rq->dropped, false);
	if (rq->nak_sent)
		return;
	rxe_rc_acknowledge(qp);
	if (rxe_rc_answer(qp, rq->psn, RXE_AETH_NAK_SEQ))
		rq->nak_sent = RXE_AETH_NAK_SEQ;
}

/**
 * rxe_rc_caught_up() - all packets that have arrived are executed
 * @qp: the queue pair
 *
 * Packets that were dropped for lack of room may have been the last that the
 * peer has to send. Then no later packet shows the loss, so ask for them here.
 *
 * Context: rq.lock held.
 */
void rxe_rc_caught_up(struct rxe_qp *qp)
{
	lockdep_assert_held(&qp->rq.lock);
	if (unlikely(READ_ONCE(qp->rq.dropped)))
		rxe_rc_ask_again(qp);
}

/* @ahead: PSNs between the expected packet and this one */
static enum rxe_verdict rxe_rc_out_of_order(struct rxe_qp *qp, int ahead)
{
	rxe_count(qp_rxe(qp), RXE_CNT_OUT_OF_SEQ_REQ);
	rxe_rc_ask_again(qp);
	/* After an RNR NAK the peer retransmits all later packets anyway. */
	return ahead < RXE_WINDOW && qp->rq.nak_sent != RXE_AETH_RNR ?
		       RXE_EARLY : RXE_DROPPED;
}

/**
 * rxe_rc_request() - execute a request packet
 * @qp: the queue pair
 * @skb: the packet
 *
 * Context: rq.lock held.
 * Return: what becomes of the packet.
 */
enum rxe_verdict rxe_rc_request(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	int order = rxe_psn_cmp(pkt->psn, qp->rq.psn);

	lockdep_assert_held(&qp->rq.lock);
	if (order < 0)
		return rxe_rc_duplicate(qp, skb);
	if (order > 0)
		return rxe_rc_out_of_order(qp, order);
	qp->rq.nak_sent = 0;
	rxe_resp_established(qp);
	if (!rxe_resp_in_sequence(qp, pkt))
		return rxe_rc_invalid(qp, pkt->psn);

	switch (pkt->op->kind) {
	case RXE_OP_SEND:
		return rxe_resp_send(qp, skb);
	case RXE_OP_WRITE:
		return rxe_resp_write(qp, skb);
	case RXE_OP_READ:
		return rxe_rc_read(qp, skb);
	case RXE_OP_FLUSH:
		return rxe_rc_flush_memory(qp, skb);
	default:
		return rxe_rc_atomic(qp, skb);
	}
}

/* --- slow faults --------------------------------------------------------- */

static u8 rxe_rc_rnr_code(ktime_t since)
{
	s64 waited = ktime_us_delta(ktime_get(), since);
	u8 code = RXE_RNR_CODE_MIN;
	s64 delay;

	/* Every second code doubles the delay. */
	for (delay = 1280; delay < waited && code < RXE_RNR_CODE_MAX;
	     delay *= 2)
		code += 2;
	return code;
}

/*
 * A page has been missing for long. Tells the peer to retry later, from the
 * packet that needs the page, and drops the packets that it has sent.
 */
static void rxe_rc_wait(struct rxe_qp *qp)
{
	struct rxe_rq *rq = &qp->rq;

	lockdep_assert_held(&qp->rq.lock);
	if (rq->rnr_sent && skb_queue_empty_lockless(&rq->requests))
		return;
	rq->rnr_sent = true;
	WRITE_ONCE(rq->dropped, false);
	rxe_reorder_purge(&rq->reorder, &rq->requests);
	rxe_count(qp_rxe(qp), RXE_CNT_PAGE_FAULT_RNR);
	rxe_rc_rnr(qp, rq->fault_psn,
		   rxe_rc_rnr_code(rq->fault.since));
}

const struct rxe_service rxe_rc = {
	.type = IB_QPT_RC,
	.opcodes = IB_OPCODE_RC,
	.acked = true,
	.resent = true,
	.paced = true,
	.direct = true,
	.connected = true,
	.sequenced = true,
	.request = rxe_rc_request,
	.refuse = rxe_rc_refuse,
	.not_ready = rxe_rc_not_ready,
	.own_fault = rxe_rc_own_fault,
	.unreported = rxe_rc_unreported,
	.respond = rxe_rc_respond,
	.acknowledge = rxe_rc_acknowledge,
	.caught_up = rxe_rc_caught_up,
	.wait = rxe_rc_wait,
};
