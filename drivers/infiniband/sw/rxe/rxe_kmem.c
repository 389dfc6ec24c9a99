// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Memory of the kernel
 *
 * The DMA addresses of kernel consumers are pointers (ib_virt_dma): the RDMA
 * core gives the consumers addresses of the kernel's own mapping, of which no
 * page is ever missing. A region is all of that mapping, or the pages that a
 * work request has registered (rxe_frwr.c).
 */
#include <linux/slab.h>

#include "rxe_access.h"
#include "rxe_frwr.h"
#include "rxe_kmem.h"
#include "rxe_mr.h"

/**
 * rxe_get_dma_mr() - make a region of all kernel memory
 * @pd: protection domain of a kernel consumer
 * @access: IB_ACCESS_* flags
 *
 * Context: process context; may sleep.
 * Return: the region, or an ERR_PTR: -EOPNOTSUPP: a flag is not supported for
 * such regions; -ENOMEM.
 */
struct ib_mr *rxe_get_dma_mr(struct ib_pd *pd, int access)
{
	struct rxe_mr *mr;
	int ret;

	if (access & ~(RXE_ACCESS_REMOTE | IB_ACCESS_LOCAL_WRITE |
		       IB_ACCESS_OPTIONAL)) {
		ibdev_dbg(pd->device,
			  "get_dma_mr: access 0x%x is not supported\n", access);
		return ERR_PTR(-EOPNOTSUPP);
	}
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

/* The region starts at address 0, so an offset is a kernel address. */
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

static int rxe_kmem_copy_pages(const struct rxe_place *place, void *buf,
			       u32 len, bool write)
{
	u32 done, room, n;
	void *memory;

	lockdep_assert_held(&place->mr->frwr->lock);

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
 * rxe_kmem_copy() - copy between a buffer and kernel memory
 * @place: the first byte of the memory, in a kernel consumer's region
 * @buf: payload of a packet
 * @len: number of bytes to copy
 * @write: true to copy out of @buf, false to copy into it
 *
 * Context: the RCU read section in which @place was resolved.
 * Return: 0; -EINVAL: the region has been invalidated meanwhile.
 */
int rxe_kmem_copy(const struct rxe_place *place, void *buf, u32 len, bool write)
{
	struct rxe_frwr *frwr = place->mr->frwr;
	int ret;

	lockdep_assert_in_rcu_read_lock();

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
 * rxe_kmem_atomic() - execute a 64-bit atomic operation on kernel memory
 * @place: the word, in a kernel consumer's region
 * @op: the operation
 * @operand: the value to add or to store
 * @compare: the comparand of UMEM_ODP_CMP_SWAP
 * @old: receives the former value of the word
 *
 * Context: the RCU read section in which @place was resolved.
 * Return: 0; -EINVAL: the word is unaligned, or the region has been
 * invalidated.
 */
int rxe_kmem_atomic(const struct rxe_place *place, enum umem_odp_atomic_op op,
		    u64 operand, u64 compare, u64 *old)
{
	struct rxe_frwr *frwr = place->mr->frwr;
	u32 room;
	int ret;

	lockdep_assert_in_rcu_read_lock();
	if (!frwr)
		return rxe_kmem_operate(rxe_kmem_pointer(place), op, operand,
					compare, old);
	spin_lock_bh(&frwr->lock);
	ret = rxe_kmem_operate(rxe_frwr_pointer(place, 0, &room), op, operand,
			       compare, old);
	spin_unlock_bh(&frwr->lock);
	return ret;
}
