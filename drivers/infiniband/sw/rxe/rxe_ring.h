/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_ring.c: rings shared with user space */
#ifndef RXE_RING_H
#define RXE_RING_H

#include <linux/log2.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_user_rxe.h>

struct rxe_dev;

/**
 * struct rxe_ring - a ring in memory that user space maps
 * @buf: the shared buffer; user space may write any byte of it at any time
 * @bytes: size of @buf in bytes
 * @mask: number of slots - 1; the ring holds at most @mask elements
 * @elem_shift: log2 of a slot's size in bytes
 *
 * The kernel never reads @mask and @elem_shift back from @buf. It keeps its own
 * index elsewhere and only publishes it in @buf.
 */
struct rxe_ring {
	struct rxe_queue_buf *buf;
	size_t bytes;
	u32 mask;
	u32 elem_shift;
};

/**
 * rxe_ring_mask() - size a queue
 * @elems: least number of elements
 *
 * Context: any.
 * Return: number of slots - 1, which is also the number of elements, because
 * one slot stays free.
 */
static inline u32 rxe_ring_mask(u32 elems)
{
	return roundup_pow_of_two(elems + 1UL) - 1;
}

int rxe_ring_init(struct rxe_ring *ring, u32 elems, size_t elem_size);
void rxe_ring_free(struct rxe_ring *ring);
int rxe_ring_map(const struct rxe_queue_buf *buf, size_t bytes,
		 struct vm_area_struct *vma);

static inline void *rxe_ring_slot(const struct rxe_ring *ring, u32 index)
{
	return ring->buf->data +
	       ((size_t)(index & ring->mask) << ring->elem_shift);
}

/*
 * The index of user space's producer. The acquire pairs with the provider's
 * release of the index: slots before it can be read.
 */
static inline u32 rxe_ring_producer(const struct rxe_ring *ring)
{
	return smp_load_acquire(&ring->buf->producer_index) & ring->mask;
}

/*
 * The index of user space's consumer. The acquire pairs with the provider's
 * release of the index: the provider has read the slots before it, so they may
 * be written again.
 */
static inline u32 rxe_ring_consumer(const struct rxe_ring *ring)
{
	return smp_load_acquire(&ring->buf->consumer_index) & ring->mask;
}

/*
 * Pairs with the provider's acquire of the index: it may read the slots then.
 */
static inline void rxe_ring_publish_producer(struct rxe_ring *ring, u32 index)
{
	smp_store_release(&ring->buf->producer_index, index & ring->mask);
}

/*
 * Pairs with the provider's acquire of the index: it may reuse the slots then.
 */
static inline void rxe_ring_publish_consumer(struct rxe_ring *ring, u32 index)
{
	smp_store_release(&ring->buf->consumer_index, index & ring->mask);
}

#endif /* RXE_RING_H */
