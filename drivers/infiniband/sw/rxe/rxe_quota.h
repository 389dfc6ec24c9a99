/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_quota.c: how many objects a device may have */
#ifndef RXE_QUOTA_H
#define RXE_QUOTA_H

#include "rxe.h"

void rxe_quota_init(struct rxe_dev *rxe);
extern const struct ib_device_ops rxe_counted_ops;

#endif /* RXE_QUOTA_H */
