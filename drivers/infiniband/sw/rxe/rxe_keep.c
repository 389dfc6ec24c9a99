// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Packets that have to wait
 *
 * A packet that waits for long, for a page or for an earlier packet, is kernel
 * memory that the owner of the queue pair uses. So it is copied into memory
 * that is charged to the memory cgroup in which the queue pair was created. A
 * queue pair may keep RXE_MAX_KEPT bytes. The copy also frees the original's
 * page fragment, whose page may consist mostly of other packets. A packet for
 * which the cgroup or the limit has no room is dropped as if the network had
 * lost it.
 *
 * A page that is faulted in quickly causes no copies: packets are copied only
 * after the page has been missing for RXE_KEEP_AFTER_NS.
 */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "rxe_keep.h"
#include "rxe_qp.h"
#include "rxe_skb.h"
#include "rxe_wire.h"

#define RXE_KEEP_AFTER_NS	NSEC_PER_MSEC

/*
 * Kept packets must not use the memory reserves, and the allocation must fail
 * in a cgroup that is at its limit: the cgroup would let GFP_ATOMIC exceed the
 * limit.
 */
#define RXE_KEEP_GFP	(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC)

/**
 * rxe_keep_init() - choose the memory cgroup that pays for a QP's kept packets
 * @qp: the queue pair; the current process or a kernel consumer is creating it
 *
 * Context: process context, of the owner.
 */
void rxe_keep_init(struct rxe_qp *qp)
{
	atomic_set(&qp->kept, 0);
	qp->memcg = qp->user ? get_mem_cgroup_from_mm(current->mm) : NULL;
}

/**
 * rxe_keep_exit() - undo rxe_keep_init()
 * @qp: the queue pair; it keeps no packets any more
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

/* Returns a copy that is charged to the owner's memory cgroup, or NULL. */
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

/*
 * Returns @skb if it is kept already, else a kept copy; NULL without room for
 * one.
 */
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
 * @skb: the packet; consumed
 *
 * Maybe no later packet arrives that would show the gap. So the packet's task
 * asks the peer for it after it has executed the packets that it has.
 *
 * Context: bottom halves off.
 */
void rxe_drop(struct rxe_qp *qp, struct sk_buff *skb)
{
	/*
	 * Pairs with READ_ONCE() in the task. No barrier: the flag only lets
	 * the task ask before the requester's retry timer expires.
	 */
	if (rxe_op_is_response(rxe_pkt(skb)->op))
		WRITE_ONCE(qp->sq.dropped, true);
	else
		WRITE_ONCE(qp->rq.dropped, true);
	rxe_count(qp_rxe(qp), RXE_CNT_DROPPED);
	rxe_skb_free(skb);
}

/**
 * rxe_keep() - move a packet into memory of the queue pair's owner
 * @qp: the queue pair that the packet is for
 * @skb: the packet; in no queue; consumed
 *
 * Context: the task that the packet is for, with the lock of its half of @qp
 * held (bottom halves off).
 * Return: the kept packet, or NULL if it has been dropped.
 */
struct sk_buff *rxe_keep(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct sk_buff *kept = rxe_keep_try(qp, skb);

	lockdep_assert(lockdep_is_held(&qp->sq.lock) ||
		       lockdep_is_held(&qp->rq.lock));

	if (!kept)
		rxe_drop(qp, skb);
	return kept;
}

/*
 * The packet whose page is missing is never dropped, even without room for a
 * copy, so that each fault leads to at least one executed packet.
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

/*
 * Keeps the packets after the last one that is kept already, except the first
 * of the queue, and preserves their order.
 */
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

	/* Packets that have arrived meanwhile stay behind these. */
	spin_lock(&queue->lock);
	skb_queue_splice(&packets, queue);
	spin_unlock(&queue->lock);
}

/**
 * rxe_keep_waiting() - keep packets that wait long for a page
 * @qp: the queue pair that the packets are for
 * @queue: the packets; each stays, is replaced by its copy, or is dropped
 * @fault: the fault that the task waits for
 * @timer: kicks the task when the fault has lasted RXE_KEEP_AFTER_NS
 *
 * Context: the task that empties @queue (bottom halves off); called whenever it
 * finds that @fault is busy.
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
