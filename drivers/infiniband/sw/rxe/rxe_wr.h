/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rxe_wr.c: what each opcode of a work request is. A new opcode is a row of
 * rxe_wr_ops[], and its handlers.
 */
#ifndef RXE_WR_H
#define RXE_WR_H

#include <linux/nospec.h>

#include "rxe_service.h"

/**
 * enum rxe_wr_data - the payload that a work request comes with
 * @RXE_DATA_NONE: none
 * @RXE_DATA_LIST: a gather or scatter list; IB_SEND_INLINE means nothing
 * @RXE_DATA_ANY: a gather list, or inline data with IB_SEND_INLINE
 * @RXE_DATA_WORD: 8 bytes of inline data, whatever the flags are
 */
enum rxe_wr_data {
	RXE_DATA_NONE,
	RXE_DATA_LIST,
	RXE_DATA_ANY,
	RXE_DATA_WORD,
};

/**
 * struct rxe_wr_op - what an opcode of a work request means
 * @fetch: copies the opcode's own part of a user's request, with the length
 *	field of the request in bytes; NULL: there is nothing to copy
 * @post: the same for a consumer in the kernel
 * @execute: executes a request that needs no packets; returns 0 or -errno
 * @kind: enum rxe_op_kind of the packets; RXE_OP_NONE if there are none
 * @wc_opcode: enum ib_wc_opcode of the completion
 * @transports: a bit for each enum ib_qp_type that has the opcode; 0: it is not
 *	known
 * @data: enum rxe_wr_data
 * @packets: IB_OPCODE_RC_* of a packet, by whether it is the message's first
 *	and whether it is the last
 * @user: user space may post it
 * @kernel: a consumer in the kernel may post it
 * @query: the responder executes it and answers; only the answer completes it
 * @local: it is executed here, by @execute
 * @direct: rxe_direct.c can do it without packets
 * @pieces: a long one is sent as several requests, one at a time
 * @range: it names a range of wqe->flush.length bytes, and moves no payload
 * @word: its answer is a word (RXE_OP_ATOMIC_ACK), the only payload
 * @quiet: for a consumer in the kernel, it waits until all requests before it
 *	are complete, because they would need the key if they were retransmitted
 */
struct rxe_wr_op {
	void (*fetch)(struct rxe_swqe *wqe, const struct rxe_send_wr *wr,
		      u32 length);
	void (*post)(struct rxe_swqe *wqe, const struct ib_send_wr *wr);
	int (*execute)(struct rxe_qp *qp, const struct rxe_swqe *wqe);
	u8 kind;
	u8 wc_opcode;
	u8 transports;
	u8 data;
	u8 packets[2][2];
	u8 user : 1;
	u8 kernel : 1;
	u8 query : 1;
	u8 local : 1;
	u8 direct : 1;
	u8 quiet : 1;
	u8 pieces : 1;
	u8 range : 1;
	u8 word : 1;
};

/* The last row stands for all opcodes that are not known. */
#define RXE_WR_UNKNOWN		(IB_WR_REG_MR + 1)

/* Without its size: rxe_wr_row() has checked the index. */
extern const struct rxe_wr_op rxe_wr_ops[];

/* The most frequent @fetch, for INDIRECT_CALL_1(). */
void rxe_fetch_rdma(struct rxe_swqe *wqe, const struct rxe_send_wr *wr,
		    u32 length);

/**
 * rxe_wr_row() - the row of an opcode that a consumer has chosen
 * @opcode: any value
 *
 * Context: any.
 * Return: an index of rxe_wr_ops[].
 */
static inline u32 rxe_wr_row(u32 opcode)
{
	if (unlikely(opcode >= RXE_WR_UNKNOWN))
		return RXE_WR_UNKNOWN;
	return array_index_nospec(opcode, RXE_WR_UNKNOWN);
}

static inline const struct rxe_wr_op *rxe_wqe_op(const struct rxe_swqe *wqe)
{
	return &rxe_wr_ops[wqe->opcode];
}

/**
 * rxe_wr_check() - may a queue pair be asked for this?
 * @qp: the queue pair
 * @op: the request's opcode
 *
 * Context: any.
 * Return: IB_WC_SUCCESS, or what the request completes with.
 */
static inline enum ib_wc_status rxe_wr_check(const struct rxe_qp *qp,
					     const struct rxe_wr_op *op)
{
	if (!(op->transports & BIT(qp->transport)) ||
	    (op->query && !qp->attr.max_rd_atomic))
		return IB_WC_LOC_QP_OP_ERR;
	return IB_WC_SUCCESS;
}

/**
 * rxe_wr_measure() - compute the length of a request's message
 * @wqe: the request, with its gather or scatter list; receives the length in
 *	bytes
 * @op: its opcode
 *
 * Context: any.
 * Return: IB_WC_SUCCESS, or what the request completes with.
 */
static inline enum ib_wc_status rxe_wr_measure(struct rxe_swqe *wqe,
					       const struct rxe_wr_op *op)
{
	u64 length = rxe_sge_total(wqe->sge, wqe->num_sge);

	if (length > RXE_MAX_MSG || (op->word && length < sizeof(u64)))
		return IB_WC_LOC_LEN_ERR;
	wqe->length = op->word ? sizeof(u64) : length;
	return IB_WC_SUCCESS;
}

#endif /* RXE_WR_H */
