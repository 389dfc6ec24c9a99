// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The send queue
 *
 * The private copies of requests, and how far the queue has come: requests that
 * are acknowledged complete, packets that were lost are sent again, and
 * requests that fail complete with an error. The requester, the completer and
 * the direct way share this file.
 */
#include <linux/slab.h>

#include "rxe_cq.h"
#include "rxe_qp_state.h"
#include "rxe_sq.h"
#include "rxe_wr.h"

/* A shorter local ACK timeout is raised to this: the scheduler is no faster. */
#define RXE_MIN_TIMEOUT_NS	(2 * NSEC_PER_MSEC)

/* --- making --------------------------------------------------------------- */

/* The ring for a user's requests; for the kernel's, only its size. */
static int rxe_sq_ring_init(struct rxe_qp *qp, u32 wrs, size_t wqe_size)
{
	if (qp->user)
		return rxe_ring_init(&qp->sq.ring, wrs, wqe_size);
	qp->sq.ring.mask = rxe_ring_mask(wrs);
	return 0;
}

/*
 * The gather list, the inline data and the word of an ATOMIC WRITE share the
 * end of a request. An ATOMIC WRITE needs neither capability, so there is
 * always room for its word.
 */
static u32 rxe_sq_room(const struct ib_qp_cap *cap)
{
	u32 room = max3(cap->max_inline_data,
			cap->max_send_sge * (u32)sizeof(struct rxe_sge),
			(u32)sizeof(u64));

	return ALIGN(room, sizeof(struct rxe_sge));
}

/*
 * Private copies. The kernel posts into them, so it gets one for each request.
 */
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
 * rxe_sq_begin() - allocate the private copies at a user's first doorbell
 * @qp: the user's queue pair
 *
 * There are as many private copies as requests can be under way; further
 * requests stay in the ring.
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
 * rxe_sq_init() - allocate a send queue
 * @qp: the queue pair, zeroed except for its type and service
 * @cap: sizes that the queue must have at least; receives its actual sizes
 *
 * After an error the caller frees what @qp has.
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_sq_init(struct rxe_qp *qp, struct ib_qp_cap *cap)
{
	struct rxe_sq *sq = &qp->sq;
	int ret;

	sq->room = rxe_sq_room(cap);
	sq->wqe_size = ALIGN(sizeof(struct rxe_swqe) + sq->room, 8) +
		       qp->service->dest_size;
	ret = rxe_sq_ring_init(qp, cap->max_send_wr,
			       sizeof(struct rxe_send_wqe) + sq->room);
	if (ret)
		return ret;
	/* A user's private copies are allocated by the first doorbell. */
	ret = qp->user ? 0 : rxe_sq_init_wqes(sq);
	if (ret)
		return ret;

	cap->max_send_wr = sq->ring.mask;
	cap->max_send_sge = sq->room / sizeof(struct rxe_sge);
	cap->max_inline_data = sq->room;
	return 0;
}

/* --- completing ----------------------------------------------------------- */

/* The oldest request is done: frees its slot, then posts its completion. */
static void rxe_sq_finish(struct rxe_qp *qp, struct rxe_swqe *wqe,
			  enum ib_wc_status status)
{
	const struct rxe_wr_op *op = rxe_wqe_op(wqe);
	struct rxe_sq *sq = &qp->sq;
	struct ib_wc wc = {
		.wr_id = wqe->wr_id,
		.status = status,
		.opcode = op->wc_opcode,
		.byte_len = wqe->length,
		.qp = qp->handle,
	};
	bool tell = status || sq->sig_all || wqe->flags & IB_SEND_SIGNALED;

	lockdep_assert_held(&qp->sq.lock);
	if (op->query && sq->rd_atomic)
		sq->rd_atomic--;
	/*
	 * From here on the slot is rxe_post_one()'s, whose acquire pairs with
	 * this.
	 */
	smp_store_release(&sq->cons, sq->cons + 1);
	if (qp->user)
		rxe_ring_publish_consumer(&sq->ring, sq->cons);
	if (tell && !rxe_cq_post(to_rcq(qp->ib.send_cq), &wc, false))
		rxe_qp_fatal(qp);
	if (!status && wc.opcode == IB_WC_SEND)
		rxe_count(qp_rxe(qp), RXE_CNT_RDMA_SEND);
}

/**
 * rxe_sq_retire() - complete the requests that are acknowledged
 * @qp: the queue pair
 *
 * Context: sq.lock held.
 */
void rxe_sq_retire(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	lockdep_assert_held(&qp->sq.lock);
	while (sq->cons != sq->cur) {
		struct rxe_swqe *wqe = rxe_sq_wqe(sq, sq->cons);

		if (!rxe_psn_reached(sq->una, wqe->end_psn))
			break;
		rxe_sq_finish(qp, wqe, IB_WC_SUCCESS);
	}
}

/**
 * rxe_sq_fail() - complete the oldest request with an error
 * @qp: the queue pair; it, or only its sending half, goes to an error state
 * @wqe: the oldest request
 * @status: the error
 *
 * Context: sq.lock held.
 */
void rxe_sq_fail(struct rxe_qp *qp, struct rxe_swqe *wqe,
		 enum ib_wc_status status)
{
	struct rxe_sq *sq = &qp->sq;

	lockdep_assert_held(&qp->sq.lock);
	if (sq->cur == sq->cons)
		sq->cur++;
	sq->offset = 0;
	sq->recovery.deadline = 0;
	rxe_sq_finish(qp, wqe, status);
	rxe_qp_send_error(qp);
}

/**
 * rxe_sq_flush() - complete requests with IB_WC_WR_FLUSH_ERR
 * @qp: the queue pair, in an error state
 *
 * Flushes at most RXE_FETCH_BUDGET requests.
 *
 * Context: sq.lock held.
 * Return: true if there are more.
 */
bool rxe_sq_flush(struct rxe_qp *qp)
{
	unsigned int budget = RXE_FETCH_BUDGET;
	struct rxe_sq *sq = &qp->sq;

	lockdep_assert_held(&qp->sq.lock);
	sq->recovery.deadline = 0;
	while (sq->cons != sq->prod && budget--)
		rxe_sq_finish(qp, rxe_sq_wqe(sq, sq->cons), IB_WC_WR_FLUSH_ERR);
	sq->cur = sq->cons;
	sq->offset = 0;
	return sq->cons != sq->prod;
}

/* --- acknowledgments ----------------------------------------------------- */

static u64 rxe_timeout_ns(const struct rxe_qp *qp)
{
	/* The timeout is 4.096 us << timeout, up to 4 times that. */
	return max_t(u64, 2 * (4096ULL << qp->attr.timeout),
		     RXE_MIN_TIMEOUT_NS);
}

/**
 * rxe_sq_arm() - set the deadline for packets under way
 * @qp: the queue pair
 *
 * A timer that is armed stays as it is: when it fires, it compares the time
 * with the deadline. So an acknowledgment costs no timer operation.
 *
 * Context: sq.lock held.
 */
void rxe_sq_arm(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;

	lockdep_assert_held(&qp->sq.lock);
	if (sq->una == sq->psn || sq->recovery.rnr_wait || !qp->attr.timeout) {
		sq->recovery.deadline = 0;
		return;
	}
	if (sq->recovery.deadline)
		return;
	sq->recovery.deadline = ktime_add_ns(ktime_get(), rxe_timeout_ns(qp));
	if (!sq->recovery.timer_armed) {
		sq->recovery.timer_armed = true;
		hrtimer_start(&sq->timer, sq->recovery.deadline,
			      HRTIMER_MODE_ABS_SOFT);
	}
}

/**
 * rxe_sq_go_back() - continue sending at the oldest PSN that is not
 *	acknowledged
 * @qp: the queue pair
 *
 * Context: sq.lock held.
 */
void rxe_sq_go_back(struct rxe_qp *qp)
{
	struct rxe_sq *sq = &qp->sq;
	struct rxe_swqe *wqe;

	lockdep_assert_held(&qp->sq.lock);
	sq->rd_atomic = 0;
	sq->psn = sq->una;
	sq->offset = 0;
	for (sq->cur = sq->cons; sq->cur != sq->prod; sq->cur++) {
		wqe = rxe_sq_wqe(sq, sq->cur);
		if (!wqe->started)
			break;
		if (!rxe_psn_reached(sq->una, wqe->end_psn)) {
			sq->offset = rxe_psn_cmp(sq->una, wqe->first_psn) *
				     qp->mtu;
			break;
		}
		sq->rd_atomic += rxe_wqe_op(wqe)->query;
	}
}

/**
 * rxe_sq_progress() - more PSNs have been acknowledged
 * @qp: the queue pair
 * @una: the oldest PSN that is not acknowledged
 *
 * Context: sq.lock held.
 */
void rxe_sq_progress(struct rxe_qp *qp, u32 una)
{
	struct rxe_sq *sq = &qp->sq;

	lockdep_assert_held(&qp->sq.lock);
	sq->una = una;
	sq->recovery.acked = rxe_psn_max(sq->recovery.acked, una);
	sq->recovery.recover = rxe_psn_max(sq->recovery.recover, una);
	sq->recovery.retries = qp->attr.retry_cnt;
	sq->recovery.rnr_retries = qp->attr.rnr_retry;
	sq->recovery.rnr_since = 0;
	sq->recovery.went_back = false;
	sq->recovery.lost_again = false;
	sq->recovery.probing = false;
	sq->recovery.deadline = 0;
	/* The ACK was for packets sent before the requester went back. */
	if (rxe_psn_cmp(una, sq->psn) > 0)
		rxe_sq_go_back(qp);
}
