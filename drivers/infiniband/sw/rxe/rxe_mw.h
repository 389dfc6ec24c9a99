/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_mw.c: memory windows */
#ifndef RXE_MW_H
#define RXE_MW_H

#include <linux/spinlock.h>
#include <rdma/ib_verbs.h>

#include "rxe_key.h"

struct rxe_mr;
struct rxe_place;
struct rxe_qp;
struct rxe_swqe;

/**
 * struct rxe_mw - a memory window
 * @ib: copies of what the core knows, whose own object goes before the window does;
 *	constant
 * @key: how it is found
 * @rcu: frees it
 * @lock: protects what follows
 * @mr: what it is bound to, or NULL
 * @qp: for type 2B: by which it was bound, and may be used
 * @node: in the list of @qp's; under its mws_lock
 * @addr: first byte, in the region's address space
 * @length: bytes
 * @access: IB_ACCESS_REMOTE_* and IB_ZERO_BASED
 * @closed: it is going and cannot be bound any more
 */
struct rxe_mw {
	struct {
		struct ib_pd *pd;
		enum ib_mw_type type;
	} ib;
	struct rxe_key key;
	struct rcu_head rcu;
	spinlock_t lock;
	struct rxe_mr *mr;
	struct rxe_qp *qp;
	struct list_head node;
	u64 addr;
	u64 length;
	int access;
	bool closed;
};

/**
 * struct rxe_mw_handle - what the core makes and frees for a window
 * @ib: what the core knows
 * @mw: the window
 */
struct rxe_mw_handle {
	struct ib_mw ib;
	struct rxe_mw *mw;
};

static inline struct rxe_mw_handle *to_rmw_handle(struct ib_mw *ib)
{
	return container_of(ib, struct rxe_mw_handle, ib);
}

int rxe_alloc_mw(struct ib_mw *ibmw, struct ib_udata *udata);
int rxe_dealloc_mw(struct ib_mw *ibmw);
int rxe_mw_bind(struct rxe_qp *qp, const struct rxe_swqe *wqe);
int rxe_mw_invalidate(struct rxe_qp *qp, u32 rkey);
int rxe_mw_resolve(struct rxe_qp *qp, u32 rkey, u64 addr, u64 len, int access,
		   struct rxe_place *place);
void rxe_mw_forget_qp(struct rxe_qp *qp);

#endif /* RXE_MW_H */
