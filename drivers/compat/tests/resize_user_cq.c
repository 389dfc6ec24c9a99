// SPDX-License-Identifier: GPL-2.0
/* 7.2: resize_cq became resize_user_cq. */
#include <rdma/ib_verbs.h>
int (*test(const struct ib_device_ops *ops))(struct ib_cq *, unsigned int,
					     struct ib_udata *);
int (*test(const struct ib_device_ops *ops))(struct ib_cq *, unsigned int,
					     struct ib_udata *)
{
	return ops->resize_user_cq;
}
