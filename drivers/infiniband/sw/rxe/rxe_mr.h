/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_mr.c: memory regions */
#ifndef RXE_MR_H
#define RXE_MR_H

#include <rdma/ib_umem_odp.h>
#include <rdma/ib_verbs.h>

#include "rxe_key.h"

struct rxe_frwr;

#define RXE_ACCESS_REMOTE					\
	(IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_READ |	\
	 IB_ACCESS_REMOTE_ATOMIC)

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
 * rxe_mr_find() - look up a region
 * @rxe: the device
 * @pd: the protection domain it has to be in
 * @value: its key
 *
 * Context: RCU read section.
 * Return: the region or NULL.
 */
static inline struct rxe_mr *rxe_mr_find(struct rxe_dev *rxe, struct ib_pd *pd,
					 u32 value)
{
	struct rxe_key *key = rxe_key_find(rxe, value, RXE_KEY_MR);
	struct rxe_mr *mr;

	if (!key)
		return NULL;
	mr = container_of(key, struct rxe_mr, key);
	return mr->ib.pd == pd ? mr : NULL;
}

/**
 * rxe_mr_contains() - does a range lie in a region?
 * @mr: the region
 * @addr: first byte, in the region's address space
 * @len: bytes
 *
 * Context: any.
 */
static inline bool rxe_mr_contains(const struct rxe_mr *mr, u64 addr, u64 len)
{
	u64 offset = addr - mr->ib.iova;

	return addr >= mr->ib.iova && offset <= mr->ib.length &&
	       len <= mr->ib.length - offset;
}

bool rxe_mr_may_lend(const struct rxe_mr *mr);
struct ib_mr *rxe_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 iova,
			      int access, compat_dmah_param
			      struct ib_udata *udata);
struct ib_mr *rxe_rereg_user_mr(struct ib_mr *ibmr, int flags, u64 start,
				u64 length, u64 iova, int access,
				struct ib_pd *pd, struct ib_udata *udata);
int rxe_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata);

#endif /* RXE_MR_H */
