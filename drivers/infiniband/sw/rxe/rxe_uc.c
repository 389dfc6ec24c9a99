// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Unreliable Connection
 *
 * The responder acknowledges nothing. A request is complete when its packets
 * have been sent. A message is dropped, up to the first packet of the next one,
 * if a packet is missing or if its destination is not allowed. A receive
 * request that a dropped message has begun to fill stays for the next message.
 */
#include "rxe_resp.h"

/* The rest of the message is out of sequence then, and is dropped as well. */
static enum rxe_verdict rxe_uc_drop(struct rxe_qp *qp)
{
	qp->rq.kind = RXE_OP_NONE;
	rxe_count(qp_rxe(qp), RXE_CNT_DROPPED);
	return RXE_DROPPED;
}

static enum rxe_verdict rxe_uc_request(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	struct rxe_rq *rq = &qp->rq;

	lockdep_assert_held(&qp->rq.lock);
	if (rxe_psn_cmp(pkt->psn, rq->psn))
		rxe_count(qp_rxe(qp), RXE_CNT_OUT_OF_SEQ_REQ);
	if (pkt->op->first) {
		rq->psn = pkt->psn;
		rq->kind = RXE_OP_NONE;
	} else if (pkt->psn != rq->psn) {
		return rxe_uc_drop(qp);
	}
	rxe_resp_established(qp);
	if (!rxe_resp_in_sequence(qp, pkt))
		return rxe_uc_drop(qp);
	return pkt->op->kind == RXE_OP_SEND ? rxe_resp_send(qp, skb) :
					      rxe_resp_write(qp, skb);
}

/*
 * The peer is not told. But a request of a shared queue that is too small must
 * not stay with this QP, where it would block every message: it completes with
 * an error.
 */
static enum rxe_verdict rxe_uc_refuse(struct rxe_qp *qp, u32 psn, u8 syndrome,
				      enum ib_wc_status status)
{
	struct ib_wc wc = { .status = status };

	lockdep_assert_held(&qp->rq.lock);
	if (qp->ib.srq && qp->rq.have_wqe && status == IB_WC_LOC_LEN_ERR)
		rxe_resp_complete(qp, &wc, false);
	return rxe_uc_drop(qp);
}

const struct rxe_service rxe_uc = {
	.type = IB_QPT_UC,
	.opcodes = IB_OPCODE_UC,
	.connected = true,
	.sequenced = true,
	.send_error = true,
	.request = rxe_uc_request,
	.refuse = rxe_uc_refuse,
	.not_ready = rxe_uc_drop,
};
