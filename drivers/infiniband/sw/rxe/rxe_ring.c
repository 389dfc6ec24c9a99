// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Rings
 *
 * A ring is a power of two of slots that user space maps. One slot stays empty,
 * so that equal indices mean an empty ring.
 */
#include <linux/cache.h>
#include <linux/log2.h>
#include <linux/vmalloc.h>

#include "rxe_ring.h"

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
	size_t slots = roundup_pow_of_two(elems + 1UL);

	ring->bytes = sizeof(*ring->buf) + slots * slot;
	ring->mask = slots - 1;
	ring->elem_shift = ilog2(slot);
	ring->buf = vmalloc_user(ring->bytes);
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
