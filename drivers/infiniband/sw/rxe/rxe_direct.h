/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_direct.c: copies without packets; a part of the sending task */
#ifndef RXE_DIRECT_H
#define RXE_DIRECT_H

struct rxe_qp;
struct rxe_swqe;

int rxe_direct_step(struct rxe_qp *qp, const struct rxe_swqe *wqe);

#endif /* RXE_DIRECT_H */
