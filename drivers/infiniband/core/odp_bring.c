// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Making pages present
 *
 * A missing page comes as it comes for the CPU, by handle_mm_fault(): it says why
 * a page cannot be had, and where it has to drop the mmap lock to wait (a slow
 * file, userfaultfd), the next page is next. hmm_range_fault() with a request would
 * begin its range anew, once for each page that is written to in a shared file; it
 * is only asked for what there is.
 *
 * Which mappings may be accessed is what get_user_pages() says of another process's
 * memory (check_vma_flags()), but for two: a mapping that can be written and not
 * read is refused, because hmm_range_fault() refuses it; a shadow stack is not only
 * protected from writing, because an entry made for reading would carry the right
 * to write that its page table entries have. The rest of what is refused there,
 * file systems with DAX and files whose dirtying is tracked, is refused to pins
 * that last; there are none here. Protection keys are the rights of a thread, and
 * no thread makes these accesses: as for any access to another process's memory,
 * they do not count. Documentation/infiniband/on-demand-paging.rst has the table.
 */
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/mmap_lock.h>
#include <linux/sched/signal.h>

#include "odp.h"

/* Is the memory outside the kernel's own mapping, as memfd_secret()'s is? */
static bool odp_vma_is_hidden(const struct vm_area_struct *vma)
{
	return vma->vm_file &&
	       file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC;
}

/**
 * odp_bring_check() - may a mapping be accessed?
 * @vma: the mapping, or NULL
 * @write: writing, too
 *
 * Context: mmap_lock held.
 * Return: 0, or what umem_odp_fault() says.
 */
int odp_bring_check(const struct vm_area_struct *vma, bool write)
{
	if (!vma)
		return -EFAULT;
	if (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_SHADOW_STACK) ||
	    odp_vma_is_hidden(vma))
		return -EOPNOTSUPP;
	if (!(vma->vm_flags & VM_READ))
		return -EACCES;
	if (write && !(vma->vm_flags & VM_WRITE))
		return -EPERM;
	return 0;
}

static int odp_bring_errno(vm_fault_t fault)
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
 * May a page of the mapping be asked for without waiting? Not where that would
 * make a writer wait for its file system with the mmap lock held.
 */
static bool odp_vma_has_nowait(const struct vm_area_struct *vma, bool write)
{
	return !(write && vma->vm_flags & VM_SHARED && vma->vm_ops &&
		 vma->vm_ops->page_mkwrite);
}

/**
 * struct odp_brought - how far bringing pages has come
 * @next: the next page
 * @end: behind the last one
 * @flags: FAULT_FLAG_*, without FAULT_FLAG_RETRY_NOWAIT
 * @wait: what may be waited for
 * @deadline: when to stop, in jiffies
 * @dropped: the mmap lock is no longer held
 * @error: why it does not go on
 */
struct odp_brought {
	unsigned long next, end;
	unsigned int flags;
	enum odp_wait wait;
	unsigned long deadline;
	bool dropped;
	int error;
};

/* The next page, in @vma. */
static void odp_bring_page(struct odp_brought *b, struct vm_area_struct *vma)
{
	unsigned int flags = b->flags;
	vm_fault_t fault;

	if (b->wait != ODP_WAIT_PAGE &&
	    odp_vma_has_nowait(vma, flags & FAULT_FLAG_WRITE))
		flags |= FAULT_FLAG_RETRY_NOWAIT;
	fault = handle_mm_fault(vma, b->next, flags, NULL);
	b->error = odp_bring_errno(fault);
	if (flags & FAULT_FLAG_RETRY_NOWAIT) {
		if (fault & VM_FAULT_RETRY)
			b->error = -EAGAIN;
	} else {
		b->dropped = fault & (VM_FAULT_RETRY | VM_FAULT_COMPLETED);
	}
	if (!b->error && !(fault & VM_FAULT_RETRY))
		b->next += PAGE_SIZE;
}

/* Goes on until a page drops the lock, the time is up, or there is an error. */
static void odp_bring_locked(struct odp_brought *b, struct mm_struct *mm)
{
	bool write = b->flags & FAULT_FLAG_WRITE;
	struct vm_area_struct *vma = NULL;

	b->dropped = false;
	do {
		if (!vma || b->next >= vma->vm_end) {
			vma = vma_lookup(mm, b->next);
			b->error = odp_bring_check(vma, write);
			if (b->error)
				break;
		}
		odp_bring_page(b, vma);
	} while (!b->dropped && !b->error && b->next < b->end &&
		 time_before_eq(jiffies, b->deadline));
}

static int odp_bring_lock(struct odp_brought *b, struct mm_struct *mm)
{
	if (b->wait == ODP_WAIT_NOT)
		return mmap_read_trylock(mm) ? 0 : -EAGAIN;
	return mmap_read_lock_killable(mm) ? -EINTR : 0;
}

/* Takes the lock, and leaves it, once. */
static void odp_bring_some(struct odp_brought *b, struct mm_struct *mm)
{
	unsigned long from = b->next;

	b->error = odp_bring_lock(b, mm);
	if (b->error)
		return;
	odp_bring_locked(b, mm);
	if (!b->dropped)
		mmap_read_unlock(mm);
	else if (fatal_signal_pending(current))
		b->error = -EINTR;
	/* The second try for one page. */
	b->flags &= ~FAULT_FLAG_TRIED;
	if (b->next == from)
		b->flags |= FAULT_FLAG_TRIED;
}

/**
 * odp_bring() - have pages made present by the mm
 * @mm: the address space, of which an mm_users is held
 * @start: first page
 * @end: behind the last one
 * @write: for writing, else for reading
 * @wait: what may be waited for; a file system may make a writer wait for a
 *	page even without ODP_WAIT_PAGE
 * @deadline: when to stop, in jiffies; the first page is tried anyway
 *
 * They may be gone again when it returns.
 *
 * Context: may sleep; no mmap lock held.
 * Return: bytes from @start on for which there was no trouble; or what there was
 * with the first page: -EAGAIN where it has to be waited for, else as
 * umem_odp_fault() says it.
 */
long odp_bring(struct mm_struct *mm, unsigned long start, unsigned long end,
	       bool write, enum odp_wait wait, unsigned long deadline)
{
	struct odp_brought b = {
		.next = start,
		.end = end,
		.flags = FAULT_FLAG_REMOTE | FAULT_FLAG_ALLOW_RETRY |
			 FAULT_FLAG_KILLABLE | (write ? FAULT_FLAG_WRITE : 0),
		.wait = wait,
		.deadline = deadline,
	};

	do {
		odp_bring_some(&b, mm);
	} while (b.next < end && !b.error &&
		 (b.next == start || time_before_eq(jiffies, deadline)));
	return b.next > start ? b.next - start : b.error;
}
