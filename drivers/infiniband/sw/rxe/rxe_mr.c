// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Memory regions and keys
 *
 * A key names a memory region or a memory window. It is an index into the
 * device's table, and a variant in its low byte, so that a key that is no longer
 * valid does not name what got its index. The data path resolves keys under RCU
 * and takes no reference.
 *
 * When a verb that ends a region or a window returns, nothing is read or written by
 * its key any more. No verb waits for an RCU grace period for that. The key leaves the
 * table, which is for those who have not found it yet. Who has found it still has to
 * get through a lock, and finds behind it that there is nothing:
 *
 *	a process's region	the leaf's (umem_odp_close())
 *	a region of the kernel's	frwr->lock, which sees the key free
 *	a window		rq.lock of each queue pair that it could be used by
 *				(rxe_dealloc_mw()), which holds it from resolving
 *				the key until the bytes have been moved
 *
 * (A region that is all of the kernel's memory has no such lock: it goes after the
 * queue pairs of its protection domain.) So pages can be unpinned, and accounted to
 * nobody, at once. Only the structures themselves are freed after a grace period.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <rdma/ib_umem.h>

#include "rxe_frwr.h"
#include "rxe_mr.h"

/* Of @num_mw, once the region is being deregistered. */
#define RXE_MR_CLOSED		(-1)

/* What a region may be registered with. */
#define RXE_MR_ACCESS						\
	(RXE_ACCESS_REMOTE | IB_ACCESS_LOCAL_WRITE |		\
	 IB_ACCESS_FLUSH_GLOBAL | IB_ACCESS_MW_BIND | IB_ACCESS_ON_DEMAND | \
	 IB_ACCESS_HUGETLB | IB_ACCESS_OPTIONAL)

/* What a peer may do with a region's key, or be given a window for. */
#define RXE_MR_LENT						\
	(RXE_ACCESS_REMOTE | IB_ACCESS_FLUSH_GLOBAL |		\
	 IB_ACCESS_FLUSH_PERSISTENT | IB_ACCESS_MW_BIND)

/* The longest region that is one of the owner's buffers, in bytes. */
#define RXE_MAX_BUFFER		(16ULL << 40)

/*
 * Who may give peers a wide key: one that reaches memory which its owner has not
 * named. The owner does not know what will be there, and a stranger who guesses the
 * key has it all (ReDMArk, USENIX Security 2021).
 */
enum rxe_implicit_remote {
	RXE_IMPLICIT_REMOTE_NEVER,
	RXE_IMPLICIT_REMOTE_PRIVILEGED,
	RXE_IMPLICIT_REMOTE_ALL,
};

static unsigned int rxe_implicit_remote = RXE_IMPLICIT_REMOTE_PRIVILEGED;
module_param_named(implicit_remote, rxe_implicit_remote, uint, 0644);
MODULE_PARM_DESC(implicit_remote,
		 "Who may give peers, or bind windows to, on-demand regions that are implicit, longer than 16 TiB, or not mapped throughout: 0 nobody, 1 who has CAP_NET_RAW (default), 2 everybody");

/* --- registering ---------------------------------------------------------- */

static int rxe_check_mr(struct rxe_dev *rxe, u64 length, u64 iova, int access)
{
	if (!length || length - 1 > U64_MAX - iova)
		return -EINVAL;
	if (access & ~RXE_MR_ACCESS)
		return -EOPNOTSUPP;
	if (access & IB_ACCESS_HUGETLB && !(access & IB_ACCESS_ON_DEMAND))
		return -EOPNOTSUPP;
	return ib_check_mr_access(&rxe->ib, access);
}

/* Is each page of the range in a mapping of the current process? */
static bool rxe_is_mapped(u64 start, u64 length)
{
	struct mm_struct *mm = current->mm;
	const struct vm_area_struct *vma;
	u64 end = start + length;

	mmap_read_lock(mm);
	while (start < end) {
		vma = find_vma(mm, start);
		if (!vma || vma->vm_start > start)
			break;
		start = vma->vm_end;
	}
	mmap_read_unlock(mm);
	return start >= end;
}

/*
 * Does an on-demand region of the current process reach memory that the process has
 * not named: all that there will be, most of the address space, or what will be
 * mapped where nothing is now?
 */
static bool rxe_is_wide(u64 start, u64 length)
{
	return length > min_t(u64, RXE_MAX_BUFFER, current->mm->task_size / 2) ||
	       !rxe_is_mapped(start, length);
}

/* @trusted: the owner had CAP_NET_RAW when the region was registered. */
static bool rxe_wide_allowed(bool trusted)
{
	switch (READ_ONCE(rxe_implicit_remote)) {
	case RXE_IMPLICIT_REMOTE_NEVER:
		return false;
	case RXE_IMPLICIT_REMOTE_PRIVILEGED:
		return trusted;
	default:
		return true;
	}
}

/**
 * rxe_mr_may_lend() - may peers have rights to a region's memory?
 * @mr: the region; what was asked for has been checked in all other respects
 *
 * The administrator may have changed the answer since the region was registered.
 *
 * Context: any.
 */
bool rxe_mr_may_lend(const struct rxe_mr *mr)
{
	return !mr->wide || rxe_wide_allowed(mr->trusted);
}

/* May the current process register it with rights that peers can have? */
static int rxe_mr_check_wide(struct rxe_mr *mr, u64 start, u64 length)
{
	if (!(mr->access & IB_ACCESS_ON_DEMAND) ||
	    !(mr->access & RXE_MR_LENT))
		return 0;
	mr->wide = rxe_is_wide(start, length);
	mr->trusted = mr->wide && capable(CAP_NET_RAW);
	return rxe_mr_may_lend(mr) ? 0 : -EPERM;
}

static struct ib_umem_odp *rxe_get_memory(struct rxe_dev *rxe, u64 start,
					  u64 length, int access)
{
	if (access & IB_ACCESS_ON_DEMAND)
		return umem_odp_get(&rxe->odp, start, length, access);
	return umem_odp_get_pinned(&rxe->odp, start, length, access);
}

static void rxe_mr_free(struct rxe_mr *mr)
{
	if (mr->umem)
		umem_odp_put(mr->umem);
	if (mr->frwr)
		kvfree_rcu(mr->frwr, rcu);
	kfree_rcu(mr, rcu);
}

/* @mr has its device, protection domain and rights. */
static int rxe_mr_fill(struct rxe_mr *mr, u64 start, u64 length, u64 iova)
{
	struct rxe_dev *rxe = to_rxe(mr->ib.device);
	struct ib_umem_odp *umem;
	int ret;

	ret = rxe_mr_check_wide(mr, start, length);
	if (ret)
		return ret;
	umem = rxe_get_memory(rxe, start, length, mr->access);
	if (IS_ERR(umem))
		return PTR_ERR(umem);
	mr->umem = umem;
	mr->implicit = mr->access & IB_ACCESS_ON_DEMAND && !start &&
		       length == U64_MAX;
	mr->ib.iova = iova;
	mr->ib.length = length;
	return 0;
}

/* Makes a region that lacks only its key. */
static struct rxe_mr *rxe_mr_make(struct ib_pd *pd, u64 start, u64 length,
				  u64 iova, int access)
{
	struct rxe_mr *mr;
	int ret;

	ret = rxe_check_mr(to_rxe(pd->device), length, iova, access);
	if (ret)
		return ERR_PTR(ret);
	mr = kzalloc(sizeof(*mr), GFP_KERNEL_ACCOUNT);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	mr->access = access;
	mr->ib.device = pd->device;
	mr->ib.pd = pd;
	ret = rxe_mr_fill(mr, start, length, iova);
	if (ret) {
		rxe_mr_free(mr);
		return ERR_PTR(ret);
	}
	return mr;
}

/**
 * rxe_reg_user_mr() - register memory of the current process
 * @pd: protection domain
 * @start: first byte, a virtual address
 * @length: bytes; %U64_MAX with a @start of 0 and IB_ACCESS_ON_DEMAND is the
 *	whole address space (implicit on-demand paging)
 * @iova: what users and peers call the first byte
 * @access: IB_ACCESS_* flags; with IB_ACCESS_ON_DEMAND nothing is pinned
 * @udata: nothing is asked and nothing is told
 *
 * Context: process context; may sleep.
 * Return: the region, or an ERR_PTR: -EINVAL for ranges or rights that cannot
 * be, -EOPNOTSUPP for flags that are not known, -EPERM for rights that peers can
 * have to more memory than the implicit_remote parameter allows, -ENOMEM,
 * -EFAULT.
 */
struct ib_mr *rxe_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 iova,
			      int access, compat_dmah_param
			      struct ib_udata *udata)
{
	struct rxe_mr *mr = rxe_mr_make(pd, start, length, iova, access);
	int ret;

	if (IS_ERR(mr))
		return ERR_CAST(mr);
	ret = rxe_key_assign(mr, RXE_KEY_MR, mr->access & RXE_MR_LENT);
	if (ret) {
		rxe_mr_free(mr);
		return ERR_PTR(ret);
	}
	return &mr->ib;
}

/* Lets no more windows be bound to a region; -EBUSY if one is. */
static int rxe_mr_close(struct rxe_mr *mr)
{
	return atomic_cmpxchg(&mr->num_mw, 0, RXE_MR_CLOSED) > 0 ? -EBUSY : 0;
}

/*
 * Both were registered by one address space. (On-demand regions of an address
 * space share its mirror.)
 */
static bool rxe_same_owner(const struct rxe_mr *a, const struct rxe_mr *b)
{
	if (!a->umem->pinned && !b->umem->pinned)
		return a->umem->mirror == b->umem->mirror;
	return a->umem->pinned && b->umem->pinned &&
	       a->umem->pinned->owning_mm == b->umem->pinned->owning_mm;
}

/**
 * rxe_rereg_user_mr() - register a region anew with something changed
 * @ibmr: the region
 * @flags: IB_MR_REREG_*: what of the following is new
 * @start: first byte, a virtual address
 * @length: bytes
 * @iova: what users and peers call the first byte
 * @access: IB_ACCESS_* flags
 * @pd: protection domain, the old one if it stays
 * @udata: nothing is asked and nothing is told
 *
 * Context: process context; may sleep.
 * Return: a new region with a new key, whereupon the caller deregisters @ibmr;
 * or an ERR_PTR as rxe_reg_user_mr(), also -EBUSY with windows bound to @ibmr,
 * -EINVAL where the memory would become another process's or a region that
 * stays where it is would change between pinned and on-demand.
 */
struct ib_mr *rxe_rereg_user_mr(struct ib_mr *ibmr, int flags, u64 start,
				u64 length, u64 iova, int access,
				struct ib_pd *pd, struct ib_udata *udata)
{
	struct rxe_mr *old = to_rmr(ibmr);
	struct rxe_mr *mr;
	int ret = -EINVAL;

	if (rxe_mr_close(old))
		return ERR_PTR(-EBUSY);
	if (!(flags & IB_MR_REREG_TRANS)) {
		start = old->umem->address;
		length = old->ib.length;
		iova = old->ib.iova;
	}
	if (!(flags & IB_MR_REREG_ACCESS))
		access = old->access;

	mr = rxe_mr_make(pd, start, length, iova, access);
	if (IS_ERR(mr)) {
		ret = PTR_ERR(mr);
		goto err_reopen;
	}
	if (flags & IB_MR_REREG_TRANS || rxe_same_owner(old, mr))
		ret = rxe_key_assign(mr, RXE_KEY_MR, mr->access & RXE_MR_LENT);
	if (ret)
		goto err_free;
	return &mr->ib;

err_free:
	rxe_mr_free(mr);
err_reopen:
	atomic_set(&old->num_mw, 0);
	return ERR_PTR(ret);
}

/* Ends all access by a key that is not found any more. */
static void rxe_mr_end_access(struct rxe_mr *mr)
{
	if (mr->umem)
		umem_odp_close(mr->umem);
	else if (mr->frwr)
		rxe_frwr_close(mr);
}

/**
 * rxe_dereg_mr() - deregister a region
 * @ibmr: the region
 * @udata: not used
 *
 * When this returns, nothing accesses memory through the region.
 *
 * Context: process context; waits for accesses under way, not for faults or a
 * grace period.
 * Return: 0, or -EBUSY while windows are bound to it.
 */
int rxe_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata)
{
	struct rxe_mr *mr = to_rmr(ibmr);

	if (rxe_mr_close(mr))
		return -EBUSY;
	rxe_key_erase(to_rxe(ibmr->device), &mr->key);
	rxe_mr_end_access(mr);
	rxe_mr_free(mr);
	return 0;
}
