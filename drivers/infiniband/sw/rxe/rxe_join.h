/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_join.c: where multicast groups are joined */
#ifndef RXE_JOIN_H
#define RXE_JOIN_H

#include "rxe.h"

/**
 * struct rxe_joined - a multicast group that the device's netdevs have joined
 * @gid: the group's address
 * @node: in rxe_dev.joined; protected by RTNL and inlets_lock
 * @joins: list of struct rxe_join, one for each netdev; protected like @node
 */
struct rxe_joined {
	union ib_gid gid;
	struct list_head node;
	struct list_head joins;
};

struct rxe_inlet;

struct rxe_inlet *rxe_inlet_get(struct rxe_dev *rxe, struct net_device *ndev);
void rxe_inlet_put(struct rxe_dev *rxe, struct rxe_inlet *inlet);
int rxe_join(struct rxe_dev *rxe, struct rxe_joined *joined);
void rxe_leave(struct rxe_dev *rxe, struct rxe_joined *joined);
int rxe_join_init(struct rxe_dev *rxe);
void rxe_join_destroy(struct rxe_dev *rxe);

#endif /* RXE_JOIN_H */
