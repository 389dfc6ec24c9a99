/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_send.c: packets on their way out */
#ifndef RXE_SEND_H
#define RXE_SEND_H

#include <linux/skbuff.h>

struct rxe_dev;
struct rxe_qp;
struct rxe_train;

int rxe_send_open_account(struct rxe_qp *qp);
void rxe_send_close_account(struct rxe_qp *qp);
bool rxe_send_is_full(const struct rxe_qp *qp);
bool rxe_send_is_up(const struct rxe_dev *rxe);
int rxe_send(struct rxe_qp *qp, struct rxe_train *train, struct sk_buff *skb);
int rxe_send_flush(struct rxe_qp *qp, struct rxe_train *train);
void rxe_send_forget_route(struct rxe_qp *qp);

#endif /* RXE_SEND_H */
