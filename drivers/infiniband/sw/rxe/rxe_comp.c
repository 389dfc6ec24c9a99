// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: The completer
 *
 * Matches responses with requests and gives out completions, in order. A PSN is
 * acknowledged by its own response or by a later one; but a READ or an atomic
 * is only complete with its own, so a later response says that theirs was lost
 * (specification, 9.7.5.1.2).
 */

#include "rxe_comp.h"
#include "rxe_copy.h"
#include "rxe_keep.h"
#include "rxe_pktq.h"
#include "rxe_sq.h"
#include "rxe_wr.h"

/* The 5 bits of RNR NAK, in units of 10 us (specification, table 46). */
static const u32 rxe_rnr_10us[32] = {
	65536,	   1,	  2,	 3,	4,     6,     8,     12,
	   16,	  24,	 32,	48,    64,    96,   128,    192,
	  256,	 384,	512,   768,  1024,  1536,  2048,   3072,
	 4096,	6144,  8192, 12288, 16384, 24576, 32768,  49152,
};

/* --- timers -------------------------------------------------------------- */

/* Goes back, if that may be tried once more. */
static void rxe_comp_retry(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	sq->deadline = 0;
	rxe_sq_retire(qp);
	if (sq->cons == sq->prod)
		return;
	if (!sq->retries) {
		rxe_count(qp_rxe(qp), RXE_CNT_RETRY_EXCEEDED);
		rxe_sq_fail(qp, rxe_swqe(sq, sq->cons), IB_WC_RETRY_EXC_ERR);
		return;
	}
	sq->retries--;
	rxe_count(qp_rxe(qp), RXE_CNT_COMPLETER_RETRY);
	sq->recover = sq->psn;
	rxe_sq_go_back(qp);
}

/*
 * Something has been lost, as a NAK says or the response to a later request shows.
 * What shows it once more before there is progress was on its way, or doubled. And
 * what is being sent again is not begun anew before all of it has been: where many
 * packets pass one another, each of them would bring all the others again.
 */
static void rxe_comp_lost(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	if (sq->went_back)
		return;
	sq->lost_again = rxe_psn_cmp(sq->psn, sq->recover) < 0;
	if (sq->lost_again)
		return;
	sq->went_back = true;
	rxe_comp_retry(qp);
}

/**
 * rxe_comp_lost_again() - send again what was lost while it was sent again
 * @qp: the queue pair
 *
 * Context: sq.lock held.
 * Return: true if there is something to send again.
 */
bool rxe_comp_lost_again(struct rxe_qp *qp)
{
	if (!qp->sq.lost_again)
		return false;
	rxe_comp_lost(qp);
	return !qp->sq.lost_again;
}

static const enum ib_wc_status rxe_fatal_nak[] = {
	[RXE_AETH_NAK_INVALID - RXE_AETH_TYPE_NAK] = IB_WC_REM_INV_REQ_ERR,
	[RXE_AETH_NAK_ACCESS - RXE_AETH_TYPE_NAK] = IB_WC_REM_ACCESS_ERR,
	[RXE_AETH_NAK_OP - RXE_AETH_TYPE_NAK] = IB_WC_REM_OP_ERR,
};

/* What a request completes with for a NAK after which there is no answer any more; or 0. */
static enum ib_wc_status rxe_nak_status(u8 syndrome)
{
	u8 code = syndrome - RXE_AETH_TYPE_NAK;

	return code < ARRAY_SIZE(rxe_fatal_nak) ? rxe_fatal_nak[code] : 0;
}

static bool rxe_nak_is_rnr(u8 syndrome)
{
	return (syndrome & RXE_AETH_TYPE_MASK) == RXE_AETH_RNR;
}

/* One that is reserved says nothing, not even that what is before it has arrived. */
static bool rxe_nak_is_known(u8 syndrome)
{
	return rxe_nak_is_rnr(syndrome) || syndrome == RXE_AETH_NAK_SEQ ||
	       rxe_nak_status(syndrome);
}

/*
 * The peer has ended the connection, and what it sent before that is not going
 * to come. Of a request before the one that it named, only that is known.
 */
static void rxe_comp_give_up(struct rxe_qp *qp)
{
	struct rxe_swqe *wqe = rxe_swqe(&qp->sq, qp->sq.cons);
	bool named = !rxe_psn_reached(qp->sq.fatal_nak_psn, wqe->end_psn);

	rxe_sq_fail(qp, wqe, named ? qp->sq.fatal_nak : IB_WC_RETRY_EXC_ERR);
}

/**
 * rxe_comp_timeout() - no progress until the deadline
 * @qp: the queue pair
 *
 * Context: sq.lock held.
 */
void rxe_comp_timeout(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	sq->timed_out = false;
	/* Progress since then; or it is our own page that is waited for. */
	if (!sq->deadline || ktime_before(ktime_get(), sq->deadline) ||
	    rxe_fault_busy(&sq->scatter) ||
	    !skb_queue_empty_lockless(&sq->responses)) {
		sq->deadline = 0;
		return;
	}
	rxe_count(qp_rxe(qp), RXE_CNT_TIMEOUT_RETRY);
	sq->went_back = false;
	sq->probing = true;
	if (sq->fatal_nak)
		rxe_comp_give_up(qp);
	else
		rxe_comp_retry(qp);
}

/* --- responses ----------------------------------------------------------- */

/*
 * The oldest request whose PSNs reach beyond what is acknowledged, or NULL. The search
 * begins with *@i, and ends there.
 */
static struct rxe_swqe *rxe_comp_oldest_from(const struct rxe_sq *sq, u32 *i)
{
	for (; *i != sq->prod; ++*i) {
		struct rxe_swqe *wqe = rxe_swqe(sq, *i);

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
 * Everything before @psn has reached the responder. Returns false where that is
 * not so: the response to a READ or an atomic before it has been lost.
 */
static bool rxe_comp_acknowledge(struct rxe_qp *qp, u32 psn)
{
	struct rxe_sq *sq = &qp->sq;
	struct rxe_swqe *wqe;
	u32 i = sq->cons;

	while (rxe_psn_cmp(sq->una, psn) < 0) {
		wqe = rxe_comp_oldest_from(sq, &i);
		if (!wqe || rxe_wr_op(wqe)->query)
			return false;
		if (!rxe_psn_reached(psn, wqe->end_psn)) {
			rxe_sq_progress(qp, psn);
			break;
		}
		rxe_sq_progress(qp, wqe->end_psn);
	}
	return true;
}

/* Has the peer asked for a pause that still lasts? */
static bool rxe_comp_sent_away(const struct rxe_sq *sq)
{
	return sq->rnr_wait && !sq->no_memory;
}

/*
 * Until when to stay away: at least as long as the peer has said. Who has been
 * sent away for some time stays longer: with 10 us, queue pairs that come and go
 * can leave a processor no time for who is to get ready.
 */
static ktime_t rxe_rnr_until(struct rxe_sq *sq, u8 syndrome)
{
	ktime_t now = ktime_get();
	u64 delay = rxe_rnr_10us[syndrome & RXE_AETH_VALUE_MASK] * 10000ULL;
	u64 patience;

	if (!sq->rnr_since)
		sq->rnr_since = now;
	patience = ktime_sub(now, sq->rnr_since) / 2;
	patience = min_t(u64, patience, RXE_RNR_BACKOFF_MAX_NS);
	return ktime_add_ns(now, max(delay, patience));
}

static void rxe_comp_rnr(struct rxe_qp *qp, u8 syndrome)
{
	struct rxe_sq *sq = &qp->sq;

	if (rxe_comp_sent_away(sq))
		return;
	rxe_count(qp_rxe(qp), RXE_CNT_RCV_RNR);
	if (!sq->rnr_retries) {
		rxe_count(qp_rxe(qp), RXE_CNT_RNR_RETRY_EXCEEDED);
		rxe_sq_fail(qp, rxe_swqe(sq, sq->cons),
			      IB_WC_RNR_RETRY_EXC_ERR);
		return;
	}
	if (qp->attr.rnr_retry != 7)
		sq->rnr_retries--;
	/* Nothing is lost: the peer has heard of it. */
	sq->retries = qp->attr.retry_cnt;
	sq->went_back = false;
	sq->probing = true;
	sq->rnr_wait = true;
	sq->no_memory = false;
	sq->deadline = 0;
	rxe_sq_go_back(qp);
	hrtimer_start(&sq->rnr_timer, rxe_rnr_until(sq, syndrome),
		      HRTIMER_MODE_ABS_SOFT);
}

static void rxe_comp_seq_nak(struct rxe_qp *qp)
{
	/* It was on its way when the peer asked for a pause. */
	if (rxe_comp_sent_away(&qp->sq))
		return;
	rxe_count(qp_rxe(qp), RXE_CNT_RCV_SEQ_ERR);
	rxe_comp_lost(qp);
}

/*
 * If the peer has ended the connection, its NAK may have overtaken what it sent
 * before, which is not lost for that: the NAK counts when all of it has come.
 */
static void rxe_comp_fatal_nak(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	if (!rxe_comp_acknowledge(qp, sq->fatal_nak_psn))
		return;
	rxe_sq_retire(qp);
	if (rxe_comp_oldest(sq))
		rxe_sq_fail(qp, rxe_swqe(sq, sq->cons), sq->fatal_nak);
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
		qp->sq.fatal_nak = fatal;
		qp->sq.fatal_nak_psn = psn;
		return;
	}
	if (!rxe_comp_acknowledge(qp, psn)) {
		qp->sq.acked = rxe_psn_max(qp->sq.acked, psn);
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
 * The request that a READ response or atomic acknowledgement belongs to, all
 * before it acknowledged; NULL: the packet is not to be used.
 */
static struct rxe_swqe *rxe_comp_match(struct rxe_qp *qp)
{
	struct rxe_swqe *wqe;

	rxe_sq_retire(qp);
	wqe = rxe_comp_oldest(&qp->sq);
	return wqe && rxe_wr_op(wqe)->query ? wqe : NULL;
}

/*
 * The answer to a query has come before others that are due. Within a READ's they
 * may be late: that they are lost is believed when its last one is here.
 */
static void rxe_comp_early(struct rxe_qp *qp, const struct rxe_pkt *pkt)
{
	struct rxe_swqe *wqe = rxe_comp_oldest(&qp->sq);

	if (pkt->op->last || !wqe || rxe_psn_reached(pkt->psn, wqe->end_psn))
		rxe_comp_lost(qp);
}

/* Puts a response where the request wants it. Returns -EAGAIN if parked. */
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

	if (!wqe || rxe_wr_op(wqe)->kind == RXE_OP_ATOMIC)
		return 0;
	/* Of an ATOMIC WRITE or a FLUSH nothing comes back. */
	if (likely(rxe_wr_op(wqe)->kind == RXE_OP_READ)) {
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

	if (!wqe || rxe_wr_op(wqe)->kind != RXE_OP_ATOMIC)
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

/* Returns -EAGAIN if the packet has to be looked at again, -ENOENT if before it one is missing. */
static int rxe_comp_one(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	int ret;

	/* An answer to what was never asked. */
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

/* Where the next packet is: among those that came early, if nothing before it is missing now. */
static struct sk_buff_head *rxe_comp_queue(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;
	struct sk_buff *skb = rxe_reorder_peek(&sq->early, sq->una);

	return skb && rxe_comp_acknowledge(qp, rxe_pkt(skb)->psn) ?
		       &sq->early : &sq->responses;
}

/* What of it could not be taken in before: an ACK, or the NAK that is the peer's last word. */
static void rxe_comp_catch_up(struct rxe_qp *qp)
{
	if (rxe_psn_cmp(qp->sq.acked, qp->sq.una) > 0)
		rxe_comp_acknowledge(qp, qp->sq.acked);
	if (qp->sq.fatal_nak)
		rxe_comp_fatal_nak(qp);
}

/*
 * All responses that have come in are handled. Those that were dropped for want of room
 * may have been the last ones that were due, so that no later one shows it. The peer is
 * not to blame: it is not a retry.
 */
static void rxe_comp_caught_up(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	WRITE_ONCE(sq->dropped, false);
	if (!rxe_comp_oldest(sq) || rxe_comp_sent_away(sq))
		return;
	sq->retries = max_t(u32, sq->retries, 1);
	rxe_comp_lost(qp);
}

/**
 * rxe_comp_responses() - handle what has come in
 * @qp: the queue pair
 * @budget: packets
 *
 * Context: sq.lock held.
 * Return: packets handled.
 */
unsigned int rxe_comp_responses(struct rxe_qp *qp, unsigned int budget)
{
	struct rxe_sq *sq = &qp->sq;
	unsigned int handled = 0;

	while (handled < budget && !rxe_fault_busy(&sq->scatter)) {
		struct sk_buff_head *queue = rxe_comp_queue(qp);
		struct sk_buff *skb = skb_peek(queue);
		int ret = skb ? rxe_comp_one(qp, skb) : -EAGAIN;

		if (ret == -EAGAIN)
			break;
		if (ret == -ENOENT)
			rxe_reorder_keep(qp, &sq->early, queue, skb);
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
