// SPDX-License-Identifier: GPL-2.0
/* 6.15: there are on-demand paging capabilities for FLUSH and ATOMIC WRITE. */
#include <rdma/ib_verbs.h>
int test(void);
int test(void)
{
	return IB_ODP_SUPPORT_FLUSH | IB_ODP_SUPPORT_ATOMIC_WRITE;
}
