/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_advise.c: ibv_advise_mr() */
#ifndef RXE_ADVISE_H
#define RXE_ADVISE_H

#include <rdma/ib_verbs.h>

int rxe_advise_mr(struct ib_pd *pd, enum ib_uverbs_advise_mr_advice advice,
		  u32 flags, struct ib_sge *sge, u32 num_sge,
		  struct uverbs_attr_bundle *attrs);

#endif /* RXE_ADVISE_H */
