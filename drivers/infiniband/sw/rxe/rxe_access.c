// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: What a key allows
 *
 * A task or a peer names memory by a key, an address and a length. These
 * functions find the region, directly or through a window, and check the range
 * and the rights.
 */
#include "rxe_access.h"
#include "rxe_frwr.h"
#include "rxe_mr.h"
#include "rxe_mw.h"
#include "rxe_qp.h"

static int rxe_mr_resolve(struct rxe_mr *mr, u32 key, u64 addr, u64 len,
			  int access, struct rxe_place *place)
{
	if (!rxe_mr_contains(mr, addr, len))
		return -EINVAL;
	if (access & ~mr->access)
		return -EACCES;
	place->mr = mr;
	place->offset = addr - mr->ib.iova;
	place->key = key;
	return 0;
}

/**
 * rxe_lkey_resolve() - check an access to local memory
 * @rxe: the device
 * @pd: protection domain that the region must belong to
 * @lkey: key of the region
 * @addr: first byte
 * @len: bytes
 * @access: IB_ACCESS_LOCAL_WRITE or 0
 * @place: receives region and offset; valid in this read section
 *
 * Context: RCU read section.
 * Return: 0; -EINVAL for a wrong key, protection domain or range; -EACCES if
 * only the right is missing.
 */
int rxe_lkey_resolve(struct rxe_dev *rxe, struct ib_pd *pd, u32 lkey, u64 addr,
		     u64 len, int access, struct rxe_place *place)
{
	struct rxe_mr *mr = rxe_mr_find(rxe, pd, lkey);

	return mr ? rxe_mr_resolve(mr, lkey, addr, len, access, place) :
		    -EINVAL;
}

/**
 * rxe_rkey_resolve() - check an access that a peer asks for
 * @qp: the responder
 * @rkey: key of a region or a window
 * @addr: first byte
 * @len: bytes
 * @access: IB_ACCESS_REMOTE_* rights that the access requires
 * @place: receives region and offset; valid in this read section
 *
 * Context: RCU read section.
 * Return: as rxe_lkey_resolve().
 */
int rxe_rkey_resolve(struct rxe_qp *qp, u32 rkey, u64 addr, u64 len,
		     int access, struct rxe_place *place)
{
	struct rxe_mr *mr = rxe_mr_find(qp_rxe(qp), qp->ib.pd, rkey);

	if (mr)
		return rxe_mr_resolve(mr, rkey, addr, len, access, place);
	return rxe_mw_resolve(qp, rkey, addr, len, access, place);
}

/**
 * rxe_rkey_check() - check a right to a whole region
 * @qp: the responder
 * @rkey: key of a region, not of a window
 * @access: IB_ACCESS_* rights that are required
 *
 * Context: RCU read section.
 * Return: as rxe_lkey_resolve().
 */
int rxe_rkey_check(struct rxe_qp *qp, u32 rkey, int access)
{
	struct rxe_mr *mr = rxe_mr_find(qp_rxe(qp), qp->ib.pd, rkey);

	if (!mr)
		return -EINVAL;
	return access & ~mr->access ? -EACCES : 0;
}

/**
 * rxe_rkey_invalidate() - make a key invalid that a peer may have
 * @qp: the queue pair that asks: for itself (local invalidate), or for its peer
 *	(SEND with invalidate)
 * @rkey: a type 2 window bound by @qp, or a region that the kernel registers by
 *	requests; the key of a user's region stays valid as long as the region
 *	does
 *
 * Context: any except hard interrupt; sq.lock or rq.lock may be held.
 * Return: 0 or -EINVAL.
 */
int rxe_rkey_invalidate(struct rxe_qp *qp, u32 rkey)
{
	return rxe_mw_invalidate(qp, rkey) && rxe_frwr_invalidate(qp, rkey) ?
		       -EINVAL : 0;
}
