/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a queue pair may be asked for, and what its peer may expect, is its
 * service: a struct rxe_service for each transport.
 */
#ifndef RXE_SERVICE_H
#define RXE_SERVICE_H

#include "rxe_qp.h"
#include "rxe_wire.h"

/* What became of a request packet. */
enum rxe_verdict {
	RXE_DONE,		/* executed */
	RXE_DROPPED,		/* not executed, and not going to be */
	RXE_EARLY,		/* before its turn: to be kept */
	RXE_PARKED,		/* look at it again */
	RXE_FATAL,		/* the QP is in the error state */
};

/**
 * struct rxe_service - what is peculiar to a transport
 * @opcodes: where its opcodes begin: IB_OPCODE_RC and so on
 * @reliable: its packets are answered, and sent again if they are not
 * @address: fills in where a packet goes; NULL: always to the same peer
 * @request: executes a request packet
 * @refuse: the peer has asked for what it may not have; syndrome and status are
 *	what it is told, if it is, and what a receive request completes with
 * @not_ready: there is no receive request for a packet
 *
 * @address is called with sq.lock held, the other three with rq.lock held.
 */
struct rxe_service {
	u8 opcodes;
	bool reliable;
	void (*address)(struct rxe_qp *qp, const struct rxe_swqe *wqe,
			struct rxe_headers *headers);
	enum rxe_verdict (*request)(struct rxe_qp *qp, struct sk_buff *skb);
	enum rxe_verdict (*refuse)(struct rxe_qp *qp, u32 psn, u8 syndrome,
				   enum ib_wc_status status);
	enum rxe_verdict (*not_ready)(struct rxe_qp *qp);
};

/* rxe_rc.c, rxe_uc.c, rxe_ud.c */
extern const struct rxe_service rxe_rc;
extern const struct rxe_service rxe_uc;
extern const struct rxe_service rxe_ud;

#endif /* RXE_SERVICE_H */
