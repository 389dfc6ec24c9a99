// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The device's addresses
 *
 * The RDMA core keeps the device's addresses in a GID table with one lock and a
 * reference count for each entry. A lookup there writes to memory that all CPUs
 * share, which is too slow for each packet. So the device has its own table,
 * which is only read under RCU. The core fills it by add_gid and del_gid.
 */
#include <linux/slab.h>
#include <net/ipv6.h>

#include "rxe_gid.h"
#include "rxe_join.h"

/**
 * struct rxe_address - an address of the device
 * @node: in rxe_dev.gids; read under RCU
 * @gid: the address
 * @ndev: the netdev that has the address; only compared, never dereferenced
 * @inlet: the same netdev as multicast knows it
 * @rcu: frees the structure after a grace period
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

/* The bucket of the device's table that contains @gid, if the table does. */
static struct hlist_head *rxe_gid_bucket(struct rxe_dev *rxe,
					 const union ib_gid *gid)
{
	u32 hash = ipv6_addr_hash(rxe_gid_addr(gid));

	return &rxe->gids[hash_32(hash, RXE_GID_BITS)];
}

/**
 * rxe_has_address() - find out whether the device has an address
 * @rxe: the device
 * @gid: the address
 * @ndev: the netdev that must have the address; NULL: any netdev of the device
 *
 * Context: any.
 * Return: true if the device has the address.
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
 * rxe_add_gid() - add an address to the device
 * @attr: the address; another netdev of the device may have the same
 * @context: receives the pointer that rxe_del_gid() gets
 *
 * Context: process context; may sleep. The core serializes calls of this
 * function and rxe_del_gid().
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
 * rxe_del_gid() - remove an address from the device
 * @attr: the address; its netdev may be gone already
 * @context: the pointer that rxe_add_gid() has stored
 *
 * Context: process context; may sleep; see rxe_add_gid().
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
