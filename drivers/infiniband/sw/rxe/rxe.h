/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device, and the lock order of the whole driver. Other objects have
 * headers of their own: rxe_qp.h, rxe_cq.h, rxe_mr.h, rxe_recvq.h ...
 *
 * Lock order, outermost first. An indented lock may be taken inside the locks
 * above it that are indented less:
 *
 *	cq->resize_lock, srq->resize_lock	sleep
 *	pd->qps_lock			a protection domain's QPs; sleeps
 *	qp->modify_mutex		verbs that change a QP; sleeps
 *	  qp->sq.lock			requester and completer
 *	    qp->rq.lock			responder; only modify_qp takes it
 *					inside sq.lock of the same QP; inside
 *					sq.lock of another QP only trylock
 *					takes it
 *	      srq->lock			a shared receive queue's consumer
 *	        cq->lock		a completion queue's producer
 *	          qp->state_lock
 *	        mw->lock		a memory window's binding
 *	          qp->mws_lock		windows that a QP has bound
 *	        frwr->lock		a memory region of a kernel consumer
 *	        sq.post_lock, recvq.post_lock	requests of kernel consumers
 *
 *	rxe->inlets_lock		netdevs that join multicast groups;
 *					sleeps; taken inside RTNL
 *	rxe->groups_lock		multicast groups; no other lock of this
 *					list is taken inside
 *
 * The locks marked "sleeps" are mutexes; all others are spinlocks. groups_lock
 * is for process context only and leaves bottom halves on. All other spinlocks
 * are taken with bottom halves off. Kernel consumers may post and poll in any
 * context, so sq.post_lock, recvq.post_lock and cq->lock of a kernel consumer's
 * CQ are taken with interrupts off. A leaf lock of ib_umem_odp is taken inside
 * sq.lock or rq.lock, never the other way round. No packet is executed for
 * another QP and no completion handler runs while a lock is held: tasks do both
 * (rxe_task.c).
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

/**
 * struct rxe_counters - the counters of one CPU
 * @value: indexed by enum rxe_counter; sent_bytes and the like in bytes
 */
struct rxe_counters {
	u64 value[RXE_NUM_COUNTERS];
};

/* --- rxe_quota.c ---------------------------------------------------------- */

struct rxe_dev;

/* The types of objects that are counted against a quota. */
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
 * struct rxe_quota - the limit on the number of objects of one type
 * @max: the limit; constant
 * @used: the number of objects that exist
 */
struct rxe_quota {
	u32 max;
	atomic_t used;
};

#define RXE_GID_BITS	7

/* --- the device ---------------------------------------------------------- */

/**
 * enum rxe_dev_flags - bits of struct rxe_dev's flags
 * @RXE_DEV_OPEN: the device sends and receives packets: set after
 *	rxe_net_open(), cleared before rxe_net_close()
 * @RXE_DEV_UP: the link state that the driver last announced
 */
enum rxe_dev_flags {
	RXE_DEV_OPEN,
	RXE_DEV_UP,
};

/**
 * struct rxe_dev - an RDMA device, made by `rdma link add`
 * @ib: the RDMA core's part
 * @ndev: the netdev below; the device holds a reference for its whole life
 * @ndev_tracker: tracks the reference to @ndev
 * @qps: queue pairs by QP number; read under RCU
 * @keys: struct rxe_key by key >> 8; read under RCU
 * @next_key: where the search for a free key starts
 * @next_qpn: where the search for a free QP number starts
 * @counters: counters of each CPU
 * @odp: ib_umem_odp's part
 * @mmaps: list of struct rxe_offer: rings that user space may map
 * @mmaps_lock: protects @mmaps and @next_mmap; held while a ring is mapped;
 *	sleeps
 * @next_mmap: mmap offset of the next ring, in bytes
 * @ahs: struct rxe_named_av by number; read under RCU
 * @next_ah: where the search for a free number in @ahs starts
 * @srqs: allocates numbers of shared receive queues
 * @gids: struct rxe_address by a hash of the address; the RDMA core serializes
 *	changes; read under RCU
 * @inlets: list of struct rxe_inlet: netdevs that have addresses of the device;
 *	protected by @inlets_lock
 * @joined: list of struct rxe_joined: groups that these netdevs have joined;
 *	protected by RTNL and @inlets_lock
 * @inlets_lock: taken inside RTNL and inside the core's lock of its GID table;
 *	sleeps
 * @inlets_work: makes netdevs join and leave groups
 * @groups: multicast groups by address; changed under @groups_lock, read under
 *	RCU
 * @num_groups: number of groups that the netdevs have joined or are joining
 * @groups_left: list of groups that the netdevs must leave; protected by
 *	@groups_lock
 * @groups_work: leaves the groups in @groups_left
 * @groups_lock: protects @groups, @groups_left and the members of groups;
 *	process context only; only the rhashtable's own locks are taken inside
 * @flags: bits of enum rxe_dev_flags
 * @quotas: limits on the number of objects, by enum rxe_object
 * @net: network namespace whose sockets the device uses; set by rxe_net_open()
 * @ifindex: number of @ndev in @net; set by rxe_net_open()
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
	struct net *net;
	int ifindex;
};

static inline struct rxe_dev *to_rxe(struct ib_device *ib)
{
	return container_of(ib, struct rxe_dev, ib);
}

static inline void rxe_count_add(struct rxe_dev *rxe, enum rxe_counter counter,
				 u32 n)
{
	this_cpu_add(rxe->counters->value[counter], n);
}

static inline void rxe_count(struct rxe_dev *rxe, enum rxe_counter counter)
{
	rxe_count_add(rxe, counter, 1);
}

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
