/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_pd.c: user contexts and protection domains */
#ifndef RXE_PD_H
#define RXE_PD_H

#include <rdma/ib_verbs.h>

struct rxe_qp;

int rxe_alloc_ucontext(struct ib_ucontext *ibcontext, struct ib_udata *udata);
void rxe_dealloc_ucontext(struct ib_ucontext *ibcontext);
void rxe_disassociate_ucontext(struct ib_ucontext *ibcontext);
int rxe_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
int rxe_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
void rxe_pd_add(struct rxe_qp *qp);
void rxe_pd_remove(struct rxe_qp *qp);
void rxe_pd_pass(struct ib_pd *ibpd);

#endif /* RXE_PD_H */
