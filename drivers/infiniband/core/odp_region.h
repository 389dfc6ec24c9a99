/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_REGION_H
#define ODP_REGION_H

struct ib_umem_odp;

void odp_region_remove(struct ib_umem_odp *umem);

#endif /* ODP_REGION_H */
