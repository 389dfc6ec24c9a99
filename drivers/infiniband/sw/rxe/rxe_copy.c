// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Between packets and memory
 *
 * All payload is copied between packets and regions by this file. Keys and
 * access rights are checked for each packet, in the same RCU read section of
 * the task in which the bytes are copied. So a packet that arrives after a
 * region has been deregistered cannot touch the region. When a packet meets a
 * missing page, the page is faulted in and the packet is copied again from its
 * beginning. If the pages of its beginning have been reclaimed meanwhile, the
 * copy continues behind the bytes that were copied before. So the copy
 * completes, however few of the packet's pages stay present at a time
 * (rxe_fault_resume()).
 */
#include "rxe_access.h"
#include "rxe_copy.h"
#include "rxe_kmem.h"
#include "rxe_mr.h"

static int rxe_place_missing(const struct rxe_place *place, void *at, u32 len,
			     u32 left, u64 rest, bool write,
			     struct rxe_fault *fault);

/*
 * Copies @len bytes between @buf and @place. @left is the number of bytes of
 * the payload from @buf on. @rest is the number of bytes of the message from
 * @place on; a fault is started for that length.
 *
 * Returns 0, -EAGAIN with the fault under way, -EFAULT, or a positive number of
 * bytes from @buf on that had been copied before, which is @len or more.
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

/*
 * Continues rxe_place_copy() at a missing page: skips bytes that had been
 * copied before, or starts a fault. The return value is that of
 * rxe_place_copy().
 */
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

/*
 * A task copies under the lock of its half of @qp. rxe_pd_pass() takes rq.lock
 * in order to wait for copies under way.
 */
static void rxe_copy_assert(struct rxe_qp *qp)
{
	lockdep_assert_in_rcu_read_lock();
	lockdep_assert(lockdep_is_held(&qp->sq.lock) ||
		       lockdep_is_held(&qp->rq.lock));
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
 * @qp: the queue pair that the list belongs to
 * @list: the list
 * @offset: where in the list to begin, in bytes
 * @buf: payload of a packet
 * @len: number of bytes to copy
 * @rest: number of bytes of the message from @offset on that are known to
 *	follow, at least @len; if a page is missing, that many bytes are faulted
 *	in
 * @fault: where the task waits for a missing page
 *
 * Context: a task of @qp, with the lock of its half of @qp held.
 * Return: 0; -EAGAIN: the task is parked on @fault; -EINVAL: a key of the list
 * is not valid; -EACCES: a key does not allow the access; -EMSGSIZE: the list
 * is too short; -EFAULT: memory cannot be accessed.
 */
int rxe_list_copy(struct rxe_qp *qp, const struct rxe_list *list, u64 offset,
		  void *buf, u32 len, u64 rest, struct rxe_fault *fault)
{
	u32 i;
	int ret;

	rxe_copy_assert(qp);
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
			/* Skip the bytes done, to this entry or a later one. */
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
 * @qp: the responder's queue pair
 * @rkey: remote key of the memory
 * @addr: address of the first byte
 * @buf: payload of a packet
 * @len: number of bytes to copy
 * @rest: number of bytes of the message from @addr on, at least @len
 * @access: IB_ACCESS_REMOTE_READ: copy into @buf; IB_ACCESS_REMOTE_WRITE: copy
 *	out of @buf
 * @fault: where the task waits for a missing page
 *
 * Context: a task of @qp, with the lock of its half of @qp held.
 * Return: 0; -EAGAIN: the task is parked on @fault; -EINVAL, -EACCES, -EFAULT:
 * the peer may not access this memory.
 */
int rxe_region_copy(struct rxe_qp *qp, u32 rkey, u64 addr, void *buf, u32 len,
		    u64 rest, int access, struct rxe_fault *fault)
{
	struct rxe_place place;
	int ret;

	rxe_copy_assert(qp);
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
 * @qp: the responder's queue pair
 * @headers: headers of the request; the address is a multiple of 8; an ATOMIC
 *	WRITE has its word in @headers->swap_add
 * @old: receives the former value of the word
 * @fault: where the task waits for a missing page
 *
 * Context: a task of @qp, with the lock of its half of @qp held.
 * Return: as rxe_region_copy().
 */
int rxe_region_atomic(struct rxe_qp *qp, const struct rxe_headers *headers,
		      u64 *old, struct rxe_fault *fault)
{
	enum umem_odp_atomic_op op = UMEM_ODP_FETCH_ADD;
	int access = IB_ACCESS_REMOTE_ATOMIC;
	struct rxe_place place;
	int ret;

	rxe_copy_assert(qp);
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
