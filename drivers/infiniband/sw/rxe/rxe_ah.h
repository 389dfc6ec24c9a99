/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_ah.c: addresses and address handles */
#ifndef RXE_AH_H
#define RXE_AH_H

#include "rxe.h"

u32 rxe_av_priority(u8 sl, u8 traffic_class);
u32 rxe_ah_priority(const struct rxe_ah *ah);
int rxe_av_from_attr(struct rxe_dev *rxe, struct rxe_av *av,
		     const struct rdma_ah_attr *attr);
int rxe_av_from_user(struct rxe_dev *rxe, struct rxe_av *av,
		     const struct rxe_av *user);
bool rxe_av_is_local(struct rxe_dev *rxe, const struct rxe_av *av);
int rxe_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *init,
		  struct ib_udata *udata);
int rxe_modify_ah(struct ib_ah *ibah, struct rdma_ah_attr *attr);
int rxe_query_ah(struct ib_ah *ibah, struct rdma_ah_attr *attr);
int rxe_destroy_ah(struct ib_ah *ibah, u32 flags);

#endif /* RXE_AH_H */
