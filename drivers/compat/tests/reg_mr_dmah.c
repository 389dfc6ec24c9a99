// SPDX-License-Identifier: GPL-2.0
/* 7.2: reg_user_mr gets a DMA handle. */
#include <rdma/ib_verbs.h>
struct ib_mr *(*test(const struct ib_device_ops *ops))(struct ib_pd *, u64, u64,
		u64, int, struct ib_dmah *, struct ib_udata *);
struct ib_mr *(*test(const struct ib_device_ops *ops))(struct ib_pd *, u64, u64,
		u64, int, struct ib_dmah *, struct ib_udata *)
{
	return ops->reg_user_mr;
}
