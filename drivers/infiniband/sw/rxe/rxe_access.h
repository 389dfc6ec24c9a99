/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_access.c: what a key allows */
#ifndef RXE_ACCESS_H
#define RXE_ACCESS_H

#include <rdma/ib_verbs.h>

struct rxe_dev;
struct rxe_mr;
struct rxe_qp;

/**
 * struct rxe_place - a place in a region, after all checks
 * @mr: the region
 * @offset: bytes from the region's start
 * @key: the region's key; not set for an access through a window
 */
struct rxe_place {
	struct rxe_mr *mr;
	u64 offset;
	u32 key;
};

int rxe_lkey_resolve(struct rxe_dev *rxe, struct ib_pd *pd, u32 lkey, u64 addr,
		     u64 len, int access, struct rxe_place *place);
int rxe_rkey_resolve(struct rxe_qp *qp, u32 rkey, u64 addr, u64 len,
		     int access, struct rxe_place *place);
int rxe_rkey_check(struct rxe_qp *qp, u32 rkey, int access);
int rxe_rkey_invalidate(struct rxe_qp *qp, u32 rkey);

#endif /* RXE_ACCESS_H */
