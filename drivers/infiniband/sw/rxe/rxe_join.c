// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Where multicast groups are joined
 *
 * The verb that attaches a queue pair to a group names no netdev. So the group
 * is joined on the device's own netdev and on each netdev that has an address
 * of the device, such as a VLAN on top of the device's netdev. A netdev that
 * gets its first address joins all groups, and it leaves them after its last
 * address is gone. A worker does that, because it needs RTNL: the core reports
 * addresses with a lock held that is taken inside RTNL.
 */
#include <linux/igmp.h>
#include <linux/inetdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/ipv6.h>

#include "rxe_join.h"

/**
 * struct rxe_inlet - a netdev that receives packets to the device's groups
 * @node: in rxe_dev.inlets; protected by inlets_lock
 * @ndev: the netdev; holds a reference
 * @tracker: tracks the reference to @ndev
 * @addresses: number of the device's addresses that the netdev has; at 0 the
 *	worker will free the structure; protected by inlets_lock
 * @open: the netdev has joined the device's groups; changed under RTNL and
 *	inlets_lock
 * @joins: list of struct rxe_join; protected by RTNL and inlets_lock
 */
struct rxe_inlet {
	struct list_head node;
	struct net_device *ndev;
	netdevice_tracker tracker;
	u32 addresses;
	bool open;
	struct list_head joins;
};

/**
 * struct rxe_join - the membership of a netdev in a group
 * @joined_node: in rxe_joined.joins
 * @inlet_node: in rxe_inlet.joins
 * @joined: the group
 * @inlet: the netdev
 * @in4: the netdev's IPv4 state when it joined an IPv4 group; holds a
 *	reference. If the netdev has a new IPv4 state meanwhile, that is not in
 *	the group.
 * @in6: the same for an IPv6 group
 */
struct rxe_join {
	struct list_head joined_node;
	struct list_head inlet_node;
	struct rxe_joined *joined;
	struct rxe_inlet *inlet;
	struct in_device *in4;
	struct inet6_dev *in6;
};

/*
 * RTNL protects the stack's lists of groups, inlets_lock those of the device.
 */
static void rxe_inlets_assert(struct rxe_dev *rxe)
{
	ASSERT_RTNL();
	lockdep_assert_held(&rxe->inlets_lock);
}

static void rxe_inlets_lock(struct rxe_dev *rxe)
{
	rtnl_lock();
	mutex_lock(&rxe->inlets_lock);
}

static void rxe_inlets_unlock(struct rxe_dev *rxe)
{
	mutex_unlock(&rxe->inlets_lock);
	rtnl_unlock();
}

/* --- one group on one netdev; callers hold RTNL and inlets_lock ----------- */

static int rxe_join4(struct rxe_join *join, __be32 addr)
{
	struct in_device *in4 = __in_dev_get_rtnl(join->inlet->ndev);

	ASSERT_RTNL();
	if (!in4)
		return -ENODEV;
	ip_mc_inc_group(in4, addr);
	in_dev_hold(in4);
	join->in4 = in4;
	return 0;
}

static void rxe_leave4(struct rxe_join *join, __be32 addr)
{
	ASSERT_RTNL();
	if (__in_dev_get_rtnl(join->inlet->ndev) == join->in4)
		ip_mc_dec_group(join->in4, addr);
	in_dev_put(join->in4);
}

static int rxe_join6(struct rxe_join *join, const struct in6_addr *addr)
{
	struct inet6_dev *in6 = __in6_dev_get(join->inlet->ndev);
	int ret;

	ASSERT_RTNL();
	if (!in6)
		return -ENODEV;
	ret = ipv6_dev_mc_inc(join->inlet->ndev, addr);
	if (ret)
		return ret;
	in6_dev_hold(in6);
	join->in6 = in6;
	return 0;
}

static void rxe_leave6(struct rxe_join *join, const struct in6_addr *addr)
{
	ASSERT_RTNL();
	if (__in6_dev_get(join->inlet->ndev) == join->in6)
		ipv6_dev_mc_dec(join->inlet->ndev, addr);
	in6_dev_put(join->in6);
}

static const struct in6_addr *rxe_joined_addr(const struct rxe_joined *joined)
{
	return (const struct in6_addr *)&joined->gid;
}

/*
 * Joins a group on a netdev. A netdev that has moved to another network
 * namespace is skipped with -ENODEV: the device receives no packets from there.
 */
static int rxe_join_on(struct rxe_dev *rxe, struct rxe_inlet *inlet,
		       struct rxe_joined *joined)
{
	const struct in6_addr *addr = rxe_joined_addr(joined);
	struct rxe_join *join;
	int ret;

	rxe_inlets_assert(rxe);
	if (!net_eq(dev_net(inlet->ndev), dev_net(rxe->ndev)))
		return -ENODEV;
	join = kzalloc(sizeof(*join), GFP_KERNEL_ACCOUNT);
	if (!join)
		return -ENOMEM;
	join->joined = joined;
	join->inlet = inlet;
	ret = ipv6_addr_v4mapped(addr) ? rxe_join4(join, addr->s6_addr32[3]) :
					 rxe_join6(join, addr);
	if (ret) {
		kfree(join);
		return ret;
	}
	list_add(&join->joined_node, &joined->joins);
	list_add(&join->inlet_node, &inlet->joins);
	return 0;
}

static void rxe_join_end(struct rxe_join *join)
{
	const struct in6_addr *addr = rxe_joined_addr(join->joined);

	if (join->in4)
		rxe_leave4(join, addr->s6_addr32[3]);
	else
		rxe_leave6(join, addr);
	list_del(&join->joined_node);
	list_del(&join->inlet_node);
	kfree(join);
}

/* --- netdevs -------------------------------------------------------------- */

static struct rxe_inlet *rxe_inlet_make(struct rxe_dev *rxe,
					struct net_device *ndev)
{
	struct rxe_inlet *inlet = kzalloc(sizeof(*inlet), GFP_KERNEL);

	if (!inlet)
		return NULL;
	inlet->ndev = ndev;
	netdev_hold(ndev, &inlet->tracker, GFP_KERNEL);
	inlet->addresses = 1;
	INIT_LIST_HEAD(&inlet->joins);
	list_add(&inlet->node, &rxe->inlets);
	return inlet;
}

static void rxe_inlet_free(struct rxe_inlet *inlet)
{
	list_del(&inlet->node);
	netdev_put(inlet->ndev, &inlet->tracker);
	kfree(inlet);
}

/* Errors are ignored: the worker has no caller to report them to. */
static void rxe_inlet_open(struct rxe_dev *rxe, struct rxe_inlet *inlet)
{
	struct rxe_joined *joined;

	inlet->open = true;
	list_for_each_entry(joined, &rxe->joined, node) {
		rxe_join_on(rxe, inlet, joined);
		cond_resched();
	}
}

static void rxe_inlet_close(struct rxe_inlet *inlet)
{
	struct rxe_join *join, *next;

	list_for_each_entry_safe(join, next, &inlet->joins, inlet_node) {
		rxe_join_end(join);
		cond_resched();
	}
	rxe_inlet_free(inlet);
}

/*
 * Lets netdevs with new addresses join all groups, and frees those without any.
 */
static void rxe_inlets_update(struct rxe_dev *rxe)
{
	struct rxe_inlet *inlet, *next;

	rxe_inlets_assert(rxe);

	list_for_each_entry_safe(inlet, next, &rxe->inlets, node) {
		if (!inlet->addresses)
			rxe_inlet_close(inlet);
		else if (!inlet->open)
			rxe_inlet_open(rxe, inlet);
	}
}

static void rxe_inlets_work(struct work_struct *work)
{
	struct rxe_dev *rxe = container_of(work, struct rxe_dev, inlets_work);

	rxe_inlets_lock(rxe);
	rxe_inlets_update(rxe);
	rxe_inlets_unlock(rxe);
}

static struct rxe_inlet *rxe_inlet_find(struct rxe_dev *rxe,
					const struct net_device *ndev)
{
	struct rxe_inlet *inlet;

	lockdep_assert_held(&rxe->inlets_lock);
	list_for_each_entry(inlet, &rxe->inlets, node)
		if (inlet->ndev == ndev && inlet->addresses)
			return inlet;
	return NULL;
}

/**
 * rxe_inlet_get() - note that a netdev has one more address of the device
 * @rxe: the device
 * @ndev: the netdev; the caller holds a reference
 *
 * A worker joins the groups on the netdev later.
 *
 * Context: process context; may sleep; RTNL need not be held.
 * Return: the netdev's inlet, to be given to rxe_inlet_put(); or NULL without
 * memory.
 */
struct rxe_inlet *rxe_inlet_get(struct rxe_dev *rxe, struct net_device *ndev)
{
	struct rxe_inlet *inlet;

	mutex_lock(&rxe->inlets_lock);
	inlet = rxe_inlet_find(rxe, ndev);
	if (inlet) {
		inlet->addresses++;
	} else {
		inlet = rxe_inlet_make(rxe, ndev);
		if (inlet)
			schedule_work(&rxe->inlets_work);
	}
	mutex_unlock(&rxe->inlets_lock);
	return inlet;
}

/**
 * rxe_inlet_put() - note that a netdev has lost an address of the device
 * @rxe: the device
 * @inlet: the netdev's inlet
 *
 * After the last address, a worker later leaves the groups on the netdev and
 * drops the reference to the netdev.
 *
 * Context: process context; may sleep; RTNL need not be held.
 */
void rxe_inlet_put(struct rxe_dev *rxe, struct rxe_inlet *inlet)
{
	mutex_lock(&rxe->inlets_lock);
	if (!--inlet->addresses)
		schedule_work(&rxe->inlets_work);
	mutex_unlock(&rxe->inlets_lock);
}

/* --- groups --------------------------------------------------------------- */

/* Leaves a group on all netdevs. The caller holds RTNL and inlets_lock. */
static void rxe_leave_locked(struct rxe_joined *joined)
{
	struct rxe_join *join, *next;

	ASSERT_RTNL();

	list_for_each_entry_safe(join, next, &joined->joins, joined_node)
		rxe_join_end(join);
}

/* Returns -ENODEV if no netdev has the group's protocol, IPv4 or IPv6. */
static int rxe_join_locked(struct rxe_dev *rxe, struct rxe_joined *joined)
{
	struct rxe_inlet *inlet;
	int ret;

	rxe_inlets_assert(rxe);
	list_for_each_entry(inlet, &rxe->inlets, node) {
		ret = rxe_join_on(rxe, inlet, joined);
		if (ret && ret != -ENODEV) {
			rxe_leave_locked(joined);
			return ret;
		}
	}
	return list_empty(&joined->joins) ? -ENODEV : 0;
}

/**
 * rxe_join() - join a group on all netdevs of the device
 * @rxe: the device
 * @joined: the group; its address is set
 *
 * Context: process context; takes RTNL.
 * Return: 0; -ENOMEM; -ENODEV: no netdev has the group's protocol; or the error
 * of joining the group on a netdev.
 */
int rxe_join(struct rxe_dev *rxe, struct rxe_joined *joined)
{
	int ret;

	INIT_LIST_HEAD(&joined->joins);
	rxe_inlets_lock(rxe);
	rxe_inlets_update(rxe);
	ret = rxe_join_locked(rxe, joined);
	if (!ret)
		list_add(&joined->node, &rxe->joined);
	rxe_inlets_unlock(rxe);
	return ret;
}

/**
 * rxe_leave() - leave a group on all netdevs of the device
 * @rxe: the device
 * @joined: the group
 *
 * Context: process context; takes RTNL.
 */
void rxe_leave(struct rxe_dev *rxe, struct rxe_joined *joined)
{
	rxe_inlets_lock(rxe);
	list_del(&joined->node);
	rxe_leave_locked(joined);
	rxe_inlets_unlock(rxe);
}

/* --- the device ----------------------------------------------------------- */

/**
 * rxe_join_init() - prepare a device for joining groups
 * @rxe: the device; its own netdev is set and becomes its first inlet
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_join_init(struct rxe_dev *rxe)
{
	mutex_init(&rxe->inlets_lock);
	INIT_LIST_HEAD(&rxe->inlets);
	INIT_LIST_HEAD(&rxe->joined);
	INIT_WORK(&rxe->inlets_work, rxe_inlets_work);
	return rxe_inlet_make(rxe, rxe->ndev) ? 0 : -ENOMEM;
}

/**
 * rxe_join_destroy() - undo rxe_join_init()
 * @rxe: the device; it has no addresses any more and has left all groups
 *
 * Context: process context; waits for RTNL.
 */
void rxe_join_destroy(struct rxe_dev *rxe)
{
	struct rxe_inlet *inlet, *next;

	flush_work(&rxe->inlets_work);
	list_for_each_entry_safe(inlet, next, &rxe->inlets, node)
		rxe_inlet_free(inlet);
}
