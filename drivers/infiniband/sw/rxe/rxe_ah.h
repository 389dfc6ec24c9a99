/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_ah.c: addresses and address handles */
#ifndef RXE_AH_H
#define RXE_AH_H

#include "rxe.h"

/**
 * struct rxe_named_av - an address that a user's send request names by a number
 * @rcu: frees the address after a grace period: readers copy it under RCU
 * @pd: the protection domain of the queue pairs that may use the address
 * @av: the address; constant
 * @priority: skb->priority of packets to the address; constant
 */
struct rxe_named_av {
	struct rcu_head rcu;
	const struct ib_pd *pd;
	struct rxe_av av;
	u32 priority;
};

/**
 * struct rxe_ah - an address handle
 * @ib: the RDMA core's part
 * @av: the address in the form that the data path uses
 * @attr: the same address in the form of the verbs API
 * @num: names the address in a user's send requests; 0: no number
 */
struct rxe_ah {
	struct ib_ah ib;
	struct rxe_av av;
	struct rdma_ah_attr attr;
	u32 num;
};

static inline struct rxe_ah *to_rah(struct ib_ah *ib)
{
	return container_of(ib, struct rxe_ah, ib);
}

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
