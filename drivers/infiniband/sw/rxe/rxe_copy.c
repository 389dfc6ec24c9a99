// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Between packets and memory
 *
 * Payload goes from a region into a packet, or from a packet into a region, at
 * one place. Keys and rights are checked for each packet, in the task's RCU read
 * section in which the bytes move, so a region that has been deregistered is not
 * touched by a packet that comes after. A packet that meets a missing page is
 * copied again from its beginning when the page is there. Where the pages of its
 * beginning have gone meanwhile, it goes on behind what has been copied before:
 * it ends, however few of its pages stay (rxe_fault_resume()).
 */
#include "rxe_access.h"
#include "rxe_copy.h"
#include "rxe_kmem.h"
#include "rxe_mr.h"

static int rxe_place_missing(const struct rxe_place *place, void *at, u32 len,
			     u32 left, u64 rest, bool write,
			     struct rxe_fault *fault);

/*
 * Returns 0, -EAGAIN with the fault under way, or -EFAULT; or how many bytes from
 * @buf on are done, which are @len or more. @left: bytes of the payload from @buf on.
 * @rest: bytes of the message from @place on, the length that a fault is for.
 */
static __always_inline int rxe_place_copy(const struct rxe_place *place,
					  void *buf, u32 len, u32 left,
					  u64 rest, bool write,
					  struct rxe_fault *fault)
{
	struct rxe_place missing;
	size_t done;
	int ret;

	if (unlikely(!place->mr->umem))
		return rxe_kmem_copy(place, buf, len, write);
	if (write)
		done = umem_odp_write(place->mr->umem, place->offset, buf, len);
	else
		done = umem_odp_read(place->mr->umem, place->offset, buf, len);
	if (done == len)
		return 0;
	missing = *place;
	missing.offset += done;
	ret = rxe_place_missing(&missing, buf + done, len - done, left - done,
				rest - done, write, fault);
	return ret > 0 ? ret + done : ret;
}

/* The same for a page that is missing: some of the payload may be done already. */
static noinline int rxe_place_missing(const struct rxe_place *place, void *at,
				      u32 len, u32 left, u64 rest, bool write,
				      struct rxe_fault *fault)
{
	u32 skip = rxe_fault_resume(fault, at, left, write);
	struct rxe_place next = *place;
	int ret;

	if (!skip)
		return rxe_fault_start(fault, place, rest, write);
	if (skip >= len)
		return skip;
	next.offset += skip;
	ret = rxe_place_copy(&next, at + skip, len - skip, left - skip,
			     rest - skip, write, fault);
	return ret > 0 ? ret + skip : ret;
}

static int rxe_sge_copy(struct rxe_qp *qp, const struct rxe_list *list,
			const struct rxe_sge *sge, u64 offset, void *buf,
			u32 len, u32 left, u64 rest, struct rxe_fault *fault)
{
	struct rxe_place place;
	int ret;

	ret = rxe_lkey_resolve(qp_rxe(qp), list->pd, sge->lkey,
			       sge->addr + offset, rest, list->access, &place);
	if (!ret)
		ret = rxe_place_copy(&place, buf, len, left, rest,
				     list->access, fault);
	return ret;
}

/**
 * rxe_list_copy() - copy between a buffer and a gather or scatter list
 * @qp: whose list it is
 * @list: the list
 * @offset: bytes into the list, where to begin
 * @buf: payload of a packet
 * @len: bytes
 * @rest: bytes of the message from @offset on that are known to follow, at
 *	least @len; if a page is missing, that many are made present
 * @fault: where to wait
 *
 * Context: a task, with the lock of its half of the QP.
 * Return: 0; -EAGAIN: the task is parked on @fault; -EINVAL, -EACCES: what is
 * wrong with the list; -EMSGSIZE: it is too short; -EFAULT.
 */
int rxe_list_copy(struct rxe_qp *qp, const struct rxe_list *list, u64 offset,
		  void *buf, u32 len, u64 rest, struct rxe_fault *fault)
{
	u32 i;
	int ret;

	for (i = 0; len && i < list->num_sge; i++) {
		const struct rxe_sge *sge = &list->sge[i];
		u64 room, known;
		u32 n;

		if (offset >= sge->length) {
			offset -= sge->length;
			continue;
		}
		room = sge->length - offset;
		known = min(room, rest);
		n = min_t(u64, len, room);
		ret = rxe_sge_copy(qp, list, sge, offset, buf, n, len, known,
				   fault);
		if (unlikely(ret)) {
			if (ret < 0)
				return ret;
			/* It goes on there, in this entry or a later one. */
			i--;
			offset += ret;
			buf += ret;
			len -= ret;
			rest -= ret;
			continue;
		}
		buf += n;
		len -= n;
		rest -= known;
		offset = 0;
	}
	return len ? -EMSGSIZE : 0;
}

/**
 * rxe_region_copy() - copy between a buffer and memory that the peer names
 * @qp: the responder
 * @rkey: of the memory
 * @addr: first byte
 * @buf: payload of a packet
 * @len: bytes
 * @rest: bytes of the message from @addr on, at least @len
 * @access: IB_ACCESS_REMOTE_READ: into @buf; IB_ACCESS_REMOTE_WRITE: out of it
 * @fault: where to wait
 *
 * Context: a task, with the lock of its half of the QP.
 * Return: 0; -EAGAIN: the task is parked on @fault; -EINVAL, -EACCES, -EFAULT:
 * the peer may not do that.
 */
int rxe_region_copy(struct rxe_qp *qp, u32 rkey, u64 addr, void *buf, u32 len,
		    u64 rest, int access, struct rxe_fault *fault)
{
	struct rxe_place place;
	int ret;

	if (!len)
		return 0;
	ret = rxe_rkey_resolve(qp, rkey, addr, rest, access, &place);
	if (!ret)
		ret = rxe_place_copy(&place, buf, len, len, rest,
				     access == IB_ACCESS_REMOTE_WRITE, fault);
	return ret;
}

static int rxe_place_atomic(const struct rxe_place *place,
			    enum umem_odp_atomic_op op,
			    const struct rxe_headers *headers, u64 *old,
			    struct rxe_fault *fault)
{
	int ret;

	if (unlikely(!place->mr->umem))
		return rxe_kmem_atomic(place, op, headers->swap_add,
				       headers->compare, old);
	ret = umem_odp_atomic(place->mr->umem, place->offset, op,
			      headers->swap_add, headers->compare, old);
	if (ret == -EAGAIN)
		ret = rxe_fault_start(fault, place, sizeof(u64), true);
	return ret;
}

/**
 * rxe_region_atomic() - execute an atomic request or an ATOMIC WRITE
 * @qp: the responder
 * @headers: of the request; the address is a multiple of 8; of an ATOMIC WRITE
 *	@headers->swap_add is the word
 * @old: receives the word as it was
 * @fault: where to wait
 *
 * Context: a task, with the lock of its half of the QP.
 * Return: as rxe_region_copy().
 */
int rxe_region_atomic(struct rxe_qp *qp, const struct rxe_headers *headers,
		      u64 *old, struct rxe_fault *fault)
{
	enum umem_odp_atomic_op op = UMEM_ODP_FETCH_ADD;
	int access = IB_ACCESS_REMOTE_ATOMIC;
	struct rxe_place place;
	int ret;

	if (headers->opcode == IB_OPCODE_RC_COMPARE_SWAP) {
		op = UMEM_ODP_CMP_SWAP;
	} else if (headers->opcode == IB_OPCODE_RC_ATOMIC_WRITE) {
		op = UMEM_ODP_SWAP;
		access = IB_ACCESS_REMOTE_WRITE;
	}

	ret = rxe_rkey_resolve(qp, headers->rkey, headers->va, sizeof(u64),
			       access, &place);
	if (!ret)
		ret = rxe_place_atomic(&place, op, headers, old, fault);
	return ret;
}
