// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Receive requests
 *
 * Queue pairs and shared receive queues have the same queue of receive
 * requests. User space posts into a ring without a system call, the kernel
 * posts into an array. A request is copied when it is taken, and its slot is
 * free again.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "rxe_recvq.h"

/**
 * rxe_recvq_init() - allocate a queue of receive requests
 * @queue: the queue, zeroed except for @queue->owner_lock
 * @wrs: least number of requests; the actual number is @queue->ring.mask
 * @max_sge: largest number of elements of a request
 * @user: user space posts the requests
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_recvq_init(struct rxe_recvq *queue, u32 wrs, u32 max_sge, bool user)
{
	queue->max_sge = max_sge;
	spin_lock_init(&queue->post_lock);
	if (user)
		return rxe_ring_init(&queue->ring, wrs,
				     sizeof(struct rxe_recv_wqe) +
					     max_sge * sizeof(struct rxe_sge));
	queue->ring.mask = rxe_ring_mask(wrs);
	queue->kernel_wqe_size = offsetof(struct rxe_rwqe, sge[max_sge]);
	queue->kernel_wqes = kvcalloc(queue->ring.mask + 1UL,
				      queue->kernel_wqe_size, GFP_KERNEL);
	return queue->kernel_wqes ? 0 : -ENOMEM;
}

/**
 * rxe_recvq_free() - free a queue of receive requests
 * @queue: the queue; a zeroed one has nothing to free
 *
 * Context: process context; may sleep.
 */
void rxe_recvq_free(struct rxe_recvq *queue)
{
	rxe_ring_free(&queue->ring);
	kvfree(queue->kernel_wqes);
	queue->kernel_wqes = NULL;
}

static void rxe_recvq_reset_kernel(struct rxe_recvq *queue)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->post_lock, flags);
	queue->kernel_prod = 0;
	queue->cons = 0;
	spin_unlock_irqrestore(&queue->post_lock, flags);
}

/**
 * rxe_recvq_reset() - empty a queue
 * @queue: the queue
 *
 * Context: @queue->owner_lock held.
 */
void rxe_recvq_reset(struct rxe_recvq *queue)
{
	lockdep_assert_held(queue->owner_lock);
	if (queue->kernel_wqes) {
		rxe_recvq_reset_kernel(queue);
		return;
	}
	queue->cons = 0;
	if (!queue->ring.buf)
		return;
	rxe_ring_publish_producer(&queue->ring, 0);
	rxe_ring_publish_consumer(&queue->ring, 0);
}

/**
 * rxe_recvq_left() - count the requests that wait
 * @queue: the queue
 *
 * Context: @queue->owner_lock held.
 * Return: number of requests.
 */
u32 rxe_recvq_left(const struct rxe_recvq *queue)
{
	u32 posted;

	lockdep_assert_held(queue->owner_lock);
	if (queue->ring.buf)
		posted = rxe_ring_producer(&queue->ring);
	else
		/* Pairs with rxe_recvq_post_one(). */
		posted = smp_load_acquire(&queue->kernel_prod);
	return (posted - queue->cons) & queue->ring.mask;
}

static void rxe_rwqe_measure(struct rxe_rwqe *wqe)
{
	wqe->length = min_t(u64, rxe_sge_total(wqe->sge, wqe->num_sge),
			    RXE_MAX_MSG);
}

/* User space may write to the slot at any time, so read each field once. */
static enum rxe_taken rxe_rwqe_copy(struct rxe_rwqe *wqe,
				    const struct rxe_recv_wqe *slot,
				    u32 max_sge)
{
	u32 num_sge = READ_ONCE(slot->dma.num_sge);

	wqe->wr_id = READ_ONCE(slot->wr_id);
	if (unlikely(num_sge > max_sge))
		return RXE_TAKEN_BAD;
	wqe->num_sge = num_sge;
	memcpy(wqe->sge, slot->dma.sge, num_sge * sizeof(*wqe->sge));
	/* Do not read the slot again below. */
	barrier();
	rxe_rwqe_measure(wqe);
	return RXE_TAKEN;
}

static struct rxe_rwqe *rxe_recvq_kernel_wqe(const struct rxe_recvq *queue,
					     u32 index)
{
	return queue->kernel_wqes +
	       (index & queue->ring.mask) * queue->kernel_wqe_size;
}

/**
 * rxe_recvq_take() - take the oldest request
 * @queue: the queue
 * @wqe: receives a copy of the request
 *
 * Context: @queue->owner_lock held.
 * Return: whether @wqe is valid.
 */
enum rxe_taken rxe_recvq_take(struct rxe_recvq *queue, struct rxe_rwqe *wqe)
{
	u32 index = queue->cons & queue->ring.mask;
	enum rxe_taken taken = RXE_TAKEN;

	lockdep_assert_held(queue->owner_lock);
	if (!rxe_recvq_left(queue))
		return RXE_TAKEN_NONE;
	if (queue->ring.buf) {
		queue->cons++;
		taken = rxe_rwqe_copy(wqe, rxe_ring_slot(&queue->ring, index),
				      queue->max_sge);
		rxe_ring_publish_consumer(&queue->ring, index + 1);
	} else {
		memcpy(wqe, rxe_recvq_kernel_wqe(queue, index),
		       queue->kernel_wqe_size);
		/* Pairs with rxe_recvq_post_one(): the slot is free. */
		smp_store_release(&queue->cons, queue->cons + 1);
	}
	return taken;
}

static int rxe_recvq_post_one(struct rxe_recvq *queue,
			      const struct ib_recv_wr *wr)
{
	/* Pairs with rxe_recvq_take(): the slot is free. */
	u32 left = queue->kernel_prod - smp_load_acquire(&queue->cons);
	struct rxe_rwqe *wqe;
	int i;

	lockdep_assert_held(&queue->post_lock);
	if (left >= queue->ring.mask)
		return -ENOMEM;
	if (wr->num_sge > queue->max_sge)
		return -EINVAL;
	wqe = rxe_recvq_kernel_wqe(queue, queue->kernel_prod);
	wqe->wr_id = wr->wr_id;
	wqe->num_sge = wr->num_sge;
	for (i = 0; i < wr->num_sge; i++)
		wqe->sge[i] = rxe_sge_of(&wr->sg_list[i]);
	rxe_rwqe_measure(wqe);
	/* Pairs with rxe_recvq_left(): the request is complete. */
	smp_store_release(&queue->kernel_prod, queue->kernel_prod + 1);
	return 0;
}

/**
 * rxe_recvq_post() - post receive requests of the kernel
 * @queue: the queue, allocated for the kernel
 * @wr: requests
 * @bad_wr: receives the first request that was not posted
 *
 * Context: any; the lock of the queue's owner need not be held.
 * Return: 0; -EINVAL for too many elements; -ENOMEM if the queue is full.
 */
int rxe_recvq_post(struct rxe_recvq *queue, const struct ib_recv_wr *wr,
		   const struct ib_recv_wr **bad_wr)
{
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&queue->post_lock, flags);
	for (; wr; wr = wr->next) {
		ret = rxe_recvq_post_one(queue, wr);
		if (ret) {
			*bad_wr = wr;
			break;
		}
	}
	spin_unlock_irqrestore(&queue->post_lock, flags);
	return ret;
}

/**
 * rxe_recvq_copy() - copy the requests that wait to another ring
 * @queue: a user's queue
 * @ring: the other ring, with slots of the same size
 * @cons: @queue->cons at an earlier time, where to start
 * @left: rxe_recvq_left() at that time, the number of requests to copy
 *
 * Context: may sleep. @queue->owner_lock need not be held: slots keep their
 * contents while user space does not post, even after requests are taken.
 */
void rxe_recvq_copy(const struct rxe_recvq *queue, struct rxe_ring *ring,
		    u32 cons, u32 left)
{
	u32 i;

	for (i = 0; i < left; i++) {
		memcpy(rxe_ring_slot(ring, i),
		       rxe_ring_slot(&queue->ring, cons + i),
		       1UL << ring->elem_shift);
		if (!(i % 64))
			cond_resched();
	}
}

/**
 * rxe_recvq_switch() - replace a queue's ring
 * @queue: a user's queue
 * @ring: the new ring, filled by rxe_recvq_copy(); receives the old one
 * @cons: as for rxe_recvq_copy()
 * @left: as for rxe_recvq_copy()
 *
 * Context: @queue->owner_lock held.
 */
void rxe_recvq_switch(struct rxe_recvq *queue, struct rxe_ring *ring, u32 cons,
		      u32 left)
{
	u32 taken = min(queue->cons - cons, left);

	lockdep_assert_held(queue->owner_lock);
	rxe_ring_publish_consumer(ring, taken);
	rxe_ring_publish_producer(ring, left);
	swap(queue->ring, *ring);
	queue->cons = taken;
}
