/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_gid.c: the device's addresses */
#ifndef RXE_GID_H
#define RXE_GID_H

#include "rxe.h"

bool rxe_has_address(struct rxe_dev *rxe, const union ib_gid *gid,
		     const struct net_device *ndev);
int rxe_add_gid(const struct ib_gid_attr *attr, void **context);
int rxe_del_gid(const struct ib_gid_attr *attr, void **context);

#endif /* RXE_GID_H */
