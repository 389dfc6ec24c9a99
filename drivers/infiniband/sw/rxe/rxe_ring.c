// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Rings
 *
 * A ring has a power of two of slots and is mapped by user space. One slot
 * stays empty, so that equal indices mean an empty ring.
 */
#include <linux/cache.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "rxe_ring.h"

/*
 * The memory is charged to the current process' memory cgroup, and zeroed
 * because user space sees all of it. If memory is short, the allocation fails
 * rather than invoke the OOM killer, and it does not warn in the kernel log.
 */
#define RXE_RING_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO |	\
			 __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * rxe_ring_init() - create a ring
 * @ring: the ring; all members are set
 * @elems: number of elements that the ring must be able to hold; it may hold
 *	more, which is @ring->mask
 * @elem_size: size of an element in bytes
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_ring_init(struct rxe_ring *ring, u32 elems, size_t elem_size)
{
	size_t slot = roundup_pow_of_two(max_t(size_t, elem_size,
					       SMP_CACHE_BYTES));
	size_t slots = rxe_ring_mask(elems) + 1UL;

	ring->bytes = sizeof(*ring->buf) + slots * slot;
	ring->mask = slots - 1;
	ring->elem_shift = ilog2(slot);
	ring->buf = __vmalloc(ring->bytes, RXE_RING_GFP);
	if (!ring->buf)
		return -ENOMEM;

	ring->buf->log2_elem_size = ring->elem_shift;
	ring->buf->index_mask = ring->mask;
	return 0;
}

/**
 * rxe_ring_free() - free a ring
 * @ring: the ring; its buffer may be NULL
 *
 * User space may still have the ring mapped; the mapping keeps the pages.
 *
 * Context: process context; may sleep.
 */
void rxe_ring_free(struct rxe_ring *ring)
{
	vfree(ring->buf);
	ring->buf = NULL;
}

/**
 * rxe_ring_map() - insert a ring's pages into a mapping
 * @buf: the ring's buffer
 * @bytes: size of the buffer in bytes
 * @vma: the mapping; no larger than the buffer
 *
 * Context: process context, mmap lock held for writing; may sleep.
 * Return: 0; -EINVAL: the mapping is larger than the buffer; or the error of
 * inserting a page.
 */
int rxe_ring_map(const struct rxe_queue_buf *buf, size_t bytes,
		 struct vm_area_struct *vma)
{
	unsigned long size = vma->vm_end - vma->vm_start;
	unsigned long at;
	int ret = 0;

	mmap_assert_write_locked(vma->vm_mm);
	if (size > PAGE_ALIGN(bytes))
		return -EINVAL;
	for (at = 0; at < size && !ret; at += PAGE_SIZE) {
		ret = vm_insert_page(vma, vma->vm_start + at,
				     vmalloc_to_page((const void *)buf + at));
		cond_resched();
	}
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	return ret;
}
