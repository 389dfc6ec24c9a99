/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_sq.c: how far a send queue has come */
#ifndef RXE_SQ_H
#define RXE_SQ_H

#include <rdma/ib_verbs.h>

struct rxe_qp;
struct rxe_swqe;

int rxe_sq_init(struct rxe_qp *qp, struct ib_qp_cap *cap);
int rxe_sq_begin(struct rxe_qp *qp);
void rxe_sq_retire(struct rxe_qp *qp);
void rxe_sq_fail(struct rxe_qp *qp, struct rxe_swqe *wqe,
		 enum ib_wc_status status);
bool rxe_sq_flush(struct rxe_qp *qp);
void rxe_sq_arm(struct rxe_qp *qp);
void rxe_sq_progress(struct rxe_qp *qp, u32 una);
void rxe_sq_go_back(struct rxe_qp *qp);

#endif /* RXE_SQ_H */
