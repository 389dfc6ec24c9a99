/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The transport: how packets go through it.
 *
 *	doorbell -> requester -> rxe_net_send() ~~> rxe_net_receive()
 *	                                             |          |
 *	   completions <- completer <- responses ----'          |
 *	                                  ^                     v
 *	                                  `---- responder <- requests
 *
 * rxe_net_send() takes a packet for a QP of the same device straight to that
 * QP's queue. A queue is filled by anyone and emptied by the task behind it.
 */
#ifndef RXE_TRANSPORT_H
#define RXE_TRANSPORT_H

#include "rxe.h"
#include "rxe_wire.h"

/* rxe_net.c */
int rxe_net_send(struct rxe_qp *qp, struct sk_buff *skb);
void rxe_net_forget_route(struct rxe_qp *qp);

/* rxe_comp.c: part of the sending task; caller holds sq.lock */
unsigned int rxe_comp_responses(struct rxe_qp *qp, unsigned int budget);
void rxe_comp_timeout(struct rxe_qp *qp);
void rxe_comp_fail(struct rxe_qp *qp, struct rxe_swqe *wqe,
		   enum ib_wc_status status);
void rxe_comp_retire(struct rxe_qp *qp);
void rxe_comp_flush(struct rxe_qp *qp);
void rxe_comp_arm(struct rxe_qp *qp);

/* rxe_req.c: part of the sending task; caller holds sq.lock */
unsigned int rxe_req_fetch(struct rxe_qp *qp);
unsigned int rxe_req_send(struct rxe_qp *qp, unsigned int budget);
void rxe_req_go_back(struct rxe_qp *qp);

/* rxe_resp.c */
bool rxe_resp_task(struct rxe_task *task);

/* rxe_copy.c */

/**
 * struct rxe_list - a gather or scatter list
 * @sge: its elements
 * @num_sge: how many
 * @access: 0 to gather, IB_ACCESS_LOCAL_WRITE to scatter
 * @pd: that its memory must belong to
 */
struct rxe_list {
	const struct rxe_sge *sge;
	u32 num_sge;
	int access;
	struct ib_pd *pd;
};

int rxe_list_copy(struct rxe_qp *qp, const struct rxe_list *list, u64 offset,
		  void *buf, u32 len, u64 rest, struct rxe_fault *fault);
int rxe_region_copy(struct rxe_qp *qp, u32 rkey, u64 addr, void *buf, u32 len,
		    u64 rest, int access, struct rxe_fault *fault);
int rxe_region_atomic(struct rxe_qp *qp, const struct rxe_headers *headers,
		      u64 *old, struct rxe_fault *fault);

#endif /* RXE_TRANSPORT_H */
