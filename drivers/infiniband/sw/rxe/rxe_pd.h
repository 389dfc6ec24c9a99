/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_pd.c: user contexts and protection domains */
#ifndef RXE_PD_H
#define RXE_PD_H

#include "rxe.h"

struct rxe_qp;

/**
 * struct rxe_ucontext - a user context
 * @ib: the RDMA core's part
 */
struct rxe_ucontext {
	struct ib_ucontext ib;
};

/**
 * struct rxe_pd - a protection domain
 * @ib: the RDMA core's part
 * @qps: list of the domain's queue pairs; protected by @qps_lock
 * @qps_lock: protects @qps; sleeps; rq.lock of the queue pairs is taken inside
 */
struct rxe_pd {
	struct ib_pd ib;
	struct list_head qps;
	struct mutex qps_lock;
};

static inline struct rxe_pd *to_rpd(struct ib_pd *ib)
{
	return container_of(ib, struct rxe_pd, ib);
}

int rxe_alloc_ucontext(struct ib_ucontext *ibcontext, struct ib_udata *udata);
void rxe_dealloc_ucontext(struct ib_ucontext *ibcontext);
void rxe_disassociate_ucontext(struct ib_ucontext *ibcontext);
int rxe_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
int rxe_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
void rxe_pd_add(struct rxe_qp *qp);
void rxe_pd_remove(struct rxe_qp *qp);
void rxe_pd_pass(struct ib_pd *ibpd);

#endif /* RXE_PD_H */
