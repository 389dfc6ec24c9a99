// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Multicast
 *
 * A group is a multicast address, to which datagram QPs are attached. The netdev
 * joins it with the first of them, so IP takes its packets in, and leaves it with
 * the last. Each attached QP gets a copy of what arrives, the sender's own copy
 * too, if it is attached.
 */
#include <linux/igmp.h>
#include <linux/inetdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/ipv6.h>

#include "rxe_transport.h"
#include "rxe_verbs.h"

/**
 * struct rxe_group - a multicast group
 * @node: in the device's list; RCU
 * @gid: its address
 * @members: struct rxe_member; RCU
 * @num: of them; under the device's groups_lock
 * @rcu: for freeing it
 */
struct rxe_group {
	struct list_head node;
	union ib_gid gid;
	struct list_head members;
	u32 num;
	struct rcu_head rcu;
};

/**
 * struct rxe_member - a queue pair that is attached to a group
 * @node: in the group's list; RCU
 * @qp: detached before it goes
 * @rcu: for freeing it
 */
struct rxe_member {
	struct list_head node;
	struct rxe_qp *qp;
	struct rcu_head rcu;
};

/* --- the netdev ------------------------------------------------------------ */

static const struct in6_addr *rxe_group_addr(const struct rxe_group *group)
{
	return (const struct in6_addr *)&group->gid;
}

static int rxe_group_join(struct rxe_dev *rxe, const struct rxe_group *group)
{
	const struct in6_addr *addr = rxe_group_addr(group);
	struct in_device *in_dev;
	int ret = 0;

	rtnl_lock();
	if (ipv6_addr_v4mapped(addr)) {
		in_dev = __in_dev_get_rtnl(rxe->ndev);
		if (in_dev)
			ip_mc_inc_group(in_dev, addr->s6_addr32[3]);
		else
			ret = -ENODEV;
	} else {
		ret = ipv6_dev_mc_inc(rxe->ndev, addr);
	}
	rtnl_unlock();
	return ret;
}

/* What the netdev has lost meanwhile, with its addresses, need not be left. */
static void rxe_group_leave(struct rxe_dev *rxe, const struct rxe_group *group)
{
	const struct in6_addr *addr = rxe_group_addr(group);
	struct in_device *in_dev;

	rtnl_lock();
	if (ipv6_addr_v4mapped(addr)) {
		in_dev = __in_dev_get_rtnl(rxe->ndev);
		if (in_dev)
			ip_mc_dec_group(in_dev, addr->s6_addr32[3]);
	} else {
		ipv6_dev_mc_dec(rxe->ndev, addr);
	}
	rtnl_unlock();
}

/* --- groups ---------------------------------------------------------------- */

/* Caller: holds groups_lock, or is in an RCU read section. */
static struct rxe_group *rxe_group_find(struct rxe_dev *rxe,
					const union ib_gid *gid)
{
	struct rxe_group *group;

	list_for_each_entry_rcu(group, &rxe->groups, node,
				lockdep_is_held(&rxe->groups_lock))
		if (!memcmp(&group->gid, gid, sizeof(*gid)))
			return group;
	return NULL;
}

/* Caller: holds groups_lock. */
static struct rxe_group *rxe_group_get(struct rxe_dev *rxe,
				       const union ib_gid *gid)
{
	struct rxe_group *group = rxe_group_find(rxe, gid);
	int ret;

	if (group)
		return group;
	if (rxe->num_groups >= RXE_MAX_MCAST_GRP)
		return ERR_PTR(-ENOMEM);
	group = kzalloc(sizeof(*group), GFP_KERNEL_ACCOUNT);
	if (!group)
		return ERR_PTR(-ENOMEM);
	group->gid = *gid;
	INIT_LIST_HEAD(&group->members);
	ret = rxe_group_join(rxe, group);
	if (ret) {
		kfree(group);
		return ERR_PTR(ret);
	}
	rxe->num_groups++;
	list_add_tail_rcu(&group->node, &rxe->groups);
	return group;
}

/* Caller: holds groups_lock. */
static void rxe_group_put(struct rxe_dev *rxe, struct rxe_group *group)
{
	if (group->num)
		return;
	rxe->num_groups--;
	list_del_rcu(&group->node);
	rxe_group_leave(rxe, group);
	kfree_rcu(group, rcu);
}

static struct rxe_member *rxe_member_find(const struct rxe_group *group,
					  const struct rxe_qp *qp)
{
	struct rxe_member *member;

	list_for_each_entry(member, &group->members, node)
		if (member->qp == qp)
			return member;
	return NULL;
}

static int rxe_member_add(struct rxe_group *group, struct rxe_qp *qp)
{
	struct rxe_member *member;

	if (rxe_member_find(group, qp))
		return 0;
	if (group->num >= RXE_MAX_MCAST_QP)
		return -ENOMEM;
	member = kzalloc(sizeof(*member), GFP_KERNEL_ACCOUNT);
	if (!member)
		return -ENOMEM;
	member->qp = qp;
	group->num++;
	list_add_tail_rcu(&member->node, &group->members);
	return 0;
}

static void rxe_member_remove(struct rxe_group *group,
			      struct rxe_member *member)
{
	group->num--;
	list_del_rcu(&member->node);
	kfree_rcu(member, rcu);
}

/**
 * rxe_attach_mcast() - let a queue pair receive what goes to a group
 * @ibqp: the queue pair; one that is attached already stays so
 * @gid: the group's address; an IPv4 one as ::ffff:a.b.c.d
 * @lid: not used
 *
 * Context: process context; takes RTNL.
 * Return: 0; -ENOMEM, also where there are as many as may be; -ENODEV: the netdev
 * has no such protocol; what joining gave.
 */
int rxe_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	struct rxe_dev *rxe = to_rxe(ibqp->device);
	struct rxe_group *group;
	int ret;

	mutex_lock(&rxe->groups_lock);
	group = rxe_group_get(rxe, gid);
	ret = PTR_ERR_OR_ZERO(group);
	if (!ret) {
		ret = rxe_member_add(group, to_rqp(ibqp));
		rxe_group_put(rxe, group);
	}
	mutex_unlock(&rxe->groups_lock);
	return ret;
}

/**
 * rxe_detach_mcast() - the end of that
 * @ibqp: the queue pair
 * @gid: the group's address
 * @lid: not used
 *
 * Context: process context; takes RTNL.
 * Return: 0; -EINVAL: it is not attached.
 */
int rxe_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	struct rxe_dev *rxe = to_rxe(ibqp->device);
	struct rxe_member *member = NULL;
	struct rxe_group *group;

	mutex_lock(&rxe->groups_lock);
	group = rxe_group_find(rxe, gid);
	if (group)
		member = rxe_member_find(group, to_rqp(ibqp));
	if (member) {
		rxe_member_remove(group, member);
		rxe_group_put(rxe, group);
	}
	mutex_unlock(&rxe->groups_lock);
	return member ? 0 : -EINVAL;
}

/**
 * rxe_mcast_forget_qp() - detach a queue pair from all groups
 * @qp: the queue pair; nobody finds it any more after a grace period
 *
 * Context: process context.
 */
void rxe_mcast_forget_qp(struct rxe_qp *qp)
{
	struct rxe_dev *rxe = qp_rxe(qp);
	struct rxe_group *group, *next;
	struct rxe_member *member;

	mutex_lock(&rxe->groups_lock);
	list_for_each_entry_safe(group, next, &rxe->groups, node) {
		member = rxe_member_find(group, qp);
		if (!member)
			continue;
		rxe_member_remove(group, member);
		rxe_group_put(rxe, group);
	}
	mutex_unlock(&rxe->groups_lock);
}

/**
 * rxe_mcast_deliver() - a multicast packet has come in
 * @rxe: the device
 * @gid: where it goes
 * @skb: the packet; stays the caller's
 *
 * Context: softirq, in an RCU read section.
 */
void rxe_mcast_deliver(struct rxe_dev *rxe, const union ib_gid *gid,
		       struct sk_buff *skb)
{
	struct rxe_group *group = rxe_group_find(rxe, gid);
	struct rxe_member *member;

	if (!group)
		return;
	rxe_count_received(rxe, skb);
	rxe_count(rxe, RXE_CNT_RCVD_MCAST);
	list_for_each_entry_rcu(member, &group->members, node) {
		struct sk_buff *copy = skb_clone(skb, GFP_ATOMIC);

		if (copy)
			rxe_net_deliver(member->qp, copy);
	}
}
