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
 * @ib: copies of members of the core's object, which is freed first; constant
 * @key: the window's key
 * @rcu: frees the window
 * @lock: protects the following members
 * @mr: the region that the window is bound to, or NULL
 * @qp: of type 2B: the queue pair that has bound it and may use it
 * @node: in the list of @qp; under its mws_lock
 * @addr: first byte, in the region's address space
 * @length: bytes
 * @access: IB_ACCESS_REMOTE_* and IB_ZERO_BASED
 * @closed: the window is being destroyed and cannot be bound any more
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
 * struct rxe_mw_handle - the object that the core allocates and frees
 * @ib: the core's part
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
