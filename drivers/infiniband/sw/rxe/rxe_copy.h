/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_copy.c: between packets and memory */
#ifndef RXE_COPY_H
#define RXE_COPY_H

#include "rxe_qp.h"
#include "rxe_wire.h"

/**
 * struct rxe_list - a gather or scatter list
 * @sge: its elements
 * @num_sge: how many
 * @access: 0 to gather, IB_ACCESS_LOCAL_WRITE to scatter
 * @pd: that its memory must belong to
 */
struct rxe_list {
	const struct rxe_sge *sge;
	u32 num_sge;
	int access;
	struct ib_pd *pd;
};

int rxe_list_copy(struct rxe_qp *qp, const struct rxe_list *list, u64 offset,
		  void *buf, u32 len, u64 rest, struct rxe_fault *fault);
int rxe_region_copy(struct rxe_qp *qp, u32 rkey, u64 addr, void *buf, u32 len,
		    u64 rest, int access, struct rxe_fault *fault);
int rxe_region_atomic(struct rxe_qp *qp, const struct rxe_headers *headers,
		      u64 *old, struct rxe_fault *fault);

#endif /* RXE_COPY_H */
