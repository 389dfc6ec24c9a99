/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_qp_state.c: states of a queue pair, and events for its owner */
#ifndef RXE_QP_STATE_H
#define RXE_QP_STATE_H

#include <rdma/ib_verbs.h>

struct rxe_qp;

int rxe_qp_change_state(struct rxe_qp *qp, enum ib_qp_state from,
			enum ib_qp_state to);
void rxe_qp_error(struct rxe_qp *qp);
void rxe_qp_fatal(struct rxe_qp *qp);
void rxe_qp_send_error(struct rxe_qp *qp);
void rxe_qp_event(struct rxe_qp *qp, enum ib_event_type type);

#endif /* RXE_QP_STATE_H */
