// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Making pages present
 *
 * handle_mm_fault() makes a missing page present, as for an access by the CPU.
 * It says why a page cannot be had. Where it has to drop the mmap lock to wait
 * (a slow file, userfaultfd), work continues with the next page.
 * hmm_range_fault() with a request would begin its range again, once for each
 * page that is written in a shared file. So hmm_range_fault() is only asked
 * what is present.
 *
 * The rules about which mappings may be accessed are those of get_user_pages()
 * for another process's memory (check_vma_flags()), with two exceptions:
 *
 * - A mapping that can be written but not read is refused, because
 *   hmm_range_fault() refuses it.
 * - A shadow stack is refused for reading, too, because an entry that is made
 *   for reading would carry the right to write that its PTEs have.
 *
 * get_user_pages() also refuses file systems with DAX, and files whose dirtying
 * is tracked, to long-term pins. There are no pins here. Protection keys are
 * rights of a thread. These accesses are not made by a thread, so protection
 * keys do not apply, as for any access to another process's memory.
 * Documentation/infiniband/on-demand-paging.rst has the table.
 */
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/signal.h>

#include "odp_fault_in.h"

/* Is the memory missing from the direct map, as memfd_secret()'s is? */
static bool odp_vma_is_hidden(const struct vm_area_struct *vma)
{
	return vma->vm_file &&
	       file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC;
}

/**
 * odp_fault_in_check() - may a mapping be accessed?
 * @vma: the mapping, or NULL
 * @write: the access writes
 *
 * Context: mmap_lock held.
 * Return: 0, or an error as umem_odp_fault().
 */
int odp_fault_in_check(const struct vm_area_struct *vma, bool write)
{
	if (!vma)
		return -EFAULT;
	lockdep_assert_held(&vma->vm_mm->mmap_lock);
	if (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_SHADOW_STACK) ||
	    odp_vma_is_hidden(vma))
		return -EOPNOTSUPP;
	if (!(vma->vm_flags & VM_READ))
		return -EACCES;
	if (write && !(vma->vm_flags & VM_WRITE))
		return -EPERM;
	return 0;
}

static int odp_fault_in_errno(vm_fault_t fault)
{
	if (fault & VM_FAULT_OOM)
		return -ENOMEM;
	if (fault & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE))
		return -EHWPOISON;
	if (fault & VM_FAULT_SIGBUS)
		return -ENXIO;
	if (fault & VM_FAULT_SIGSEGV)
		return -EFAULT;
	return 0;
}

/*
 * Can a page of the mapping be asked for without waiting? Not if that would
 * make a writer wait for its file system with the mmap lock held.
 */
static bool odp_vma_has_nowait(const struct vm_area_struct *vma, bool write)
{
	return !(write && vma->vm_flags & VM_SHARED && vma->vm_ops &&
		 vma->vm_ops->page_mkwrite);
}

/**
 * struct odp_fault_in_state - the progress of odp_fault_in()
 * @next: the next page
 * @end: end of the last page
 * @flags: FAULT_FLAG_*, without FAULT_FLAG_RETRY_NOWAIT
 * @wait: what may be waited for
 * @deadline: when to stop, in jiffies
 * @dropped: the mmap lock is no longer held
 * @error: why the next page could not be made present
 */
struct odp_fault_in_state {
	unsigned long next, end;
	unsigned int flags;
	enum odp_wait wait;
	unsigned long deadline;
	bool dropped;
	int error;
};

/* Makes the next page present, which is in @vma. */
static void odp_fault_in_page(struct odp_fault_in_state *b,
			      struct vm_area_struct *vma)
{
	unsigned int flags = b->flags;
	vm_fault_t fault;

	if (b->wait != ODP_WAIT_PAGE &&
	    odp_vma_has_nowait(vma, flags & FAULT_FLAG_WRITE))
		flags |= FAULT_FLAG_RETRY_NOWAIT;
	fault = handle_mm_fault(vma, b->next, flags, NULL);
	b->error = odp_fault_in_errno(fault);
	if (flags & FAULT_FLAG_RETRY_NOWAIT) {
		if (fault & VM_FAULT_RETRY)
			b->error = -EAGAIN;
	} else {
		b->dropped = fault & (VM_FAULT_RETRY | VM_FAULT_COMPLETED);
	}
	if (!b->error && !(fault & VM_FAULT_RETRY))
		b->next += PAGE_SIZE;
}

/* Continues until a page drops the lock, the deadline passes, or an error. */
static void odp_fault_in_locked(struct odp_fault_in_state *b,
				struct mm_struct *mm)
{
	bool write = b->flags & FAULT_FLAG_WRITE;
	struct vm_area_struct *vma = NULL;

	lockdep_assert_held(&mm->mmap_lock);
	b->dropped = false;
	do {
		if (!vma || b->next >= vma->vm_end) {
			vma = vma_lookup(mm, b->next);
			b->error = odp_fault_in_check(vma, write);
			if (b->error)
				break;
		}
		odp_fault_in_page(b, vma);
	} while (!b->dropped && !b->error && b->next < b->end &&
		 time_before_eq(jiffies, b->deadline));
}

static int odp_fault_in_lock(struct odp_fault_in_state *b,
			     struct mm_struct *mm)
{
	if (b->wait == ODP_WAIT_NOT)
		return mmap_read_trylock(mm) ? 0 : -EAGAIN;
	return mmap_read_lock_killable(mm) ? -EINTR : 0;
}

/* Makes pages present while the mmap lock is held once. */
static void odp_fault_in_some(struct odp_fault_in_state *b,
			      struct mm_struct *mm)
{
	unsigned long from = b->next;

	b->error = odp_fault_in_lock(b, mm);
	if (b->error)
		return;
	odp_fault_in_locked(b, mm);
	if (!b->dropped)
		mmap_read_unlock(mm);
	else if (fatal_signal_pending(current))
		b->error = -EINTR;
	/* If the page was not made present, the next call is its second try. */
	b->flags &= ~FAULT_FLAG_TRIED;
	if (b->next == from)
		b->flags |= FAULT_FLAG_TRIED;
}

/**
 * odp_fault_in() - have the mm make pages present
 * @mm: the address space, with an mm_users held
 * @start: first page
 * @end: end of the last page
 * @write: for writing; otherwise for reading
 * @wait: what may be waited for. A file system may make a writer wait for a
 *	page even without ODP_WAIT_PAGE.
 * @deadline: when to stop, in jiffies; the first page is tried anyway
 *
 * The pages may be gone again when the function returns.
 *
 * Context: may sleep; no mmap lock held.
 * Return: bytes from @start on that were made present; or the error of the
 * first page: -EAGAIN if it has to be waited for, otherwise as
 * umem_odp_fault().
 */
long odp_fault_in(struct mm_struct *mm, unsigned long start, unsigned long end,
		  bool write, enum odp_wait wait, unsigned long deadline)
{
	struct odp_fault_in_state b = {
		.next = start,
		.end = end,
		.flags = FAULT_FLAG_REMOTE | FAULT_FLAG_ALLOW_RETRY |
			 FAULT_FLAG_KILLABLE | (write ? FAULT_FLAG_WRITE : 0),
		.wait = wait,
		.deadline = deadline,
	};

	do {
		odp_fault_in_some(&b, mm);
	} while (b.next < end && !b.error &&
		 (b.next == start || time_before_eq(jiffies, deadline)));
	return b.next > start ? b.next - start : b.error;
}
