// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Regions that the kernel registers by requests
 *
 * This is fast registration. The consumer fills the region's page list while
 * its key is free. A request in the send queue registers the region, with a new
 * variant of the key. Another request, or a SEND from the peer, invalidates it:
 * its key is free again, no lookup finds it, and all copies have ended.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "rxe_access.h"
#include "rxe_frwr.h"
#include "rxe_mr.h"
#include "rxe_qp.h"

/* --- making --------------------------------------------------------------- */

static struct rxe_frwr *rxe_frwr_make(u32 max_pages)
{
	struct rxe_frwr *frwr;

	frwr = kvzalloc(struct_size(frwr, pages, max_pages), GFP_KERNEL);
	if (!frwr)
		return NULL;
	frwr->max_pages = max_pages;
	spin_lock_init(&frwr->lock);
	return frwr;
}

static struct rxe_mr *rxe_frwr_make_mr(struct ib_pd *pd, u32 max_pages)
{
	struct rxe_mr *mr = kzalloc(sizeof(*mr), GFP_KERNEL);

	if (!mr)
		return NULL;
	mr->ib.device = pd->device;
	mr->ib.pd = pd;
	mr->frwr = rxe_frwr_make(max_pages);
	if (!mr->frwr) {
		kfree(mr);
		return NULL;
	}
	return mr;
}

/**
 * rxe_alloc_mr() - create a region to be registered by requests
 * @pd: protection domain of a consumer in the kernel
 * @type: %IB_MR_TYPE_MEM_REG
 * @max_num_sg: size of the page list, in pages
 *
 * Context: process context.
 * Return: the region, or an ERR_PTR: -EOPNOTSUPP for other types; -EINVAL for
 * no pages, or more than the device offers; -ENOMEM.
 */
struct ib_mr *rxe_alloc_mr(struct ib_pd *pd, enum ib_mr_type type,
			   u32 max_num_sg)
{
	struct rxe_mr *mr;
	int ret;

	if (type != IB_MR_TYPE_MEM_REG) {
		ibdev_dbg(pd->device, "alloc_mr: no regions of type %d\n", type);
		return ERR_PTR(-EOPNOTSUPP);
	}
	if (!max_num_sg || max_num_sg > RXE_MAX_FRWR_PAGES) {
		ibdev_dbg(pd->device, "alloc_mr: %u pages are out of range\n",
			  max_num_sg);
		return ERR_PTR(-EINVAL);
	}
	mr = rxe_frwr_make_mr(pd, max_num_sg);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	ret = rxe_key_assign(mr, RXE_KEY_FREE_MR, true);
	if (ret) {
		kvfree(mr->frwr);
		kfree(mr);
		return ERR_PTR(ret);
	}
	return &mr->ib;
}

/* --- filling -------------------------------------------------------------- */

static int rxe_frwr_add_page(struct ib_mr *ibmr, u64 address)
{
	struct rxe_frwr *frwr = to_rmr(ibmr)->frwr;

	if (frwr->num_pages == frwr->max_pages)
		return -ENOMEM;
	frwr->pages[frwr->num_pages++] = address;
	return 0;
}

/**
 * rxe_map_mr_sg() - fill a region's page list
 * @ibmr: the region, with a free key and its page size set
 * @sg: the memory, mapped for the device
 * @num_sg: elements of @sg
 * @sg_offset: bytes of the first element to skip, or NULL; receives the end
 *
 * Context: any; the consumer does nothing else with the region.
 * Return: number of elements that are in the list, fewer than @num_sg if the
 * next one is not aligned or the list is full; or -EINVAL for a region without
 * a list.
 */
int rxe_map_mr_sg(struct ib_mr *ibmr, struct scatterlist *sg, int num_sg,
		  unsigned int *sg_offset)
{
	struct rxe_frwr *frwr = to_rmr(ibmr)->frwr;

	if (!frwr) {
		ibdev_dbg(ibmr->device, "map_mr_sg: region 0x%x has no list\n",
			  ibmr->lkey);
		return -EINVAL;
	}
	frwr->num_pages = 0;
	return ib_sg_to_pages(ibmr, sg, num_sg, sg_offset, rxe_frwr_add_page);
}

/* --- registering and invalidating ----------------------------------------- */

static void rxe_frwr_set(struct rxe_mr *mr, enum rxe_key_type type)
{
	lockdep_assert_held(&mr->frwr->lock);
	/* Pairs with rxe_key_is(), behind which the pages are valid. */
	smp_store_release(&mr->key.type, type);
}

/**
 * rxe_frwr_register() - execute a registration request
 * @qp: the request's queue pair
 * @wqe: the request
 *
 * Context: sq.lock held.
 * Return: 0; -EINVAL if the region is registered already or belongs to another
 * protection domain, or if the new key differs in more than the variant.
 */
int rxe_frwr_register(struct rxe_qp *qp, const struct rxe_swqe *wqe)
{
	struct rxe_mr *mr = to_rmr(wqe->reg.mr);
	struct rxe_frwr *frwr = mr->frwr;
	int ret = -EINVAL;

	lockdep_assert_held(&qp->sq.lock);
	if (!frwr || mr->ib.pd != qp->ib.pd)
		return ret;
	spin_lock_bh(&frwr->lock);
	if (mr->key.type == RXE_KEY_FREE_MR &&
	    !((wqe->reg.key ^ mr->key.value) >> 8)) {
		WRITE_ONCE(mr->key.value, wqe->reg.key);
		mr->access = wqe->reg.access;
		rxe_frwr_set(mr, RXE_KEY_MR);
		ret = 0;
	}
	spin_unlock_bh(&frwr->lock);
	return ret;
}

/* In an RCU read section. */
static struct rxe_mr *rxe_frwr_find(struct rxe_qp *qp, u32 rkey)
{
	struct rxe_dev *rxe = qp_rxe(qp);
	struct rxe_key *key = rxe_key_find(rxe, rkey, RXE_KEY_MR) ?:
			      rxe_key_find(rxe, rkey, RXE_KEY_FREE_MR);
	struct rxe_mr *mr;

	if (!key)
		return NULL;
	mr = container_of(key, struct rxe_mr, key);
	return mr->frwr && mr->ib.pd == qp->ib.pd ? mr : NULL;
}

/**
 * rxe_frwr_invalidate() - invalidate a region
 * @qp: the queue pair that asks, for itself or for its peer
 * @rkey: the region's key; the region may be invalid already
 *
 * When this returns, no copy by the key is under way.
 *
 * Context: any except hard interrupt; sq.lock or rq.lock may be held.
 * Return: 0; -EINVAL if @rkey is no such region.
 */
int rxe_frwr_invalidate(struct rxe_qp *qp, u32 rkey)
{
	struct rxe_mr *mr;
	int ret = -EINVAL;

	rcu_read_lock();
	mr = rxe_frwr_find(qp, rkey);
	if (mr) {
		spin_lock_bh(&mr->frwr->lock);
		if (mr->key.value == rkey) {
			rxe_frwr_set(mr, RXE_KEY_FREE_MR);
			ret = 0;
		}
		spin_unlock_bh(&mr->frwr->lock);
	}
	rcu_read_unlock();
	return ret;
}

/**
 * rxe_frwr_close() - invalidate a region that is being deregistered
 * @mr: the region; lookups do not find its key any more
 *
 * Context: process context.
 */
void rxe_frwr_close(struct rxe_mr *mr)
{
	spin_lock_bh(&mr->frwr->lock);
	rxe_frwr_set(mr, RXE_KEY_FREE_MR);
	spin_unlock_bh(&mr->frwr->lock);
}

/* --- using ---------------------------------------------------------------- */

/**
 * rxe_frwr_pointer() - translate an offset in a region
 * @place: place in the region
 * @skip: bytes from there on
 * @room: receives the number of contiguous bytes
 *
 * Context: frwr->lock held, until the access is done.
 * Return: a pointer to the byte, or NULL if the region was invalidated after
 * @place was resolved.
 */
void *rxe_frwr_pointer(const struct rxe_place *place, u64 skip, u32 *room)
{
	const struct rxe_mr *mr = place->mr;
	u32 page_size = mr->ib.page_size;
	u64 at = (mr->ib.iova & (page_size - 1)) + place->offset + skip;
	u64 page = at >> ilog2(page_size);
	u32 offset = at & (page_size - 1);

	lockdep_assert_held(&mr->frwr->lock);
	if (mr->key.type != RXE_KEY_MR || mr->key.value != place->key ||
	    page >= mr->frwr->num_pages)
		return NULL;
	*room = page_size - offset;
	return (void *)(uintptr_t)mr->frwr->pages[page] + offset;
}
