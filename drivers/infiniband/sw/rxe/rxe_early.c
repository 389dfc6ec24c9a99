// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Packets that came before their turn
 *
 * On their way packets pass one another, and some are lost. What comes behind a
 * gap is kept until the gap is filled, by what was only late or by what is sent
 * again; so each packet that arrives is of use, and has to arrive once. A list
 * of them is sorted by PSN, and belongs to the half of the QP that takes them in.
 */
#include "rxe_transport.h"

/**
 * rxe_early_keep() - keep a packet until its turn comes
 * @qp: who it is for
 * @early: the list of the kept ones; at most as many as PSNs may be under way
 * @queue: that the packet is in, and leaves
 * @skb: the packet; dropped where there is one of its PSN already, or no room
 *
 * Context: the task that empties @queue (bottom halves off).
 */
void rxe_early_keep(struct rxe_qp *qp, struct sk_buff_head *early,
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
 * rxe_early_purge() - let go of all packets of one half of a QP
 * @early: the kept ones
 * @queue: those not looked at yet
 *
 * Context: the task that empties both, or there is none any more.
 */
void rxe_early_purge(struct sk_buff_head *early, struct sk_buff_head *queue)
{
	__skb_queue_purge(early);
	skb_queue_purge(queue);
}

/**
 * rxe_early_peek() - the first of the kept packets
 * @early: the list
 * @psn: what comes before it has come in the meantime, and is let go
 *
 * Context: the task that empties the list (bottom halves off).
 * Return: the packet, still in the list, or NULL.
 */
struct sk_buff *rxe_early_peek(struct sk_buff_head *early, u32 psn)
{
	struct sk_buff *skb;

	while ((skb = skb_peek(early)) &&
	       unlikely(rxe_psn_cmp(rxe_pkt(skb)->psn, psn) < 0)) {
		__skb_unlink(skb, early);
		rxe_skb_free(skb);
	}
	return skb;
}
