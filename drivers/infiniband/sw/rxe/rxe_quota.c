// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: How many objects a device has
 *
 * The limits that query_device() reports are enforced for the objects of users
 * and kernel consumers together. The verbs that create and destroy objects are
 * called through this file, which refuses one object too many with -ENOMEM. The
 * share of a single user is limited by the user's cgroup (rdma.max,
 * memory.max).
 */
#include <linux/moduleparam.h>

#include "rxe_ah.h"
#include "rxe_cq.h"
#include "rxe_frwr.h"
#include "rxe_kmem.h"
#include "rxe_mr.h"
#include "rxe_mw.h"
#include "rxe_pd.h"
#include "rxe_qp_verbs.h"
#include "rxe_quota.h"
#include "rxe_srq.h"

static unsigned int rxe_max_objects;
module_param_named(max_objects, rxe_max_objects, uint, 0644);
MODULE_PARM_DESC(max_objects,
		 "Maximum number of objects of each type (queue pairs, regions, ...) for links that are added from now on; 0 (default): the driver's limits");

static const u32 rxe_object_limits[RXE_NUM_OBJECTS] = {
	[RXE_OBJECT_PD] = RXE_MAX_PD,
	[RXE_OBJECT_CQ] = RXE_MAX_CQ,
	[RXE_OBJECT_QP] = RXE_MAX_QP,
	[RXE_OBJECT_SRQ] = RXE_MAX_SRQ,
	[RXE_OBJECT_MR] = RXE_MAX_MR,
	[RXE_OBJECT_MW] = RXE_MAX_MW,
	[RXE_OBJECT_AH] = RXE_MAX_AH,
};

/**
 * rxe_quota_init() - set the limits on the number of a device's objects
 * @rxe: the device; it has no objects yet
 *
 * Context: any.
 */
void rxe_quota_init(struct rxe_dev *rxe)
{
	/* Pairs with a write to the parameter in sysfs, at any time. */
	u32 most = READ_ONCE(rxe_max_objects) ?: U32_MAX;
	int i;

	for (i = 0; i < RXE_NUM_OBJECTS; i++)
		rxe->quotas[i].max = min(rxe_object_limits[i], most);
}

static const char * const rxe_object_names[RXE_NUM_OBJECTS] = {
	[RXE_OBJECT_PD] = "PDs",
	[RXE_OBJECT_CQ] = "CQs",
	[RXE_OBJECT_QP] = "QPs",
	[RXE_OBJECT_SRQ] = "SRQs",
	[RXE_OBJECT_MR] = "MRs",
	[RXE_OBJECT_MW] = "MWs",
	[RXE_OBJECT_AH] = "AHs",
};

static int rxe_quota_take(struct ib_device *ibdev, enum rxe_object object)
{
	struct rxe_quota *quota = &to_rxe(ibdev)->quotas[object];

	if (atomic_add_unless(&quota->used, 1, quota->max))
		return 0;
	ibdev_dbg(ibdev, "all %u %s are in use\n", quota->max,
		  rxe_object_names[object]);
	return -ENOMEM;
}

static void rxe_quota_give(struct ib_device *ibdev, enum rxe_object object)
{
	atomic_dec(&to_rxe(ibdev)->quotas[object].used);
}

/*
 * Passes on the result of a verb that creates an object. After an error, the
 * object does not count against the limit.
 */
static int rxe_quota_made(struct ib_device *ibdev, enum rxe_object object,
			  int ret)
{
	if (ret)
		rxe_quota_give(ibdev, object);
	return ret;
}

/*
 * Passes on the result of a verb that destroys an object. After success, the
 * object does not count against the limit any more.
 */
static int rxe_quota_ended(struct ib_device *ibdev, enum rxe_object object,
			   int ret)
{
	if (!ret)
		rxe_quota_give(ibdev, object);
	return ret;
}

/*
 * --- the verbs, as the core calls them -------------------------------------
 */

static int rxe_counted_alloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return rxe_quota_take(pd->device, RXE_OBJECT_PD) ?:
	       rxe_quota_made(pd->device, RXE_OBJECT_PD,
			      rxe_alloc_pd(pd, udata));
}

static int rxe_counted_dealloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return rxe_quota_ended(pd->device, RXE_OBJECT_PD,
			       rxe_dealloc_pd(pd, udata));
}

static int rxe_counted_create_cq(struct ib_cq *cq,
				 const struct ib_cq_init_attr *attr,
				 struct compat_create_cq_attrs *attrs)
{
	return rxe_quota_take(cq->device, RXE_OBJECT_CQ) ?:
	       rxe_quota_made(cq->device, RXE_OBJECT_CQ,
			      rxe_create_cq(cq, attr, attrs));
}

static int rxe_counted_destroy_cq(struct ib_cq *cq, struct ib_udata *udata)
{
	return rxe_quota_ended(cq->device, RXE_OBJECT_CQ,
			       rxe_destroy_cq(cq, udata));
}

static int rxe_counted_create_qp(struct ib_qp *qp,
				 struct ib_qp_init_attr *init,
				 struct ib_udata *udata)
{
	return rxe_quota_take(qp->device, RXE_OBJECT_QP) ?:
	       rxe_quota_made(qp->device, RXE_OBJECT_QP,
			      rxe_create_qp(qp, init, udata));
}

static int rxe_counted_destroy_qp(struct ib_qp *qp, struct ib_udata *udata)
{
	return rxe_quota_ended(qp->device, RXE_OBJECT_QP,
			       rxe_destroy_qp(qp, udata));
}

static int rxe_counted_create_srq(struct ib_srq *srq,
				  struct ib_srq_init_attr *init,
				  struct ib_udata *udata)
{
	return rxe_quota_take(srq->device, RXE_OBJECT_SRQ) ?:
	       rxe_quota_made(srq->device, RXE_OBJECT_SRQ,
			      rxe_create_srq(srq, init, udata));
}

static int rxe_counted_destroy_srq(struct ib_srq *srq, struct ib_udata *udata)
{
	return rxe_quota_ended(srq->device, RXE_OBJECT_SRQ,
			       rxe_destroy_srq(srq, udata));
}

static int rxe_counted_alloc_mw(struct ib_mw *mw, struct ib_udata *udata)
{
	return rxe_quota_take(mw->device, RXE_OBJECT_MW) ?:
	       rxe_quota_made(mw->device, RXE_OBJECT_MW,
			      rxe_alloc_mw(mw, udata));
}

static int rxe_counted_dealloc_mw(struct ib_mw *mw)
{
	return rxe_quota_ended(mw->device, RXE_OBJECT_MW, rxe_dealloc_mw(mw));
}

static int rxe_counted_create_ah(struct ib_ah *ah,
				 struct rdma_ah_init_attr *init,
				 struct ib_udata *udata)
{
	return rxe_quota_take(ah->device, RXE_OBJECT_AH) ?:
	       rxe_quota_made(ah->device, RXE_OBJECT_AH,
			      rxe_create_ah(ah, init, udata));
}

static int rxe_counted_destroy_ah(struct ib_ah *ah, u32 flags)
{
	return rxe_quota_ended(ah->device, RXE_OBJECT_AH,
			       rxe_destroy_ah(ah, flags));
}

/*
 * --- regions, which the driver allocates ------------------------------------
 */

static struct ib_mr *rxe_quota_made_mr(struct ib_device *ibdev,
				       struct ib_mr *mr)
{
	rxe_quota_made(ibdev, RXE_OBJECT_MR, PTR_ERR_OR_ZERO(mr));
	return mr;
}

static struct ib_mr *rxe_counted_reg_user_mr(struct ib_pd *pd, u64 start,
					     u64 length, u64 iova, int access,
					     compat_dmah_param
					     struct ib_udata *udata)
{
	int ret = rxe_quota_take(pd->device, RXE_OBJECT_MR);

	return ret ? ERR_PTR(ret) :
		     rxe_quota_made_mr(pd->device,
				       rxe_reg_user_mr(pd, start, length, iova,
						       access, compat_dmah_arg
						       udata));
}

/* The new region counts in addition to the old one, which still exists. */
static struct ib_mr *rxe_counted_rereg_user_mr(struct ib_mr *mr, int flags,
					       u64 start, u64 length, u64 iova,
					       int access, struct ib_pd *pd,
					       struct ib_udata *udata)
{
	int ret = rxe_quota_take(pd->device, RXE_OBJECT_MR);

	return ret ? ERR_PTR(ret) :
		     rxe_quota_made_mr(pd->device,
				       rxe_rereg_user_mr(mr, flags, start,
							 length, iova, access,
							 pd, udata));
}

static struct ib_mr *rxe_counted_get_dma_mr(struct ib_pd *pd, int access)
{
	int ret = rxe_quota_take(pd->device, RXE_OBJECT_MR);

	return ret ? ERR_PTR(ret) :
		     rxe_quota_made_mr(pd->device, rxe_get_dma_mr(pd, access));
}

static struct ib_mr *rxe_counted_alloc_mr(struct ib_pd *pd,
					  enum ib_mr_type type, u32 max_num_sg)
{
	int ret = rxe_quota_take(pd->device, RXE_OBJECT_MR);

	return ret ? ERR_PTR(ret) :
		     rxe_quota_made_mr(pd->device,
				       rxe_alloc_mr(pd, type, max_num_sg));
}

static int rxe_counted_dereg_mr(struct ib_mr *mr, struct ib_udata *udata)
{
	struct ib_device *ibdev = mr->device;

	return rxe_quota_ended(ibdev, RXE_OBJECT_MR, rxe_dereg_mr(mr, udata));
}

/* The device operations that create and destroy counted objects. */
const struct ib_device_ops rxe_counted_ops = {
	.alloc_mr = rxe_counted_alloc_mr,
	.alloc_mw = rxe_counted_alloc_mw,
	.alloc_pd = rxe_counted_alloc_pd,
	.create_ah = rxe_counted_create_ah,
	.create_cq = rxe_counted_create_cq,
	.create_qp = rxe_counted_create_qp,
	.create_srq = rxe_counted_create_srq,
	.create_user_ah = rxe_counted_create_ah,
	.dealloc_mw = rxe_counted_dealloc_mw,
	.dealloc_pd = rxe_counted_dealloc_pd,
	.dereg_mr = rxe_counted_dereg_mr,
	.destroy_ah = rxe_counted_destroy_ah,
	.destroy_cq = rxe_counted_destroy_cq,
	.destroy_qp = rxe_counted_destroy_qp,
	.destroy_srq = rxe_counted_destroy_srq,
	.get_dma_mr = rxe_counted_get_dma_mr,
	.reg_user_mr = rxe_counted_reg_user_mr,
	.rereg_user_mr = rxe_counted_rereg_user_mr,
};
