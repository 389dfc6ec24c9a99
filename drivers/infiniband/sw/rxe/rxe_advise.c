// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Prefetching
 *
 * ibv_advise_mr() names several ranges. No prefetch starts before all ranges
 * have been checked.
 */
#include <linux/slab.h>

#include "rxe_advise.h"
#include "rxe_mr.h"

/**
 * struct rxe_advice - one range to prefetch
 * @umem: the memory of the range's region; holds a reference
 * @offset: first byte of the range, in bytes from the region's start
 */
struct rxe_advice {
	struct ib_umem_odp *umem;
	u64 offset;
};

/*
 * Returns the region that @lkey names, or an ERR_PTR. The region is valid until
 * the caller's RCU read section ends.
 */
static struct rxe_mr *rxe_advise_find(struct ib_pd *pd, u32 lkey)
{
	struct rxe_dev *rxe = to_rxe(pd->device);
	struct rxe_key *key = rxe_key_find(rxe, lkey, RXE_KEY_MR);
	struct rxe_mr *mr;

	lockdep_assert_in_rcu_read_lock();
	if (!key && rxe_key_find(rxe, lkey, RXE_KEY_MW)) {
		ibdev_dbg(pd->device,
			  "advise_mr: key 0x%x is a memory window\n", lkey);
		return ERR_PTR(-EINVAL);
	}
	if (!key) {
		ibdev_dbg(pd->device, "advise_mr: no region has key 0x%x\n",
			  lkey);
		return ERR_PTR(-ENOENT);
	}
	mr = container_of(key, struct rxe_mr, key);
	if (mr->ib.pd != pd) {
		ibdev_dbg(pd->device,
			  "advise_mr: region 0x%x is in another PD\n", lkey);
		return ERR_PTR(-EPERM);
	}
	return mr;
}

static int rxe_advise_check(const struct rxe_mr *mr, const struct ib_sge *sge,
			    unsigned int flags)
{
	struct ib_device *ibdev = mr->ib.device;

	if (!(mr->access & IB_ACCESS_ON_DEMAND)) {
		ibdev_dbg(ibdev, "advise_mr: region 0x%x is not on-demand\n",
			  sge->lkey);
		return -EINVAL;
	}
	if (flags & UMEM_ODP_FAULT_WRITE && !umem_odp_is_writable(mr->umem)) {
		ibdev_dbg(ibdev, "advise_mr: region 0x%x is read-only\n",
			  sge->lkey);
		return -EPERM;
	}
	if (!rxe_mr_contains(mr, sge->addr, sge->length)) {
		ibdev_dbg(ibdev,
			  "advise_mr: the range is outside of region 0x%x\n",
			  sge->lkey);
		return -EFAULT;
	}
	return 0;
}

/*
 * Takes a reference to the region's memory, not to the region, so that the
 * region can be deregistered while a prefetch takes long.
 */
static int rxe_advise_hold(struct ib_pd *pd, const struct ib_sge *sge,
			   unsigned int flags, struct rxe_advice *advice)
{
	struct rxe_mr *mr;
	int ret;

	rcu_read_lock();
	mr = rxe_advise_find(pd, sge->lkey);
	ret = PTR_ERR_OR_ZERO(mr) ?: rxe_advise_check(mr, sge, flags);
	if (!ret && !umem_odp_hold(mr->umem))
		ret = -ENOENT;
	if (!ret) {
		advice->umem = mr->umem;
		advice->offset = sge->addr - mr->ib.iova;
	}
	rcu_read_unlock();
	return ret;
}

static void rxe_advise_put(struct rxe_advice *advices, u32 n)
{
	while (n--)
		umem_odp_release(advices[n].umem);
	kvfree(advices);
}

/* Checks the ranges of a list. Returns them, or an ERR_PTR. */
static struct rxe_advice *rxe_advise_get(struct ib_pd *pd,
					 const struct ib_sge *sge, u32 num_sge,
					 unsigned int flags)
{
	struct rxe_advice *advices;
	int ret;
	u32 i;

	advices = kvmalloc_array(num_sge, sizeof(*advices),
				 GFP_KERNEL_ACCOUNT);
	if (!advices)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < num_sge; i++) {
		ret = rxe_advise_hold(pd, &sge[i], flags, &advices[i]);
		if (ret) {
			rxe_advise_put(advices, i);
			return ERR_PTR(ret);
		}
	}
	return advices;
}

static int rxe_advise_one(const struct rxe_advice *advice, u32 length,
			  unsigned int flags, bool wait)
{
	if (wait)
		return umem_odp_prefetch(advice->umem, advice->offset, length,
					 flags);
	return umem_odp_prefetch_async(advice->umem, advice->offset, length,
				       flags);
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
 * @pd: protection domain that the regions must be in
 * @advice: make pages readable, make them writable, or map only the pages that
 *	are present, without page faults
 * @flags: IB_UVERBS_ADVISE_MR_FLAG_FLUSH: wait until the prefetch has ended
 * @sge: the ranges; addresses and lengths in bytes
 * @num_sge: number of ranges
 * @attrs: not used
 *
 * Context: process context; may sleep.
 * Return: 0; -EOPNOTSUPP: unknown advice or flags; -ENOENT: no region has the
 * key; -EPERM: the region is in another protection domain or may not be
 * written; -EINVAL: the key is a memory window's, or the region is not
 * on-demand; -EFAULT: the range is outside of the region; -ENOMEM; with FLUSH
 * also the errors of umem_odp_prefetch(): -EFAULT for memory that is not
 * mapped.
 */
int rxe_advise_mr(struct ib_pd *pd, enum ib_uverbs_advise_mr_advice advice,
		  u32 flags, struct ib_sge *sge, u32 num_sge,
		  struct uverbs_attr_bundle *attrs)
{
	bool wait = flags & IB_UVERBS_ADVISE_MR_FLAG_FLUSH;
	int fault = rxe_advise_flags(advice);
	struct rxe_advice *advices;
	int ret = 0;
	u32 i;

	if (fault < 0 || flags & ~IB_UVERBS_ADVISE_MR_FLAG_FLUSH) {
		ibdev_dbg(pd->device,
			  "advise_mr: unknown advice %u or flags 0x%x\n",
			  advice, flags);
		return -EOPNOTSUPP;
	}
	advices = rxe_advise_get(pd, sge, num_sge, fault);
	if (IS_ERR(advices))
		return PTR_ERR(advices);
	for (i = 0; !ret && i < num_sge; i++)
		ret = rxe_advise_one(&advices[i], sge[i].length, fault, wait);
	rxe_advise_put(advices, num_sge);
	return ret;
}
