/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_kmem.c: memory of the kernel */
#ifndef RXE_KMEM_H
#define RXE_KMEM_H

#include <rdma/ib_umem_odp.h>
#include <rdma/ib_verbs.h>

struct rxe_place;

struct ib_mr *rxe_get_dma_mr(struct ib_pd *pd, int access);
int rxe_kmem_copy(const struct rxe_place *place, void *buf, u32 len,
		  bool write);
int rxe_kmem_atomic(const struct rxe_place *place, enum umem_odp_atomic_op op,
		    u64 operand, u64 compare, u64 *old);

#endif /* RXE_KMEM_H */
