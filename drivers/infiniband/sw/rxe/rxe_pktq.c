// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Queues of packets that have arrived
 *
 * Each half of a queue pair has two: packets that its task has not looked at yet,
 * which anybody may append to, and packets that came before their turn, which
 * are the task's own.
 *
 * On their way packets pass one another, and some are lost. What comes behind a
 * gap is kept until the gap is filled, by what was only late or by what is sent
 * again; so each packet that arrives is of use, and has to arrive once. The list
 * of them is sorted by PSN.
 */
#include "rxe_keep.h"
#include "rxe_pktq.h"
#include "rxe_qp.h"
#include "rxe_wire.h"

/**
 * rxe_pktq_deliver() - queue a packet that has come in
 * @qp: who it is for
 * @skb: the packet; taken
 *
 * Context: bottom halves off; the RCU read section in which @qp was found.
 */
void rxe_pktq_deliver(struct rxe_qp *qp, struct sk_buff *skb)
{
	bool response = rxe_op_is_response(rxe_pkt(skb)->op);
	struct sk_buff_head *queue = response ? &qp->sq.responses :
						&qp->rq.requests;

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
 * rxe_pktq_done() - a packet that was delivered has been dealt with
 * @queue: that it is in
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
 * rxe_reorder_keep() - keep a packet until its turn comes
 * @qp: who it is for
 * @early: the list of the kept ones; at most as many as PSNs may be under way
 * @queue: that the packet is in, and leaves
 * @skb: the packet; dropped where there is one of its PSN already, or no room
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
		/* Who sends it again may want more of an answer than before. */
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
 * rxe_reorder_purge() - let go of all packets of one half of a QP
 * @early: the kept ones
 * @queue: those not looked at yet
 *
 * Context: the task that empties both, or there is none any more.
 */
void rxe_reorder_purge(struct sk_buff_head *early, struct sk_buff_head *queue)
{
	__skb_queue_purge(early);
	skb_queue_purge(queue);
}

/**
 * rxe_reorder_peek() - the first of the kept packets
 * @early: the list
 * @psn: what comes before it has come in the meantime, and is let go
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
