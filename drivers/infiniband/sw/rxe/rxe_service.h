/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The transports: a struct rxe_service each. A new transport is a file with its
 * operations, a row in rxe_qp_verbs.c, and its bit in the rows of rxe_wr.c.
 */
#ifndef RXE_SERVICE_H
#define RXE_SERVICE_H

#include "rxe_qp.h"
#include "rxe_wire.h"

/* The fate of a request packet. */
enum rxe_verdict {
	RXE_DONE,		/* executed */
	RXE_DROPPED,		/* ignored for good */
	RXE_EARLY,		/* early: to be kept */
	RXE_PARKED,		/* try it again later */
	RXE_FATAL,		/* the QP is in the error state */
};

/**
 * struct rxe_service - a transport
 * @type: enum ib_qp_type that its packets belong to
 * @opcodes: the first of its opcodes: IB_OPCODE_RC and so on
 * @acked: a request completes when the responder acknowledges its packets;
 *	otherwise it completes when they have been sent
 * @resent: the requester retransmits packets that are lost or out of order;
 *	otherwise it never moves to another CPU while it sends
 * @paced: acknowledgments limit the packets under way; otherwise the queues of
 *	the network stack and of a receiver on this device do
 * @direct: a copy may replace packets to a peer on this device (rxe_direct.c)
 * @connected: packets are accepted from one peer only
 * @sequenced: the responder knows the PSN of the next packet; otherwise a PSN
 *	does not identify a packet
 * @send_error: a request that fails stops only the sending half (IB_QPS_SQE)
 * @dest_size: bytes that a request has behind its payload for its destination
 * @fetch: takes over the destination of a user's request; NULL: there is none
 * @post: the same for a consumer in the kernel; returns 0 or -errno
 * @address: fills in a packet's destination; NULL: always the same peer
 * @request: executes a request packet
 * @refuse: the peer has asked for what it may not have; syndrome and status are
 *	what the peer is told, if it is told at all, and what a receive request
 *	completes with
 * @not_ready: there is no receive request for a packet
 * @own_fault: the receive request for the packet with that PSN is unusable;
 *	NULL: it completes with the error, and the queue pair goes to the error
 *	state
 * @unreported: a completion without an error has been lost; NULL: the queue
 *	pair goes to the error state, as it does after a lost error
 * @respond: sends the next packet of a response, while rq.reading; NULL: there
 *	are no responses
 * @acknowledge: sends the ACK that is due at the end of a turn, or NULL
 * @caught_up: all packets that have arrived are executed; or NULL
 * @wait: a page has been missing for rxe_resp_patience(); NULL: the peer does
 *	not hear of that
 *
 * Locks: sq.lock is held for @fetch and @address, sq.post_lock for @post, and
 * rq.lock for all that follow @address.
 */
struct rxe_service {
	u8 type;
	u8 opcodes;
	bool acked;
	bool resent;
	bool paced;
	bool direct;
	bool connected;
	bool sequenced;
	bool send_error;
	u8 dest_size;
	enum ib_wc_status (*fetch)(struct rxe_qp *qp, struct rxe_swqe *wqe,
				   const struct rxe_send_wr *wr);
	int (*post)(struct rxe_qp *qp, struct rxe_swqe *wqe,
		    const struct ib_send_wr *wr);
	void (*address)(struct rxe_qp *qp, const struct rxe_swqe *wqe,
			struct rxe_headers *headers);
	enum rxe_verdict (*request)(struct rxe_qp *qp, struct sk_buff *skb);
	enum rxe_verdict (*refuse)(struct rxe_qp *qp, u32 psn, u8 syndrome,
				   enum ib_wc_status status);
	enum rxe_verdict (*not_ready)(struct rxe_qp *qp);
	enum rxe_verdict (*own_fault)(struct rxe_qp *qp, u32 psn,
				      enum ib_wc_status status);
	void (*unreported)(struct rxe_qp *qp);
	enum rxe_verdict (*respond)(struct rxe_qp *qp);
	void (*acknowledge)(struct rxe_qp *qp);
	void (*caught_up)(struct rxe_qp *qp);
	void (*wait)(struct rxe_qp *qp);
};

static_assert(ALIGN(sizeof(struct rxe_dest), 8) <= U8_MAX);

/* rxe_rc.c, rxe_uc.c, rxe_ud.c */
extern const struct rxe_service rxe_rc;
extern const struct rxe_service rxe_uc;
extern const struct rxe_service rxe_ud;

#endif /* RXE_SERVICE_H */
