// SPDX-License-Identifier: GPL-2.0
/* 7.2: a link type hears of `rdma link delete`. */
#include <rdma/rdma_netlink.h>
void *test(struct rdma_link_ops *ops);
void *test(struct rdma_link_ops *ops)
{
	return ops->dellink;
}
