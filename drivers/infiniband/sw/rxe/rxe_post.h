/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_post.c: posting work requests */
#ifndef RXE_POST_H
#define RXE_POST_H

#include <rdma/ib_verbs.h>

int rxe_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
		  const struct ib_send_wr **bad_wr);
int rxe_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
		  const struct ib_recv_wr **bad_wr);

#endif /* RXE_POST_H */
