// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Queues of packets that have arrived
 *
 * Each half of a queue pair has two. Any context may append to the queue of
 * packets that the task has not looked at. The list of early packets belongs to
 * the task alone.
 *
 * The network reorders and loses packets. Packets behind a gap are kept, sorted
 * by PSN, until the packets in the gap arrive, late or retransmitted. So no
 * packet has to arrive twice.
 */
#include "rxe_keep.h"
#include "rxe_pktq.h"
#include "rxe_qp.h"
#include "rxe_skb.h"
#include "rxe_wire.h"

/**
 * rxe_pktq_deliver() - queue a packet that has arrived, and kick its task
 * @qp: the receiver
 * @skb: the packet; consumed
 *
 * Context: bottom halves off; the RCU read section in which @qp was found.
 */
void rxe_pktq_deliver(struct rxe_qp *qp, struct sk_buff *skb)
{
	bool response = rxe_op_is_response(rxe_pkt(skb)->op);
	struct sk_buff_head *queue = response ? &qp->sq.responses :
						&qp->rq.requests;

	lockdep_assert_in_rcu_read_lock();
	lockdep_assert_in_softirq();

	if (skb_queue_len_lockless(queue) >= RXE_MAX_QUEUED) {
		rxe_drop(qp, skb);
		return;
	}
	if (response && !skb_queue_empty_lockless(queue))
		rxe_count(qp_rxe(qp), RXE_CNT_ACK_DEFERRED);
	spin_lock(&queue->lock);
	__skb_queue_tail(queue, skb);
	spin_unlock(&queue->lock);
	rxe_task_kick(response ? &qp->sq.task : &qp->rq.task);
}

/**
 * rxe_pktq_done() - remove a packet that has been handled, and free it
 * @queue: the packet's queue
 * @skb: the packet
 *
 * Context: the task that empties the queue (bottom halves off).
 */
void rxe_pktq_done(struct sk_buff_head *queue, struct sk_buff *skb)
{
	spin_lock(&queue->lock);
	__skb_unlink(skb, queue);
	spin_unlock(&queue->lock);
	rxe_skb_free(skb);
}

/**
 * rxe_reorder_keep() - keep an early packet
 * @qp: the receiver
 * @early: the list of early packets; at most as many as PSNs may be under way
 * @queue: the packet's queue, which it leaves
 * @skb: the packet; dropped if @early has its PSN already, or if there is no
 *	room
 *
 * Context: the task that empties @queue (bottom halves off).
 */
void rxe_reorder_keep(struct rxe_qp *qp, struct sk_buff_head *early,
		      struct sk_buff_head *queue, struct sk_buff *skb)
{
	struct sk_buff *before = skb_peek_tail(early);
	u32 psn = rxe_pkt(skb)->psn;

	skb_unlink(skb, queue);
	while (before && rxe_psn_cmp(rxe_pkt(before)->psn, psn) > 0)
		before = skb_queue_is_first(early, before) ?
				 NULL : skb_queue_prev(early, before);
	if (before && rxe_pkt(before)->psn == psn) {
		/*
		 * A retransmitted packet may ask for an ACK where the first did
		 * not.
		 */
		rxe_pkt(before)->ack_req |= rxe_pkt(skb)->ack_req;
		rxe_skb_free(skb);
		return;
	}
	skb = rxe_keep(qp, skb);
	if (!skb)
		return;
	if (before)
		__skb_queue_after(early, before, skb);
	else
		__skb_queue_head(early, skb);
}

/**
 * rxe_reorder_purge() - drop all packets of one half of a QP
 * @early: the early packets
 * @queue: packets that the task has not looked at
 *
 * Context: the task that empties both, or that task is retired.
 */
void rxe_reorder_purge(struct sk_buff_head *early, struct sk_buff_head *queue)
{
	__skb_queue_purge(early);
	skb_queue_purge(queue);
}

/**
 * rxe_reorder_peek() - find the first early packet
 * @early: the list of early packets
 * @psn: packets before this PSN are obsolete, and are dropped
 *
 * Context: the task that empties the list (bottom halves off).
 * Return: the packet, still in the list, or NULL.
 */
struct sk_buff *rxe_reorder_peek(struct sk_buff_head *early, u32 psn)
{
	struct sk_buff *skb;

	while ((skb = skb_peek(early)) &&
	       unlikely(rxe_psn_cmp(rxe_pkt(skb)->psn, psn) < 0)) {
		__skb_unlink(skb, early);
		rxe_skb_free(skb);
	}
	return skb;
}
