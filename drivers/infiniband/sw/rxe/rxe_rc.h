/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_rc.c: the responder of a Reliable Connection, under rq.lock */
#ifndef RXE_RC_H
#define RXE_RC_H

#include "rxe_service.h"

enum rxe_verdict rxe_rc_request(struct rxe_qp *qp, struct sk_buff *skb);
enum rxe_verdict rxe_rc_respond(struct rxe_qp *qp);
void rxe_rc_acknowledge(struct rxe_qp *qp);
void rxe_rc_caught_up(struct rxe_qp *qp);

#endif /* RXE_RC_H */
