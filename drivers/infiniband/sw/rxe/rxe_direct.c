// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: The direct way
 *
 * To a peer on the same device, what a WRITE or a READ moves is copied once,
 * from region to region, by the requester's task, and both ends then stand where
 * packets would have left them. It takes that nothing is under way between the
 * two. All that is unusual is left to packets: errors, the kernel's regions, a
 * responder at work. Either may take over from the other between two packets of
 * a message.
 */
#include <linux/moduleparam.h>

#include "rxe_resp.h"

/* Packets whose payload is copied at a time. */
#define RXE_DIRECT_PACKETS	16

static bool rxe_direct = true;
module_param_named(direct, rxe_direct, bool, 0644);
MODULE_PARM_DESC(direct,
		 "Copy between queue pairs of one device without packets, where that is possible (default Y)");

/**
 * struct rxe_move - what is copied at a time
 * @qp: the requester; sq.lock held
 * @peer: the responder; rq.lock held
 * @wqe: the request
 * @read: it is a READ, else a WRITE
 * @at: bytes into its message
 * @len: bytes to copy
 * @done: bytes copied
 * @missing: the page that ended it; no region: none did
 * @missing_len: bytes that are to be accessed from there on
 * @missing_write: kind of access
 */
struct rxe_move {
	struct rxe_qp *qp;
	struct rxe_qp *peer;
	const struct rxe_swqe *wqe;
	bool read;
	u32 at;
	u32 len;
	u32 done;
	struct rxe_place missing;
	u64 missing_len;
	bool missing_write;
};

/* Is that a request, and a moment, for it? Caller: holds sq.lock. */
static bool rxe_direct_may_begin(const struct rxe_qp *qp,
				 const struct rxe_swqe *wqe)
{
	const struct rxe_sq *sq = &qp->sq;

	return qp->loopback && qp->transport == IB_QPT_RC &&
	       (wqe->opcode == IB_WR_RDMA_WRITE ||
		wqe->opcode == IB_WR_RDMA_READ) &&
	       sq->una == sq->psn && sq->sent_psn == sq->psn &&
	       READ_ONCE(rxe_direct) && rxe_net_is_up(qp_rxe(qp));
}

static int rxe_move_right(const struct rxe_move *move)
{
	return move->read ? IB_ACCESS_REMOTE_READ : IB_ACCESS_REMOTE_WRITE;
}

/* Would the responder execute the next packet at once? */
static bool rxe_direct_peer_ready(const struct rxe_move *move)
{
	const struct rxe_qp *qp = move->qp, *peer = move->peer;
	enum ib_qp_state state = rxe_qp_state(peer);
	const struct rxe_rq *rq = &peer->rq;
	u8 kind = move->at && !move->read ? RXE_OP_WRITE : RXE_OP_NONE;

	return state >= IB_QPS_RTR && state <= IB_QPS_SQE &&
	       peer->transport == IB_QPT_RC && peer->loopback &&
	       peer->attr.dest_qp_num == qp->ib.qp_num &&
	       peer->attr.qp_access_flags & rxe_move_right(move) &&
	       peer->mtu == qp->mtu && rq->psn == qp->sq.psn &&
	       rq->kind == kind && skb_queue_empty(&rq->requests) &&
	       !rq->reading && !rq->rnr_sent && !rq->place.result &&
	       !rxe_fault_busy(&rq->place);
}

static void rxe_move_misses(struct rxe_move *move,
			    const struct rxe_place *place, u64 skip, u64 len,
			    bool write)
{
	move->missing = *place;
	move->missing.offset += skip;
	move->missing_len = len - skip;
	move->missing_write = write;
}

/* Returns false where it ends before @room bytes, or @move's, are copied. */
static bool rxe_move_sge(struct rxe_move *move, const struct rxe_place *local,
			 u64 room, const struct rxe_place *remote)
{
	const struct rxe_place *to = move->read ? local : remote;
	const struct rxe_place *from = move->read ? remote : local;
	u64 rest = move->wqe->length - move->at - move->done;
	u32 n = min_t(u64, move->len - move->done, room);
	enum umem_odp_side side;
	size_t copied;

	copied = umem_odp_copy(to->mr->umem, to->offset, from->mr->umem,
			       from->offset, n, &side);
	move->done += copied;
	if (copied == n)
		return true;
	if (side == UMEM_ODP_TO)
		rxe_move_misses(move, to, copied, to == local ? room : rest,
				true);
	else
		rxe_move_misses(move, from, copied,
				from == local ? room : rest, false);
	return false;
}

static void rxe_move_list(struct rxe_move *move, struct rxe_place remote)
{
	const struct rxe_swqe *wqe = move->wqe;
	u64 offset = move->at;
	u32 i;

	for (i = 0; move->done < move->len && i < wqe->num_sge; i++) {
		const struct rxe_sge *sge = &wqe->sge[i];
		u64 room = sge->length - min_t(u64, offset, sge->length);
		u32 before = move->done;
		struct rxe_place local;

		room = min_t(u64, room, wqe->length - move->at - before);
		if (room &&
		    (rxe_lkey_resolve(qp_rxe(move->qp), move->qp->ib.pd,
				      sge->lkey, sge->addr + offset, room,
				      move->read ? IB_ACCESS_LOCAL_WRITE : 0,
				      &local) ||
		     !local.mr->umem ||
		     !rxe_move_sge(move, &local, room, &remote)))
			break;
		remote.offset += move->done - before;
		offset -= min_t(u64, offset, sge->length);
	}
}

static void rxe_move_inline(struct rxe_move *move,
			    const struct rxe_place *remote)
{
	move->done = umem_odp_write(remote->mr->umem, remote->offset,
				    move->wqe->inline_data + move->at,
				    move->len);
	if (move->done < move->len)
		rxe_move_misses(move, remote, move->done,
				move->wqe->length - move->at, true);
}

static void rxe_move_run(struct rxe_move *move)
{
	const struct rxe_swqe *wqe = move->wqe;
	struct rxe_place remote;

	if (!move->len ||
	    rxe_rkey_resolve(move->peer, wqe->rkey, wqe->remote_addr + move->at,
			     wqe->length - move->at, rxe_move_right(move),
			     &remote) ||
	    !remote.mr->umem)
		return;
	if (wqe->flags & IB_SEND_INLINE && !move->read)
		rxe_move_inline(move, &remote);
	else
		rxe_move_list(move, remote);
}

/*
 * Packets that what has been copied is the payload of; what is not a whole one
 * is copied again.
 */
static u32 rxe_move_packets(struct rxe_move *move)
{
	u32 mtu = move->qp->mtu;

	if (move->at + move->done == move->wqe->length)
		return max_t(u32, DIV_ROUND_UP(move->done, mtu), 1);
	move->done = round_down(move->done, mtu);
	return move->done / mtu;
}

/* The responder has executed @packets. */
static void rxe_direct_executed(struct rxe_move *move, u32 packets)
{
	const struct rxe_swqe *wqe = move->wqe;
	struct rxe_rq *rq = &move->peer->rq;
	u32 at = move->at + move->done;

	rxe_resp_established(move->peer);
	rq->psn = rxe_psn_add(rq->psn, packets);
	rq->nak_sent = false;
	rq->kind = RXE_OP_NONE;
	if (at == wqe->length) {
		rq->msn++;
	} else if (!move->read) {
		rq->kind = RXE_OP_WRITE;
		rq->addr = wqe->remote_addr + at;
		rq->rkey = wqe->rkey;
		rq->resid = wqe->length - at;
	}
}

/* The requester has heard of it. */
static void rxe_direct_acknowledged(struct rxe_move *move, u32 packets)
{
	struct rxe_sq *sq = &move->qp->sq;

	sq->psn = rxe_psn_add(sq->psn, packets);
	sq->sent_psn = sq->psn;
	sq->offset += move->done;
	rxe_comp_progress(move->qp, sq->psn);
	rxe_count_add(qp_rxe(move->qp), RXE_CNT_DIRECT_PKTS, packets);
	if (sq->offset < move->wqe->length)
		return;
	sq->offset = 0;
	sq->cur++;
	sq->rd_atomic += move->read;
	rxe_comp_retire(move->qp);
}

/* As rxe_direct_step(), with a peer. Caller: in an RCU read section. */
static int rxe_direct_to_peer(struct rxe_move *move)
{
	struct rxe_rq *rq = &move->peer->rq;
	u32 packets = 0;

	/* Who is at work takes packets in their turn. */
	if (!spin_trylock(&rq->lock))
		return 0;
	if (rxe_direct_peer_ready(move)) {
		rxe_move_run(move);
		packets = rxe_move_packets(move);
		if (packets)
			rxe_direct_executed(move, packets);
	}
	spin_unlock(&rq->lock);

	if (packets)
		rxe_direct_acknowledged(move, packets);
	else if (move->missing.mr &&
		 rxe_fault_start(&move->qp->sq.direct, &move->missing,
				 move->missing_len,
				 move->missing_write) == -EAGAIN)
		return -EAGAIN;
	return packets;
}

/**
 * rxe_direct_step() - do some of a request without packets
 * @qp: the queue pair
 * @wqe: the request, the next to go
 *
 * Context: the sending task, with sq.lock.
 * Return: packets that were not needed; 0: the next one is; -EAGAIN: the task
 * is parked on sq.direct.
 */
int rxe_direct_step(struct rxe_qp *qp, const struct rxe_swqe *wqe)
{
	struct rxe_move move = {
		.qp = qp,
		.wqe = wqe,
		.read = wqe->opcode == IB_WR_RDMA_READ,
		.at = qp->sq.offset,
		.len = min(wqe->length - qp->sq.offset,
			   RXE_DIRECT_PACKETS * qp->mtu),
	};
	int ret = 0;

	/* A page cannot be had: whose fault that is, a packet will tell. */
	if (qp->sq.direct.result || !rxe_direct_may_begin(qp, wqe))
		return 0;
	rcu_read_lock();
	move.peer = rxe_qp_find(qp_rxe(qp), qp->attr.dest_qp_num);
	if (move.peer) {
		ret = rxe_direct_to_peer(&move);
		rxe_qp_put(move.peer);
	}
	rcu_read_unlock();
	return ret;
}
