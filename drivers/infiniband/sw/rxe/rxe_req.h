/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_req.c: the requester; a part of the sending task, under sq.lock */
#ifndef RXE_REQ_H
#define RXE_REQ_H

#include <linux/types.h>

struct rxe_qp;

bool rxe_req_fetch(struct rxe_qp *qp);
unsigned int rxe_req_send(struct rxe_qp *qp, unsigned int budget);

#endif /* RXE_REQ_H */
