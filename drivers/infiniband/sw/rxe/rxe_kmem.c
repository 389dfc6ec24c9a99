// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Memory of the kernel
 *
 * What consumers in the kernel call DMA addresses are pointers (ib_virt_dma): the
 * core gives them the addresses of the kernel's own mapping, and no page of it is
 * ever missing.
 */
#include <linux/slab.h>

#include "rxe_transport.h"
#include "rxe_verbs.h"

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
	ret = rxe_mr_give_key(mr, true);
	if (ret) {
		kfree(mr);
		return ERR_PTR(ret);
	}
	return &mr->ib;
}

/* The address space of a region is the kernel's. */
static void *rxe_kmem_pointer(const struct rxe_place *place)
{
	return (void *)(uintptr_t)place->offset;
}

/**
 * rxe_kmem_copy() - copy between a buffer and memory of the kernel
 * @place: the memory, in a region of the kernel's
 * @buf: payload of a packet
 * @len: bytes
 * @write: out of @buf, not into it
 *
 * Context: the RCU read section in which @place was resolved.
 * Return: 0.
 */
int rxe_kmem_copy(const struct rxe_place *place, void *buf, u32 len, bool write)
{
	void *memory = rxe_kmem_pointer(place);

	if (write)
		memcpy(memory, buf, len);
	else
		memcpy(buf, memory, len);
	return 0;
}

static u64 rxe_kmem_operate(atomic64_t *word, enum umem_odp_atomic_op op,
			    u64 operand, u64 compare)
{
	switch (op) {
	case UMEM_ODP_CMP_SWAP:
		return atomic64_cmpxchg(word, compare, operand);
	case UMEM_ODP_SWAP:
		return atomic64_xchg(word, operand);
	default:
		return atomic64_fetch_add(operand, word);
	}
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
 * Return: 0; -EINVAL for a word that is unaligned.
 */
int rxe_kmem_atomic(const struct rxe_place *place, enum umem_odp_atomic_op op,
		    u64 operand, u64 compare, u64 *old)
{
	void *word = rxe_kmem_pointer(place);

	if (!IS_ALIGNED((uintptr_t)word, sizeof(u64)))
		return -EINVAL;
	*old = rxe_kmem_operate(word, op, operand, compare);
	return 0;
}
