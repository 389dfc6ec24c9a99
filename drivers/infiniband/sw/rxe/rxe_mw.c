// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Memory windows
 *
 * A window lends a peer a part of a region. Any QP of its protection domain may
 * bind and unbind a window of type 1. A window of type 2 is bound by one QP,
 * can be used through that QP only, and is unbound by invalidating it (type 2B
 * of the specification). A region counts its windows, and cannot be
 * deregistered while one is bound to it.
 */
#include <linux/slab.h>

#include "rxe_access.h"
#include "rxe_mr.h"
#include "rxe_mw.h"
#include "rxe_pd.h"
#include "rxe_qp.h"

/* Flags that a window may be bound with. The local right has no effect. */
#define RXE_MW_ACCESS \
	(RXE_ACCESS_REMOTE | IB_ACCESS_LOCAL_WRITE | IB_ZERO_BASED)

static struct rxe_mw *rxe_mw_find(struct rxe_qp *qp, u32 rkey)
{
	struct rxe_key *key = rxe_key_find(qp_rxe(qp), rkey, RXE_KEY_MW);
	struct rxe_mw *mw;

	if (!key)
		return NULL;
	mw = container_of(key, struct rxe_mw, key);
	return mw->ib.pd == qp->ib.pd ? mw : NULL;
}

static void rxe_mw_unbind(struct rxe_mw *mw)
{
	lockdep_assert_held(&mw->lock);
	if (mw->mr)
		atomic_dec(&mw->mr->num_mw);
	if (mw->qp) {
		spin_lock(&mw->qp->mws_lock);
		list_del(&mw->node);
		spin_unlock(&mw->qp->mws_lock);
	}
	mw->mr = NULL;
	mw->qp = NULL;
}

/* @mw is in no QP's list. */
static void rxe_mw_join(struct rxe_mw *mw, struct rxe_qp *qp)
{
	lockdep_assert_held(&mw->lock);
	spin_lock(&qp->mws_lock);
	list_add(&mw->node, &qp->mws);
	spin_unlock(&qp->mws_lock);
	mw->qp = qp;
}

/* --- binding -------------------------------------------------------------- */

static int rxe_mw_check_type1(const struct rxe_swqe *wqe)
{
	return wqe->mw.access & IB_ZERO_BASED ? -EINVAL : 0;
}

static int rxe_mw_check_type2(const struct rxe_mw *mw,
			      const struct rxe_swqe *wqe)
{
	return mw->mr || !wqe->mw.length ? -EINVAL : 0;
}

static int rxe_mw_check(const struct rxe_mw *mw, const struct rxe_swqe *wqe)
{
	/* The window may have been bound or closed since it was found. */
	if (mw->closed || mw->key.value != wqe->mw.mw_rkey)
		return -EINVAL;
	if ((wqe->mw.new_rkey ^ mw->key.value) >> 8)
		return -EINVAL;
	if (wqe->mw.access & ~RXE_MW_ACCESS)
		return -EINVAL;
	return mw->ib.type == IB_MW_TYPE_1 ? rxe_mw_check_type1(wqe) :
					     rxe_mw_check_type2(mw, wqe);
}

static int rxe_mw_check_mr(const struct rxe_mr *mr, const struct rxe_swqe *wqe)
{
	if (!(mr->access & IB_ACCESS_MW_BIND) || !rxe_mr_may_lend(mr))
		return -EINVAL;
	if (wqe->mw.access &
	    (IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC) &&
	    !(mr->access & IB_ACCESS_LOCAL_WRITE))
		return -EINVAL;
	return rxe_mr_contains(mr, wqe->mw.addr, wqe->mw.length) ? 0 : -EINVAL;
}

/* Finds the region of a bind request, and counts the window. */
static struct rxe_mr *rxe_mw_get_mr(struct rxe_qp *qp,
				    const struct rxe_swqe *wqe)
{
	struct rxe_mr *mr = rxe_mr_find(qp_rxe(qp), qp->ib.pd,
					wqe->mw.mr_lkey);

	if (!mr || rxe_mw_check_mr(mr, wqe) ||
	    !atomic_inc_unless_negative(&mr->num_mw))
		return NULL;
	return mr;
}

/* In the RCU read section in which @mw was found. */
static int rxe_mw_rebind(struct rxe_mw *mw, struct rxe_qp *qp,
			 const struct rxe_swqe *wqe)
{
	struct rxe_mr *mr = NULL;
	int ret = rxe_mw_check(mw, wqe);

	lockdep_assert_held(&mw->lock);
	if (ret)
		return ret;
	if (wqe->mw.length) {
		mr = rxe_mw_get_mr(qp, wqe);
		if (!mr)
			return -EINVAL;
	}

	rxe_mw_unbind(mw);
	mw->mr = mr;
	mw->addr = wqe->mw.addr;
	mw->length = wqe->mw.length;
	mw->access = wqe->mw.access;
	if (mw->ib.type == IB_MW_TYPE_2)
		rxe_mw_join(mw, qp);
	WRITE_ONCE(mw->key.value, wqe->mw.new_rkey);
	return 0;
}

/**
 * rxe_mw_bind() - execute a bind request
 * @qp: the request's queue pair
 * @wqe: the request; with a length of 0, a type 1 window is unbound
 *
 * Context: sq.lock held.
 * Return: 0, or -EINVAL if the window, the region, the range or the rights do
 * not allow it.
 */
int rxe_mw_bind(struct rxe_qp *qp, const struct rxe_swqe *wqe)
{
	struct rxe_mw *mw;
	int ret = -EINVAL;

	lockdep_assert_held(&qp->sq.lock);
	rcu_read_lock();
	mw = rxe_mw_find(qp, wqe->mw.mw_rkey);
	if (mw) {
		spin_lock_bh(&mw->lock);
		ret = rxe_mw_rebind(mw, qp, wqe);
		spin_unlock_bh(&mw->lock);
	}
	rcu_read_unlock();
	return ret;
}

static bool rxe_mw_usable(const struct rxe_mw *mw, const struct rxe_qp *qp,
			  u32 rkey)
{
	return mw->key.value == rkey && mw->mr &&
	       (mw->ib.type == IB_MW_TYPE_1 || mw->qp == qp);
}

/**
 * rxe_mw_invalidate() - unbind a type 2 window
 * @qp: the queue pair that has bound the window
 * @rkey: the window's key
 *
 * Context: any except hard interrupt; sq.lock or rq.lock may be held.
 * Return: 0, or -EINVAL if @rkey is no type 2 window that @qp has bound.
 */
int rxe_mw_invalidate(struct rxe_qp *qp, u32 rkey)
{
	struct rxe_mw *mw;
	int ret = -EINVAL;

	rcu_read_lock();
	mw = rxe_mw_find(qp, rkey);
	if (mw && mw->ib.type == IB_MW_TYPE_2) {
		spin_lock_bh(&mw->lock);
		if (rxe_mw_usable(mw, qp, rkey)) {
			rxe_mw_unbind(mw);
			ret = 0;
		}
		spin_unlock_bh(&mw->lock);
	}
	rcu_read_unlock();
	return ret;
}

static struct rxe_mw *rxe_mw_first(struct rxe_qp *qp)
{
	struct rxe_mw *mw;

	spin_lock_bh(&qp->mws_lock);
	mw = list_first_entry_or_null(&qp->mws, struct rxe_mw, node);
	spin_unlock_bh(&qp->mws_lock);
	return mw;
}

/**
 * rxe_mw_forget_qp() - unbind all type 2 windows that a QP has bound
 * @qp: the queue pair, which does not bind windows any more
 *
 * Context: process context; may sleep.
 */
void rxe_mw_forget_qp(struct rxe_qp *qp)
{
	struct rxe_mw *mw;

	do {
		/* rxe_dealloc_mw() may free the window at the same time. */
		rcu_read_lock();
		mw = rxe_mw_first(qp);
		if (mw) {
			spin_lock_bh(&mw->lock);
			if (mw->qp == qp)
				rxe_mw_unbind(mw);
			spin_unlock_bh(&mw->lock);
		}
		rcu_read_unlock();
		cond_resched();
	} while (mw);
}

/* --- using ---------------------------------------------------------------- */

static int rxe_mw_place(const struct rxe_mw *mw, u64 addr, u64 len, int access,
			struct rxe_place *place)
{
	u64 base = mw->access & IB_ZERO_BASED ? 0 : mw->addr;
	u64 offset = addr - base;

	lockdep_assert_held(&mw->lock);
	if (addr < base || offset > mw->length || len > mw->length - offset)
		return -EINVAL;
	if (access & ~mw->access)
		return -EACCES;
	place->mr = mw->mr;
	place->offset = mw->addr - mw->mr->ib.iova + offset;
	return 0;
}

/**
 * rxe_mw_resolve() - check an access through a window
 * @qp: the responder
 * @rkey: the window's key
 * @addr: first byte: in the region's address space, or from the window's start
 * @len: bytes
 * @access: IB_ACCESS_REMOTE_* rights that the access requires
 * @place: receives region and offset; valid in this read section
 *
 * Context: RCU read section.
 * Return: as rxe_lkey_resolve().
 */
int rxe_mw_resolve(struct rxe_qp *qp, u32 rkey, u64 addr, u64 len, int access,
		   struct rxe_place *place)
{
	struct rxe_mw *mw = rxe_mw_find(qp, rkey);
	int ret = -EINVAL;

	if (!mw)
		return ret;
	spin_lock_bh(&mw->lock);
	if (rxe_mw_usable(mw, qp, rkey))
		ret = rxe_mw_place(mw, addr, len, access, place);
	spin_unlock_bh(&mw->lock);
	return ret;
}

/* --- making and destroying ------------------------------------------------ */

/**
 * rxe_alloc_mw() - create a window that is not bound
 * @ibmw: the window, with its type
 * @udata: not used
 *
 * Context: process context.
 * Return: 0 or -ENOMEM.
 */
int rxe_alloc_mw(struct ib_mw *ibmw, struct ib_udata *udata)
{
	struct rxe_dev *rxe = to_rxe(ibmw->device);
	struct rxe_mw *mw = kzalloc(sizeof(*mw), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!mw)
		return -ENOMEM;
	mw->ib.pd = ibmw->pd;
	mw->ib.type = ibmw->type;
	spin_lock_init(&mw->lock);
	ret = rxe_key_reserve(rxe, &mw->key, RXE_KEY_MW, true);
	if (ret) {
		kfree(mw);
		return ret;
	}
	to_rmw_handle(ibmw)->mw = mw;
	ibmw->rkey = mw->key.value;
	rxe_key_publish(rxe, &mw->key);
	return 0;
}

/* Unbinds a window for good. Returns true if it was bound. */
static bool rxe_mw_close(struct rxe_mw *mw)
{
	bool bound;

	spin_lock_bh(&mw->lock);
	bound = mw->mr;
	rxe_mw_unbind(mw);
	mw->closed = true;
	spin_unlock_bh(&mw->lock);
	return bound;
}

/**
 * rxe_dealloc_mw() - destroy a window, bound or not
 * @ibmw: the window
 *
 * When this returns, nothing accesses memory through the window.
 *
 * Context: process context; if the window was bound, waits for accesses by
 * peers in its protection domain, not for a grace period.
 * Return: 0.
 */
int rxe_dealloc_mw(struct ib_mw *ibmw)
{
	struct rxe_mw *mw = to_rmw_handle(ibmw)->mw;
	bool bound = rxe_mw_close(mw);

	rxe_key_erase(to_rxe(ibmw->device), &mw->key);
	if (bound)
		rxe_pd_pass(mw->ib.pd);
	kfree_rcu(mw, rcu);
	return 0;
}
