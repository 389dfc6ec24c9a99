// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Mapping rings
 *
 * The answer to a command that creates a ring contains an offset, at which the
 * same user context may map the ring once. The mapping holds references to the
 * ring's pages, not to the ring. So only mapping a ring and withdrawing its
 * offer must be serialized, which mmaps_lock does.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "rxe.h"
#include "rxe_mmap.h"

/**
 * struct rxe_offer - a ring that user space may map
 * @node: in rxe_dev.mmaps; protected by mmaps_lock
 * @context: the user context that may map the ring
 * @buf: the ring's buffer
 * @bytes: size of @buf in bytes
 * @offset: mmap() offset that names the ring, in bytes
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
 * @context: the user context that may map the ring
 * @ring: the ring
 * @info: receives the mmap() offset and the size, in bytes
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
 * rxe_mmap_withdraw() - do not let user space map a ring any more
 * @rxe: the device
 * @ring: the ring; it may have been mapped already, or never been offered
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

	lockdep_assert_held(&rxe->mmaps_lock);
	list_for_each_entry(offer, &rxe->mmaps, node)
		if (offer->context == context && offer->offset == offset)
			return offer;
	return NULL;
}

static int rxe_offer_map(struct rxe_dev *rxe, struct rxe_offer *offer,
			 struct vm_area_struct *vma)
{
	int ret = rxe_ring_map(offer->buf, offer->bytes, vma);

	lockdep_assert_held(&rxe->mmaps_lock);
	if (!ret)
		rxe_offer_remove(offer);
	else
		ibdev_dbg(&rxe->ib, "mmap: %lu bytes of a ring of %zu (%d)\n",
			  vma->vm_end - vma->vm_start, offer->bytes, ret);
	return ret;
}

/**
 * rxe_mmap() - map a ring that was offered
 * @context: the user context that maps the ring
 * @vma: the mapping; its offset names the ring
 *
 * Context: process context, mmap lock held for writing.
 * Return: 0; -EINVAL: no ring is offered to @context at that offset, or the
 * mapping is larger than the ring; or the error of inserting pages.
 */
int rxe_mmap(struct ib_ucontext *context, struct vm_area_struct *vma)
{
	struct rxe_dev *rxe = to_rxe(context->device);
	struct rxe_offer *offer;
	int ret = -EINVAL;

	mmap_assert_write_locked(vma->vm_mm);
	mutex_lock(&rxe->mmaps_lock);
	offer = rxe_offer_find(rxe, context, (u64)vma->vm_pgoff << PAGE_SHIFT);
	if (offer)
		ret = rxe_offer_map(rxe, offer, vma);
	else
		ibdev_dbg(&rxe->ib, "mmap: no ring is offered at page 0x%lx\n",
			  vma->vm_pgoff);
	mutex_unlock(&rxe->mmaps_lock);
	return ret;
}
