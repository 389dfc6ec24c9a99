/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Calls for on-demand paging that not every libibverbs provider passes to the kernel. */
#ifndef LIBODP_ODP_H
#define LIBODP_ODP_H

#include <stdint.h>
#include <infiniband/verbs.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * odp_advise_mr() - ibv_advise_mr() that works with any version of rxe's provider
 * @pd: protection domain of the regions
 * @advice: IBV_ADVISE_MR_ADVICE_PREFETCH, _PREFETCH_WRITE or _PREFETCH_NO_FAULT
 * @flags: 0, or IBV_ADVISE_MR_FLAG_FLUSH to wait until the prefetch is done
 * @sg_list: ranges of on-demand regions
 * @num_sge: number of ranges in @sg_list
 *
 * In rdma-core, rxe's provider has ibv_advise_mr() since version 59. With an older version, this
 * function calls the kernel itself.
 *
 * Return: 0 or an errno, as ibv_advise_mr(3): EOPNOTSUPP (unknown advice), ENOENT (no such lkey),
 * EPERM (another protection domain, or a region or mapping that may not be written), EINVAL (not an
 * on-demand region, or too many ranges), EFAULT (outside of the region, or, with the flag, not
 * mapped), ENOMEM (no memory, or too many requests wait).
 */
int odp_advise_mr(struct ibv_pd *pd, enum ibv_advise_mr_advice advice, uint32_t flags,
		  struct ibv_sge *sg_list, uint32_t num_sge);

#ifdef __cplusplus
}
#endif

#endif
