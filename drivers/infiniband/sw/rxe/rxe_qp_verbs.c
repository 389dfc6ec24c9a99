// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Queue pairs
 *
 * The verbs check and store the attributes of a queue pair; its tasks and its
 * service (rxe_service.h) act on them. A queue pair is found by its number from
 * the end of rxe_create_qp() until rxe_destroy_qp().
 *
 * rxe_destroy_qp() waits for the queue pair's own tasks, not for an RCU grace
 * period. Code that found the queue pair before it left the table may still
 * queue a packet and kick a task, or try its lock (rxe_direct.c). Neither has
 * an effect: the two tasks belong to rxe_destroy_qp() and do not run any more
 * (rxe_task_retire()), and code that gets rq.lock sees IB_QPS_RESET. So the
 * objects that the queue pair refers to can go at once. Only struct rxe_qp
 * itself, with the packets that came too late, is freed after a grace period.
 * The core frees its own object at once; so that is a separate struct
 * rxe_qp_handle.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <rdma/uverbs_ioctl.h>

#include "rxe_ah.h"
#include "rxe_mcast.h"
#include "rxe_mmap.h"
#include "rxe_mw.h"
#include "rxe_pd.h"
#include "rxe_qp_state.h"
#include "rxe_qp_tasks.h"
#include "rxe_qp_verbs.h"
#include "rxe_service.h"
#include "rxe_sq.h"

#define RXE_MAX_PSN		0xffffff
#define RXE_MAX_TIMEOUT		31
#define RXE_MAX_RETRY		7
#define RXE_MAX_RNR_TIMER	31

/* kmalloc() would round the size up to a power of two, half as large again. */
static struct kmem_cache *rxe_qp_cache;

/**
 * rxe_qp_module_init() - create the slab cache of queue pairs
 *
 * Return: 0 or -ENOMEM.
 */
int __init rxe_qp_module_init(void)
{
	rxe_qp_cache = KMEM_CACHE(rxe_qp, SLAB_ACCOUNT);
	return rxe_qp_cache ? 0 : -ENOMEM;
}

/**
 * rxe_qp_module_exit() - destroy the slab cache of queue pairs
 *
 * Context: all queue pairs have been freed.
 */
void rxe_qp_module_exit(void)
{
	kmem_cache_destroy(rxe_qp_cache);
}

/* --- creating ------------------------------------------------------------- */

static const struct rxe_service *rxe_service_of(enum ib_qp_type type)
{
	static const struct rxe_service *const services[] = {
		[IB_QPT_RC] = &rxe_rc,
		[IB_QPT_UC] = &rxe_uc,
		[IB_QPT_UD] = &rxe_ud,
		[IB_QPT_GSI] = &rxe_ud,
	};

	return type < ARRAY_SIZE(services) ? services[type] : NULL;
}

/* Queue pair 1 is for management datagrams of the core. */
static int rxe_check_type(struct ib_device *ibdev,
			  const struct ib_qp_init_attr *init,
			  const struct ib_udata *udata)
{
	if (!rxe_service_of(init->qp_type) || init->create_flags ||
	    (init->qp_type == IB_QPT_GSI && udata)) {
		ibdev_dbg(ibdev, "create_qp: no QPs of type %d, flags %#x\n",
			  init->qp_type, init->create_flags);
		return -EOPNOTSUPP;
	}
	if (init->qp_type == IB_QPT_GSI && init->port_num != RXE_PORT) {
		ibdev_dbg(ibdev, "create_qp: no port %u\n", init->port_num);
		return -EINVAL;
	}
	return 0;
}

/* With a shared receive queue, the sizes of an own one are ignored. */
static int rxe_check_cap(struct ib_device *ibdev, const struct ib_qp_cap *cap,
			 bool shared)
{
	if (cap->max_send_wr > RXE_MAX_WR || cap->max_send_sge > RXE_MAX_SGE ||
	    cap->max_inline_data > RXE_MAX_INLINE) {
		ibdev_dbg(ibdev,
			  "create_qp: send queue of %u requests, %u elements, %u inline bytes is too large\n",
			  cap->max_send_wr, cap->max_send_sge,
			  cap->max_inline_data);
		return -EINVAL;
	}
	if (!shared && (cap->max_recv_wr > RXE_MAX_WR ||
			cap->max_recv_sge > RXE_MAX_SGE)) {
		ibdev_dbg(ibdev,
			  "create_qp: receive queue of %u requests, %u elements is too large\n",
			  cap->max_recv_wr, cap->max_recv_sge);
		return -EINVAL;
	}
	return 0;
}

static int rxe_check_init(struct ib_device *ibdev,
			  const struct ib_qp_init_attr *init,
			  const struct ib_udata *udata)
{
	if (udata && (udata->inlen ||
		      udata->outlen < sizeof(struct rxe_create_qp_resp))) {
		ibdev_dbg(ibdev,
			  "create_qp: driver data of %zu bytes, room for %zu, is not the ABI's\n",
			  udata->inlen, udata->outlen);
		return -EINVAL;
	}
	return rxe_check_type(ibdev, init, udata) ?:
	       rxe_check_cap(ibdev, &init->cap, init->srq);
}

static int rxe_rq_init(struct rxe_qp *qp, struct ib_qp_cap *cap)
{
	struct rxe_rq *rq = &qp->rq;
	int ret;

	rq->queue.owner_lock = &rq->lock;
	if (qp->ib.srq) {
		rq->pd = qp->ib.srq->pd;
		cap->max_recv_wr = 0;
		cap->max_recv_sge = 0;
		return 0;
	}
	rq->pd = qp->ib.pd;
	ret = rxe_recvq_init(&rq->queue, cap->max_recv_wr, cap->max_recv_sge,
			     qp->user);
	cap->max_recv_wr = rq->queue.ring.mask;
	return ret;
}

/* Frees whatever has been allocated of the queues. */
static void rxe_queues_free(struct rxe_qp *qp)
{
	struct rxe_dev *rxe = qp_rxe(qp);

	if (qp->user) {
		rxe_mmap_withdraw(rxe, &qp->sq.ring);
		rxe_mmap_withdraw(rxe, &qp->rq.queue.ring);
		rxe_ring_free(&qp->sq.ring);
	}
	rxe_recvq_free(&qp->rq.queue);
	kvfree(qp->sq.wqes);
	kfree(qp->rq.replays);
}

static int rxe_queues_offer(struct rxe_qp *qp, struct ib_udata *udata)
{
	struct rxe_ucontext *context =
		rdma_udata_to_drv_context(udata, struct rxe_ucontext, ib);
	struct rxe_create_qp_resp resp = {};
	struct rxe_dev *rxe = qp_rxe(qp);
	int ret = 0;

	if (!qp->ib.srq)
		ret = rxe_mmap_offer(rxe, &context->ib, &qp->rq.queue.ring,
				     &resp.rq_mi);
	if (!ret)
		ret = rxe_mmap_offer(rxe, &context->ib, &qp->sq.ring,
				     &resp.sq_mi);
	return ret ?: ib_copy_to_udata(udata, &resp, sizeof(resp));
}

static int rxe_queues_init(struct rxe_qp *qp, struct ib_qp_cap *cap,
			   struct ib_udata *udata)
{
	int ret;

	ret = rxe_sq_init(qp, cap) ?: rxe_rq_init(qp, cap);
	if (!ret && qp->user)
		ret = rxe_queues_offer(qp, udata);
	if (ret)
		rxe_queues_free(qp);
	return ret;
}

static int rxe_qpn_reserve(struct rxe_qp *qp)
{
	struct rxe_dev *rxe = qp_rxe(qp);
	int ret;

	if (qp->ib.qp_type == IB_QPT_GSI) {
		qp->ib.qp_num = RXE_GSI_QPN;
		return xa_insert(&rxe->qps.all, RXE_GSI_QPN, NULL, GFP_KERNEL);
	}
	ret = xa_alloc_cyclic(&rxe->qps.all, &qp->ib.qp_num, NULL,
			      XA_LIMIT(RXE_MIN_QPN, RXE_MAX_QPN),
			      &rxe->next_qpn, GFP_KERNEL_ACCOUNT);
	return ret < 0 ? -ENOMEM : 0;
}

static void rxe_qp_init(struct rxe_qp *qp, const struct ib_qp_init_attr *init,
			const struct ib_udata *udata)
{
	qp->ib.device = qp->handle->device;
	qp->ib.pd = qp->handle->pd;
	qp->ib.send_cq = qp->handle->send_cq;
	qp->ib.recv_cq = qp->handle->recv_cq;
	qp->ib.srq = qp->handle->srq;
	qp->ib.qp_type = qp->handle->qp_type;
	qp->user = udata;
	qp->service = rxe_service_of(init->qp_type);
	qp->transport = qp->service->type;
	qp->state = IB_QPS_RESET;
	qp->sq.sig_all = init->sq_sig_type == IB_SIGNAL_ALL_WR;
	mutex_init(&qp->modify_mutex);
	spin_lock_init(&qp->state_lock);
	INIT_LIST_HEAD(&qp->mws);
	spin_lock_init(&qp->mws_lock);
	INIT_LIST_HEAD(&qp->groups);
	/*
	 * For datagrams, which are one packet; a connection's path has its own
	 * MTU.
	 */
	qp->mtu = ib_mtu_enum_to_int(IB_MTU_4096);
}

/* Completes a queue pair. Its number is reserved, but does not find it yet. */
static int rxe_qp_make(struct rxe_qp *qp, struct ib_qp_init_attr *init,
		       struct ib_udata *udata)
{
	int ret;

	rxe_qp_init(qp, init, udata);
	ret = rxe_qpn_reserve(qp);
	if (ret)
		return ret;
	ret = rxe_queues_init(qp, &init->cap, udata);
	if (ret)
		goto err_qpn;
	qp->attr.cap = init->cap;
	ret = rxe_qp_tasks_init(qp);
	if (ret)
		goto err_queues;
	return 0;

err_queues:
	rxe_queues_free(qp);
err_qpn:
	rxe_table_erase(&qp_rxe(qp)->qps, qp->ib.qp_num, qp);
	return ret;
}

/**
 * rxe_create_qp() - create a queue pair
 * @ibqp: the queue pair
 * @init: its attributes and least sizes; receives the actual sizes
 * @udata: the command; NULL for the kernel
 *
 * Context: process context.
 * Return: 0; -EINVAL for sizes beyond the device's limits, or a command that
 * does not follow the ABI; -EOPNOTSUPP for flags and for types other than RC,
 * UC, UD and, for the kernel, GSI; -EBUSY if there is a QP1 already; -ENOMEM;
 * -EFAULT.
 */
int rxe_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *init,
		  struct ib_udata *udata)
{
	struct rxe_qp *qp;
	int ret;

	ret = rxe_check_init(ibqp->device, init, udata);
	if (ret)
		return ret;
	qp = kmem_cache_zalloc(rxe_qp_cache, GFP_KERNEL);
	if (!qp)
		return -ENOMEM;
	qp->handle = ibqp;
	ret = rxe_qp_make(qp, init, udata);
	if (ret) {
		kmem_cache_free(rxe_qp_cache, qp);
		return ret;
	}
	ibqp->qp_num = qp->ib.qp_num;
	container_of(ibqp, struct rxe_qp_handle, ib)->qp = qp;
	rxe_pd_add(qp);
	rxe_table_publish(&to_rxe(ibqp->device)->qps, ibqp->qp_num, qp);
	return 0;
}

/* --- modifying ------------------------------------------------------------ */

/**
 * struct rxe_qp_change - a change of a queue pair
 * @attr: the attributes
 * @mask: enum ib_qp_attr_mask, the attributes to change
 * @from: the state for which the change was checked
 * @to: the new state
 * @av: @attr's address
 * @loopback: the peer is on this device
 */
struct rxe_qp_change {
	const struct ib_qp_attr *attr;
	int mask;
	enum ib_qp_state from;
	enum ib_qp_state to;
	struct rxe_av av;
	bool loopback;
};

/* What is wrong with the attributes, or NULL. */
static const char *rxe_port_flaw(const struct rxe_dev *rxe,
				 const struct ib_qp_attr *attr, int mask)
{
	if (mask & IB_QP_PORT && attr->port_num != RXE_PORT)
		return "port_num is not 1";
	if (mask & IB_QP_PKEY_INDEX && attr->pkey_index)
		return "pkey_index is not 0";
	if (mask & IB_QP_PATH_MTU &&
	    (attr->path_mtu < IB_MTU_256 ||
	     attr->path_mtu > rxe_active_mtu(rxe)))
		return "path_mtu is not in 256..active_mtu";
	if (mask & IB_QP_ALT_PATH)
		return "there are no alternate paths";
	if (mask & IB_QP_PATH_MIG_STATE &&
	    attr->path_mig_state != IB_MIG_MIGRATED)
		return "path_mig_state is not MIGRATED";
	return NULL;
}

static const char *rxe_retry_flaw(const struct ib_qp_attr *attr, int mask)
{
	if (mask & IB_QP_TIMEOUT && attr->timeout > RXE_MAX_TIMEOUT)
		return "timeout is larger than 31";
	if (mask & IB_QP_RETRY_CNT && attr->retry_cnt > RXE_MAX_RETRY)
		return "retry_cnt is larger than 7";
	if (mask & IB_QP_RNR_RETRY && attr->rnr_retry > RXE_MAX_RETRY)
		return "rnr_retry is larger than 7";
	if (mask & IB_QP_MIN_RNR_TIMER &&
	    attr->min_rnr_timer > RXE_MAX_RNR_TIMER)
		return "min_rnr_timer is larger than 31";
	return NULL;
}

static const char *rxe_resource_flaw(const struct ib_qp_attr *attr, int mask)
{
	if (mask & IB_QP_MAX_QP_RD_ATOMIC &&
	    attr->max_rd_atomic > RXE_MAX_RD_ATOMIC)
		return "max_rd_atomic is too large";
	if (mask & IB_QP_MAX_DEST_RD_ATOMIC &&
	    attr->max_dest_rd_atomic > RXE_MAX_RD_ATOMIC)
		return "max_dest_rd_atomic is too large";
	if (mask & IB_QP_SQ_PSN && attr->sq_psn > RXE_MAX_PSN)
		return "sq_psn has more than 24 bits";
	if (mask & IB_QP_RQ_PSN && attr->rq_psn > RXE_MAX_PSN)
		return "rq_psn has more than 24 bits";
	if (mask & IB_QP_DEST_QPN && attr->dest_qp_num > RXE_MAX_QPN)
		return "dest_qp_num has more than 24 bits";
	if (mask & IB_QP_ACCESS_FLAGS &&
	    attr->qp_access_flags & ~IB_ACCESS_SUPPORTED)
		return "qp_access_flags has unknown flags";
	return NULL;
}

static int rxe_check_attrs(struct rxe_qp *qp, const struct ib_qp_attr *attr,
			   int mask)
{
	const char *flaw = rxe_port_flaw(qp_rxe(qp), attr, mask) ?:
			   rxe_retry_flaw(attr, mask) ?:
			   rxe_resource_flaw(attr, mask);

	if (!flaw)
		return 0;
	ibdev_dbg(qp->ib.device, "modify_qp %u: %s\n", qp->ib.qp_num, flaw);
	return -EINVAL;
}

static int rxe_check_states(struct rxe_qp *qp, struct rxe_qp_change *change)
{
	const struct ib_qp_attr *attr = change->attr;

	lockdep_assert_held(&qp->modify_mutex);
	change->from = rxe_qp_state(qp);
	change->to = change->mask & IB_QP_STATE ? attr->qp_state : change->from;
	if (change->mask & IB_QP_CUR_STATE &&
	    attr->cur_qp_state != change->from) {
		ibdev_dbg(qp->ib.device,
			  "modify_qp %u: the state is %d, not %d\n",
			  qp->ib.qp_num, change->from, attr->cur_qp_state);
		return -EINVAL;
	}
	if (!ib_modify_qp_is_ok(change->from, change->to, qp->ib.qp_type,
				change->mask)) {
		ibdev_dbg(qp->ib.device,
			  "modify_qp %u: from state %d to %d, attributes %#x are not allowed\n",
			  qp->ib.qp_num, change->from, change->to,
			  change->mask);
		return -EINVAL;
	}
	return 0;
}

static int rxe_check_change(struct rxe_qp *qp, struct rxe_qp_change *change)
{
	const struct ib_qp_attr *attr = change->attr;
	struct rxe_dev *rxe = qp_rxe(qp);
	int mask = change->mask;
	int ret;

	if (mask & ~IB_QP_ATTR_STANDARD_BITS) {
		ibdev_dbg(qp->ib.device,
			  "modify_qp %u: attributes %#x are not supported\n",
			  qp->ib.qp_num, mask & ~IB_QP_ATTR_STANDARD_BITS);
		return -EOPNOTSUPP;
	}
	ret = rxe_check_states(qp, change) ?: rxe_check_attrs(qp, attr, mask);
	if (ret || !(mask & IB_QP_AV))
		return ret;

	ret = rxe_av_from_attr(rxe, &change->av, &attr->ah_attr);
	if (!ret)
		change->loopback = rxe_av_is_local(rxe, &change->av);
	return ret;
}

static void rxe_store_path(struct rxe_qp *qp,
			   const struct rxe_qp_change *change)
{
	const struct ib_qp_attr *attr = change->attr;
	struct ib_qp_attr *own = &qp->attr;
	int mask = change->mask;

	if (mask & IB_QP_PORT)
		own->port_num = attr->port_num;
	if (mask & IB_QP_PKEY_INDEX)
		own->pkey_index = attr->pkey_index;
	if (mask & IB_QP_PATH_MIG_STATE)
		own->path_mig_state = attr->path_mig_state;
	if (mask & IB_QP_PATH_MTU) {
		own->path_mtu = attr->path_mtu;
		qp->mtu = ib_mtu_enum_to_int(attr->path_mtu);
	}
	if (mask & IB_QP_DEST_QPN)
		own->dest_qp_num = attr->dest_qp_num;
	if (mask & IB_QP_AV) {
		own->ah_attr = attr->ah_attr;
		/* The core holds the reference. */
		own->ah_attr.grh.sgid_attr = NULL;
		qp->av = change->av;
		qp->priority =
			rxe_av_priority(rdma_ah_get_sl(&attr->ah_attr),
					qp->av.grh.traffic_class);
		qp->loopback = change->loopback;
	}
	qp->src_port = rdma_get_udp_sport(qp->av.grh.flow_label, qp->ib.qp_num,
					  own->dest_qp_num);
}

static void rxe_store_protocol(struct rxe_qp *qp, const struct ib_qp_attr *attr,
			       int mask)
{
	struct ib_qp_attr *own = &qp->attr;

	if (mask & IB_QP_QKEY)
		own->qkey = attr->qkey;
	if (mask & IB_QP_ACCESS_FLAGS)
		own->qp_access_flags = attr->qp_access_flags;
	if (mask & IB_QP_TIMEOUT)
		own->timeout = attr->timeout;
	if (mask & IB_QP_RETRY_CNT)
		own->retry_cnt = attr->retry_cnt;
	if (mask & IB_QP_RNR_RETRY)
		own->rnr_retry = attr->rnr_retry;
	if (mask & IB_QP_MIN_RNR_TIMER)
		own->min_rnr_timer = attr->min_rnr_timer;
	if (mask & IB_QP_MAX_QP_RD_ATOMIC)
		own->max_rd_atomic = attr->max_rd_atomic;
	if (mask & IB_QP_MAX_DEST_RD_ATOMIC)
		own->max_dest_rd_atomic = attr->max_dest_rd_atomic;
	if (mask & IB_QP_SQ_PSN)
		own->sq_psn = attr->sq_psn;
	if (mask & IB_QP_RQ_PSN)
		own->rq_psn = attr->rq_psn;
	if (mask & IB_QP_EN_SQD_ASYNC_NOTIFY)
		own->en_sqd_async_notify = attr->en_sqd_async_notify;

	qp->rights = own->qp_access_flags;
	/* A responder that keeps no records of queries must not execute any. */
	if (!own->max_dest_rd_atomic)
		qp->rights &= ~(IB_ACCESS_REMOTE_READ |
				IB_ACCESS_REMOTE_ATOMIC);
}

/* A reset keeps only the sizes. */
static void rxe_store_reset(struct rxe_qp *qp)
{
	struct ib_qp_cap cap = qp->attr.cap;

	qp->attr = (struct ib_qp_attr){ .cap = cap };
	qp->rights = 0;
}

static int rxe_store_change(struct rxe_qp *qp,
			    const struct rxe_qp_change *change)
{
	int ret;

	spin_lock_bh(&qp->sq.lock);
	spin_lock(&qp->rq.lock);
	ret = rxe_qp_change_state(qp, change->from, change->to);
	if (!ret && change->to == IB_QPS_RESET) {
		rxe_store_reset(qp);
	} else if (!ret) {
		rxe_store_path(qp, change);
		rxe_store_protocol(qp, change->attr, change->mask);
		rxe_qp_tasks_store(qp, change->mask);
	}
	spin_unlock(&qp->rq.lock);
	spin_unlock_bh(&qp->sq.lock);
	return ret;
}

static int rxe_change_qp(struct rxe_qp *qp, struct rxe_qp_change *change)
{
	int ret;

	ret = rxe_check_change(qp, change);
	if (!ret && change->to == IB_QPS_INIT)
		ret = rxe_qp_tasks_open(qp);
	if (!ret && change->mask & IB_QP_MAX_DEST_RD_ATOMIC)
		ret = rxe_qp_tasks_reserve(qp,
					   change->attr->max_dest_rd_atomic);
	if (ret)
		return ret;
	if (change->from == IB_QPS_SQE && change->to == IB_QPS_RTS)
		rxe_qp_tasks_settle(qp);
	ret = rxe_store_change(qp, change);
	if (ret) {
		ibdev_dbg(qp->ib.device,
			  "modify_qp %u: a task has left state %d meanwhile\n",
			  qp->ib.qp_num, change->from);
		return ret;
	}
	if (change->to == IB_QPS_RESET)
		rxe_qp_tasks_reset(qp);
	else
		rxe_qp_tasks_modified(qp, change->mask);
	return 0;
}

/**
 * rxe_modify_qp() - change a queue pair's state or attributes
 * @ibqp: the queue pair
 * @attr: the attributes
 * @mask: enum ib_qp_attr_mask, the attributes to change
 * @udata: not used
 *
 * Context: process context; may sleep.
 * Return: 0; -EINVAL for a transition that is not allowed, or not with these
 * attributes, and for attributes that are out of range or that the device does
 * not have; -EOPNOTSUPP for attributes beyond the specification; -ENOMEM.
 */
int rxe_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		  struct ib_udata *udata)
{
	struct rxe_qp_change change = { .attr = attr, .mask = mask };
	struct rxe_qp *qp = to_rqp(ibqp);
	int ret;

	mutex_lock(&qp->modify_mutex);
	ret = rxe_change_qp(qp, &change);
	mutex_unlock(&qp->modify_mutex);
	return ret;
}

/**
 * rxe_query_qp() - report a queue pair's attributes
 * @ibqp: the queue pair
 * @attr: receives all attributes
 * @mask: not used
 * @init: receives the attributes of its creation
 *
 * The PSNs are those of the next packet to send, and of the next packet that a
 * connection expects.
 *
 * Context: process context; may sleep.
 * Return: 0.
 */
int rxe_query_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		 struct ib_qp_init_attr *init)
{
	struct rxe_qp *qp = to_rqp(ibqp);

	mutex_lock(&qp->modify_mutex);
	*attr = qp->attr;
	spin_lock_bh(&qp->sq.lock);
	attr->qp_state = rxe_qp_state(qp);
	attr->sq_draining = attr->qp_state == IB_QPS_SQD &&
			    !qp->sq.drained_event;
	attr->sq_psn = qp->sq.psn;
	spin_unlock_bh(&qp->sq.lock);
	spin_lock_bh(&qp->rq.lock);
	if (qp->service->sequenced)
		attr->rq_psn = qp->rq.psn;
	spin_unlock_bh(&qp->rq.lock);
	mutex_unlock(&qp->modify_mutex);
	attr->cur_qp_state = attr->qp_state;

	*init = (struct ib_qp_init_attr){
		.event_handler = ibqp->event_handler,
		.qp_context = ibqp->qp_context,
		.send_cq = ibqp->send_cq,
		.recv_cq = ibqp->recv_cq,
		.srq = ibqp->srq,
		.cap = attr->cap,
		.sq_sig_type = qp->sq.sig_all ? IB_SIGNAL_ALL_WR :
						IB_SIGNAL_REQ_WR,
		.qp_type = ibqp->qp_type,
	};
	return 0;
}

/* --- destroying ----------------------------------------------------------- */

static void rxe_qp_stop(struct rxe_qp *qp)
{
	mutex_lock(&qp->modify_mutex);
	rxe_qp_change_state(qp, rxe_qp_state(qp), IB_QPS_RESET);
	mutex_unlock(&qp->modify_mutex);
}

/* Packets may have been queued by code that found the queue pair earlier. */
static void rxe_qp_free(struct rcu_head *rcu)
{
	struct rxe_qp *qp = container_of(rcu, struct rxe_qp, rcu);

	skb_queue_purge(&qp->sq.responses);
	skb_queue_purge(&qp->rq.requests);
	kmem_cache_free(rxe_qp_cache, qp);
}

/**
 * rxe_destroy_qp() - destroy a queue pair
 * @ibqp: the queue pair
 * @udata: not used
 *
 * When this returns, the queue pair uses no memory region, CQ or SRQ any more,
 * and its owner gets no events.
 *
 * Context: process context; waits neither for faults nor for a grace period.
 * Return: 0.
 */
int rxe_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata)
{
	struct rxe_qp *qp = to_rqp(ibqp);

	rxe_qp_stop(qp);
	rxe_mcast_forget_qp(qp);
	rxe_table_erase(&qp_rxe(qp)->qps, ibqp->qp_num, qp);
	rxe_qp_tasks_retire(qp);
	rxe_qp_tasks_exit(qp);
	rxe_pd_remove(qp);
	rxe_mw_forget_qp(qp);
	rxe_queues_free(qp);
	call_rcu(&qp->rcu, rxe_qp_free);
	return 0;
}
