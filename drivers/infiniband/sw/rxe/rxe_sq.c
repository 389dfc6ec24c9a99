// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: The send queue
 *
 * The private copies of requests, and how far the queue has come: what has been
 * acknowledged is completed, what has been lost is sent again, what has failed
 * is completed with an error. Requester, completer and the direct way all use
 * this.
 */
#include <linux/slab.h>

#include "rxe_cq.h"
#include "rxe_qp_state.h"
#include "rxe_sq.h"
#include "rxe_wr.h"

/* Shorter local ACK timeouts than a scheduler can keep are made this long. */
#define RXE_MIN_TIMEOUT_NS	(2 * NSEC_PER_MSEC)

/* --- making --------------------------------------------------------------- */

/* The ring for a user's requests, or, for the kernel's, only its size. */
static int rxe_sq_ring_init(struct rxe_qp *qp, u32 wrs, size_t wqe_size)
{
	if (qp->user)
		return rxe_ring_init(&qp->sq.ring, wrs, wqe_size);
	qp->sq.ring.mask = roundup_pow_of_two(wrs + 1UL) - 1;
	return 0;
}

/*
 * The gather list, inline data and the word of an ATOMIC WRITE, which takes
 * neither capability, share the end of a request.
 */
static u32 rxe_sq_room(const struct ib_qp_cap *cap)
{
	u32 room = max3(cap->max_inline_data,
			cap->max_send_sge * (u32)sizeof(struct rxe_sge),
			(u32)sizeof(u64));

	return ALIGN(room, sizeof(struct rxe_sge));
}

/* Private copies of requests; the kernel's are as many as may be posted. */
static void *rxe_sq_make_wqes(const struct rxe_sq *sq, u32 mask)
{
	return kvcalloc(mask + 1UL, sq->wqe_size, GFP_KERNEL_ACCOUNT);
}

static int rxe_sq_init_wqes(struct rxe_sq *sq)
{
	sq->wqe_mask = sq->ring.mask;
	sq->wqes = rxe_sq_make_wqes(sq, sq->wqe_mask);
	return sq->wqes ? 0 : -ENOMEM;
}

/**
 * rxe_sq_begin() - a user has posted for the first time
 * @qp: his queue pair
 *
 * There are not more private copies than requests can be under way: the others
 * wait in the ring.
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_sq_begin(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;
	u32 mask = min_t(u32, sq->ring.mask, RXE_FETCH_BUDGET - 1);
	void *wqes = rxe_sq_make_wqes(sq, mask);

	if (!wqes)
		return -ENOMEM;
	spin_lock_bh(&sq->lock);
	if (!sq->wqes) {
		WRITE_ONCE(sq->wqes, wqes);
		sq->wqe_mask = mask;
		wqes = NULL;
	}
	spin_unlock_bh(&sq->lock);
	kvfree(wqes);
	return 0;
}

/**
 * rxe_sq_init() - make a send queue
 * @qp: the queue pair, zeroed but for its type
 * @cap: what the queue must be able to hold; receives what it can
 *
 * What this has allocated stays in @qp, even after an error.
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_sq_init(struct rxe_qp *qp, struct ib_qp_cap *cap)
{
	struct rxe_sq *sq = &qp->sq;
	int ret;

	sq->room = rxe_sq_room(cap);
	sq->wqe_size = ALIGN(sizeof(struct rxe_swqe) + sq->room, 8);
	if (qp->transport == IB_QPT_UD)
		sq->wqe_size += ALIGN(sizeof(struct rxe_dest), 8);
	ret = rxe_sq_ring_init(qp, cap->max_send_wr,
			       sizeof(struct rxe_send_wqe) + sq->room);
	if (ret)
		return ret;
	/* A user's are made when there is something to copy. */
	ret = qp->user ? 0 : rxe_sq_init_wqes(sq);
	if (ret)
		return ret;

	cap->max_send_wr = sq->ring.mask;
	cap->max_send_sge = sq->room / sizeof(struct rxe_sge);
	cap->max_inline_data = sq->room;
	return 0;
}

/* --- completing ----------------------------------------------------------- */

/* The oldest request is done: frees its slot, then says so. */
static void rxe_sq_finish(struct rxe_qp *qp, struct rxe_swqe *wqe,
			    enum ib_wc_status status)
{
	const struct rxe_wr_op *op = rxe_wr_op(wqe);
	struct rxe_sq *sq = &qp->sq;
	struct ib_wc wc = {
		.wr_id = wqe->wr_id,
		.status = status,
		.opcode = op->wc_opcode,
		.byte_len = wqe->length,
		.qp = qp->handle,
	};
	bool tell = status || sq->sig_all || wqe->flags & IB_SEND_SIGNALED;

	if (op->query && sq->rd_atomic)
		sq->rd_atomic--;
	/* The kernel may write to the slot from here on. */
	smp_store_release(&sq->cons, sq->cons + 1);
	if (qp->user)
		rxe_ring_publish_consumer(&sq->ring, sq->cons);
	if (tell && !rxe_cq_post(to_rcq(qp->ib.send_cq), &wc, false))
		rxe_qp_fatal(qp);
	if (!status && wc.opcode == IB_WC_SEND)
		rxe_count(qp_rxe(qp), RXE_CNT_RDMA_SEND);
}

/**
 * rxe_sq_retire() - complete what has been acknowledged
 * @qp: the queue pair
 *
 * Context: sq.lock held.
 */
void rxe_sq_retire(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	while (sq->cons != sq->cur) {
		struct rxe_swqe *wqe = rxe_swqe(sq, sq->cons);

		if (!rxe_psn_reached(sq->una, wqe->end_psn))
			break;
		rxe_sq_finish(qp, wqe, IB_WC_SUCCESS);
	}
}

/**
 * rxe_sq_fail() - complete the oldest request with an error
 * @qp: the queue pair; goes to the error state, or its sending half does
 * @wqe: the oldest request
 * @status: the error
 *
 * Context: sq.lock held.
 */
void rxe_sq_fail(struct rxe_qp *qp, struct rxe_swqe *wqe,
		   enum ib_wc_status status)
{
	struct rxe_sq *sq = &qp->sq;

	if (sq->cur == sq->cons)
		sq->cur++;
	sq->offset = 0;
	sq->deadline = 0;
	rxe_sq_finish(qp, wqe, status);
	rxe_qp_send_error(qp);
}

/**
 * rxe_sq_flush() - complete requests with IB_WC_WR_FLUSH_ERR
 * @qp: the queue pair, in the error state
 *
 * As many as RXE_FETCH_BUDGET at a time.
 *
 * Context: sq.lock held.
 * Return: true if there are more.
 */
bool rxe_sq_flush(struct rxe_qp *qp)
{
	unsigned int budget = RXE_FETCH_BUDGET;
	struct rxe_sq *sq = &qp->sq;

	sq->deadline = 0;
	while (sq->cons != sq->prod && budget--)
		rxe_sq_finish(qp, rxe_swqe(sq, sq->cons), IB_WC_WR_FLUSH_ERR);
	sq->cur = sq->cons;
	sq->offset = 0;
	return sq->cons != sq->prod;
}

/* --- acknowledgements ----------------------------------------------------- */

static u64 rxe_timeout_ns(const struct rxe_qp *qp)
{
	/* 4.096 us << timeout is the least; up to 4 times that is allowed. */
	return max_t(u64, 2 * (4096ULL << qp->attr.timeout),
		     RXE_MIN_TIMEOUT_NS);
}

/**
 * rxe_sq_arm() - watch what is under way
 * @qp: the queue pair
 *
 * The timer itself is left alone while it is armed: when it fires it looks at
 * the deadline. So an acknowledgement costs no timer operation.
 *
 * Context: sq.lock held.
 */
void rxe_sq_arm(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	if (sq->una == sq->psn || sq->rnr_wait || !qp->attr.timeout) {
		sq->deadline = 0;
		return;
	}
	if (sq->deadline)
		return;
	sq->deadline = ktime_add_ns(ktime_get(), rxe_timeout_ns(qp));
	if (!sq->timer_armed) {
		sq->timer_armed = true;
		hrtimer_start(&sq->timer, sq->deadline, HRTIMER_MODE_ABS_SOFT);
	}
}

/**
 * rxe_sq_go_back() - send again what has not been acknowledged
 * @qp: the queue pair
 *
 * Context: sq.lock held.
 */
void rxe_sq_go_back(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;
	struct rxe_swqe *wqe;

	sq->rd_atomic = 0;
	sq->psn = sq->una;
	sq->offset = 0;
	for (sq->cur = sq->cons; sq->cur != sq->prod; sq->cur++) {
		wqe = rxe_swqe(sq, sq->cur);
		if (!wqe->started)
			break;
		if (!rxe_psn_reached(sq->una, wqe->end_psn)) {
			sq->offset = rxe_psn_cmp(sq->una, wqe->first_psn) *
				     qp->mtu;
			break;
		}
		sq->rd_atomic += rxe_wr_op(wqe)->query;
	}
}

/**
 * rxe_sq_progress() - more has been acknowledged
 * @qp: the queue pair
 * @una: the oldest PSN that has not
 *
 * Context: sq.lock held.
 */
void rxe_sq_progress(struct rxe_qp *qp, u32 una)
{
	struct rxe_sq *sq = &qp->sq;

	sq->una = una;
	sq->acked = rxe_psn_max(sq->acked, una);
	sq->recover = rxe_psn_max(sq->recover, una);
	sq->retries = qp->attr.retry_cnt;
	sq->rnr_retries = qp->attr.rnr_retry;
	sq->rnr_since = 0;
	sq->went_back = false;
	sq->lost_again = false;
	sq->probing = false;
	sq->deadline = 0;
	/* An answer to what was sent before going back. */
	if (rxe_psn_cmp(una, sq->psn) > 0)
		rxe_sq_go_back(qp);
}
