/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_restrack.c: memory regions as the rdma tool shows them */
#ifndef RXE_RESTRACK_H
#define RXE_RESTRACK_H

#include <rdma/ib_verbs.h>

int rxe_fill_res_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr);
int rxe_fill_stat_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr);

#endif /* RXE_RESTRACK_H */
