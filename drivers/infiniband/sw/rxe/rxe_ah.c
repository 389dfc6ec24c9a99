// SPDX-License-Identifier: GPL-2.0
/* Addresses of connected QPs' peers, and address handles. */
#include <linux/etherdevice.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <rdma/ib_addr.h>
#include <rdma/ib_cache.h>

#include "rxe_ah.h"
#include "rxe_gid.h"
#include "rxe_limits.h"

static bool rxe_gid_is_ipv4(const union ib_gid *gid)
{
	return ipv6_addr_v4mapped((const struct in6_addr *)gid);
}

/* Returns why an address cannot be used, or NULL if it can. */
static const char *rxe_ah_attr_flaw(const struct rdma_ah_attr *attr)
{
	const struct ib_global_route *grh = rdma_ah_read_grh(attr);

	if (!(rdma_ah_get_ah_flags(attr) & IB_AH_GRH))
		return "it has no GRH";
	if (rdma_ah_get_port_num(attr) != RXE_PORT)
		return "its port is not 1";
	if (grh->sgid_index >= RXE_GID_TABLE || !grh->sgid_attr)
		return "its source GID does not exist";
	if (rxe_gid_is_ipv4(&grh->sgid_attr->gid) !=
	    rxe_gid_is_ipv4(&grh->dgid))
		return "source and destination differ in address family";
	return NULL;
}

/**
 * rxe_av_from_attr() - convert an address of the verbs API for the data path
 * @rxe: the device
 * @av: receives the converted address
 * @attr: the address; its source GID has been looked up
 *
 * Context: any.
 * Return: 0; -EINVAL: the address has no GRH, a port other than 1, no such
 * source GID, or source and destination of different address families.
 */
int rxe_av_from_attr(struct rxe_dev *rxe, struct rxe_av *av,
		     const struct rdma_ah_attr *attr)
{
	const struct ib_global_route *grh = rdma_ah_read_grh(attr);
	const char *flaw = rxe_ah_attr_flaw(attr);

	if (flaw) {
		/* Users reach this once for each datagram. */
		ibdev_dbg_ratelimited(&rxe->ib, "address refused: %s\n", flaw);
		return -EINVAL;
	}
	*av = (struct rxe_av){
		.port_num = RXE_PORT,
		.network_type = rxe_gid_is_ipv4(&grh->dgid) ?
					RXE_NETWORK_TYPE_IPV4 :
					RXE_NETWORK_TYPE_IPV6,
		.grh.flow_label = grh->flow_label,
		.grh.sgid_index = grh->sgid_index,
		.grh.hop_limit = grh->hop_limit,
		.grh.traffic_class = grh->traffic_class,
	};
	ether_addr_copy(av->dmac, attr->roce.dmac);
	memcpy(&av->grh.dgid, &grh->dgid, sizeof(av->grh.dgid));
	rdma_gid2ip((struct sockaddr *)&av->sgid_addr, &grh->sgid_attr->gid);
	rdma_gid2ip((struct sockaddr *)&av->dgid_addr, &grh->dgid);
	return 0;
}

/**
 * rxe_av_priority() - the priority of packets to an address
 * @sl: service level
 * @traffic_class: traffic class of the packets' IP header
 *
 * A service level is an Ethernet priority, 0 to 7. Service level 0 means "not
 * set"; then the priority is what IP derives from the traffic class.
 *
 * Context: any.
 * Return: the value for skb->priority.
 */
u32 rxe_av_priority(u8 sl, u8 traffic_class)
{
	return (sl & 7) ?: rt_tos2priority(traffic_class);
}

/**
 * rxe_ah_priority() - the priority of packets to an address handle's address
 * @ah: the handle
 *
 * Context: any.
 * Return: the value for skb->priority.
 */
u32 rxe_ah_priority(const struct rxe_ah *ah)
{
	return rxe_av_priority(rdma_ah_get_sl(&ah->attr),
			       ah->av.grh.traffic_class);
}

/**
 * rxe_av_from_user() - convert an address that a user put into a send request
 * @rxe: the device
 * @av: receives the address
 * @user: a private copy of the user's address. The source address is not taken
 *	from it; only the index of the source GID is.
 *
 * Context: any.
 * Return: 0 or -EINVAL, as rxe_av_from_attr().
 */
int rxe_av_from_user(struct rxe_dev *rxe, struct rxe_av *av,
		     const struct rxe_av *user)
{
	struct rdma_ah_attr attr = {
		.type = RDMA_AH_ATTR_TYPE_ROCE,
		.port_num = user->port_num,
		.ah_flags = IB_AH_GRH,
		.grh.flow_label = user->grh.flow_label,
		.grh.sgid_index = user->grh.sgid_index,
		.grh.hop_limit = user->grh.hop_limit,
		.grh.traffic_class = user->grh.traffic_class,
	};
	int ret;

	memcpy(&attr.grh.dgid, &user->grh.dgid, sizeof(attr.grh.dgid));
	ether_addr_copy(attr.roce.dmac, user->dmac);
	attr.grh.sgid_attr = rdma_get_gid_attr(&rxe->ib, RXE_PORT,
					       user->grh.sgid_index);
	if (IS_ERR(attr.grh.sgid_attr))
		return -EINVAL;
	ret = rxe_av_from_attr(rxe, av, &attr);
	rdma_put_gid_attr(attr.grh.sgid_attr);
	return ret;
}

/**
 * rxe_av_is_local() - find out whether the peer is on this device
 * @rxe: the device
 * @av: the peer's address
 *
 * Only addresses of the device's own netdev count, not those of netdevs stacked
 * on it.
 *
 * Context: any.
 * Return: true if the peer is on @rxe.
 */
bool rxe_av_is_local(struct rxe_dev *rxe, const struct rxe_av *av)
{
	union ib_gid gid;

	if (!ether_addr_equal(av->dmac, rxe->ndev->dev_addr))
		return false;
	memcpy(&gid, &av->grh.dgid, sizeof(gid));
	return rxe_has_address(rxe, &gid, rxe->ndev);
}

/*
 * The reference to the source GID belongs to the RDMA core and is not copied.
 */
static struct rdma_ah_attr rxe_ah_attr_keep(const struct rdma_ah_attr *attr)
{
	struct rdma_ah_attr kept = *attr;

	kept.grh.sgid_attr = NULL;
	return kept;
}

static struct rxe_named_av *rxe_named_av(const struct rxe_ah *ah)
{
	struct rxe_named_av *named = kmalloc(sizeof(*named),
					     GFP_KERNEL_ACCOUNT);

	if (named) {
		named->pd = ah->ib.pd;
		named->av = ah->av;
		named->priority = rxe_ah_priority(ah);
	}
	return named;
}

static void rxe_ah_forget_number(struct rxe_ah *ah)
{
	struct rxe_named_av *named = xa_erase(&to_rxe(ah->ib.device)->ahs,
					      ah->num);

	kfree_rcu(named, rcu);
}

/*
 * Gives the handle the number by which user space's send requests name it. A
 * provider whose answer has no room for the number puts the address itself into
 * its requests.
 */
static int rxe_ah_number(struct rxe_ah *ah, struct ib_udata *udata)
{
	struct rxe_dev *rxe = to_rxe(ah->ib.device);
	struct rxe_create_ah_resp resp = {};
	struct rxe_named_av *named;
	int ret;

	if (!udata || udata->outlen < sizeof(resp))
		return 0;
	named = rxe_named_av(ah);
	if (!named)
		return -ENOMEM;
	ret = xa_alloc_cyclic(&rxe->ahs, &ah->num, named,
			      XA_LIMIT(1, RXE_MAX_AH), &rxe->next_ah,
			      GFP_KERNEL_ACCOUNT);
	if (ret < 0) {
		ibdev_dbg(&rxe->ib, "create_ah: no free number (%d)\n", ret);
		kfree(named);
		return ret == -EBUSY ? -ENOMEM : ret;
	}
	resp.ah_num = ah->num;
	ret = ib_copy_to_udata(udata, &resp, sizeof(resp));
	if (ret)
		rxe_ah_forget_number(ah);
	return ret;
}

static int rxe_ah_store(struct rxe_ah *ah, const struct rdma_ah_attr *attr)
{
	int ret = rxe_av_from_attr(to_rxe(ah->ib.device), &ah->av, attr);

	if (!ret)
		ah->attr = rxe_ah_attr_keep(attr);
	return ret;
}

/**
 * rxe_create_ah() - create an address handle
 * @ibah: the handle
 * @init: the address
 * @udata: NULL for a kernel consumer; if it has room for a struct
 *	rxe_create_ah_resp, the handle gets a number
 *
 * Context: any for kernel consumers, process context for users.
 * Return: 0; -EINVAL as rxe_av_from_attr(); -ENOMEM; -EFAULT.
 */
int rxe_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *init,
		  struct ib_udata *udata)
{
	struct rxe_ah *ah = to_rah(ibah);

	return rxe_ah_store(ah, init->ah_attr) ?: rxe_ah_number(ah, udata);
}

/**
 * rxe_modify_ah() - change the address of a handle
 * @ibah: the handle, a kernel consumer's: users have no such command
 * @attr: the new address
 *
 * Context: any.
 * Return: 0; -EINVAL as rxe_av_from_attr(); -EOPNOTSUPP for a handle that has a
 * number.
 */
int rxe_modify_ah(struct ib_ah *ibah, struct rdma_ah_attr *attr)
{
	struct rxe_ah *ah = to_rah(ibah);

	if (ah->num) {
		ibdev_dbg(ibah->device,
			  "modify_ah: the handle has a number\n");
		return -EOPNOTSUPP;
	}
	return rxe_ah_store(ah, attr);
}

/**
 * rxe_query_ah() - read the address of a handle
 * @ibah: the handle
 * @attr: receives the address
 *
 * Context: any.
 * Return: 0.
 */
int rxe_query_ah(struct ib_ah *ibah, struct rdma_ah_attr *attr)
{
	*attr = to_rah(ibah)->attr;
	return 0;
}

/**
 * rxe_destroy_ah() - destroy an address handle
 * @ibah: the handle
 * @flags: not used
 *
 * A send request that a task is picking up now may still use the address. Later
 * requests do not find it.
 *
 * Context: any for kernel consumers, process context for users; does not sleep.
 * Return: 0.
 */
int rxe_destroy_ah(struct ib_ah *ibah, u32 flags)
{
	struct rxe_ah *ah = to_rah(ibah);

	if (ah->num)
		rxe_ah_forget_number(ah);
	return 0;
}
