// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Memory regions
 *
 * When a verb that ends a region or a window returns, nothing reads or writes
 * memory by its key any more. No verb waits for an RCU grace period to achieve
 * that. First the key leaves the table, so no more lookups find it. Code that
 * has found the key still needs a lock, under which it sees that the object is
 * closed::
 *
 *	region of a process		the leaf's lock (umem_odp_close())
 *	region of the kernel		frwr->lock, under which the key is free
 *	window				rq.lock of each queue pair that may use
 *					it (rxe_dealloc_mw()): held from the
 *					lookup until the bytes are copied
 *
 * (A region of all of the kernel's memory needs no such lock: it goes after the
 * queue pairs of its protection domain.) So the verb can unpin pages and undo
 * their accounting at once. Only the structures themselves are freed after a
 * grace period.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "rxe_frwr.h"
#include "rxe_mr.h"

/* Value of @num_mw once the region is being deregistered. */
#define RXE_MR_CLOSED		(-1)

/* Flags that a region may be registered with. */
#define RXE_MR_ACCESS						\
	(RXE_ACCESS_REMOTE | IB_ACCESS_LOCAL_WRITE |		\
	 IB_ACCESS_FLUSH_GLOBAL | IB_ACCESS_MW_BIND | IB_ACCESS_ON_DEMAND | \
	 IB_ACCESS_HUGETLB | IB_ACCESS_OPTIONAL)

/* Rights that a peer may have by a region's key, or through a window. */
#define RXE_MR_LENT						\
	(RXE_ACCESS_REMOTE | IB_ACCESS_FLUSH_GLOBAL |		\
	 IB_ACCESS_FLUSH_PERSISTENT | IB_ACCESS_MW_BIND)

/* The longest region that counts as one of the owner's buffers, in bytes. */
#define RXE_MAX_BUFFER		(16ULL << 40)

/*
 * Who may give peers a wide key, which reaches memory that its owner has not
 * named. The owner does not know what that memory will be, and a stranger who
 * guesses the key gets all of it (ReDMArk, USENIX Security 2021).
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
	int ret;

	if (!length || length - 1 > U64_MAX - iova) {
		ibdev_dbg(&rxe->ib,
			  "reg_mr: %llu bytes from 0x%llx are no range\n",
			  length, iova);
		return -EINVAL;
	}
	if (access & ~RXE_MR_ACCESS ||
	    (access & IB_ACCESS_HUGETLB && !(access & IB_ACCESS_ON_DEMAND))) {
		ibdev_dbg(&rxe->ib, "reg_mr: flags %#x are not supported\n",
			  access);
		return -EOPNOTSUPP;
	}
	ret = ib_check_mr_access(&rxe->ib, access);
	if (ret)
		ibdev_dbg(&rxe->ib, "reg_mr: rights %#x contradict each other\n",
			  access);
	return ret;
}

/* Is every page of the range in a mapping of the current process? */
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
 * Does an on-demand region of the current process reach memory that the process
 * has not named: the whole address space, most of it, or ranges that are not
 * mapped now?
 */
static bool rxe_is_wide(u64 start, u64 length)
{
	u64 most = min_t(u64, RXE_MAX_BUFFER, current->mm->task_size / 2);

	return length > most || !rxe_is_mapped(start, length);
}

/* @trusted: the owner had CAP_NET_RAW when it registered the region */
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
 * @mr: the region; all other checks have passed
 *
 * The administrator may have changed the answer since the region was
 * registered.
 *
 * Context: any.
 * Return: true if they may.
 */
bool rxe_mr_may_lend(const struct rxe_mr *mr)
{
	return !mr->wide || rxe_wide_allowed(mr->trusted);
}

/* May the current process register the region with rights for peers? */
static int rxe_mr_check_wide(struct rxe_mr *mr, u64 start, u64 length)
{
	if (!(mr->access & IB_ACCESS_ON_DEMAND) ||
	    !(mr->access & RXE_MR_LENT))
		return 0;
	mr->wide = rxe_is_wide(start, length);
	mr->trusted = mr->wide && capable(CAP_NET_RAW);
	if (rxe_mr_may_lend(mr))
		return 0;
	ibdev_dbg(mr->ib.device,
		  "reg_mr: implicit_remote allows peers no rights to such a region\n");
	return -EPERM;
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
	if (IS_ERR(umem)) {
		ibdev_dbg(&rxe->ib,
			  "reg_mr: %llu bytes from 0x%llx are refused: %ld\n",
			  length, start, PTR_ERR(umem));
		return PTR_ERR(umem);
	}
	mr->umem = umem;
	mr->implicit = mr->access & IB_ACCESS_ON_DEMAND && !start &&
		       length == U64_MAX;
	mr->ib.iova = iova;
	mr->ib.length = length;
	return 0;
}

/* Returns a region without a key, or an ERR_PTR. */
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
 * @iova: address of the first byte for users and peers
 * @access: IB_ACCESS_* flags; with IB_ACCESS_ON_DEMAND nothing is pinned
 * @udata: not used
 *
 * Context: process context; may sleep.
 * Return: the region, or an ERR_PTR: -EINVAL for impossible ranges or rights,
 * -EOPNOTSUPP for unknown flags, -EPERM for rights of peers to more memory than
 * the implicit_remote parameter allows, -ENOMEM, -EFAULT.
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

/* Lets no more windows be bound to a region. Returns -EBUSY if one is bound. */
static int rxe_mr_close(struct rxe_mr *mr)
{
	if (atomic_cmpxchg(&mr->num_mw, 0, RXE_MR_CLOSED) <= 0)
		return 0;
	ibdev_dbg(mr->ib.device, "region 0x%x: windows are bound to it\n",
		  mr->key.value);
	return -EBUSY;
}

/**
 * rxe_rereg_user_mr() - replace a region by one with other attributes
 * @ibmr: the region
 * @flags: IB_MR_REREG_*: which of the following attributes are new
 * @start: first byte, a virtual address
 * @length: bytes
 * @iova: address of the first byte for users and peers
 * @access: IB_ACCESS_* flags
 * @pd: protection domain, the old one if it stays
 * @udata: not used
 *
 * Context: process context; may sleep.
 * Return: a new region with a new key, after which the caller deregisters
 * @ibmr; or an ERR_PTR as rxe_reg_user_mr(), and -EBUSY with windows bound to
 * @ibmr, -EINVAL if the memory would become another process's, or if a region
 * whose range stays would change between pinned and on-demand.
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
		start = umem_odp_address(old->umem);
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
	if (flags & IB_MR_REREG_TRANS ||
	    umem_odp_same_owner(old->umem, mr->umem))
		ret = rxe_key_assign(mr, RXE_KEY_MR, mr->access & RXE_MR_LENT);
	else
		ibdev_dbg(pd->device,
			  "rereg_mr 0x%x: the owner or the kind of memory would change\n",
			  old->key.value);
	if (ret)
		goto err_free;
	return &mr->ib;

err_free:
	rxe_mr_free(mr);
err_reopen:
	atomic_set(&old->num_mw, 0);
	return ERR_PTR(ret);
}

/* Ends all access by a key that lookups do not find any more. */
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
 * Return: 0, or -EBUSY while windows are bound to the region.
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
