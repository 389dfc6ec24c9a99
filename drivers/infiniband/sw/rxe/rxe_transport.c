// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: The two halves of a queue pair
 *
 * The sending task is requester and completer in turn, the receiving task the
 * responder. Here they are set up, wound down, and told of changes.
 */
#include <linux/log2.h>
#include <linux/slab.h>

#include "rxe_transport.h"

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
		if (sq->timed_out)
			rxe_comp_timeout(qp);
		completed = rxe_comp_responses(qp, RXE_TASK_BUDGET);
		sent = rxe_req_send(qp, RXE_TASK_BUDGET);
		again = rxe_comp_lost_again(qp);
		rxe_comp_retire(qp);
		/* Who waits with what has been picked up is kicked when it can go on. */
		if (unlikely(left) && sq->cur == sq->prod)
			again |= sq->prod - sq->cons < sq->wqe_mask;
		break;
	case IB_QPS_SQE:
	case IB_QPS_ERR:
		rxe_early_purge(&sq->early, &sq->responses);
		again = rxe_req_fetch(qp);
		again |= rxe_comp_flush(qp);
		break;
	default:
		rxe_early_purge(&sq->early, &sq->responses);
		break;
	}
	rxe_net_flush(qp, &sq->train);
	more = completed >= RXE_TASK_BUDGET || sent >= RXE_TASK_BUDGET || again;
	/* No answer paces it: what it has sent is to go its way first. */
	task->later = more && !qp->service->reliable && !qp->loopback;
	spin_unlock_bh(&sq->lock);
	return more;
}

static enum hrtimer_restart rxe_retry_timer(struct hrtimer *timer)
{
	struct rxe_qp *qp = container_of(timer, struct rxe_qp, sq.timer);
	struct rxe_sq *sq = &qp->sq;
	bool expired = false;

	spin_lock_bh(&sq->lock);
	if (sq->deadline && ktime_before(ktime_get(), sq->deadline)) {
		hrtimer_set_expires(timer, sq->deadline);
		spin_unlock_bh(&sq->lock);
		return HRTIMER_RESTART;
	}
	sq->timer_armed = false;
	if (sq->deadline) {
		sq->timed_out = true;
		expired = true;
	}
	spin_unlock_bh(&sq->lock);
	if (expired)
		rxe_task_kick_worker(&sq->task);
	return HRTIMER_NORESTART;
}

/*
 * Has a timer that has fired been started for something else meanwhile? Then it
 * fires again, and this time is not what it is waited for. Caller: the timer's
 * function, with the lock that it is started under.
 */
static bool rxe_timer_restarted(struct hrtimer *timer)
{
	return hrtimer_is_queued(timer);
}

static enum hrtimer_restart rxe_rnr_timer(struct hrtimer *timer)
{
	struct rxe_qp *qp = container_of(timer, struct rxe_qp, sq.rnr_timer);
	bool restarted, full;

	spin_lock_bh(&qp->sq.lock);
	restarted = rxe_timer_restarted(timer);
	full = !restarted && rxe_net_is_full(qp);
	if (full) {
		hrtimer_forward_now(timer, RXE_PAUSE_NS);
	} else if (!restarted) {
		qp->sq.rnr_wait = false;
		qp->sq.no_memory = false;
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
 * rxe_transport_init() - set up a new QP's tasks, timers and queues
 * @qp: the QP, zeroed but for what create_qp has filled in
 *
 * Context: process context, of the owner.
 * Return: 0 or -ENOMEM.
 */
int rxe_transport_init(struct rxe_qp *qp)
{
	int ret;

	spin_lock_init(&qp->sq.lock);
	spin_lock_init(&qp->sq.post_lock);
	spin_lock_init(&qp->rq.lock);
	spin_lock_init(&qp->dst_lock);
	rxe_task_init(&qp->sq.task, rxe_send_task);
	/* What two processors send overtakes one another; nobody asks again. */
	qp->sq.task.stays = !qp->service->reliable;
	rxe_task_init(&qp->rq.task, rxe_resp_task);
	skb_queue_head_init(&qp->sq.responses);
	skb_queue_head_init(&qp->sq.early);
	skb_queue_head_init(&qp->rq.requests);
	skb_queue_head_init(&qp->rq.early);
	rxe_timer_init(&qp->sq.timer, rxe_retry_timer);
	rxe_timer_init(&qp->sq.rnr_timer, rxe_rnr_timer);
	rxe_timer_init(&qp->sq.scatter_timer, rxe_scatter_timer);
	rxe_timer_init(&qp->rq.timer, rxe_rq_timer);
	rxe_fault_init(&qp->sq.gather, qp, &qp->sq.task, "gather");
	rxe_fault_init(&qp->sq.scatter, qp, &qp->sq.task, "scatter");
	rxe_fault_init(&qp->sq.direct, qp, &qp->sq.task, "direct");
	rxe_fault_init(&qp->rq.place, qp, &qp->rq.task, "respond");
	rxe_keep_init(qp);
	ret = rxe_net_open_account(qp);
	if (ret)
		rxe_keep_exit(qp);
	return ret;
}

/**
 * rxe_transport_exit() - the end of what rxe_transport_init() began
 * @qp: the QP, drained
 *
 * Context: process context.
 */
void rxe_transport_exit(struct rxe_qp *qp)
{
	rxe_net_close_account(qp);
	rxe_keep_exit(qp);
}

/**
 * rxe_transport_open() - have what it takes to wait for pages
 * @qp: the QP, reset
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_transport_open(struct rxe_qp *qp)
{
	return rxe_fault_open(&qp->sq.gather) ?:
	       rxe_fault_open(&qp->sq.scatter) ?:
	       rxe_fault_open(&qp->sq.direct) ?:
	       rxe_fault_open(&qp->rq.place);
}

static void rxe_transport_quiet(struct rxe_qp *qp)
{
	rxe_fault_close(&qp->sq.gather);
	rxe_fault_close(&qp->sq.scatter);
	rxe_fault_close(&qp->sq.direct);
	rxe_fault_close(&qp->rq.place);
	hrtimer_cancel(&qp->sq.timer);
	hrtimer_cancel(&qp->sq.rnr_timer);
	hrtimer_cancel(&qp->sq.scatter_timer);
	hrtimer_cancel(&qp->rq.timer);
}

static void rxe_transport_purge(struct rxe_qp *qp)
{
	rxe_early_purge(&qp->sq.early, &qp->sq.responses);
	rxe_early_purge(&qp->rq.early, &qp->rq.requests);
	rxe_net_forget_route(qp);
}

/* Brings tasks and timers to rest; a fault under way is left to its worker. */
static void rxe_transport_drain(struct rxe_qp *qp)
{
	/* A fault or a timer kicks a task; a task may start either, once. */
	do {
		rxe_task_drain(&qp->sq.task);
		rxe_task_drain(&qp->rq.task);
		rxe_transport_quiet(qp);
	} while (atomic_read(&qp->sq.task.pending) ||
		 atomic_read(&qp->rq.task.pending));
	rxe_transport_purge(qp);
}

/**
 * rxe_transport_retire() - bring a QP's tasks and timers to an end
 * @qp: its state is IB_QPS_RESET, and stays so
 *
 * When this returns, nothing of what @qp refers to is used for it any more. Who
 * has found @qp before may still queue packets.
 *
 * Context: may sleep; no lock held; a fault under way is left to its worker.
 */
void rxe_transport_retire(struct rxe_qp *qp)
{
	rxe_task_retire(&qp->sq.task);
	rxe_task_retire(&qp->rq.task);
	/* A peer's task that had the lock before it could see the state. */
	rxe_resp_pass(qp);
	/* Only tasks start timers and faults. */
	rxe_transport_quiet(qp);
	rxe_transport_purge(qp);
}

/**
 * rxe_transport_settle() - wait until what was posted to a QP in SQE has been flushed
 * @qp: the QP
 *
 * What is posted meanwhile, by somebody else, is not waited for.
 *
 * Context: may sleep; modify_mutex held, no spinning lock.
 */
void rxe_transport_settle(struct rxe_qp *qp)
{
	u32 begin = READ_ONCE(qp->sq.cons);

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
	sq->went_back = false;
	sq->lost_again = false;
	sq->probing = false;
	sq->last_word = 0;
	sq->rnr_wait = false;
	sq->rnr_since = 0;
	sq->no_memory = false;
	sq->timed_out = false;
	sq->timer_armed = false;
	sq->deadline = 0;
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
 * rxe_transport_reset() - make a QP as new
 * @qp: its state is IB_QPS_RESET already
 *
 * Context: may sleep; modify_mutex held, no spinning lock.
 */
void rxe_transport_reset(struct rxe_qp *qp)
{
	rxe_transport_drain(qp);
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
		sq->acked = sq->psn;
		sq->recover = sq->psn;
	}
	if (mask & IB_QP_RETRY_CNT)
		sq->retries = qp->attr.retry_cnt;
	if (mask & IB_QP_RNR_RETRY)
		sq->rnr_retries = qp->attr.rnr_retry;
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
 * rxe_transport_reserve() - have room for the READs and atomics of a peer
 * @qp: the QP
 * @max_dest_rd_atomic: how many are to be recorded
 *
 * What is recorded stays. There is room for one at least.
 *
 * Context: process context; modify_mutex held, no spinning lock.
 * Return: 0 or -ENOMEM.
 */
int rxe_transport_reserve(struct rxe_qp *qp, u32 max_dest_rd_atomic)
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
 * rxe_transport_store() - take over new attributes of a QP
 * @qp: the QP, with the new attributes and state
 * @mask: enum ib_qp_attr_mask, what was changed
 *
 * The peer may be sending already: no packet is to see the new state with old
 * PSNs.
 *
 * Context: sq.lock and rq.lock held, since before the state was changed.
 */
void rxe_transport_store(struct rxe_qp *qp, int mask)
{
	rxe_sq_store(qp, mask);
	rxe_rq_store(qp, mask);
}

/**
 * rxe_transport_modified() - act on a change of a QP
 * @qp: the QP, with the new attributes and state
 * @mask: enum ib_qp_attr_mask, what was changed
 *
 * Context: process context; modify_mutex held, no spinning lock.
 */
void rxe_transport_modified(struct rxe_qp *qp, int mask)
{
	if (mask & IB_QP_AV)
		rxe_net_forget_route(qp);
	rxe_task_kick(&qp->sq.task);
	rxe_task_kick(&qp->rq.task);
}
