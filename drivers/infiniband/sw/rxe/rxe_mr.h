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
 * @ib: the core's part; @ib.iova and @ib.length are the region's range
 * @key: the region's key
 * @umem: memory of a process; NULL for memory of the kernel
 * @frwr: pages of the kernel; NULL with @umem NULL: addresses are pointers
 * @access: IB_ACCESS_* flags; with @frwr they change while the key is free
 * @implicit: the region is the whole address space
 * @wide: peers have rights, and the region reaches memory that its owner has
 *	not named
 * @trusted: @wide, and its owner had CAP_NET_RAW at its registration
 * @rcu: frees the region
 * @num_mw: memory windows bound to the region; negative: none can be bound any
 *	more
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
 * @pd: protection domain that the region must belong to
 * @value: the region's key
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
 * rxe_mr_contains() - is a range inside a region?
 * @mr: the region
 * @addr: first byte, in the region's address space
 * @len: bytes
 *
 * Context: any.
 * Return: true if it is.
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
