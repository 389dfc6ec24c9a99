/* SPDX-License-Identifier: GPL-2.0 */
/* What a work request is, by its opcode */
#ifndef RXE_WR_H
#define RXE_WR_H

#include "rxe_service.h"

static inline bool rxe_is_atomic(const struct rxe_swqe *wqe)
{
	return wqe->opcode == IB_WR_ATOMIC_CMP_AND_SWP ||
	       wqe->opcode == IB_WR_ATOMIC_FETCH_AND_ADD;
}

/* Executed at the responder, and complete with its answer. */
static inline bool rxe_is_query(const struct rxe_swqe *wqe)
{
	return wqe->opcode == IB_WR_RDMA_READ || rxe_is_atomic(wqe) ||
	       wqe->opcode == IB_WR_ATOMIC_WRITE || wqe->opcode == IB_WR_FLUSH;
}

enum ib_wc_status rxe_req_check(const struct rxe_qp *qp,
				const struct rxe_swqe *wqe);
enum ib_wc_status rxe_req_measure(struct rxe_swqe *wqe);

#endif /* RXE_WR_H */
