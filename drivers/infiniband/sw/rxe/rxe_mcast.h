/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_mcast.c: multicast groups */
#ifndef RXE_MCAST_H
#define RXE_MCAST_H

#include <linux/skbuff.h>
#include <rdma/ib_verbs.h>

struct rxe_dev;
struct rxe_qp;

int rxe_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid);
int rxe_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid);
void rxe_mcast_forget_qp(struct rxe_qp *qp);
int rxe_mcast_init(struct rxe_dev *rxe);
void rxe_mcast_destroy(struct rxe_dev *rxe);
void rxe_mcast_deliver(struct rxe_dev *rxe, const union ib_gid *gid,
		       struct sk_buff *skb);

#endif /* RXE_MCAST_H */
