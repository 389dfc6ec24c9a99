/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rxe_resp.c: what the responders of all transports share. rq.lock is held for
 * all of it except rxe_resp_patience().
 */
#ifndef RXE_RESP_H
#define RXE_RESP_H

#include "rxe_service.h"

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

#endif /* RXE_RESP_H */
