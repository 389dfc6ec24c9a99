// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: The device's addresses
 *
 * The core keeps them in a table that has one lock, and a reference count for each.
 * A packet that asks there writes to memory that all processors share, so the device
 * has a table of its own, which is read under RCU alone. The core fills it.
 */
#include <linux/slab.h>
#include <net/ipv6.h>

#include "rxe.h"

/**
 * struct rxe_address - an address of the device
 * @node: in the device's table; RCU
 * @gid: the address
 * @ndev: the netdev that has it: to be compared, not to be looked into
 * @inlet: the same, for multicast
 * @rcu: frees it
 */
struct rxe_address {
	struct hlist_node node;
	union ib_gid gid;
	const struct net_device *ndev;
	struct rxe_inlet *inlet;
	struct rcu_head rcu;
};

static const struct in6_addr *rxe_gid_addr(const union ib_gid *gid)
{
	return (const struct in6_addr *)gid;
}

/* Those with the same hash; @gid's are among them. */
static struct hlist_head *rxe_gid_bucket(struct rxe_dev *rxe,
					 const union ib_gid *gid)
{
	u32 hash = ipv6_addr_hash(rxe_gid_addr(gid));

	return &rxe->gids[hash_32(hash, RXE_GID_BITS)];
}

/**
 * rxe_has_address() - does the device have an address?
 * @rxe: the device
 * @gid: the address
 * @ndev: the netdev that must have it; NULL: any of those that the device's
 *	addresses are on
 *
 * Context: any.
 */
bool rxe_has_address(struct rxe_dev *rxe, const union ib_gid *gid,
		     const struct net_device *ndev)
{
	const struct rxe_address *own;
	bool found = false;

	rcu_read_lock();
	hlist_for_each_entry_rcu(own, rxe_gid_bucket(rxe, gid), node) {
		found = ipv6_addr_equal(rxe_gid_addr(&own->gid),
					rxe_gid_addr(gid)) &&
			(!ndev || own->ndev == ndev);
		if (found)
			break;
	}
	rcu_read_unlock();
	return found;
}

/**
 * rxe_add_gid() - the device has one more address
 * @attr: the address; another netdev may have the same
 * @context: what rxe_del_gid() is called with
 *
 * Context: process context; the core keeps calls of this and rxe_del_gid() apart.
 * Return: 0 or -ENOMEM.
 */
int rxe_add_gid(const struct ib_gid_attr *attr, void **context)
{
	struct rxe_dev *rxe = to_rxe(attr->device);
	struct net_device *ndev = rcu_dereference_protected(attr->ndev, true);
	struct rxe_address *own = kmalloc(sizeof(*own), GFP_KERNEL);

	if (!own)
		return -ENOMEM;
	own->gid = attr->gid;
	own->ndev = ndev;
	own->inlet = rxe_inlet_get(rxe, ndev);
	if (!own->inlet) {
		kfree(own);
		return -ENOMEM;
	}
	*context = own;
	hlist_add_head_rcu(&own->node, rxe_gid_bucket(rxe, &own->gid));
	return 0;
}

/**
 * rxe_del_gid() - the device has lost an address
 * @attr: the address, perhaps without its netdev
 * @context: what rxe_add_gid() has left there
 *
 * Context: process context; see rxe_add_gid().
 * Return: 0.
 */
int rxe_del_gid(const struct ib_gid_attr *attr, void **context)
{
	struct rxe_address *own = *context;

	*context = NULL;
	hlist_del_rcu(&own->node);
	rxe_inlet_put(to_rxe(attr->device), own->inlet);
	kfree_rcu(own, rcu);
	return 0;
}
