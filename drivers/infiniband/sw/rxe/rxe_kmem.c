// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Memory of the kernel
 *
 * What consumers in the kernel call DMA addresses are pointers (ib_virt_dma): the
 * core gives them the addresses of the kernel's own mapping, and no page of it is
 * ever missing. A region is all of it, or pages that a request has registered
 * (rxe_frwr.c).
 */
#include <linux/slab.h>

#include "rxe_access.h"
#include "rxe_frwr.h"
#include "rxe_kmem.h"
#include "rxe_mr.h"

/**
 * rxe_get_dma_mr() - a region that is all of the kernel's memory
 * @pd: protection domain, a consumer's in the kernel
 * @access: IB_ACCESS_* flags
 *
 * Context: process context.
 * Return: the region, or an ERR_PTR: -EOPNOTSUPP for flags that there is no use
 * for here; -ENOMEM.
 */
struct ib_mr *rxe_get_dma_mr(struct ib_pd *pd, int access)
{
	struct rxe_mr *mr;
	int ret;

	if (access & ~(RXE_ACCESS_REMOTE | IB_ACCESS_LOCAL_WRITE |
		       IB_ACCESS_OPTIONAL))
		return ERR_PTR(-EOPNOTSUPP);
	mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	mr->access = access;
	mr->ib.device = pd->device;
	mr->ib.pd = pd;
	mr->ib.length = U64_MAX;
	ret = rxe_key_assign(mr, RXE_KEY_MR, true);
	if (ret) {
		kfree(mr);
		return ERR_PTR(ret);
	}
	return &mr->ib;
}

/* The address space of the region is the kernel's. */
static void *rxe_kmem_pointer(const struct rxe_place *place)
{
	return (void *)(uintptr_t)place->offset;
}

static void rxe_kmem_move(void *memory, void *buf, u32 len, bool write)
{
	if (write && len)
		compat_copy_in(memory, buf, len);
	else
		memcpy(buf, memory, len);
}

/* Caller: holds the region's lock. */
static int rxe_kmem_copy_pages(const struct rxe_place *place, void *buf,
			       u32 len, bool write)
{
	u32 done, room, n;
	void *memory;

	for (done = 0; done < len; done += n) {
		memory = rxe_frwr_pointer(place, done, &room);
		if (!memory)
			return -EINVAL;
		n = min(len - done, room);
		rxe_kmem_move(memory, buf + done, n, write);
	}
	return 0;
}

/**
 * rxe_kmem_copy() - copy between a buffer and memory of the kernel
 * @place: the memory, in a region of the kernel's
 * @buf: payload of a packet
 * @len: bytes
 * @write: out of @buf, not into it
 *
 * Context: the RCU read section in which @place was resolved.
 * Return: 0; -EINVAL: the region has been invalidated since.
 */
int rxe_kmem_copy(const struct rxe_place *place, void *buf, u32 len, bool write)
{
	struct rxe_frwr *frwr = place->mr->frwr;
	int ret;

	if (!frwr) {
		rxe_kmem_move(rxe_kmem_pointer(place), buf, len, write);
		return 0;
	}
	spin_lock_bh(&frwr->lock);
	ret = rxe_kmem_copy_pages(place, buf, len, write);
	spin_unlock_bh(&frwr->lock);
	return ret;
}

static int rxe_kmem_operate(atomic64_t *word, enum umem_odp_atomic_op op,
			    u64 operand, u64 compare, u64 *old)
{
	if (!word || !IS_ALIGNED((uintptr_t)word, sizeof(u64)))
		return -EINVAL;
	*old = umem_odp_operate(word, op, operand, compare);
	return 0;
}

/**
 * rxe_kmem_atomic() - 64-bit atomic on memory of the kernel
 * @place: the word, in a region of the kernel's
 * @op: which operation
 * @operand: what to add or to store
 * @compare: the comparand of UMEM_ODP_CMP_SWAP
 * @old: receives the word as it was
 *
 * Context: the RCU read section in which @place was resolved.
 * Return: 0; -EINVAL: the word is unaligned, or the region has been invalidated.
 */
int rxe_kmem_atomic(const struct rxe_place *place, enum umem_odp_atomic_op op,
		    u64 operand, u64 compare, u64 *old)
{
	struct rxe_frwr *frwr = place->mr->frwr;
	u32 room;
	int ret;

	if (!frwr)
		return rxe_kmem_operate(rxe_kmem_pointer(place), op, operand,
					compare, old);
	spin_lock_bh(&frwr->lock);
	ret = rxe_kmem_operate(rxe_frwr_pointer(place, 0, &room), op, operand,
			       compare, old);
	spin_unlock_bh(&frwr->lock);
	return ret;
}
