// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Multicast
 *
 * A group is a multicast address with UD queue pairs attached to it. The
 * netdevs join the group when the first queue pair is attached, so that IP
 * receives its packets, and leave it after the last one is detached. A worker
 * leaves the group, so that detaching or destroying a queue pair does not wait
 * for RTNL. Each attached queue pair gets a copy of each packet to the group,
 * including the sender's queue pair if it is attached.
 */
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "rxe_counters.h"
#include "rxe_join.h"
#include "rxe_mcast.h"
#include "rxe_pktq.h"
#include "rxe_qp.h"

/**
 * struct rxe_group - a multicast group
 * @hash: in rxe_dev.groups; changed under groups_lock, read under RCU
 * @joined: the group's address and the netdevs that have joined the group
 * @members: list of struct rxe_member; changed under groups_lock, read under
 *	RCU
 * @num: number of members; protected by groups_lock
 * @node: in rxe_dev.groups_left; protected by groups_lock
 * @rcu: frees the group after a grace period
 */
struct rxe_group {
	struct rhash_head hash;
	struct rxe_joined joined;
	struct list_head members;
	u32 num;
	struct list_head node;
	struct rcu_head rcu;
};

/**
 * struct rxe_member - a queue pair that is attached to a group
 * @node: in rxe_group.members; changed under groups_lock, read under RCU
 * @qp_node: in rxe_qp.groups; protected by groups_lock
 * @group: the group
 * @qp: the queue pair; it is detached before it is destroyed
 * @rcu: frees the structure after a grace period
 */
struct rxe_member {
	struct list_head node;
	struct list_head qp_node;
	struct rxe_group *group;
	struct rxe_qp *qp;
	struct rcu_head rcu;
};

static const struct rhashtable_params rxe_groups_params = {
	.key_len = sizeof(union ib_gid),
	.key_offset = offsetof(struct rxe_group, joined.gid),
	.head_offset = offsetof(struct rxe_group, hash),
	.automatic_shrinking = true,
};

/*
 * --- groups ----------------------------------------------------------------
 */

/*
 * Returns a group or NULL. The group is valid as long as the caller holds
 * groups_lock, or until its RCU read section ends.
 */
static struct rxe_group *rxe_group_find(struct rxe_dev *rxe,
					const union ib_gid *gid)
{
	struct rxe_group *group;

	lockdep_assert(lockdep_is_held(&rxe->groups_lock) ||
		       rcu_read_lock_held());

	rcu_read_lock();
	group = rhashtable_lookup(&rxe->groups, gid, rxe_groups_params);
	rcu_read_unlock();
	return group;
}

/* Schedules the worker that makes the netdevs leave a group. */
static void rxe_group_abandon(struct rxe_dev *rxe, struct rxe_group *group)
{
	lockdep_assert_held(&rxe->groups_lock);
	list_add_tail(&group->node, &rxe->groups_left);
	schedule_work(&rxe->groups_work);
}

/* Removes a group that has lost its last member. */
static void rxe_group_put(struct rxe_dev *rxe, struct rxe_group *group)
{
	lockdep_assert_held(&rxe->groups_lock);
	if (group->num)
		return;
	rhashtable_remove_fast(&rxe->groups, &group->hash, rxe_groups_params);
	rxe_group_abandon(rxe, group);
}

/*
 * Takes one group out of the list of groups to leave. Returns NULL at its end.
 */
static struct rxe_group *rxe_group_next_left(struct rxe_dev *rxe)
{
	struct rxe_group *group;

	spin_lock(&rxe->groups_lock);
	group = list_first_entry_or_null(&rxe->groups_left, struct rxe_group,
					 node);
	if (group)
		list_del(&group->node);
	spin_unlock(&rxe->groups_lock);
	return group;
}

static void rxe_groups_work(struct work_struct *work)
{
	struct rxe_dev *rxe = container_of(work, struct rxe_dev, groups_work);
	struct rxe_group *group;

	while ((group = rxe_group_next_left(rxe))) {
		rxe_leave(rxe, &group->joined);
		atomic_dec(&rxe->num_groups);
		kfree_rcu(group, rcu);
	}
}

/*
 * Makes a group and joins it on the netdevs. Returns the group, which is not in
 * the device's table yet, or an ERR_PTR.
 */
static struct rxe_group *rxe_group_make(struct rxe_dev *rxe,
					const union ib_gid *gid)
{
	struct rxe_group *group;
	int ret;

	if (!atomic_add_unless(&rxe->num_groups, 1, RXE_MAX_MCAST_GRP)) {
		ibdev_dbg(&rxe->ib, "attach_mcast: %u groups exist already\n",
			  RXE_MAX_MCAST_GRP);
		return ERR_PTR(-ENOMEM);
	}
	group = kzalloc(sizeof(*group), GFP_KERNEL_ACCOUNT);
	if (!group) {
		ret = -ENOMEM;
		goto err;
	}
	group->joined.gid = *gid;
	INIT_LIST_HEAD(&group->members);
	ret = rxe_join(rxe, &group->joined);
	if (!ret)
		return group;
	ibdev_dbg(&rxe->ib, "attach_mcast: no netdev joins %pI6c (%d)\n", gid,
		  ret);
	kfree(group);
err:
	atomic_dec(&rxe->num_groups);
	return ERR_PTR(ret);
}

/*
 * --- members ---------------------------------------------------------------
 */

static struct rxe_member *rxe_member_find(const struct rxe_group *group,
					  const struct rxe_qp *qp)
{
	struct rxe_member *member;

	lockdep_assert_held(&qp_rxe(qp)->groups_lock);

	list_for_each_entry(member, &group->members, node)
		if (member->qp == qp)
			return member;
	return NULL;
}

/*
 * Adds @member to the group, or frees it. A second attachment of a QP succeeds.
 */
static int rxe_member_add(struct rxe_group *group, struct rxe_member *member)
{
	struct rxe_dev *rxe = qp_rxe(member->qp);
	bool there = rxe_member_find(group, member->qp);

	lockdep_assert_held(&rxe->groups_lock);
	if (there || group->num >= RXE_MAX_MCAST_QP) {
		if (!there)
			ibdev_dbg(&rxe->ib,
				  "attach_mcast: the group has %u queue pairs already\n",
				  RXE_MAX_MCAST_QP);
		kfree(member);
		return there ? 0 : -ENOMEM;
	}
	member->group = group;
	group->num++;
	list_add(&member->qp_node, &member->qp->groups);
	list_add_tail_rcu(&member->node, &group->members);
	return 0;
}

/* Detaches a queue pair from a group. */
static void rxe_member_remove(struct rxe_dev *rxe, struct rxe_member *member)
{
	struct rxe_group *group = member->group;

	lockdep_assert_held(&rxe->groups_lock);
	group->num--;
	list_del(&member->qp_node);
	list_del_rcu(&member->node);
	kfree_rcu(member, rcu);
	rxe_group_put(rxe, group);
}

/*
 * Attaches @member to an existing group and takes it over. Returns -ENOENT, and
 * does not take @member over, if there is no such group.
 */
static int rxe_member_attach(struct rxe_dev *rxe, const union ib_gid *gid,
			     struct rxe_member *member)
{
	struct rxe_group *group;
	int ret = -ENOENT;

	spin_lock(&rxe->groups_lock);
	group = rxe_group_find(rxe, gid);
	if (group)
		ret = rxe_member_add(group, member);
	spin_unlock(&rxe->groups_lock);
	return ret;
}

/*
 * Attaches @member to the new group @fresh, or to a group with the same address
 * that another thread has added meanwhile. Takes over both.
 */
static int rxe_member_attach_first(struct rxe_dev *rxe,
				   struct rxe_group *fresh,
				   struct rxe_member *member)
{
	struct rxe_group *group;
	int ret;

	spin_lock(&rxe->groups_lock);
	rcu_read_lock();
	group = rhashtable_lookup_get_insert_fast(&rxe->groups, &fresh->hash,
						  rxe_groups_params);
	rcu_read_unlock();
	if (!IS_ERR(group)) {
		ret = rxe_member_add(group ?: fresh, member);
	} else {
		ret = PTR_ERR(group);
		kfree(member);
	}
	if (group)
		rxe_group_abandon(rxe, fresh);
	spin_unlock(&rxe->groups_lock);
	return ret;
}

/**
 * rxe_attach_mcast() - attach a queue pair to a multicast group
 * @ibqp: the queue pair; attaching it again has no effect
 * @gid: the group's address; an IPv4 address as ::ffff:a.b.c.d
 * @lid: not used
 *
 * Context: process context; takes RTNL; no lock of the device is held.
 * Return: 0; -ENOMEM: no memory, too many groups, or too many queue pairs in
 * the group; -ENODEV: no netdev has the group's protocol; or the error of
 * joining the group.
 */
int rxe_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	struct rxe_dev *rxe = to_rxe(ibqp->device);
	struct rxe_member *member;
	struct rxe_group *fresh;
	int ret;

	member = kzalloc(sizeof(*member), GFP_KERNEL_ACCOUNT);
	if (!member)
		return -ENOMEM;
	member->qp = to_rqp(ibqp);
	ret = rxe_member_attach(rxe, gid, member);
	if (ret != -ENOENT)
		return ret;
	fresh = rxe_group_make(rxe, gid);
	if (IS_ERR(fresh)) {
		kfree(member);
		return PTR_ERR(fresh);
	}
	return rxe_member_attach_first(rxe, fresh, member);
}

/**
 * rxe_detach_mcast() - detach a queue pair from a multicast group
 * @ibqp: the queue pair
 * @gid: the group's address
 * @lid: not used
 *
 * If it was the last queue pair of the group, a worker makes the netdevs leave
 * the group later.
 *
 * Context: process context; does not wait for RTNL.
 * Return: 0; -EINVAL: the queue pair is not attached.
 */
int rxe_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	struct rxe_dev *rxe = to_rxe(ibqp->device);
	struct rxe_member *member = NULL;
	struct rxe_group *group;

	spin_lock(&rxe->groups_lock);
	group = rxe_group_find(rxe, gid);
	if (group)
		member = rxe_member_find(group, to_rqp(ibqp));
	if (member)
		rxe_member_remove(rxe, member);
	spin_unlock(&rxe->groups_lock);
	if (!member) {
		ibdev_dbg(&rxe->ib, "detach_mcast: QP %u is not in %pI6c\n",
			  ibqp->qp_num, gid);
		return -EINVAL;
	}
	return 0;
}

static bool rxe_mcast_forget_one(struct rxe_dev *rxe, struct rxe_qp *qp)
{
	struct rxe_member *member;

	spin_lock(&rxe->groups_lock);
	member = list_first_entry_or_null(&qp->groups, struct rxe_member,
					  qp_node);
	if (member)
		rxe_member_remove(rxe, member);
	spin_unlock(&rxe->groups_lock);
	return member;
}

/**
 * rxe_mcast_forget_qp() - detach a queue pair from all groups
 * @qp: the queue pair; it is not being attached to further groups
 *
 * A softirq that has found the queue pair in a group may still use it until its
 * RCU read section ends.
 *
 * Context: process context; may sleep, but does not wait for RTNL.
 */
void rxe_mcast_forget_qp(struct rxe_qp *qp)
{
	while (!list_empty(&qp->groups) && rxe_mcast_forget_one(qp_rxe(qp), qp))
		cond_resched();
}

/**
 * rxe_mcast_init() - create a device's table of groups
 * @rxe: the device; its netdev is set
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_mcast_init(struct rxe_dev *rxe)
{
	int ret;

	spin_lock_init(&rxe->groups_lock);
	INIT_LIST_HEAD(&rxe->groups_left);
	INIT_WORK(&rxe->groups_work, rxe_groups_work);
	ret = rhashtable_init(&rxe->groups, &rxe_groups_params);
	if (ret)
		return ret;
	ret = rxe_join_init(rxe);
	if (ret)
		rhashtable_destroy(&rxe->groups);
	return ret;
}

/**
 * rxe_mcast_destroy() - free a device's table of groups
 * @rxe: the device; all of its queue pairs have been destroyed
 *
 * Context: process context; waits for RTNL.
 */
void rxe_mcast_destroy(struct rxe_dev *rxe)
{
	flush_work(&rxe->groups_work);
	rxe_join_destroy(rxe);
	rhashtable_destroy(&rxe->groups);
}

/**
 * rxe_mcast_deliver() - deliver a received packet to the members of a group
 * @rxe: the device
 * @gid: the group's address
 * @skb: the packet; not consumed
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
			rxe_pktq_deliver(member->qp, copy);
	}
}
