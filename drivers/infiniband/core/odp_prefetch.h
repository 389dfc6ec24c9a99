/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_PREFETCH_H
#define ODP_PREFETCH_H

struct ib_umem_odp;
struct umem_odp_device;

void odp_waiters_abort(struct umem_odp_device *dev,
		       const struct ib_umem_odp *umem);

#endif /* ODP_PREFETCH_H */
