/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_ud.c: where a datagram goes */
#ifndef RXE_UD_H
#define RXE_UD_H

#include <rdma/ib_verbs.h>
#include <rdma/rdma_user_rxe.h>

struct rxe_qp;
struct rxe_swqe;

enum ib_wc_status rxe_ud_fetch(struct rxe_qp *qp, struct rxe_swqe *wqe,
			       const struct rxe_send_wr *wr);
int rxe_ud_post(struct rxe_qp *qp, struct rxe_swqe *wqe,
		const struct ib_ud_wr *wr);

#endif /* RXE_UD_H */
