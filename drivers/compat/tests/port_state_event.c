// SPDX-License-Identifier: GPL-2.0
/* 6.13: the core watches netdevs and dispatches port events for drivers. */
#include <rdma/ib_verbs.h>
void test(struct ib_device *device, struct net_device *ndev);
void test(struct ib_device *device, struct net_device *ndev)
{
	ib_dispatch_port_state_event(device, ndev);
}
