// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Rings
 *
 * A ring is a power of two of slots that user space maps. One slot stays empty,
 * so that equal indices mean an empty ring.
 */
#include <linux/cache.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "rxe_ring.h"

/*
 * The memory is charged to the cgroup of who asks for the ring, and zeroed, because
 * user space sees all of it. An allocation that finds too little is to fail, before a
 * process is killed for it, and without a word in the kernel's log.
 */
#define RXE_RING_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO |	\
			 __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * rxe_ring_init() - make a ring
 * @ring: the ring; all of it is filled in
 * @elems: elements that it must be able to hold; it may hold more: @ring->mask
 * @elem_size: bytes of an element
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
 * @ring: the ring; a buffer of NULL is nothing to free
 *
 * User space may still have it mapped; its mapping keeps the pages.
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
 * @bytes: its size
 * @vma: where to; no larger than the buffer
 *
 * Context: process context, mmap lock held for writing.
 * Return: 0; -EINVAL: the mapping is larger; or what inserting a page gave.
 */
int rxe_ring_map(const struct rxe_queue_buf *buf, size_t bytes,
		 struct vm_area_struct *vma)
{
	unsigned long size = vma->vm_end - vma->vm_start;
	unsigned long at;
	int ret = 0;

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
