// SPDX-License-Identifier: GPL-2.0
/* 6.11: create_cq gets the attribute bundle instead of its udata. */
#include <rdma/ib_verbs.h>
int (*test(const struct ib_device_ops *ops))(struct ib_cq *,
		const struct ib_cq_init_attr *, struct uverbs_attr_bundle *);
int (*test(const struct ib_device_ops *ops))(struct ib_cq *,
		const struct ib_cq_init_attr *, struct uverbs_attr_bundle *)
{
	return ops->create_cq;
}
