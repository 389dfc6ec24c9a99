/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_pktq.c: queues of packets that have arrived */
#ifndef RXE_PKTQ_H
#define RXE_PKTQ_H

#include <linux/skbuff.h>

struct rxe_qp;

void rxe_pktq_deliver(struct rxe_qp *qp, struct sk_buff *skb);
void rxe_pktq_done(struct sk_buff_head *queue, struct sk_buff *skb);
void rxe_reorder_keep(struct rxe_qp *qp, struct sk_buff_head *early,
		      struct sk_buff_head *queue, struct sk_buff *skb);
void rxe_reorder_purge(struct sk_buff_head *early,
		       struct sk_buff_head *queue);
struct sk_buff *rxe_reorder_peek(struct sk_buff_head *early, u32 psn);

#endif /* RXE_PKTQ_H */
