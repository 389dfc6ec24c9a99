/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device, and the locks of all that belongs to it. What else there is has a
 * header of its own: rxe_qp.h, rxe_cq.h, rxe_mr.h, rxe_recvq.h ...
 *
 * Lock order, outermost first; an arrow is "may be taken inside":
 *
 *	cq->resize_lock, srq->resize_lock	sleep
 *	pd->qps_lock			a protection domain's QPs; sleeps
 *	qp->modify_mutex		verbs that change a QP; sleeps
 *	  qp->sq.lock			requester and completer
 *	    qp->rq.lock			responder; both of a QP only by modify_qp,
 *					the peer's only by trylock
 *	      srq->lock			a shared receive queue's consumer
 *	        cq->lock		a completion queue's producer
 *	          qp->state_lock
 *	        mw->lock		a memory window's binding
 *	          qp->mws_lock		windows that a QP has bound
 *	        frwr->lock		a region of the kernel's
 *	        sq.post_lock, recvq.post_lock	what the kernel has posted
 *
 *	rxe->inlets_lock		netdevs that join multicast groups; sleeps; inside RTNL
 *	rxe->groups_lock		multicast groups; nothing of these inside
 *
 * All but the mutexes are spinning locks, and all of these but groups_lock, which is
 * for process context, are taken with bottom halves off; those that
 * a consumer in the kernel takes by posting and polling, which it may do in any
 * context (post_lock, and cq->lock of its CQs), with interrupts off. A leaf
 * lock of ib_umem_odp is taken inside sq.lock or rq.lock, never the other way
 * round. No packet is delivered to another QP, and no completion handler runs,
 * while a lock is held: that goes through tasks (rxe_task.c).
 *
 * QPs and memory keys are looked up under RCU.
 */
#ifndef RXE_H
#define RXE_H

#include <linux/idr.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rhashtable-types.h>
#include <linux/xarray.h>
#include <rdma/ib_addr.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "rxe_table.h"

/* --- rxe_counters.c ------------------------------------------------------ */

enum rxe_counter {
	RXE_CNT_SENT_PKTS,
	RXE_CNT_RCVD_PKTS,
	RXE_CNT_DUP_REQ,
	RXE_CNT_OUT_OF_SEQ_REQ,
	RXE_CNT_RCV_RNR,
	RXE_CNT_SND_RNR,
	RXE_CNT_RCV_SEQ_ERR,
	RXE_CNT_COMPLETER_RETRY,
	RXE_CNT_TIMEOUT_RETRY,
	RXE_CNT_RETRY_EXCEEDED,
	RXE_CNT_RNR_RETRY_EXCEEDED,
	RXE_CNT_SEND_ERR,
	RXE_CNT_ICRC_ERR,
	RXE_CNT_DROPPED,
	RXE_CNT_LINK_DOWNED,
	RXE_CNT_RDMA_SEND,
	RXE_CNT_RDMA_RECV,
	RXE_CNT_SENT_BYTES,
	RXE_CNT_RCVD_BYTES,
	RXE_CNT_ACK_DEFERRED,
	RXE_CNT_PAGE_FAULT_WAITS,
	RXE_CNT_PAGE_FAULT_RNR,
	RXE_CNT_DIRECT_PKTS,
	RXE_CNT_DIRECT_BYTES,
	RXE_CNT_SENT_MCAST,
	RXE_CNT_RCVD_MCAST,
	RXE_NUM_COUNTERS,
};

struct rxe_counters {
	u64 value[RXE_NUM_COUNTERS];
};

/* --- rxe_quota.c ---------------------------------------------------------- */

struct rxe_dev;

enum rxe_object {
	RXE_OBJECT_PD,
	RXE_OBJECT_CQ,
	RXE_OBJECT_QP,
	RXE_OBJECT_SRQ,
	RXE_OBJECT_MR,
	RXE_OBJECT_MW,
	RXE_OBJECT_AH,
	RXE_NUM_OBJECTS,
};

/**
 * struct rxe_quota - how many objects of a type there may be
 * @max: the most; constant
 * @used: how many there are
 */
struct rxe_quota {
	u32 max;
	atomic_t used;
};

void rxe_quota_init(struct rxe_dev *rxe);
extern const struct ib_device_ops rxe_counted_ops;

/* --- rxe_join.c: where multicast groups are joined ------------------------ */

/**
 * struct rxe_joined - a group that the netdevs have joined
 * @gid: its address
 * @node: in the device's list; under RTNL and inlets_lock
 * @joins: the netdevs, as struct rxe_join; under the same
 */
struct rxe_joined {
	union ib_gid gid;
	struct list_head node;
	struct list_head joins;
};

struct rxe_inlet;

struct rxe_inlet *rxe_inlet_get(struct rxe_dev *rxe, struct net_device *ndev);
void rxe_inlet_put(struct rxe_dev *rxe, struct rxe_inlet *inlet);
int rxe_join(struct rxe_dev *rxe, struct rxe_joined *joined);
void rxe_leave(struct rxe_dev *rxe, struct rxe_joined *joined);
int rxe_join_init(struct rxe_dev *rxe);
void rxe_join_destroy(struct rxe_dev *rxe);

/* --- rxe_gid.c: the device's addresses ------------------------------------ */

#define RXE_GID_BITS	7

bool rxe_has_address(struct rxe_dev *rxe, const union ib_gid *gid,
		     const struct net_device *ndev);
int rxe_add_gid(const struct ib_gid_attr *attr, void **context);
int rxe_del_gid(const struct ib_gid_attr *attr, void **context);

/* --- the device ---------------------------------------------------------- */

/**
 * enum rxe_dev_flags - bits of struct rxe_dev's flags
 * @RXE_DEV_OPEN: it receives packets: between rxe_net_open() and _close()
 * @RXE_DEV_UP: what was last said of its link
 */
enum rxe_dev_flags {
	RXE_DEV_OPEN,
	RXE_DEV_UP,
};

/**
 * struct rxe_dev - a link
 * @ib: what the core knows
 * @ndev: the netdev below; a reference is held as long as the device lives
 * @ndev_tracker: of that reference
 * @qps: by QP number; RCU
 * @keys: struct rxe_key by key >> 8; RCU
 * @next_key: where the search for a free key begins
 * @next_qpn: where the search for a free QP number begins
 * @counters: per processor
 * @odp: what ib_umem_odp knows
 * @mmaps: ring buffers waiting for their mmap()
 * @mmaps_lock: protects @mmaps and @next_mmap; held while one is mapped
 * @next_mmap: offset of the next one
 * @ahs: struct rxe_named_av by number; RCU
 * @next_ah: where the search for a free number begins
 * @srqs: numbers of shared receive queues
 * @gids: struct rxe_address by a hash of the address; changed by the core's calls, read
 *	under RCU
 * @inlets: netdevs with the device's addresses, as struct rxe_inlet; under @inlets_lock
 * @joined: groups that they have joined, as struct rxe_joined; under RTNL and
 *	@inlets_lock
 * @inlets_lock: inside RTNL and the core's lock of its addresses; sleeps
 * @inlets_work: has netdevs join groups, and leave them
 * @groups: multicast groups by address; changed under @groups_lock, read under RCU
 * @num_groups: that the netdev has joined, or is about to
 * @groups_left: of these, what it is to leave; under @groups_lock
 * @groups_work: leaves them
 * @groups_lock: protects the members of groups, too; process context; only the
 *	table's own locks are taken inside
 * @flags: enum rxe_dev_flags
 * @quotas: by enum rxe_object
 */
struct rxe_dev {
	struct ib_device ib;
	struct net_device *ndev;
	netdevice_tracker ndev_tracker;
	struct rxe_table qps;
	struct rxe_table keys;
	u32 next_key;
	u32 next_qpn;
	struct rxe_counters __percpu *counters;
	struct umem_odp_device odp;
	struct list_head mmaps;
	struct mutex mmaps_lock;
	u64 next_mmap;
	struct xarray ahs;
	u32 next_ah;
	struct ida srqs;
	struct hlist_head gids[1 << RXE_GID_BITS];
	struct list_head inlets;
	struct list_head joined;
	struct mutex inlets_lock;
	struct work_struct inlets_work;
	struct rhashtable groups;
	atomic_t num_groups;
	struct list_head groups_left;
	struct work_struct groups_work;
	spinlock_t groups_lock;
	unsigned long flags;
	struct rxe_quota quotas[RXE_NUM_OBJECTS];
};

static inline struct rxe_dev *to_rxe(struct ib_device *ib)
{
	return container_of(ib, struct rxe_dev, ib);
}

/* Caller: bottom halves are off. */
static inline void rxe_count_add(struct rxe_dev *rxe, enum rxe_counter counter,
				 u32 n)
{
	__this_cpu_add(rxe->counters->value[counter], n);
}

static inline void rxe_count(struct rxe_dev *rxe, enum rxe_counter counter)
{
	rxe_count_add(rxe, counter, 1);
}

struct rxe_ucontext {
	struct ib_ucontext ib;
};

/**
 * struct rxe_pd - a protection domain
 * @ib: what the core knows
 * @qps: its queue pairs; under @qps_lock
 * @qps_lock: protects @qps; sleeps; rq.lock of the queue pairs is taken inside
 */
struct rxe_pd {
	struct ib_pd ib;
	struct list_head qps;
	struct mutex qps_lock;
};

/**
 * struct rxe_named_av - the address that a user's request names by a number
 * @rcu: frees it: who has found it may be copying it
 * @pd: that the request must belong to
 * @av: the address; constant
 * @priority: of packets to it, as skb->priority; constant
 */
struct rxe_named_av {
	struct rcu_head rcu;
	const struct ib_pd *pd;
	struct rxe_av av;
	u32 priority;
};

/**
 * struct rxe_ah - an address handle
 * @ib: what the core knows
 * @av: the address
 * @attr: the same as verbs have it
 * @num: names the address in a user's requests; 0: nothing does
 */
struct rxe_ah {
	struct ib_ah ib;
	struct rxe_av av;
	struct rdma_ah_attr attr;
	u32 num;
};

static inline struct rxe_pd *to_rpd(struct ib_pd *ib)
{
	return container_of(ib, struct rxe_pd, ib);
}

static inline struct rxe_ah *to_rah(struct ib_ah *ib)
{
	return container_of(ib, struct rxe_ah, ib);
}

/* --- rxe_device.c -------------------------------------------------------- */

int rxe_device_add(const char *name, struct net_device *ndev);
void rxe_device_removing(struct rxe_dev *rxe);
void rxe_device_link_changed(struct rxe_dev *rxe);

extern const struct ib_device_ops rxe_device_ops;

/**
 * rxe_active_mtu() - the largest path MTU that the netdev allows
 * @rxe: the device
 *
 * Context: any.
 * Return: the MTU, at least IB_MTU_256.
 */
static inline enum ib_mtu rxe_active_mtu(const struct rxe_dev *rxe)
{
	return iboe_get_mtu(READ_ONCE(rxe->ndev->mtu)) ?: IB_MTU_256;
}

#endif /* RXE_H */
