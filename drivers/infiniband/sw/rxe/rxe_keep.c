// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Packets that have to wait
 *
 * A packet that waits for long, for a page or for a packet before it, is memory that
 * the owner of the queue pair makes the kernel keep. It is copied into memory that is
 * charged to the cgroup in which the queue pair was made, and a queue pair may keep so
 * many bytes. The copy lets go of the page that the packet was cut out of, most of
 * which may be other packets. What the cgroup or the limit has no room for is dropped,
 * as if the network had lost it.
 *
 * A page that comes soon costs no copies: packets are copied when it has been missing
 * for RXE_KEEP_AFTER_NS.
 */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "rxe_keep.h"
#include "rxe_qp.h"
#include "rxe_wire.h"

#define RXE_KEEP_AFTER_NS	NSEC_PER_MSEC

/*
 * No packet is worth the reserves, and only what may fail is refused by a cgroup at
 * its limit: it lets GFP_ATOMIC pass.
 */
#define RXE_KEEP_GFP	(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC)

/**
 * rxe_keep_init() - note who pays for what a queue pair keeps
 * @qp: the queue pair, being made by a process, or by the kernel
 *
 * Context: process context.
 */
void rxe_keep_init(struct rxe_qp *qp)
{
	atomic_set(&qp->kept, 0);
	qp->memcg = qp->user ? get_mem_cgroup_from_mm(current->mm) : NULL;
}

/**
 * rxe_keep_exit() - the end of that
 * @qp: the queue pair, which keeps nothing any more
 *
 * Context: process context.
 */
void rxe_keep_exit(struct rxe_qp *qp)
{
	WARN_ON_ONCE(atomic_read(&qp->kept));
	mem_cgroup_put(qp->memcg);
	qp->memcg = NULL;
}

static void rxe_kept_free(struct sk_buff *skb)
{
	atomic_sub(skb->truesize, &rxe_pkt(skb)->keeper->kept);
}

static bool rxe_is_kept(const struct sk_buff *skb)
{
	return skb->destructor == rxe_kept_free;
}

/* In the owner's memory, or NULL. */
static struct sk_buff *rxe_keep_copy(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct mem_cgroup *before;
	struct sk_buff *copy;

	if (!qp->memcg)
		return skb_copy(skb, RXE_KEEP_GFP);
	before = set_active_memcg(qp->memcg);
	copy = skb_copy(skb, RXE_KEEP_GFP | __GFP_ACCOUNT);
	set_active_memcg(before);
	return copy;
}

/* Returns what to go on with, @skb or a copy of it; NULL: there is no room for one. */
static struct sk_buff *rxe_keep_try(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct sk_buff *copy;

	if (rxe_is_kept(skb))
		return skb;
	if (atomic_read(&qp->kept) >= RXE_MAX_KEPT)
		return NULL;
	copy = rxe_keep_copy(qp, skb);
	if (!copy)
		return NULL;
	rxe_skb_free(skb);
	rxe_pkt(copy)->keeper = qp;
	copy->destructor = rxe_kept_free;
	atomic_add(copy->truesize, &qp->kept);
	return copy;
}

/**
 * rxe_drop() - drop a packet of a queue pair that has no room for it
 * @qp: the queue pair
 * @skb: the packet; taken
 *
 * No later packet may show that this one is missing. So the task that it was for asks
 * for it when it has executed what there was room for.
 *
 * Context: bottom halves off.
 */
void rxe_drop(struct rxe_qp *qp, struct sk_buff *skb)
{
	if (rxe_op_is_response(rxe_pkt(skb)->op))
		WRITE_ONCE(qp->sq.dropped, true);
	else
		WRITE_ONCE(qp->rq.dropped, true);
	rxe_count(qp_rxe(qp), RXE_CNT_DROPPED);
	rxe_skb_free(skb);
}

/**
 * rxe_keep() - keep a packet in its owner's memory
 * @qp: who it is for
 * @skb: the packet, in no queue; taken
 *
 * Context: the task that it is for (bottom halves off).
 * Return: the packet to go on with, or NULL: it has been dropped.
 */
struct sk_buff *rxe_keep(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct sk_buff *kept = rxe_keep_try(qp, skb);

	if (!kept)
		rxe_drop(qp, skb);
	return kept;
}

/*
 * The packet whose page is missing stays, whether there is room or not: each fault has
 * one packet executed at least.
 */
static void rxe_keep_first(struct rxe_qp *qp, struct sk_buff_head *packets)
{
	struct sk_buff *skb = __skb_dequeue(packets);
	struct sk_buff *kept;

	if (!skb)
		return;
	kept = rxe_keep_try(qp, skb);
	__skb_queue_head(packets, kept ?: skb);
}

/* The packets behind the first and the last one that is kept, in their order. */
static void rxe_keep_rest(struct rxe_qp *qp, struct sk_buff_head *packets)
{
	struct sk_buff_head rest;
	struct sk_buff *skb;

	__skb_queue_head_init(&rest);
	while ((skb = skb_peek_tail(packets)) && !rxe_is_kept(skb) &&
	       !skb_queue_is_first(packets, skb)) {
		__skb_unlink(skb, packets);
		__skb_queue_head(&rest, skb);
	}
	while ((skb = __skb_dequeue(&rest))) {
		skb = rxe_keep(qp, skb);
		if (skb)
			__skb_queue_tail(packets, skb);
	}
}

static void rxe_keep_queue(struct rxe_qp *qp, struct sk_buff_head *queue)
{
	struct sk_buff_head packets;

	__skb_queue_head_init(&packets);
	spin_lock(&queue->lock);
	skb_queue_splice_init(queue, &packets);
	spin_unlock(&queue->lock);

	rxe_keep_first(qp, &packets);
	rxe_keep_rest(qp, &packets);

	/* What has come in meanwhile stays behind them. */
	spin_lock(&queue->lock);
	skb_queue_splice(&packets, queue);
	spin_unlock(&queue->lock);
}

/**
 * rxe_keep_waiting() - packets wait for a page
 * @qp: who they are for
 * @queue: the packets; stay, or are dropped
 * @fault: brings the page
 * @timer: kicks the task when it has taken long
 *
 * Context: the task that empties @queue (bottom halves off), whenever it finds that
 * @fault is busy.
 */
void rxe_keep_waiting(struct rxe_qp *qp, struct sk_buff_head *queue,
		      const struct rxe_fault *fault, struct hrtimer *timer)
{
	ktime_t due = ktime_add_ns(fault->since, RXE_KEEP_AFTER_NS);

	if (!ktime_before(ktime_get(), due))
		rxe_keep_queue(qp, queue);
	else if (!hrtimer_is_queued(timer) ||
		 ktime_after(hrtimer_get_expires(timer), due))
		hrtimer_start(timer, due, HRTIMER_MODE_ABS_SOFT);
}
