// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Work requests
 *
 * All that is peculiar to an opcode of a work request is in its row of
 * rxe_wr_ops[]: who may post it and on which transport, how its own part is
 * copied into the private copy, which packets it becomes, and how it completes.
 */
#include "rxe_access.h"
#include "rxe_frwr.h"
#include "rxe_mw.h"
#include "rxe_wr.h"

/* --- a user's requests ---------------------------------------------------- */

void rxe_fetch_rdma(struct rxe_swqe *wqe, const struct rxe_send_wr *wr,
		    u32 length)
{
	wqe->remote_addr = wr->wr.rdma.remote_addr;
	wqe->rkey = wr->wr.rdma.rkey;
}

static void rxe_fetch_fetch_add(struct rxe_swqe *wqe,
				const struct rxe_send_wr *wr, u32 length)
{
	wqe->remote_addr = wr->wr.atomic.remote_addr;
	wqe->rkey = wr->wr.atomic.rkey;
	wqe->swap_add = wr->wr.atomic.compare_add;
}

static void rxe_fetch_cmp_swap(struct rxe_swqe *wqe,
			       const struct rxe_send_wr *wr, u32 length)
{
	wqe->remote_addr = wr->wr.atomic.remote_addr;
	wqe->rkey = wr->wr.atomic.rkey;
	wqe->swap_add = wr->wr.atomic.swap;
	wqe->compare = wr->wr.atomic.compare_add;
}

/* librxe puts the size of the range into the request's common part. */
static void rxe_fetch_flush(struct rxe_swqe *wqe, const struct rxe_send_wr *wr,
			    u32 length)
{
	wqe->remote_addr = compat_flush(wr)->remote_addr;
	wqe->rkey = compat_flush(wr)->rkey;
	wqe->flush.type = compat_flush(wr)->type;
	wqe->flush.level = compat_flush(wr)->level;
	wqe->flush.length = length;
}

static void rxe_fetch_bind_mw(struct rxe_swqe *wqe,
			      const struct rxe_send_wr *wr, u32 length)
{
	wqe->mw.addr = wr->wr.mw.addr;
	wqe->mw.length = wr->wr.mw.length;
	wqe->mw.mr_lkey = wr->wr.mw.mr_lkey;
	wqe->mw.mw_rkey = wr->wr.mw.mw_rkey;
	wqe->mw.new_rkey = wr->wr.mw.rkey;
	wqe->mw.access = wr->wr.mw.access;
}

/* --- a kernel consumer's requests ----------------------------------------- */

static void rxe_post_rdma(struct rxe_swqe *wqe, const struct ib_send_wr *wr)
{
	wqe->remote_addr = rdma_wr(wr)->remote_addr;
	wqe->rkey = rdma_wr(wr)->rkey;
}

static void rxe_post_fetch_add(struct rxe_swqe *wqe,
			       const struct ib_send_wr *wr)
{
	wqe->remote_addr = atomic_wr(wr)->remote_addr;
	wqe->rkey = atomic_wr(wr)->rkey;
	wqe->swap_add = atomic_wr(wr)->compare_add;
}

static void rxe_post_cmp_swap(struct rxe_swqe *wqe,
			      const struct ib_send_wr *wr)
{
	wqe->remote_addr = atomic_wr(wr)->remote_addr;
	wqe->rkey = atomic_wr(wr)->rkey;
	wqe->swap_add = atomic_wr(wr)->swap;
	wqe->compare = atomic_wr(wr)->compare_add;
}

static void rxe_post_reg_mr(struct rxe_swqe *wqe, const struct ib_send_wr *wr)
{
	wqe->reg.mr = reg_wr(wr)->mr;
	wqe->reg.key = reg_wr(wr)->key;
	wqe->reg.access = reg_wr(wr)->access;
}

/* --- requests without packets --------------------------------------------- */

/* When the request is complete, nothing accesses memory through the key. */
static int rxe_execute_invalidate(struct rxe_qp *qp, const struct rxe_swqe *wqe)
{
	int ret = rxe_rkey_invalidate(qp, wqe->invalidate_rkey);

	/* rxe_frwr_invalidate() has waited for accesses to a kernel region. */
	if (!ret && qp->user)
		rxe_resp_pass(qp);
	return ret;
}

/* --- the table ------------------------------------------------------------ */

#define RXE_ON_RC	BIT(IB_QPT_RC)
#define RXE_ON_UC	BIT(IB_QPT_UC)
#define RXE_ON_UD	BIT(IB_QPT_UD)

#define RXE_PACKETS(message) {						\
	{ IB_OPCODE_RC_##message##_MIDDLE,				\
	  IB_OPCODE_RC_##message##_LAST },				\
	{ IB_OPCODE_RC_##message##_FIRST,				\
	  IB_OPCODE_RC_##message##_ONLY } }

/* The opcode of the last packet says that the packet has an extra header. */
#define RXE_PACKETS_WITH(message, extra) {				\
	{ IB_OPCODE_RC_##message##_MIDDLE,				\
	  IB_OPCODE_RC_##message##_LAST_WITH_##extra },			\
	{ IB_OPCODE_RC_##message##_FIRST,				\
	  IB_OPCODE_RC_##message##_ONLY_WITH_##extra } }

#define RXE_ONE_PACKET(opcode)	{ { 0, 0 }, { 0, IB_OPCODE_RC_##opcode } }

const struct rxe_wr_op rxe_wr_ops[] = {
	[IB_WR_SEND] = {
		.kind = RXE_OP_SEND,
		.wc_opcode = IB_WC_SEND,
		.transports = RXE_ON_RC | RXE_ON_UC | RXE_ON_UD,
		.data = RXE_DATA_ANY,
		.packets = RXE_PACKETS(SEND),
		.user = 1, .kernel = 1, .direct = 1,
	},
	[IB_WR_SEND_WITH_IMM] = {
		.kind = RXE_OP_SEND,
		.wc_opcode = IB_WC_SEND,
		.transports = RXE_ON_RC | RXE_ON_UC | RXE_ON_UD,
		.data = RXE_DATA_ANY,
		.packets = RXE_PACKETS_WITH(SEND, IMMEDIATE),
		.user = 1, .kernel = 1, .direct = 1,
	},
	[IB_WR_SEND_WITH_INV] = {
		.kind = RXE_OP_SEND,
		.wc_opcode = IB_WC_SEND,
		.transports = RXE_ON_RC,
		.data = RXE_DATA_ANY,
		.packets = RXE_PACKETS_WITH(SEND, INVALIDATE),
		.user = 1, .kernel = 1,
	},
	[IB_WR_RDMA_WRITE] = {
		.fetch = rxe_fetch_rdma,
		.post = rxe_post_rdma,
		.kind = RXE_OP_WRITE,
		.wc_opcode = IB_WC_RDMA_WRITE,
		.transports = RXE_ON_RC | RXE_ON_UC,
		.data = RXE_DATA_ANY,
		.packets = RXE_PACKETS(RDMA_WRITE),
		.user = 1, .kernel = 1, .direct = 1,
	},
	[IB_WR_RDMA_WRITE_WITH_IMM] = {
		.fetch = rxe_fetch_rdma,
		.post = rxe_post_rdma,
		.kind = RXE_OP_WRITE,
		.wc_opcode = IB_WC_RDMA_WRITE,
		.transports = RXE_ON_RC | RXE_ON_UC,
		.data = RXE_DATA_ANY,
		.packets = RXE_PACKETS_WITH(RDMA_WRITE, IMMEDIATE),
		.user = 1, .kernel = 1,
	},
	[IB_WR_RDMA_READ] = {
		.fetch = rxe_fetch_rdma,
		.post = rxe_post_rdma,
		.kind = RXE_OP_READ,
		.wc_opcode = IB_WC_RDMA_READ,
		.transports = RXE_ON_RC,
		.data = RXE_DATA_LIST,
		.packets = RXE_ONE_PACKET(RDMA_READ_REQUEST),
		.user = 1, .kernel = 1, .query = 1, .direct = 1, .pieces = 1,
	},
	[IB_WR_ATOMIC_CMP_AND_SWP] = {
		.fetch = rxe_fetch_cmp_swap,
		.post = rxe_post_cmp_swap,
		.kind = RXE_OP_ATOMIC,
		.wc_opcode = IB_WC_COMP_SWAP,
		.transports = RXE_ON_RC,
		.data = RXE_DATA_LIST,
		.packets = RXE_ONE_PACKET(COMPARE_SWAP),
		.user = 1, .kernel = 1, .query = 1, .word = 1,
	},
	[IB_WR_ATOMIC_FETCH_AND_ADD] = {
		.fetch = rxe_fetch_fetch_add,
		.post = rxe_post_fetch_add,
		.kind = RXE_OP_ATOMIC,
		.wc_opcode = IB_WC_FETCH_ADD,
		.transports = RXE_ON_RC,
		.data = RXE_DATA_LIST,
		.packets = RXE_ONE_PACKET(FETCH_ADD),
		.user = 1, .kernel = 1, .query = 1, .word = 1,
	},
	[IB_WR_ATOMIC_WRITE] = {
		.fetch = rxe_fetch_rdma,
		.kind = RXE_OP_ATOMIC_WRITE,
		.wc_opcode = IB_UVERBS_WC_ATOMIC_WRITE,
		.transports = RXE_ON_RC,
		.data = RXE_DATA_WORD,
		.packets = RXE_ONE_PACKET(ATOMIC_WRITE),
		.user = 1, .query = 1,
	},
	[IB_WR_FLUSH] = {
		.fetch = rxe_fetch_flush,
		.kind = RXE_OP_FLUSH,
		.wc_opcode = IB_WC_FLUSH,
		.transports = RXE_ON_RC,
		.packets = RXE_ONE_PACKET(FLUSH),
		.user = 1, .query = 1, .range = 1,
	},
	[IB_WR_BIND_MW] = {
		.fetch = rxe_fetch_bind_mw,
		.execute = rxe_mw_bind,
		.wc_opcode = IB_UVERBS_WC_BIND_MW,
		.transports = RXE_ON_RC | RXE_ON_UC,
		.user = 1, .local = 1,
	},
	[IB_WR_LOCAL_INV] = {
		.execute = rxe_execute_invalidate,
		.wc_opcode = IB_WC_LOCAL_INV,
		.transports = RXE_ON_RC | RXE_ON_UC,
		.user = 1, .kernel = 1, .local = 1, .quiet = 1,
	},
	[IB_WR_REG_MR] = {
		.post = rxe_post_reg_mr,
		.execute = rxe_frwr_register,
		.wc_opcode = IB_WC_REG_MR,
		.transports = RXE_ON_RC | RXE_ON_UC,
		.kernel = 1, .local = 1,
	},
	[RXE_WR_UNKNOWN] = { .wc_opcode = IB_WC_SEND },
};

static_assert(ARRAY_SIZE(rxe_wr_ops) == RXE_WR_UNKNOWN + 1);
