/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_device.c: the device as the RDMA core and rdma link see it */
#ifndef RXE_DEVICE_H
#define RXE_DEVICE_H

#include "rxe.h"

int rxe_device_add(const char *name, struct net_device *ndev);
void rxe_device_removing(struct rxe_dev *rxe);
void rxe_device_link_changed(struct rxe_dev *rxe);

extern const struct ib_device_ops rxe_device_ops;

#endif /* RXE_DEVICE_H */
