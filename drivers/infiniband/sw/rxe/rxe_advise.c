// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Prefetching
 *
 * ibv_advise_mr(). A request names several ranges, and nothing is begun before
 * all of them have been checked.
 */
#include <linux/slab.h>

#include "rxe_verbs.h"

/* A region for rxe_mr_release(), or an ERR_PTR. */
static struct rxe_mr *rxe_advise_mr_get(struct ib_pd *pd, u32 lkey)
{
	struct rxe_dev *rxe = to_rxe(pd->device);
	struct rxe_mr *mr = ERR_PTR(-ENOENT);
	struct rxe_key *key;

	rcu_read_lock();
	key = rxe_key_find(rxe, lkey, RXE_KEY_MR);
	if (key) {
		mr = container_of(key, struct rxe_mr, key);
		if (mr->ib.pd != pd)
			mr = ERR_PTR(-EPERM);
		else if (!rxe_mr_hold(mr))
			mr = ERR_PTR(-ENOENT);
	} else if (rxe_key_find(rxe, lkey, RXE_KEY_MW)) {
		mr = ERR_PTR(-EINVAL);
	}
	rcu_read_unlock();
	return mr;
}

static int rxe_advise_check(const struct rxe_mr *mr, const struct ib_sge *sge,
			    unsigned int flags)
{
	if (!(mr->access & IB_ACCESS_ON_DEMAND))
		return -EINVAL;
	if (flags & UMEM_ODP_FAULT_WRITE && !mr->umem->writable)
		return -EPERM;
	return rxe_mr_contains(mr, sge->addr, sge->length) ? 0 : -EFAULT;
}

static void rxe_advise_put(struct rxe_mr **mrs, u32 n)
{
	while (n--)
		rxe_mr_release(mrs[n]);
	kvfree(mrs);
}

/* The regions of a list, checked; or an ERR_PTR. */
static struct rxe_mr **rxe_advise_get(struct ib_pd *pd,
				      const struct ib_sge *sge, u32 num_sge,
				      unsigned int flags)
{
	struct rxe_mr **mrs;
	int ret;
	u32 i;

	mrs = kvmalloc_array(num_sge, sizeof(*mrs), GFP_KERNEL_ACCOUNT);
	if (!mrs)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < num_sge; i++) {
		struct rxe_mr *mr = rxe_advise_mr_get(pd, sge[i].lkey);

		if (IS_ERR(mr)) {
			ret = PTR_ERR(mr);
			goto err;
		}
		mrs[i] = mr;
		ret = rxe_advise_check(mr, &sge[i], flags);
		if (ret) {
			i++;
			goto err;
		}
	}
	return mrs;

err:
	rxe_advise_put(mrs, i);
	return ERR_PTR(ret);
}

static int rxe_advise_one(struct rxe_mr *mr, const struct ib_sge *sge,
			  unsigned int flags, bool wait)
{
	u64 offset = sge->addr - mr->ib.iova;

	if (wait)
		return umem_odp_prefetch(mr->umem, offset, sge->length, flags);
	return umem_odp_prefetch_async(mr->umem, offset, sge->length, flags);
}

static int rxe_advise_flags(enum ib_uverbs_advise_mr_advice advice)
{
	switch (advice) {
	case IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH:
		return 0;
	case IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE:
		return UMEM_ODP_FAULT_WRITE;
	case IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT:
		return UMEM_ODP_FAULT_SNAPSHOT;
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * rxe_advise_mr() - prefetch ranges of on-demand regions
 * @pd: protection domain that the regions have to be in
 * @advice: readable, writable, or what is there without page faults
 * @flags: IB_UVERBS_ADVISE_MR_FLAG_FLUSH: wait until it is done
 * @sge: the ranges
 * @num_sge: of them
 * @attrs: not used
 *
 * Context: process context; may sleep.
 * Return: 0; -EOPNOTSUPP: advice or flags that are not known; -ENOENT: no such
 * key; -EPERM: another protection domain, or a region that may not be written;
 * -EINVAL: a window or a region that is not on-demand; -EFAULT: outside of the
 * region; -ENOMEM; with FLUSH also what umem_odp_fault() says, -EFAULT for what
 * is not mapped.
 */
int rxe_advise_mr(struct ib_pd *pd, enum ib_uverbs_advise_mr_advice advice,
		  u32 flags, struct ib_sge *sge, u32 num_sge,
		  struct uverbs_attr_bundle *attrs)
{
	bool wait = flags & IB_UVERBS_ADVISE_MR_FLAG_FLUSH;
	int fault = rxe_advise_flags(advice);
	struct rxe_mr **mrs;
	int ret = 0;
	u32 i;

	if (fault < 0 || flags & ~IB_UVERBS_ADVISE_MR_FLAG_FLUSH)
		return -EOPNOTSUPP;
	mrs = rxe_advise_get(pd, sge, num_sge, fault);
	if (IS_ERR(mrs))
		return PTR_ERR(mrs);
	for (i = 0; !ret && i < num_sge; i++)
		ret = rxe_advise_one(mrs[i], &sge[i], fault, wait);
	rxe_advise_put(mrs, num_sge);
	return ret;
}
