/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the responder's parts have of each other. All of it with rq.lock held.
 *
 *	rxe_resp.c	what is common: receive requests, SEND and WRITE, faults
 *	rxe_rc.c	Reliable Connection: answers, READ, atomics, order
 *	rxe_uc.c	Unreliable Connection
 *	rxe_ud.c	Unreliable Datagram
 */
#ifndef RXE_RESP_H
#define RXE_RESP_H

#include "rxe_transport.h"

/* rxe_resp.c */
enum rxe_verdict rxe_resp_complete(struct rxe_qp *qp, struct ib_wc *wc,
				   bool solicited);
enum rxe_taken rxe_resp_take_wqe(struct rxe_qp *qp);
enum rxe_verdict rxe_resp_not_ready(struct rxe_qp *qp, u32 psn);
enum rxe_verdict rxe_resp_received(struct rxe_qp *qp,
				   const struct rxe_headers *headers);
enum rxe_verdict rxe_resp_own_fault(struct rxe_qp *qp, u32 psn,
				    enum ib_wc_status status);
enum rxe_verdict rxe_resp_access(struct rxe_qp *qp, u32 psn, int ret);
int rxe_resp_fault_result(struct rxe_rq *rq);
int rxe_resp_scatter(struct rxe_qp *qp, u64 offset, void *buf, u32 len,
		     u64 rest);
enum rxe_verdict rxe_resp_send(struct rxe_qp *qp, struct sk_buff *skb);
enum rxe_verdict rxe_resp_write(struct rxe_qp *qp, struct sk_buff *skb);
bool rxe_resp_in_sequence(const struct rxe_qp *qp, const struct rxe_pkt *pkt);
void rxe_resp_established(struct rxe_qp *qp);
s64 rxe_resp_patience(const struct rxe_qp *qp);

/* rxe_rc.c */
enum rxe_verdict rxe_rc_request(struct rxe_qp *qp, struct sk_buff *skb);
enum rxe_verdict rxe_rc_read_packet(struct rxe_qp *qp);
void rxe_rc_flush_ack(struct rxe_qp *qp);
void rxe_rc_caught_up(struct rxe_qp *qp);
void rxe_rc_wait(struct rxe_qp *qp);

#endif /* RXE_RESP_H */
