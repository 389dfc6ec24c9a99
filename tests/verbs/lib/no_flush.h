/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Declarations for an rdma-core before 45, which does not know FLUSH (HAVE_FLUSH is 0). The access right to
 * flush is no bit here, and no test uses more.
 */
#ifndef NO_FLUSH_H
#define NO_FLUSH_H

#include <infiniband/verbs.h>

#define IBV_WR_FLUSH ((enum ibv_wr_opcode)14)
#define IBV_ACCESS_FLUSH_GLOBAL 0
#define IBV_QP_EX_WITH_FLUSH 0
#define IBV_FLUSH_GLOBAL 0
#define IBV_FLUSH_RANGE 0

static inline void ibv_wr_flush(struct ibv_qp_ex *qp, uint32_t rkey, uint64_t remote_addr,
				size_t len, uint8_t type, uint8_t level)
{
	(void)qp, (void)rkey, (void)remote_addr, (void)len, (void)type, (void)level;
}

#endif
