/* SPDX-License-Identifier: GPL-2.0 */
/* Memory regions, memory windows and what names them: rxe_mr.c, rxe_frwr.c, rxe_mw.c */
#ifndef RXE_MR_H
#define RXE_MR_H

#include <linux/spinlock.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_verbs.h>

struct rxe_dev;
struct rxe_qp;
struct rxe_swqe;

enum rxe_key_type {
	RXE_KEY_MR,
	RXE_KEY_MW,
	RXE_KEY_FREE_MR,	/* the kernel's, not registered at present */
};

/**
 * struct rxe_key - what an lkey or rkey names
 * @type: what it is embedded in; constant but for the kernel's regions, whose
 *	frwr->lock protects it and @value
 * @value: the key as users have it: index << 8 | variant
 */
struct rxe_key {
	enum rxe_key_type type;
	u32 value;
};

/**
 * struct rxe_frwr - pages of a region that the kernel registers by requests
 * @lock: held by who changes the key, and by who copies, so that nobody does any
 *	more when the region has been invalidated; innermost, as a leaf's lock
 * @max_pages: room in @pages
 * @num_pages: of @pages; this and they change only while the key is free
 * @rcu: frees it
 * @pages: the kernel's addresses, each of the region's page size
 */
struct rxe_frwr {
	spinlock_t lock;
	u32 max_pages;
	u32 num_pages;
	struct rcu_head rcu;
	u64 pages[] __counted_by(max_pages);
};

/**
 * struct rxe_mr - a memory region
 * @ib: what the core knows; @ib.iova and @ib.length bound it
 * @key: how it is found
 * @umem: its memory, a process's; NULL: the kernel's
 * @frwr: the pages, if it is the kernel's; NULL: its addresses are pointers
 * @access: IB_ACCESS_* flags; of @frwr's, changed while the key is free
 * @implicit: it is the whole address space
 * @wide: with rights that peers can have, and it reaches memory that its owner has
 *	not named
 * @trusted: @wide, and its owner had CAP_NET_RAW when it was registered
 * @rcu: frees it
 * @num_mw: memory windows bound to it; negative: there will be none any more
 */
struct rxe_mr {
	struct ib_mr ib;
	struct rxe_key key;
	struct ib_umem_odp *umem;
	struct rxe_frwr *frwr;
	int access;
	bool implicit;
	bool wide;
	bool trusted;
	struct rcu_head rcu;
	atomic_t num_mw;
};

static inline struct rxe_mr *to_rmr(struct ib_mr *ib)
{
	return container_of(ib, struct rxe_mr, ib);
}

/**
 * struct rxe_place - a place in a region that has been checked
 * @mr: the region
 * @offset: bytes from its start
 * @key: by which it was found; not of a window
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
bool rxe_mr_may_lend(const struct rxe_mr *mr);

/* --- rxe_mw.c ------------------------------------------------------------ */

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

int rxe_mw_bind(struct rxe_qp *qp, const struct rxe_swqe *wqe);

#endif /* RXE_MR_H */
