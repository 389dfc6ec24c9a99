// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Making pages present
 *
 * A missing page is had in the way the CPU has it, by handle_mm_fault(): that says
 * why a page cannot be, waits where it takes dropping the mmap lock (a slow file,
 * userfaultfd) and goes on behind the page then. hmm_range_fault() would begin its
 * range anew, once for each page that is written to in a shared file; it is asked
 * for what there is.
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
	if (vma->vm_flags & (VM_IO | VM_PFNMAP) || odp_vma_is_hidden(vma))
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
 * The pages from @addr on that are still missing, until one of them drops the
 * lock. Returns where to go on, with mmap_lock held unless *@dropped is true, and
 * with *@error set where it does not.
 */
static unsigned long odp_bring_locked(struct mm_struct *mm, unsigned long addr,
				      unsigned long end, unsigned int flags,
				      bool *dropped, int *error)
{
	bool write = flags & FAULT_FLAG_WRITE;
	struct vm_area_struct *vma = NULL;
	vm_fault_t fault;

	while (addr < end) {
		if (!vma || addr >= vma->vm_end) {
			vma = vma_lookup(mm, addr);
			*error = odp_bring_check(vma, write);
			if (*error)
				break;
		}
		fault = handle_mm_fault(vma, addr, flags, NULL);
		*dropped = fault & (VM_FAULT_RETRY | VM_FAULT_COMPLETED);
		*error = odp_bring_errno(fault);
		if (*error || fault & VM_FAULT_RETRY)
			break;
		addr += PAGE_SIZE;
		if (*dropped)
			break;
	}
	return addr;
}

/**
 * odp_bring() - have pages made present by the mm
 * @mm: the address space, of which an mm_users is held
 * @start: first page
 * @end: behind the last one
 * @write: for writing, else for reading
 *
 * They may be gone again when it returns.
 *
 * Context: may sleep; no mmap lock held.
 * Return: bytes from @start on for which there was no trouble; or what there was
 * with the first page, as umem_odp_fault() says it.
 */
long odp_bring(struct mm_struct *mm, unsigned long start, unsigned long end,
	       bool write)
{
	unsigned int flags = FAULT_FLAG_REMOTE | FAULT_FLAG_ALLOW_RETRY |
			     FAULT_FLAG_KILLABLE |
			     (write ? FAULT_FLAG_WRITE : 0);
	unsigned long addr = start, next;
	int error = 0;

	while (addr < end && !error) {
		bool dropped = false;

		if (mmap_read_lock_killable(mm)) {
			error = -EINTR;
			break;
		}
		next = odp_bring_locked(mm, addr, end, flags, &dropped, &error);
		if (!dropped)
			mmap_read_unlock(mm);
		else if (fatal_signal_pending(current))
			error = -EINTR;
		/* The second try for one page. */
		flags &= ~FAULT_FLAG_TRIED;
		if (next == addr)
			flags |= FAULT_FLAG_TRIED;
		addr = next;
	}
	return addr > start ? addr - start : error;
}
