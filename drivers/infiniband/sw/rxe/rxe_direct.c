// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The direct way
 *
 * If the peer is on the same device, the requester's task copies the payload of
 * a SEND, WRITE or READ once, from region to region, and moves the state of
 * both ends as packets would have done. This requires that nothing is under way
 * between the two. Packets take over in all special cases: errors, regions of
 * the kernel, a responder that is busy or has no receive request. The two ways
 * may alternate between any two packets of a message.
 */
#include <linux/moduleparam.h>

#include "rxe_access.h"
#include "rxe_copy.h"
#include "rxe_direct.h"
#include "rxe_mr.h"
#include "rxe_resp.h"
#include "rxe_send.h"
#include "rxe_sq.h"
#include "rxe_wr.h"

/* Packets whose payload is copied in one step. */
#define RXE_DIRECT_PACKETS	16

static bool rxe_direct = true;
module_param_named(direct, rxe_direct, bool, 0644);
MODULE_PARM_DESC(direct,
		 "Copy between queue pairs of one device without packets, where that is possible (default Y)");

/**
 * struct rxe_move - one step of a direct copy
 * @qp: the requester; sq.lock held
 * @peer: the responder; rq.lock held
 * @wqe: the request
 * @kind: RXE_OP_SEND, RXE_OP_WRITE or RXE_OP_READ
 * @at: bytes of the message that earlier steps have copied
 * @len: bytes to copy
 * @done: bytes copied
 * @missing: the missing page that stopped the copy; without a region: none did
 * @missing_len: bytes that will be accessed from there on
 * @missing_write: they will be written
 * @missing_far: the page is in a region of the responder
 */
struct rxe_move {
	struct rxe_qp *qp;
	struct rxe_qp *peer;
	const struct rxe_swqe *wqe;
	u8 kind;
	u32 at;
	u32 len;
	u32 done;
	struct rxe_place missing;
	u64 missing_len;
	bool missing_write;
	bool missing_far;
};

/* Can the next packet of @wqe be replaced by a copy? */
static bool rxe_direct_may_begin(const struct rxe_qp *qp,
				 const struct rxe_swqe *wqe)
{
	const struct rxe_sq *sq = &qp->sq;

	return qp->loopback && qp->service->direct &&
	       rxe_wqe_op(wqe)->direct &&
	       sq->una == sq->psn && sq->sent_psn == sq->psn &&
	       READ_ONCE(rxe_direct) && rxe_send_is_up(qp_rxe(qp));
}

/* The right that QP and region of the responder must grant; 0: none. */
static int rxe_move_right(const struct rxe_move *move)
{
	switch (move->kind) {
	case RXE_OP_WRITE:
		return IB_ACCESS_REMOTE_WRITE;
	case RXE_OP_READ:
		return IB_ACCESS_REMOTE_READ;
	default:
		return 0;
	}
}

/* Has the responder a receive request that is long enough for the message? */
static bool rxe_direct_has_taken(const struct rxe_move *move)
{
	return rxe_resp_take_wqe(move->peer) == RXE_TAKEN &&
	       move->wqe->length <= move->peer->rq.wqe.length;
}

/* Would the responder execute the next packet at once? */
static bool rxe_direct_peer_ready(const struct rxe_move *move)
{
	const struct rxe_qp *qp = move->qp, *peer = move->peer;
	enum ib_qp_state state = rxe_qp_state(peer);
	const struct rxe_rq *rq = &peer->rq;
	bool middle = move->at && move->kind != RXE_OP_READ;
	int right = rxe_move_right(move);

	return state >= IB_QPS_RTR && state <= IB_QPS_SQE &&
	       peer->service == qp->service && peer->loopback &&
	       peer->attr.dest_qp_num == qp->ib.qp_num &&
	       (peer->rights & right) == right &&
	       peer->mtu == qp->mtu && rq->psn == qp->sq.psn &&
	       rq->kind == (middle ? move->kind : RXE_OP_NONE) &&
	       skb_queue_empty(&rq->requests) && !rq->reading &&
	       !rq->rnr_sent && !rq->fault.result &&
	       !rxe_fault_busy(&rq->fault) &&
	       (move->kind != RXE_OP_SEND || rxe_direct_has_taken(move));
}

/* --- the bytes ------------------------------------------------------------ */

/* A part of the next bytes of the message that is in one region. */
struct rxe_piece {
	struct rxe_place place;
	u64 room;	/* bytes */
};

static u64 rxe_move_rest(const struct rxe_move *move)
{
	return move->wqe->length - move->at - move->done;
}

static bool rxe_move_in_list(const struct rxe_move *move,
			     const struct rxe_list *list,
			     struct rxe_piece *piece)
{
	const struct rxe_sge *sge = list->sge, *end = sge + list->num_sge;
	u64 offset = move->at + move->done;

	while (sge < end && offset >= sge->length)
		offset -= sge++->length;
	if (sge == end)
		return false;
	piece->room = min_t(u64, sge->length - offset, rxe_move_rest(move));
	return !rxe_lkey_resolve(qp_rxe(move->qp), list->pd, sge->lkey,
				 sge->addr + offset, piece->room, list->access,
				 &piece->place) &&
	       piece->place.mr->umem;
}

/* The requester's side. */
static bool rxe_move_near(const struct rxe_move *move, struct rxe_piece *piece)
{
	const struct rxe_list list = {
		.sge = move->wqe->sge,
		.num_sge = move->wqe->num_sge,
		.access = move->kind == RXE_OP_READ ? IB_ACCESS_LOCAL_WRITE : 0,
		.pd = move->qp->ib.pd,
	};

	return rxe_move_in_list(move, &list, piece);
}

/* The responder's side. */
static bool rxe_move_far(const struct rxe_move *move, struct rxe_piece *piece)
{
	const struct rxe_swqe *wqe = move->wqe;
	const struct rxe_rq *rq = &move->peer->rq;
	const struct rxe_list list = {
		.sge = rq->wqe.sge,
		.num_sge = rq->wqe.num_sge,
		.access = IB_ACCESS_LOCAL_WRITE,
		.pd = rq->pd,
	};

	if (move->kind == RXE_OP_SEND)
		return rxe_move_in_list(move, &list, piece);
	piece->room = rxe_move_rest(move);
	return !rxe_rkey_resolve(move->peer, wqe->rkey,
				 wqe->remote_addr + move->at + move->done,
				 piece->room, rxe_move_right(move),
				 &piece->place) &&
	       piece->place.mr->umem;
}

/*
 * Notes that @copied of @n bytes have been copied. Returns false if the next
 * page of @piece is missing.
 */
static bool rxe_move_ends(struct rxe_move *move, const struct rxe_piece *piece,
			  bool write, u32 n, size_t copied)
{
	move->done += copied;
	if (copied == n)
		return true;
	move->missing = piece->place;
	move->missing.offset += copied;
	move->missing_len = piece->room - copied;
	move->missing_write = write;
	move->missing_far = write != (move->kind == RXE_OP_READ);
	return false;
}

static bool rxe_move_inline(struct rxe_move *move, const struct rxe_piece *to)
{
	u32 n = min_t(u64, move->len - move->done, to->room);
	size_t copied;

	copied = umem_odp_write(to->place.mr->umem, to->place.offset,
				move->wqe->inline_data + move->at + move->done,
				n);
	return rxe_move_ends(move, to, true, n, copied);
}

static bool rxe_move_copy(struct rxe_move *move, const struct rxe_piece *to,
			  const struct rxe_piece *from)
{
	u32 n = min3((u64)(move->len - move->done), to->room, from->room);
	enum umem_odp_side side;
	size_t copied;

	copied = umem_odp_copy(to->place.mr->umem, to->place.offset,
			       from->place.mr->umem, from->place.offset, n,
			       &side);
	return rxe_move_ends(move, side == UMEM_ODP_TO ? to : from,
			     side == UMEM_ODP_TO, n, copied);
}

static bool rxe_move_piece(struct rxe_move *move)
{
	struct rxe_piece near, far;

	if (!rxe_move_far(move, &far))
		return false;
	if (move->wqe->flags & IB_SEND_INLINE && move->kind != RXE_OP_READ)
		return rxe_move_inline(move, &far);
	if (!rxe_move_near(move, &near))
		return false;
	if (move->kind == RXE_OP_READ)
		return rxe_move_copy(move, &near, &far);
	return rxe_move_copy(move, &far, &near);
}

/*
 * A page is missing that an earlier try, direct or by packet, has got beyond.
 * Skips the bytes that were copied then. Returns false if there are none.
 */
static noinline bool rxe_move_resume(struct rxe_move *move)
{
	u32 packet = min(move->qp->mtu, move->wqe->length - move->at);
	u32 skip = 0;

	if (move->missing.mr && move->done < packet)
		skip = rxe_fault_resume(&move->peer->rq.fault, NULL,
					packet - move->done, true);
	if (!skip)
		return false;
	move->done += skip;
	move->missing.mr = NULL;
	return true;
}

static void rxe_move_run(struct rxe_move *move)
{
	while (move->done < move->len &&
	       (rxe_move_piece(move) || rxe_move_resume(move)))
		;
}

/*
 * Returns the number of packets whose payload has been copied. An incomplete
 * payload is copied again.
 */
static u32 rxe_move_packets(struct rxe_move *move)
{
	u32 mtu = move->qp->mtu;

	if (move->at + move->done == move->wqe->length)
		return max_t(u32, DIV_ROUND_UP(move->done, mtu), 1);
	move->done = round_down(move->done, mtu);
	return move->done / mtu;
}

/* --- the new state of both ends ------------------------------------------- */

static enum rxe_verdict rxe_direct_received(const struct rxe_move *move)
{
	const struct rxe_swqe *wqe = move->wqe;
	const struct rxe_headers headers = {
		.opcode = rxe_wqe_op(wqe)->packets[true][true],
		.solicited = wqe->flags & IB_SEND_SOLICITED,
		.imm_data = wqe->imm_data,
	};

	return rxe_resp_received(move->peer, &headers);
}

/* The responder has executed @packets. */
static enum rxe_verdict rxe_direct_executed(struct rxe_move *move, u32 packets)
{
	const struct rxe_swqe *wqe = move->wqe;
	struct rxe_rq *rq = &move->peer->rq;
	u32 at = move->at + move->done;
	enum rxe_verdict verdict = RXE_DONE;

	rxe_resp_established(move->peer);
	rq->psn = rxe_psn_add(rq->psn, packets);
	rq->nak_sent = 0;
	rq->kind = RXE_OP_NONE;
	rq->offset = at;
	if (at == wqe->length) {
		rq->msn++;
		if (move->kind == RXE_OP_SEND)
			verdict = rxe_direct_received(move);
	} else if (move->kind != RXE_OP_READ) {
		rq->kind = move->kind;
		rq->addr = wqe->remote_addr + at;
		rq->rkey = wqe->rkey;
		rq->resid = wqe->length - at;
	}
	return verdict;
}

/* The requester has got the acknowledgment. */
static void rxe_direct_acknowledged(struct rxe_move *move, u32 packets)
{
	struct rxe_sq *sq = &move->qp->sq;

	sq->psn = rxe_psn_add(sq->psn, packets);
	sq->sent_psn = sq->psn;
	sq->offset += move->done;
	rxe_sq_progress(move->qp, sq->psn);
	rxe_count_add(qp_rxe(move->qp), RXE_CNT_DIRECT_PKTS, packets);
	rxe_count_add(qp_rxe(move->qp), RXE_CNT_DIRECT_BYTES, move->done);
	if (sq->offset < move->wqe->length)
		return;
	sq->offset = 0;
	sq->cur++;
	sq->rd_atomic += move->kind == RXE_OP_READ;
	rxe_sq_retire(move->qp);
}

/*
 * Waits for the missing page. A requester that waits for a page of the
 * responder must run out of RNR retries as it would over a wire. So packets
 * take over at the time at which the responder would send an RNR NAK.
 */
static int rxe_direct_park(struct rxe_move *move)
{
	const struct rxe_qp *peer = move->peer;
	struct rxe_sq *sq = &move->qp->sq;

	if (rxe_fault_start(&sq->direct, &move->missing, move->missing_len,
			    move->missing_write) != -EAGAIN)
		return 0;
	sq->direct_late = false;
	if (move->missing_far)
		hrtimer_start(&sq->rnr_timer,
			      ktime_add_ns(sq->direct.since,
					   rxe_resp_patience(peer)),
			      HRTIMER_MODE_ABS_SOFT);
	return -EAGAIN;
}

/* As rxe_direct_step(), in the RCU read section in which the peer was found. */
static int rxe_direct_to_peer(struct rxe_move *move)
{
	struct rxe_rq *rq = &move->peer->rq;
	u32 packets = 0;

	/* A responder that is busy takes packets. */
	if (!spin_trylock(&rq->lock))
		return 0;
	if (rxe_direct_peer_ready(move)) {
		rxe_move_run(move);
		packets = rxe_move_packets(move);
		/* The peer is in the error state: the packet gets an answer. */
		if (packets && rxe_direct_executed(move, packets) != RXE_DONE)
			packets = 0;
	}
	spin_unlock(&rq->lock);

	if (packets)
		rxe_direct_acknowledged(move, packets);
	else if (move->missing.mr)
		return rxe_direct_park(move);
	return packets;
}

static int rxe_direct_try(struct rxe_qp *qp, const struct rxe_swqe *wqe)
{
	struct rxe_move move = {
		.qp = qp,
		.wqe = wqe,
		.kind = rxe_wqe_op(wqe)->kind,
		.at = qp->sq.offset,
		.len = min(wqe->length - qp->sq.offset,
			   RXE_DIRECT_PACKETS * qp->mtu),
	};
	int ret = 0;

	move.peer = rxe_qp_find(qp_rxe(qp), qp->attr.dest_qp_num);
	if (move.peer)
		ret = rxe_direct_to_peer(&move);
	return ret;
}

/**
 * rxe_direct_step() - execute a part of a request without packets
 * @qp: the queue pair
 * @wqe: the request to be sent next
 *
 * Context: the sending task; sq.lock held.
 * Return: number of packets that the copy replaces; 0 if the next packet must
 * be sent; -EAGAIN if the task is parked on sq.direct.
 */
int rxe_direct_step(struct rxe_qp *qp, const struct rxe_swqe *wqe)
{
	lockdep_assert_held(&qp->sq.lock);
	/* After a fault failed, the packet finds out which side is to blame. */
	if (rxe_fault_busy(&qp->sq.direct) || qp->sq.direct.result ||
	    !rxe_direct_may_begin(qp, wqe))
		return 0;
	return rxe_direct_try(qp, wqe);
}
