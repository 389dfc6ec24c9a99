// SPDX-License-Identifier: GPL-2.0
/* 7.2: ib_umem_get() became ib_umem_get_va(). */
#include <linux/mm.h>
#include <rdma/ib_umem.h>
struct ib_umem *test(struct ib_device *device);
struct ib_umem *test(struct ib_device *device)
{
	return ib_umem_get_va(device, 0, 1, 0);
}
