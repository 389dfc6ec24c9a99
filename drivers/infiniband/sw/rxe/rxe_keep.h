/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_keep.c: packets that wait for long, in their owner's memory */
#ifndef RXE_KEEP_H
#define RXE_KEEP_H

#include <linux/hrtimer.h>
#include <linux/skbuff.h>

struct rxe_fault;
struct rxe_qp;

void rxe_keep_init(struct rxe_qp *qp);
void rxe_keep_exit(struct rxe_qp *qp);
void rxe_drop(struct rxe_qp *qp, struct sk_buff *skb);
struct sk_buff *rxe_keep(struct rxe_qp *qp, struct sk_buff *skb);
void rxe_keep_waiting(struct rxe_qp *qp, struct sk_buff_head *queue,
		      const struct rxe_fault *fault, struct hrtimer *timer);

#endif /* RXE_KEEP_H */
