// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The two halves of a queue pair
 *
 * The sending task is requester and completer in turn, the receiving task is
 * the responder. This file has both tasks, and sets them up, resets and retires
 * them.
 */
#include <linux/indirect_call_wrapper.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "rxe_comp.h"
#include "rxe_keep.h"
#include "rxe_pktq.h"
#include "rxe_qp_state.h"
#include "rxe_qp_tasks.h"
#include "rxe_rc.h"
#include "rxe_req.h"
#include "rxe_resp.h"
#include "rxe_send.h"
#include "rxe_sq.h"

/*
 * In the error state the responder looks for receive requests of user space
 * after a quarter of the time since it last found one, within these limits.
 */
#define RXE_FLUSH_PAUSE_MIN	NSEC_PER_MSEC
#define RXE_FLUSH_PAUSE_MAX	(4 * NSEC_PER_SEC)

/* --- the sending task ----------------------------------------------------- */

static bool rxe_send_task(struct rxe_task *task)
{
	struct rxe_qp *qp = container_of(task, struct rxe_qp, sq.task);
	struct rxe_sq *sq = &qp->sq;
	unsigned int completed = 0, sent = 0;
	bool more, left, again = false;

	spin_lock_bh(&sq->lock);
	switch (rxe_qp_state(qp)) {
	case IB_QPS_RTS:
	case IB_QPS_SQD:
		left = rxe_req_fetch(qp);
		if (sq->recovery.timed_out)
			rxe_comp_timeout(qp);
		completed = rxe_comp_responses(qp, RXE_TASK_BUDGET);
		sent = rxe_req_send(qp, RXE_TASK_BUDGET);
		again = rxe_comp_lost_again(qp);
		rxe_sq_retire(qp);
		/*
		 * With requests still to be sent, the task is kicked when it
		 * can go on.
		 */
		if (unlikely(left) && sq->cur == sq->prod)
			again |= sq->prod - sq->cons < sq->wqe_mask;
		break;
	case IB_QPS_SQE:
	case IB_QPS_ERR:
		rxe_reorder_purge(&sq->reorder, &sq->responses);
		again = rxe_req_fetch(qp);
		again |= rxe_sq_flush(qp);
		break;
	default:
		rxe_reorder_purge(&sq->reorder, &sq->responses);
		break;
	}
	rxe_send_flush(qp, &sq->train);
	more = completed >= RXE_TASK_BUDGET || sent >= RXE_TASK_BUDGET || again;
	/*
	 * No acknowledgment paces it: let softirqs process what it has sent.
	 */
	task->later = more && !qp->service->paced && !qp->loopback;
	spin_unlock_bh(&sq->lock);
	return more;
}

/* --- the receiving task --------------------------------------------------- */

static void rxe_resp_flush_wqe(struct rxe_qp *qp)
{
	struct ib_wc wc = { .status = IB_WC_WR_FLUSH_ERR };

	rxe_resp_complete(qp, &wc, false);
}

/* User space posts receive requests without a doorbell, so poll for them. */
static void rxe_resp_look_later(struct rxe_rq *rq, bool found)
{
	ktime_t now = ktime_get();
	s64 pause;

	if (found || !rq->flushed)
		rq->flushed = now;
	pause = clamp_t(s64, ktime_sub(now, rq->flushed) / 4,
			RXE_FLUSH_PAUSE_MIN, RXE_FLUSH_PAUSE_MAX);
	hrtimer_start(&rq->timer, ktime_add_ns(now, pause),
		      HRTIMER_MODE_ABS_SOFT);
}

/*
 * User space may post as fast as requests are flushed, so a turn has a budget.
 * Returns true if there may be more.
 */
static bool rxe_resp_flush(struct rxe_qp *qp)
{
	unsigned int budget = RXE_TASK_BUDGET;

	while (rxe_resp_take_wqe(qp)) {
		rxe_resp_flush_wqe(qp);
		if (!--budget)
			return true;
	}
	if (qp->user && qp->rq.queue.ring.mask)
		rxe_resp_look_later(&qp->rq, budget < RXE_TASK_BUDGET);
	return false;
}

/*
 * Requests in the shared queue stay for other QPs. The owner learns that this
 * QP will not take any more.
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

/*
 * The page is still missing. Packets are kept until, on a reliable connection,
 * the peer is told to retry later.
 */
static void rxe_resp_wait(struct rxe_qp *qp)
{
	struct rxe_rq *rq = &qp->rq;
	ktime_t late = ktime_add_ns(rq->fault.since, rxe_resp_patience(qp));

	if (qp->service->wait && !ktime_before(ktime_get(), late)) {
		qp->service->wait(qp);
		return;
	}
	rxe_keep_waiting(qp, &rq->requests, &rq->fault, &rq->timer);
	if (qp->service->wait && !hrtimer_is_queued(&rq->timer))
		hrtimer_start(&rq->timer, late, HRTIMER_MODE_ABS_SOFT);
}

/*
 * The fault has ended. If the peer was told to retry later, its packets have
 * been dropped, and it will send them again, also for the rest of a READ. Then
 * the responder acts on the fault's result.
 */
static void rxe_resp_unpark(struct rxe_qp *qp)
{
	struct rxe_rq *rq = &qp->rq;

	if (!rq->rnr_sent)
		return;
	rq->rnr_sent = false;
	rq->reading = false;
}

/*
 * Returns the queue with the next packet: the early packets if the first is
 * due.
 */
static struct sk_buff_head *rxe_resp_queue(struct rxe_rq *rq)
{
	struct sk_buff *skb = rxe_reorder_peek(&rq->reorder, rq->psn);

	return skb && rxe_pkt(skb)->psn == rq->psn ? &rq->reorder :
						     &rq->requests;
}

static enum rxe_verdict rxe_resp_packet(struct rxe_qp *qp,
					struct sk_buff_head *queue)
{
	struct sk_buff *skb = skb_peek(queue);
	enum rxe_verdict verdict;

	verdict = INDIRECT_CALL_1(qp->service->request, rxe_rc_request, qp,
				  skb);
	if (verdict == RXE_EARLY)
		rxe_reorder_keep(qp, &qp->rq.reorder, queue, skb);
	else if (verdict != RXE_PARKED)
		rxe_pktq_done(queue, skb);
	return verdict;
}

static bool rxe_resp_has_more(struct rxe_rq *rq)
{
	return rq->reading || !skb_queue_empty_lockless(rxe_resp_queue(rq));
}

static bool rxe_resp_goes_on(enum rxe_verdict verdict)
{
	return verdict == RXE_DONE || verdict == RXE_DROPPED ||
	       verdict == RXE_EARLY;
}

/* Returns true if there is more work than one turn may do. */
static bool rxe_resp_run(struct rxe_qp *qp)
{
	const struct rxe_service *service = qp->service;
	struct rxe_rq *rq = &qp->rq;
	unsigned int budget = RXE_TASK_BUDGET;
	enum rxe_verdict verdict = RXE_DONE;

	if (rxe_fault_busy(&rq->fault)) {
		rxe_resp_wait(qp);
		return false;
	}
	rxe_resp_unpark(qp);
	while (rxe_resp_goes_on(verdict) && budget--) {
		struct sk_buff_head *queue = rxe_resp_queue(rq);

		if (rq->reading)
			verdict = INDIRECT_CALL_1(service->respond,
						  rxe_rc_respond, qp);
		else if (!skb_queue_empty_lockless(queue))
			verdict = rxe_resp_packet(qp, queue);
		else
			break;
	}
	if (verdict != RXE_FATAL && service->acknowledge)
		INDIRECT_CALL_1(service->acknowledge, rxe_rc_acknowledge, qp);
	if (verdict == RXE_PARKED) {
		rq->fault_psn = rxe_rq_at(rq);
		rxe_resp_wait(qp);
	}
	if (!rxe_resp_goes_on(verdict))
		return false;
	if (rxe_resp_has_more(rq))
		return true;
	if (service->caught_up)
		INDIRECT_CALL_1(service->caught_up, rxe_rc_caught_up, qp);
	return false;
}

static bool rxe_receive_task(struct rxe_task *task)
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
		rxe_reorder_purge(&qp->rq.reorder, &qp->rq.requests);
		if (qp->ib.srq)
			rxe_resp_leave_srq(qp);
		else
			more = rxe_resp_flush(qp);
		break;
	default:
		rxe_reorder_purge(&qp->rq.reorder, &qp->rq.requests);
		break;
	}
	rxe_send_flush(qp, &qp->rq.train);
	spin_unlock_bh(&qp->rq.lock);
	return more;
}

/* --- timers --------------------------------------------------------------- */

static enum hrtimer_restart rxe_retry_timer(struct hrtimer *timer)
{
	struct rxe_qp *qp = container_of(timer, struct rxe_qp, sq.timer);
	struct rxe_sq *sq = &qp->sq;
	bool expired = false;

	spin_lock_bh(&sq->lock);
	if (sq->recovery.deadline &&
	    ktime_before(ktime_get(), sq->recovery.deadline)) {
		hrtimer_set_expires(timer, sq->recovery.deadline);
		spin_unlock_bh(&sq->lock);
		return HRTIMER_RESTART;
	}
	sq->recovery.timer_armed = false;
	if (sq->recovery.deadline) {
		sq->recovery.timed_out = true;
		expired = true;
	}
	spin_unlock_bh(&sq->lock);
	if (expired)
		rxe_task_kick_worker(&sq->task);
	return HRTIMER_NORESTART;
}

/*
 * Has the RNR timer been started again since it fired? Then it will fire again,
 * and the task waits for that.
 */
static bool rxe_rnr_timer_restarted(struct rxe_sq *sq)
{
	lockdep_assert_held(&sq->lock);
	return hrtimer_is_queued(&sq->rnr_timer);
}

static enum hrtimer_restart rxe_rnr_timer(struct hrtimer *timer)
{
	struct rxe_qp *qp = container_of(timer, struct rxe_qp, sq.rnr_timer);
	bool restarted, full;

	spin_lock_bh(&qp->sq.lock);
	restarted = rxe_rnr_timer_restarted(&qp->sq);
	full = !restarted && rxe_send_is_full(qp);
	if (full) {
		hrtimer_forward_now(timer, RXE_PAUSE_NS);
	} else if (!restarted) {
		qp->sq.recovery.rnr_wait = false;
		qp->sq.recovery.no_memory = false;
		qp->sq.direct_late = true;
	}
	spin_unlock_bh(&qp->sq.lock);
	if (full)
		return HRTIMER_RESTART;
	rxe_task_kick_worker(&qp->sq.task);
	return HRTIMER_NORESTART;
}

static enum hrtimer_restart rxe_rq_timer(struct hrtimer *timer)
{
	struct rxe_qp *qp = container_of(timer, struct rxe_qp, rq.timer);

	rxe_task_kick(&qp->rq.task);
	return HRTIMER_NORESTART;
}

static enum hrtimer_restart rxe_scatter_timer(struct hrtimer *timer)
{
	struct rxe_qp *qp = container_of(timer, struct rxe_qp,
					 sq.scatter_timer);

	rxe_task_kick(&qp->sq.task);
	return HRTIMER_NORESTART;
}

static void rxe_timer_init(struct hrtimer *timer,
			   enum hrtimer_restart (*fn)(struct hrtimer *))
{
	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
}

/**
 * rxe_qp_tasks_init() - set up a new QP's tasks, timers and queues
 * @qp: the QP, zeroed except for what create_qp has filled in
 *
 * Context: process context of the owner.
 * Return: 0 or -ENOMEM.
 */
int rxe_qp_tasks_init(struct rxe_qp *qp)
{
	int ret;

	spin_lock_init(&qp->sq.lock);
	spin_lock_init(&qp->sq.post_lock);
	spin_lock_init(&qp->rq.lock);
	spin_lock_init(&qp->dst_lock);
	rxe_task_init(&qp->sq.task, rxe_send_task);
	/*
	 * Packets sent from two CPUs may be reordered, and the requester would
	 * not retransmit them.
	 */
	qp->sq.task.stays = !qp->service->resent;
	rxe_task_init(&qp->rq.task, rxe_receive_task);
	skb_queue_head_init(&qp->sq.responses);
	skb_queue_head_init(&qp->sq.reorder);
	skb_queue_head_init(&qp->rq.requests);
	skb_queue_head_init(&qp->rq.reorder);
	rxe_timer_init(&qp->sq.timer, rxe_retry_timer);
	rxe_timer_init(&qp->sq.rnr_timer, rxe_rnr_timer);
	rxe_timer_init(&qp->sq.scatter_timer, rxe_scatter_timer);
	rxe_timer_init(&qp->rq.timer, rxe_rq_timer);
	rxe_fault_init(&qp->sq.gather, qp, &qp->sq.task, "gather");
	rxe_fault_init(&qp->sq.scatter, qp, &qp->sq.task, "scatter");
	rxe_fault_init(&qp->sq.direct, qp, &qp->sq.task, "direct");
	rxe_fault_init(&qp->rq.fault, qp, &qp->rq.task, "respond");
	rxe_keep_init(qp);
	ret = rxe_send_open_account(qp);
	if (ret)
		rxe_keep_exit(qp);
	return ret;
}

/**
 * rxe_qp_tasks_exit() - undo rxe_qp_tasks_init()
 * @qp: the QP, its tasks retired
 *
 * Context: process context.
 */
void rxe_qp_tasks_exit(struct rxe_qp *qp)
{
	rxe_send_close_account(qp);
	rxe_keep_exit(qp);
}

/**
 * rxe_qp_tasks_open() - allocate what the tasks need to wait for pages
 * @qp: the QP, in the reset state
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_qp_tasks_open(struct rxe_qp *qp)
{
	return rxe_fault_open(&qp->sq.gather) ?:
	       rxe_fault_open(&qp->sq.scatter) ?:
	       rxe_fault_open(&qp->sq.direct) ?:
	       rxe_fault_open(&qp->rq.fault);
}

static void rxe_qp_tasks_quiet(struct rxe_qp *qp)
{
	rxe_fault_close(&qp->sq.gather);
	rxe_fault_close(&qp->sq.scatter);
	rxe_fault_close(&qp->sq.direct);
	rxe_fault_close(&qp->rq.fault);
	hrtimer_cancel(&qp->sq.timer);
	hrtimer_cancel(&qp->sq.rnr_timer);
	hrtimer_cancel(&qp->sq.scatter_timer);
	hrtimer_cancel(&qp->rq.timer);
}

static void rxe_qp_tasks_purge(struct rxe_qp *qp)
{
	rxe_reorder_purge(&qp->sq.reorder, &qp->sq.responses);
	rxe_reorder_purge(&qp->rq.reorder, &qp->rq.requests);
	rxe_send_forget_route(qp);
}

/* Stops tasks and timers. A worker ends a fault under way on its own. */
static void rxe_qp_tasks_drain(struct rxe_qp *qp)
{
	/*
	 * A fault or a timer kicks a task; a task may then start either once
	 * more.
	 */
	do {
		rxe_task_drain(&qp->sq.task);
		rxe_task_drain(&qp->rq.task);
		rxe_qp_tasks_quiet(qp);
	} while (atomic_read(&qp->sq.task.pending) ||
		 atomic_read(&qp->rq.task.pending));
	rxe_qp_tasks_purge(qp);
}

/**
 * rxe_qp_tasks_retire() - stop a QP's tasks and timers for good
 * @qp: the QP; its state is IB_QPS_RESET and does not change any more
 *
 * When this returns, the tasks do not use anything that @qp refers to. Code
 * that found @qp earlier may still queue packets.
 *
 * Context: may sleep; no lock held; does not wait for a fault under way.
 */
void rxe_qp_tasks_retire(struct rxe_qp *qp)
{
	rxe_task_retire(&qp->sq.task);
	rxe_task_retire(&qp->rq.task);
	/* A peer's task may have taken rq.lock before the state changed. */
	rxe_resp_pass(qp);
	/* Only tasks start timers and faults. */
	rxe_qp_tasks_quiet(qp);
	rxe_qp_tasks_purge(qp);
}

/**
 * rxe_qp_tasks_settle() - wait until requests posted to a QP in SQE are flushed
 * @qp: the QP
 *
 * Does not wait for requests that another thread posts meanwhile.
 *
 * Context: may sleep; modify_mutex held, no spinning lock.
 */
void rxe_qp_tasks_settle(struct rxe_qp *qp)
{
	u32 begin = READ_ONCE(qp->sq.cons);

	lockdep_assert_held(&qp->modify_mutex);
	while (rxe_task_is_busy(&qp->sq.task) &&
	       READ_ONCE(qp->sq.cons) - begin <= qp->sq.ring.mask)
		usleep_range(20, 50);
}

static void rxe_sq_reset(struct rxe_sq *sq)
{
	unsigned long flags;

	spin_lock_bh(&sq->lock);
	spin_lock_irqsave(&sq->post_lock, flags);
	sq->posted = 0;
	sq->cons = 0;
	spin_unlock_irqrestore(&sq->post_lock, flags);
	sq->prod = 0;
	sq->cur = 0;
	sq->offset = 0;
	sq->psn = 0;
	sq->rd_atomic = 0;
	sq->recovery = (struct rxe_recovery){};
	sq->drained_event = false;
	sq->dropped = false;
	if (sq->ring.buf) {
		rxe_ring_publish_producer(&sq->ring, 0);
		rxe_ring_publish_consumer(&sq->ring, 0);
	}
	spin_unlock_bh(&sq->lock);
}

static void rxe_rq_reset(struct rxe_rq *rq)
{
	spin_lock_bh(&rq->lock);
	rxe_recvq_reset(&rq->queue);
	rq->have_wqe = RXE_TAKEN_NONE;
	rq->psn = 0;
	rq->msn = 0;
	rq->kind = RXE_OP_NONE;
	rq->established = false;
	rq->last_wqe_event = false;
	rq->nak_sent = 0;
	rq->ack_due = false;
	rq->rnr_sent = false;
	rq->reading = false;
	rq->dropped = false;
	rq->num_replays = 0;
	rq->flushed = 0;
	spin_unlock_bh(&rq->lock);
}

/**
 * rxe_qp_tasks_reset() - bring a QP to its initial state
 * @qp: the QP; its state is IB_QPS_RESET already
 *
 * Context: may sleep; modify_mutex held, no spinning lock.
 */
void rxe_qp_tasks_reset(struct rxe_qp *qp)
{
	lockdep_assert_held(&qp->modify_mutex);
	rxe_qp_tasks_drain(qp);
	rxe_sq_reset(&qp->sq);
	rxe_rq_reset(&qp->rq);
}

static void rxe_sq_store(struct rxe_qp *qp, int mask)
{
	struct rxe_sq *sq = &qp->sq;

	if (mask & IB_QP_SQ_PSN) {
		sq->psn = qp->attr.sq_psn;
		sq->sent_psn = sq->psn;
		sq->una = sq->psn;
		sq->recovery.acked = sq->psn;
		sq->recovery.recover = sq->psn;
	}
	if (mask & IB_QP_RETRY_CNT)
		sq->recovery.retries = qp->attr.retry_cnt;
	if (mask & IB_QP_RNR_RETRY)
		sq->recovery.rnr_retries = qp->attr.rnr_retry;
	if (mask & IB_QP_STATE && qp->attr.qp_state != IB_QPS_SQD)
		sq->drained_event = false;
}

static void rxe_rq_store(struct rxe_qp *qp, int mask)
{
	struct rxe_rq *rq = &qp->rq;

	if (mask & IB_QP_RQ_PSN)
		rq->psn = qp->attr.rq_psn;
	if (mask & IB_QP_MAX_DEST_RD_ATOMIC)
		rq->max_replays = qp->attr.max_dest_rd_atomic;
}

/**
 * rxe_qp_tasks_reserve() - make room for the records of a peer's queries
 * @qp: the QP
 * @max_dest_rd_atomic: number of queries to record; there is room for one at
 *	least
 *
 * Existing records stay.
 *
 * Context: process context; modify_mutex held, no spinning lock.
 * Return: 0 or -ENOMEM.
 */
int rxe_qp_tasks_reserve(struct rxe_qp *qp, u32 max_dest_rd_atomic)
{
	u32 mask = roundup_pow_of_two(max(max_dest_rd_atomic, 1U)) - 1;
	struct rxe_rq *rq = &qp->rq;
	struct rxe_replay *replays;
	u32 kept, i;

	lockdep_assert_held(&qp->modify_mutex);
	if (rq->replays && mask <= rq->replay_mask)
		return 0;
	replays = kcalloc(mask + 1, sizeof(*replays), GFP_KERNEL_ACCOUNT);
	if (!replays)
		return -ENOMEM;
	spin_lock_bh(&rq->lock);
	kept = rq->replays ? min(rq->num_replays, rq->replay_mask + 1) : 0;
	for (i = rq->num_replays - kept; i != rq->num_replays; i++)
		replays[i & mask] = rq->replays[i & rq->replay_mask];
	swap(rq->replays, replays);
	rq->replay_mask = mask;
	spin_unlock_bh(&rq->lock);
	kfree(replays);
	return 0;
}

/**
 * rxe_qp_tasks_store() - take over new attributes of a QP
 * @qp: the QP, with the new attributes and state
 * @mask: enum ib_qp_attr_mask, the attributes that were changed
 *
 * The peer may be sending already, and no packet may meet the new state with
 * the old PSNs.
 *
 * Context: sq.lock and rq.lock held, since before the state was changed.
 */
void rxe_qp_tasks_store(struct rxe_qp *qp, int mask)
{
	lockdep_assert_held(&qp->sq.lock);
	lockdep_assert_held(&qp->rq.lock);
	rxe_sq_store(qp, mask);
	rxe_rq_store(qp, mask);
}

/**
 * rxe_qp_tasks_modified() - act on new attributes of a QP
 * @qp: the QP, with the new attributes and state
 * @mask: enum ib_qp_attr_mask, the attributes that were changed
 *
 * Context: process context; modify_mutex held, no spinning lock.
 */
void rxe_qp_tasks_modified(struct rxe_qp *qp, int mask)
{
	lockdep_assert_held(&qp->modify_mutex);
	if (mask & IB_QP_AV)
		rxe_send_forget_route(qp);
	rxe_task_kick(&qp->sq.task);
	rxe_task_kick(&qp->rq.task);
}
