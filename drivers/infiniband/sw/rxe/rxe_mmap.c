// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Mapping rings
 *
 * A command that makes a ring answers with an offset, at which the same context
 * may map it, once. The mapping holds the ring's pages, not the ring: all that
 * has to be kept apart is mapping a ring and withdrawing it, and the mutex does.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "rxe.h"
#include "rxe_ring.h"

/**
 * struct rxe_offer - a ring that waits for its mmap()
 * @node: in the device's list
 * @context: who may map it
 * @buf: what is mapped
 * @bytes: size of @buf
 * @offset: what names it
 */
struct rxe_offer {
	struct list_head node;
	struct ib_ucontext *context;
	struct rxe_queue_buf *buf;
	size_t bytes;
	u64 offset;
};

/**
 * rxe_mmap_offer() - let user space map a ring
 * @rxe: the device
 * @context: who may map it
 * @ring: the ring
 * @info: receives where it can be mapped
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_mmap_offer(struct rxe_dev *rxe, struct ib_ucontext *context,
		   struct rxe_ring *ring, struct mminfo *info)
{
	struct rxe_offer *offer = kmalloc(sizeof(*offer), GFP_KERNEL_ACCOUNT);

	if (!offer)
		return -ENOMEM;
	offer->context = context;
	offer->buf = ring->buf;
	offer->bytes = ring->bytes;

	mutex_lock(&rxe->mmaps_lock);
	offer->offset = rxe->next_mmap;
	rxe->next_mmap += PAGE_ALIGN(ring->bytes);
	*info = (struct mminfo){
		.offset = offer->offset,
		.size = ring->bytes,
	};
	list_add(&offer->node, &rxe->mmaps);
	mutex_unlock(&rxe->mmaps_lock);
	return 0;
}

static void rxe_offer_remove(struct rxe_offer *offer)
{
	list_del(&offer->node);
	kfree(offer);
}

/**
 * rxe_mmap_withdraw() - a ring is not there to be mapped any more
 * @rxe: the device
 * @ring: the ring; need not have been offered, and may have been mapped
 *
 * Context: process context; may sleep.
 */
void rxe_mmap_withdraw(struct rxe_dev *rxe, struct rxe_ring *ring)
{
	struct rxe_offer *offer;

	mutex_lock(&rxe->mmaps_lock);
	list_for_each_entry(offer, &rxe->mmaps, node) {
		if (offer->buf == ring->buf) {
			rxe_offer_remove(offer);
			break;
		}
	}
	mutex_unlock(&rxe->mmaps_lock);
}

static struct rxe_offer *rxe_offer_find(struct rxe_dev *rxe,
					struct ib_ucontext *context, u64 offset)
{
	struct rxe_offer *offer;

	list_for_each_entry(offer, &rxe->mmaps, node)
		if (offer->context == context && offer->offset == offset)
			return offer;
	return NULL;
}

static int rxe_offer_map(struct rxe_offer *offer, struct vm_area_struct *vma)
{
	int ret = rxe_ring_map(offer->buf, offer->bytes, vma);

	if (!ret)
		rxe_offer_remove(offer);
	return ret;
}

/**
 * rxe_mmap() - map a ring that was offered
 * @context: who maps
 * @vma: where to; its offset is the one that was offered
 *
 * Context: process context, mmap lock held for writing.
 * Return: 0; -EINVAL where nothing is offered to @context at that offset, or
 * less than is asked for; or what inserting pages gave.
 */
int rxe_mmap(struct ib_ucontext *context, struct vm_area_struct *vma)
{
	struct rxe_dev *rxe = to_rxe(context->device);
	struct rxe_offer *offer;
	int ret = -EINVAL;

	mutex_lock(&rxe->mmaps_lock);
	offer = rxe_offer_find(rxe, context, (u64)vma->vm_pgoff << PAGE_SHIFT);
	if (offer)
		ret = rxe_offer_map(offer, vma);
	mutex_unlock(&rxe->mmaps_lock);
	return ret;
}
