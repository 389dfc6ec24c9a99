// SPDX-License-Identifier: GPL-2.0
/* 6.16: a device may be allocated in any network namespace. */
#include <rdma/ib_verbs.h>
struct test {
	struct ib_device ib;
};
struct test *test(struct net *net);
struct test *test(struct net *net)
{
	return ib_alloc_device_with_net(test, ib, net);
}
