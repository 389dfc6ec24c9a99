// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The completer
 *
 * Matches responses with requests, and posts completions in order. A PSN is
 * acknowledged by its own response or by a later one. Only its own response
 * completes a query, however, so a later response shows that the query's
 * response was lost (specification, 9.7.5.1.2).
 */
#include "rxe_comp.h"
#include "rxe_copy.h"
#include "rxe_keep.h"
#include "rxe_pktq.h"
#include "rxe_sq.h"
#include "rxe_wr.h"

/* The 5 bits of an RNR NAK, in units of 10 us (specification, table 46). */
static const u32 rxe_rnr_10us[32] = {
	65536,	   1,	  2,	 3,	4,     6,     8,     12,
	   16,	  24,	 32,	48,    64,    96,   128,    192,
	  256,	 384,	512,   768,  1024,  1536,  2048,   3072,
	 4096,	6144,  8192, 12288, 16384, 24576, 32768,  49152,
};

/* --- timers -------------------------------------------------------------- */

/* Goes back and retransmits, if a retry is left. */
static void rxe_comp_retry(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	lockdep_assert_held(&qp->sq.lock);
	sq->recovery.deadline = 0;
	rxe_sq_retire(qp);
	if (sq->cons == sq->prod)
		return;
	if (!sq->recovery.retries) {
		rxe_count(qp_rxe(qp), RXE_CNT_RETRY_EXCEEDED);
		rxe_sq_fail(qp, rxe_sq_wqe(sq, sq->cons), IB_WC_RETRY_EXC_ERR);
		return;
	}
	sq->recovery.retries--;
	rxe_count(qp_rxe(qp), RXE_CNT_COMPLETER_RETRY);
	sq->recovery.recover = sq->psn;
	rxe_sq_go_back(qp);
}

/*
 * A NAK, or the response to a later request, shows a loss. Packets that were
 * under way or duplicated may show the same loss again, so further reports are
 * ignored until there is progress. Nor does a retransmission start again before
 * it is complete: where many packets are reordered, each of them would
 * otherwise cause all the others to be retransmitted.
 */
static void rxe_comp_lost(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	if (sq->recovery.went_back)
		return;
	sq->recovery.lost_again =
		rxe_psn_cmp(sq->psn, sq->recovery.recover) < 0;
	if (sq->recovery.lost_again)
		return;
	sq->recovery.went_back = true;
	rxe_comp_retry(qp);
}

/**
 * rxe_comp_lost_again() - act on a loss during a retransmission
 * @qp: the queue pair
 *
 * Context: sq.lock held.
 * Return: true if there is something to retransmit.
 */
bool rxe_comp_lost_again(struct rxe_qp *qp)
{
	lockdep_assert_held(&qp->sq.lock);
	if (!qp->sq.recovery.lost_again)
		return false;
	rxe_comp_lost(qp);
	return !qp->sq.recovery.lost_again;
}

static const enum ib_wc_status rxe_fatal_nak[] = {
	[RXE_AETH_NAK_INVALID - RXE_AETH_TYPE_NAK] = IB_WC_REM_INV_REQ_ERR,
	[RXE_AETH_NAK_ACCESS - RXE_AETH_TYPE_NAK] = IB_WC_REM_ACCESS_ERR,
	[RXE_AETH_NAK_OP - RXE_AETH_TYPE_NAK] = IB_WC_REM_OP_ERR,
};

/* Completion status for a NAK that ends the connection; 0 for other NAKs. */
static enum ib_wc_status rxe_nak_status(u8 syndrome)
{
	u8 code = syndrome - RXE_AETH_TYPE_NAK;

	return code < ARRAY_SIZE(rxe_fatal_nak) ? rxe_fatal_nak[code] : 0;
}

static bool rxe_nak_is_rnr(u8 syndrome)
{
	return (syndrome & RXE_AETH_TYPE_MASK) == RXE_AETH_RNR;
}

/* A reserved syndrome acknowledges nothing, not even the PSNs before it. */
static bool rxe_nak_is_known(u8 syndrome)
{
	return rxe_nak_is_rnr(syndrome) || syndrome == RXE_AETH_NAK_SEQ ||
	       rxe_nak_status(syndrome);
}

/*
 * The responder has ended the connection, and responses that it sent before
 * will not arrive any more. Its NAK gives the reason for one request only; a
 * request before that one completes with "retries exceeded".
 */
static void rxe_comp_give_up(struct rxe_qp *qp)
{
	struct rxe_swqe *wqe = rxe_sq_wqe(&qp->sq, qp->sq.cons);
	const struct rxe_recovery *recovery = &qp->sq.recovery;
	bool named = !rxe_psn_reached(recovery->fatal_nak_psn, wqe->end_psn);

	rxe_sq_fail(qp, wqe,
		    named ? recovery->fatal_nak : IB_WC_RETRY_EXC_ERR);
}

/**
 * rxe_comp_timeout() - the deadline has passed without progress
 * @qp: the queue pair
 *
 * Context: sq.lock held.
 */
void rxe_comp_timeout(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	lockdep_assert_held(&qp->sq.lock);
	sq->recovery.timed_out = false;
	/* There was progress, or the completer itself waits for a page. */
	if (!sq->recovery.deadline ||
	    ktime_before(ktime_get(), sq->recovery.deadline) ||
	    rxe_fault_busy(&sq->scatter) ||
	    !skb_queue_empty_lockless(&sq->responses)) {
		sq->recovery.deadline = 0;
		return;
	}
	rxe_count(qp_rxe(qp), RXE_CNT_TIMEOUT_RETRY);
	sq->recovery.went_back = false;
	sq->recovery.probing = true;
	if (sq->recovery.fatal_nak)
		rxe_comp_give_up(qp);
	else
		rxe_comp_retry(qp);
}

/* --- responses ----------------------------------------------------------- */

/*
 * Returns the oldest request with a PSN that is not acknowledged, or NULL.
 * Starts at *@i, and leaves the request's index there.
 */
static struct rxe_swqe *rxe_comp_oldest_from(const struct rxe_sq *sq, u32 *i)
{
	for (; *i != sq->prod; ++*i) {
		struct rxe_swqe *wqe = rxe_sq_wqe(sq, *i);

		if (!wqe->started)
			return NULL;
		if (!rxe_psn_reached(sq->una, wqe->end_psn))
			return wqe;
	}
	return NULL;
}

static struct rxe_swqe *rxe_comp_oldest(const struct rxe_sq *sq)
{
	u32 i = sq->cons;

	return rxe_comp_oldest_from(sq, &i);
}

/*
 * The responder has executed everything before @psn. Returns false if the
 * response to a query before @psn has been lost.
 */
static bool rxe_comp_acknowledge(struct rxe_qp *qp, u32 psn)
{
	struct rxe_sq *sq = &qp->sq;
	struct rxe_swqe *wqe;
	u32 i = sq->cons;

	while (rxe_psn_cmp(sq->una, psn) < 0) {
		wqe = rxe_comp_oldest_from(sq, &i);
		if (!wqe || rxe_wqe_op(wqe)->query)
			return false;
		if (!rxe_psn_reached(psn, wqe->end_psn)) {
			rxe_sq_progress(qp, psn);
			break;
		}
		rxe_sq_progress(qp, wqe->end_psn);
	}
	return true;
}

/* Does the pause that the responder asked for still last? */
static bool rxe_comp_sent_away(const struct rxe_sq *sq)
{
	return sq->recovery.rnr_wait && !sq->recovery.no_memory;
}

/*
 * When to retransmit: not before the delay in the RNR NAK is over. A requester
 * that has been waiting for some time waits longer, because with a delay of 10
 * us many queue pairs that retry leave the receiver no processor time to post.
 */
static ktime_t rxe_rnr_until(struct rxe_sq *sq, u8 syndrome)
{
	ktime_t now = ktime_get();
	u64 delay = rxe_rnr_10us[syndrome & RXE_AETH_VALUE_MASK] * 10000ULL;
	u64 patience;

	if (!sq->recovery.rnr_since)
		sq->recovery.rnr_since = now;
	patience = ktime_sub(now, sq->recovery.rnr_since) / 2;
	patience = min_t(u64, patience, RXE_RNR_BACKOFF_MAX_NS);
	return ktime_add_ns(now, max(delay, patience));
}

static void rxe_comp_rnr(struct rxe_qp *qp, u8 syndrome)
{
	struct rxe_sq *sq = &qp->sq;

	if (rxe_comp_sent_away(sq))
		return;
	rxe_count(qp_rxe(qp), RXE_CNT_RCV_RNR);
	if (!sq->recovery.rnr_retries) {
		rxe_count(qp_rxe(qp), RXE_CNT_RNR_RETRY_EXCEEDED);
		rxe_sq_fail(qp, rxe_sq_wqe(sq, sq->cons),
			    IB_WC_RNR_RETRY_EXC_ERR);
		return;
	}
	if (qp->attr.rnr_retry != 7)
		sq->recovery.rnr_retries--;
	/* Nothing is lost: the responder has received the packet. */
	sq->recovery.retries = qp->attr.retry_cnt;
	sq->recovery.went_back = false;
	sq->recovery.probing = true;
	sq->recovery.rnr_wait = true;
	sq->recovery.no_memory = false;
	sq->recovery.deadline = 0;
	rxe_sq_go_back(qp);
	hrtimer_start(&sq->rnr_timer, rxe_rnr_until(sq, syndrome),
		      HRTIMER_MODE_ABS_SOFT);
}

static void rxe_comp_seq_nak(struct rxe_qp *qp)
{
	/* The responder sent the NAK before it asked for a pause. */
	if (rxe_comp_sent_away(&qp->sq))
		return;
	rxe_count(qp_rxe(qp), RXE_CNT_RCV_SEQ_ERR);
	rxe_comp_lost(qp);
}

/*
 * A NAK that ends the connection may overtake responses that were sent before
 * it and are not lost. So it takes effect when all of those have arrived.
 */
static void rxe_comp_fatal_nak(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	if (!rxe_comp_acknowledge(qp, sq->recovery.fatal_nak_psn))
		return;
	rxe_sq_retire(qp);
	if (rxe_comp_oldest(sq))
		rxe_sq_fail(qp, rxe_sq_wqe(sq, sq->cons),
			    sq->recovery.fatal_nak);
}

static void rxe_comp_ack(struct rxe_qp *qp, struct sk_buff *skb)
{
	enum ib_wc_status fatal = IB_WC_SUCCESS;
	struct rxe_headers headers;
	bool nak, stale;
	u32 psn;

	rxe_wire_decode(skb, &headers);
	nak = headers.syndrome & RXE_AETH_TYPE_MASK;
	psn = nak ? headers.psn : rxe_psn_add(headers.psn, 1);
	stale = rxe_psn_cmp(headers.psn, qp->sq.una) < 0;
	if (nak) {
		if (!rxe_nak_is_known(headers.syndrome))
			return;
		fatal = rxe_nak_status(headers.syndrome);
	}

	if (!stale && fatal) {
		qp->sq.recovery.fatal_nak = fatal;
		qp->sq.recovery.fatal_nak_psn = psn;
		return;
	}
	if (!rxe_comp_acknowledge(qp, psn)) {
		qp->sq.recovery.acked = rxe_psn_max(qp->sq.recovery.acked, psn);
		rxe_comp_lost(qp);
		return;
	}
	rxe_sq_retire(qp);
	if (!nak || stale || !rxe_comp_oldest(&qp->sq))
		return;
	if (rxe_nak_is_rnr(headers.syndrome))
		rxe_comp_rnr(qp, headers.syndrome);
	else if (headers.syndrome == RXE_AETH_NAK_SEQ)
		rxe_comp_seq_nak(qp);
}

/*
 * Returns the query that a response belongs to, with all PSNs before it
 * acknowledged. Returns NULL if the response is to be ignored.
 */
static struct rxe_swqe *rxe_comp_match(struct rxe_qp *qp)
{
	struct rxe_swqe *wqe;

	rxe_sq_retire(qp);
	wqe = rxe_comp_oldest(&qp->sq);
	return wqe && rxe_wqe_op(wqe)->query ? wqe : NULL;
}

/*
 * The response to a query has arrived before other responses that are due.
 * Within the response to one READ the missing packets may only be late, so they
 * count as lost when the last packet of that response is here.
 */
static void rxe_comp_early(struct rxe_qp *qp, const struct rxe_pkt *pkt)
{
	struct rxe_swqe *wqe = rxe_comp_oldest(&qp->sq);

	if (pkt->op->last || !wqe || rxe_psn_reached(pkt->psn, wqe->end_psn))
		rxe_comp_lost(qp);
}

/*
 * Copies a response to its destination. Returns -EAGAIN if the task is parked.
 */
static int rxe_comp_scatter(struct rxe_qp *qp, struct rxe_swqe *wqe,
			    u32 offset, void *buf, u32 len)
{
	struct rxe_list list = {
		.sge = wqe->sge,
		.num_sge = wqe->num_sge,
		.access = IB_ACCESS_LOCAL_WRITE,
		.pd = qp->ib.pd,
	};
	int ret = qp->sq.scatter.result;

	qp->sq.scatter.result = 0;
	if (!ret)
		ret = rxe_list_copy(qp, &list, offset, buf, len,
				    wqe->length - offset, &qp->sq.scatter);
	if (ret && ret != -EAGAIN)
		rxe_sq_fail(qp, wqe, IB_WC_LOC_PROT_ERR);
	return ret;
}

static int rxe_comp_read(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	struct rxe_swqe *wqe = rxe_comp_match(qp);
	u32 offset = 0, expected = 0;
	int ret;

	if (!wqe || rxe_wqe_op(wqe)->word)
		return 0;
	/* The response to an ATOMIC WRITE or a FLUSH has no payload. */
	if (likely(rxe_wqe_op(wqe)->data == RXE_DATA_LIST)) {
		offset = rxe_psn_cmp(pkt->psn, wqe->first_psn) * qp->mtu;
		expected = min(qp->mtu, wqe->length - offset);
	}
	if (pkt->payload != expected || !rxe_answer_is_ack(skb)) {
		rxe_sq_fail(qp, wqe, IB_WC_BAD_RESP_ERR);
		return 0;
	}
	if (expected) {
		ret = rxe_comp_scatter(qp, wqe, offset, rxe_payload(skb),
				       expected);
		if (ret)
			return ret;
	}
	rxe_sq_progress(qp, rxe_psn_add(pkt->psn, 1));
	return 0;
}

static int rxe_comp_atomic(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct rxe_swqe *wqe = rxe_comp_match(qp);
	struct rxe_headers headers;
	int ret;

	if (!wqe || !rxe_wqe_op(wqe)->word)
		return 0;
	if (!rxe_answer_is_ack(skb)) {
		rxe_sq_fail(qp, wqe, IB_WC_BAD_RESP_ERR);
		return 0;
	}
	rxe_wire_decode(skb, &headers);
	ret = rxe_comp_scatter(qp, wqe, 0, &headers.original, sizeof(u64));
	if (ret)
		return ret;
	rxe_sq_progress(qp, rxe_psn_add(headers.psn, 1));
	return 0;
}

/*
 * Returns -EAGAIN if the packet must be looked at again, and -ENOENT if a
 * packet before it is missing.
 */
static int rxe_comp_one(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	int ret;

	/* A response to a request that was never sent. */
	if (rxe_psn_cmp(pkt->psn, qp->sq.sent_psn) >= 0)
		return 0;
	if (pkt->op->kind == RXE_OP_ACK) {
		rxe_comp_ack(qp, skb);
		return 0;
	}
	if (rxe_psn_cmp(pkt->psn, qp->sq.una) < 0)
		return 0;
	if (!rxe_comp_acknowledge(qp, pkt->psn)) {
		rxe_comp_early(qp, pkt);
		return -ENOENT;
	}
	if (pkt->op->kind == RXE_OP_READ_RESPONSE)
		ret = rxe_comp_read(qp, skb);
	else
		ret = rxe_comp_atomic(qp, skb);
	return ret == -EAGAIN ? ret : 0;
}

/*
 * Returns the queue that has the next packet: the early packets if nothing
 * before the first of them is missing any more.
 */
static struct sk_buff_head *rxe_comp_queue(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;
	struct sk_buff *skb = rxe_reorder_peek(&sq->reorder, sq->una);

	return skb && rxe_comp_acknowledge(qp, rxe_pkt(skb)->psn) ?
		       &sq->reorder : &sq->responses;
}

/* Acts on ACKs and fatal NAKs that had to wait for responses before them. */
static void rxe_comp_catch_up(struct rxe_qp *qp)
{
	if (rxe_psn_cmp(qp->sq.recovery.acked, qp->sq.una) > 0)
		rxe_comp_acknowledge(qp, qp->sq.recovery.acked);
	if (qp->sq.recovery.fatal_nak)
		rxe_comp_fatal_nak(qp);
}

/*
 * All responses that have arrived are handled. If some were dropped for lack of
 * room, they may have been the last ones due, so no later packet shows the
 * loss. The responder is not to blame, so this does not use up a retry.
 */
static void rxe_comp_caught_up(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	WRITE_ONCE(sq->dropped, false);
	if (!rxe_comp_oldest(sq) || rxe_comp_sent_away(sq))
		return;
	sq->recovery.retries = max_t(u32, sq->recovery.retries, 1);
	rxe_comp_lost(qp);
}

/**
 * rxe_comp_responses() - handle responses that have arrived
 * @qp: the queue pair
 * @budget: largest number of packets to handle
 *
 * Context: sq.lock held.
 * Return: number of packets handled.
 */
unsigned int rxe_comp_responses(struct rxe_qp *qp, unsigned int budget)
{
	struct rxe_sq *sq = &qp->sq;
	unsigned int handled = 0;

	lockdep_assert_held(&qp->sq.lock);
	while (handled < budget && !rxe_fault_busy(&sq->scatter)) {
		struct sk_buff_head *queue = rxe_comp_queue(qp);
		struct sk_buff *skb = skb_peek(queue);
		int ret = skb ? rxe_comp_one(qp, skb) : -EAGAIN;

		if (ret == -EAGAIN)
			break;
		if (ret == -ENOENT)
			rxe_reorder_keep(qp, &sq->reorder, queue, skb);
		else
			rxe_pktq_done(queue, skb);
		handled++;
		rxe_comp_catch_up(qp);
		if (rxe_qp_state(qp) == IB_QPS_ERR)
			break;
	}
	if (rxe_fault_busy(&sq->scatter))
		rxe_keep_waiting(qp, &sq->responses, &sq->scatter,
				 &sq->scatter_timer);
	else if (unlikely(READ_ONCE(sq->dropped)) &&
		 skb_queue_empty_lockless(&sq->responses))
		rxe_comp_caught_up(qp);
	rxe_sq_retire(qp);
	return handled;
}
