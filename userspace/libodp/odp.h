/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What on-demand paging offers beyond what every libibverbs provider passes on. */
#ifndef LIBODP_ODP_H
#define LIBODP_ODP_H

#include <stdint.h>
#include <infiniband/verbs.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * odp_advise_mr() - ibv_advise_mr(), for any version of rxe's provider
 * @pd: protection domain that the regions are in
 * @advice: IBV_ADVISE_MR_ADVICE_PREFETCH, _PREFETCH_WRITE or _PREFETCH_NO_FAULT
 * @flags: IBV_ADVISE_MR_FLAG_FLUSH waits until it is done
 * @sg_list: ranges of on-demand regions
 * @num_sge: of them
 *
 * rxe's provider in rdma-core has ibv_advise_mr() since version 59 only; where it does not, this asks
 * the kernel itself.
 *
 * Return: 0 or an errno, as ibv_advise_mr(3): EOPNOTSUPP, ENOENT (no such lkey), EPERM (another
 * protection domain, or a region or mapping that may not be written), EINVAL (not an on-demand
 * region), EFAULT (outside of the region, or not mapped), ENOMEM.
 */
int odp_advise_mr(struct ibv_pd *pd, enum ibv_advise_mr_advice advice, uint32_t flags,
		  struct ibv_sge *sg_list, uint32_t num_sge);

#ifdef __cplusplus
}
#endif

#endif
