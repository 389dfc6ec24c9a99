// SPDX-License-Identifier: GPL-2.0
/* 6.3: the headers declare FLUSH and ATOMIC WRITE. */
#include <rdma/ib_verbs.h>
#include <rdma/rdma_user_rxe.h>
int test(const struct rxe_send_wr *wr);
int test(const struct rxe_send_wr *wr)
{
	return wr->opcode == IB_WR_FLUSH ? wr->wr.flush.level :
					   IB_WR_ATOMIC_WRITE;
}
