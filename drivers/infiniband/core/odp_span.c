// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: A fault in one leaf
 *
 * A span is the part of a fault that lies in one leaf. The span's pages are
 * made present (odp_fault_in.c). Then hmm_range_fault() takes a snapshot of the
 * CPU's page table: of the span and, because it costs nothing, of the rest of
 * the leaf. The snapshot goes into the fault's own array. It becomes entries
 * only under the leaf's lock and under a sequence that is still valid.
 */
#include <linux/hmm.h>
#include <linux/mmap_lock.h>
#include <linux/oom.h>
#include <linux/userfaultfd_k.h>

#include "odp_alloc.h"
#include "odp_fault.h"
#include "odp_fault_in.h"

/* How long a fault retries while invalidations interfere. */
#define ODP_FAULT_TIMEOUT	HZ
/* How often the whole batch is retried while invalidations interfere. */
#define ODP_FAULT_BATCHES	4

/**
 * struct odp_span - the part of a fault that lies in one leaf
 * @base: the leaf's first address
 * @start: first wanted page
 * @end: end of the wanted pages
 * @lo: first address of the leaf that belongs to the mapping
 * @hi: end of the leaf's part that belongs to the mapping
 */
struct odp_span {
	unsigned long base;
	unsigned long start;
	unsigned long end;
	unsigned long lo, hi;
};

static int odp_fault_lock_mm(const struct odp_fault *f)
{
	if (odp_fault_is_guess(f))
		return mmap_read_trylock(f->mm) ? 0 : -EAGAIN;
	return mmap_read_lock_killable(f->mm) ? -EINTR : 0;
}

/*
 * Checks whether the mapping may be accessed. Nothing has asked for guessed
 * pages. So a user-space pager does not get a request for them, and a page of a
 * file is read, but not made dirty or copied.
 */
static int odp_fault_check(struct odp_fault *f, struct vm_area_struct *vma)
{
	int ret = odp_fault_in_check(vma, f->write);

	lockdep_assert_held(&f->mm->mmap_lock);
	if (ret || !odp_fault_is_guess(f))
		return ret;
	f->write &= vma_is_anonymous(vma);
	return userfaultfd_armed(vma) ? -EAGAIN : 0;
}

/* Clips @span to the mapping that contains its first page. */
static int odp_span_clip(struct odp_fault *f, struct odp_span *span)
{
	struct vm_area_struct *vma;
	int ret = odp_fault_lock_mm(f);

	if (ret)
		return ret;
	vma = vma_lookup(f->mm, span->start);
	ret = odp_fault_check(f, vma);
	if (!ret) {
		span->lo = max(span->base, vma->vm_start);
		span->hi = min(span->base + ODP_LEAF_SIZE, vma->vm_end);
		span->end = min(span->end, span->hi);
	}
	mmap_read_unlock(f->mm);
	return ret;
}

/*
 * Takes a snapshot of part of a leaf, into f->pfns. Returns 0 with @seq, the
 * sequence that the snapshot belongs to; -EBUSY if invalidations do not stop.
 */
static int odp_take_snapshot(const struct odp_fault *f,
			     struct odp_window *window, unsigned long start,
			     unsigned long end, unsigned long *seq)
{
	struct hmm_range range = {
		.notifier = &window->notifier,
		.start = start,
		.end = end,
		.hmm_pfns = f->pfns + odp_page_index(start),
	};
	unsigned long deadline = jiffies + ODP_FAULT_TIMEOUT;
	int ret;

	do {
		range.notifier_seq = mmu_interval_read_begin(range.notifier);
		ret = odp_fault_lock_mm(f);
		if (ret)
			return ret;
		ret = check_stable_address_space(f->mm) ?
			      -EFAULT : hmm_range_fault(&range);
		mmap_read_unlock(f->mm);
	} while (ret == -EBUSY && !odp_fault_is_guess(f) &&
		 time_before(jiffies, deadline));
	*seq = range.notifier_seq;
	return ret;
}

/* Takes a snapshot that may be entered: the rest of the leaf is not valid. */
static int odp_span_take_snapshot(const struct odp_fault *f,
				  struct odp_window *window,
				  unsigned long start, unsigned long end,
				  unsigned long *seq)
{
	memset(f->pfns, 0, ODP_LEAF_TABLE_SIZE);
	return odp_take_snapshot(f, window, start, end, seq);
}

static bool odp_hmm_allows(unsigned long hmm_pfn, bool write)
{
	return hmm_pfn & HMM_PFN_VALID && !(hmm_pfn & HMM_PFN_ERROR) &&
	       (!write || hmm_pfn & HMM_PFN_WRITE);
}

/*
 * The first page from @addr on that the snapshot covers, or does not; or @end.
 */
static unsigned long odp_first_page(const struct odp_fault *f, bool covered,
				    unsigned long addr, unsigned long end)
{
	while (addr < end && odp_hmm_allows(f->pfns[odp_page_index(addr)],
					    f->write) != covered)
		addr += PAGE_SIZE;
	return addr;
}

/*
 * The number of bytes from the first wanted page on that the snapshot covers.
 */
static unsigned long odp_span_got(const struct odp_fault *f,
				  const struct odp_span *span)
{
	return odp_first_page(f, false, span->start, span->end) - span->start;
}

static enum odp_wait odp_fault_wait(const struct odp_fault *f,
				    unsigned long addr)
{
	if (odp_fault_is_guess(f))
		return ODP_WAIT_NOT;
	return addr == f->first ? ODP_WAIT_PAGE : ODP_WAIT_LOCK;
}

/* Has missing pages made present. Returns the end of the pages that are. */
static unsigned long odp_fault_in_missing(struct odp_fault *f,
					  unsigned long addr,
					  unsigned long end, int *error)
{
	enum odp_wait wait = odp_fault_wait(f, addr);
	long ret = odp_fault_in(f->mm, addr, end, f->write, wait, f->deadline);

	if (ret < (long)(end - addr))
		f->over = true;
	if (wait == ODP_WAIT_PAGE)
		f->deadline = jiffies + ODP_FAULT_SHARE;
	*error = min(ret, 0L);
	return addr + max(ret, 0L);
}

/*
 * Makes the wanted pages present that the last snapshot lacks, until @f is
 * over. The first page of each few may bring others along (a huge page, a large
 * folio, a file's fault-around), so a new snapshot is taken then: the first
 * time of all wanted pages, because of huge pages, and later of the few.
 * Returns 0 if at least the first page has arrived.
 */
static int odp_span_fault_in(struct odp_fault *f, struct odp_window *window,
			     const struct odp_span *span)
{
	unsigned long addr = span->start, few_end = addr, look_end, until, seq;
	bool first = true;
	int ret = 0;

	while (!f->over && !ret) {
		addr = odp_first_page(f, false, addr, span->end);
		if (addr == span->end)
			break;
		if (addr < few_end) {
			until = odp_first_page(f, true, addr, few_end);
			addr = odp_fault_in_missing(f, addr, until, &ret);
			continue;
		}
		addr = odp_fault_in_missing(f, addr, addr + PAGE_SIZE, &ret);
		few_end = min(span->end, ALIGN(addr, ODP_FAULT_FEW));
		look_end = first ? span->end : few_end;
		if (!f->over && addr < look_end)
			ret = odp_take_snapshot(f, window, addr, look_end,
						&seq);
		first = false;
	}
	f->faulted_in = addr - span->start;
	return f->faulted_in ? 0 : ret;
}

/* Makes the wanted pages present that are missing, at least the first one. */
static int odp_span_want(struct odp_fault *f, struct odp_window *window,
			 const struct odp_span *span)
{
	unsigned long seq;
	int ret = odp_take_snapshot(f, window, span->start, span->end, &seq);

	f->faulted_in = span->end - span->start;
	if (ret || odp_span_got(f, span) == f->faulted_in)
		return ret;
	return odp_span_fault_in(f, window, span);
}

/* Returns -EBUSY if the snapshot is out of date, or another -errno. */
static int odp_span_enter(struct odp_fault *f, struct odp_window *window,
			  const struct odp_span *span, unsigned long seq)
{
	int ret;

	for (;;) {
		ret = odp_leaf_commit(window, span->base, f->pfns, seq,
				      &f->table);
		if (ret == -EEXIST) {
			odp_leaf_invalidate(window, odp_leaf_index(span->base),
					    span->base,
					    span->base + ODP_LEAF_SIZE,
					    ODP_FREE);
		} else if (ret == -ENOSPC) {
			f->table = odp_mirror_table(f->mirror);
			if (!f->table)
				return -ENOMEM;
		} else {
			return ret;
		}
	}
}

/* The number of wanted pages that the snapshot covers. */
static unsigned long odp_span_pages(const struct odp_fault *f,
				    const struct odp_span *span)
{
	unsigned long addr, pages = 0;

	for (addr = span->start; addr < span->end; addr += PAGE_SIZE)
		pages += odp_hmm_allows(f->pfns[odp_page_index(addr)],
					f->write);
	return pages;
}

/*
 * Makes the snapshot the leaf's entries. Returns -EBUSY if it is out of date.
 * This function looks up the mapping again. If the mapping had been replaced
 * since the first lookup, the sequence would have changed. So this lookup and
 * the snapshot belong together.
 */
static int odp_span_commit(struct odp_fault *f, struct odp_window *window,
			   const struct odp_span *span, unsigned long seq)
{
	struct odp_span again = *span;
	int ret;

	ret = odp_span_clip(f, &again);
	if (ret)
		return ret;
	if (again.lo > span->lo || again.hi < span->hi)
		return -EBUSY;
	return odp_span_enter(f, window, span, seq);
}

/*
 * Makes the wanted pages present, then takes a snapshot of the leaf; if @hurry,
 * of the wanted pages only. Returns 0 with f->pfns and @seq.
 */
static int odp_span_find(struct odp_fault *f, struct odp_window *window,
			 const struct odp_span *span, bool hurry,
			 unsigned long *seq)
{
	int ret = f->snapshot ? 0 : odp_span_want(f, window, span);

	if (ret)
		return ret;
	if (hurry)
		return odp_span_take_snapshot(f, window, span->start,
					      span->end, seq);
	return odp_span_take_snapshot(f, window, span->lo, span->hi, seq);
}

/* The error to return if the snapshot does not cover the first wanted page. */
static int odp_span_trouble(const struct odp_fault *f,
			    const struct odp_span *span)
{
	/*
	 * Either the page is not in the memory map, or it was taken away again.
	 */
	if (f->pfns[odp_page_index(span->start)] & HMM_PFN_ERROR)
		return -EFAULT;
	return -EBUSY;
}

/*
 * Tries once. Returns bytes present from the first wanted page on, or -errno.
 */
static long odp_span_try(struct odp_fault *f, struct odp_window *window,
			 struct odp_span *span, bool hurry)
{
	unsigned long seq, got;
	int ret;

	ret = odp_span_clip(f, span);
	if (ret)
		return ret;
	ret = odp_span_find(f, window, span, hurry || odp_fault_is_guess(f),
			    &seq);
	if (ret)
		return ret;
	got = odp_span_got(f, span);
	f->lost |= !f->snapshot && got < f->faulted_in;
	if (!got && !f->snapshot)
		return odp_span_trouble(f, span);
	f->pages = odp_span_pages(f, span);
	ret = f->pages ? odp_span_commit(f, window, span, seq) : 0;
	if (ret)
		return ret;
	/* A prefetch without page faults skips missing pages. */
	if (f->snapshot && f->prefetch)
		return span->end - span->start;
	return got ? got : -EAGAIN;
}

/**
 * odp_fault_missing() - make missing pages of a leaf present, and enter them
 * @f: the fault
 * @window: the leaf's window
 * @start: first wanted page
 * @end: end of the wanted pages, not beyond the leaf
 *
 * Retries until the first wanted page is present or it is known why it cannot
 * be. A retry asks for less, because fewer pages are entered sooner. That helps
 * if the last pages push the first one out, and if one invalidation follows
 * another (reclaim of a large range): a short request succeeds in between.
 *
 * Context: may sleep; no mmap lock held.
 * Return: bytes present from @start on, or -errno as umem_odp_fault().
 */
long odp_fault_missing(struct odp_fault *f, struct odp_window *window,
		       unsigned long start, unsigned long end)
{
	struct odp_span span = {
		.base = ALIGN_DOWN(start, ODP_LEAF_SIZE),
		.start = start,
	};
	unsigned long deadline = 0, bytes = end - start;
	unsigned int busy;
	long ret;

	for (busy = 0;; busy++) {
		if (busy && f->lost)
			bytes = odp_fault_fewer(min(bytes, f->faulted_in));
		if (busy > ODP_FAULT_BATCHES)
			bytes = PAGE_SIZE;
		span.end = start + bytes;
		f->over = false;
		ret = odp_span_try(f, window, &span, busy && !f->snapshot);
		if (ret != -EBUSY || odp_fault_is_guess(f))
			return ret;
		/* The time that the page took to arrive does not count. */
		if (!busy)
			deadline = jiffies + ODP_FAULT_TIMEOUT;
		else if (time_after_eq(jiffies, deadline))
			return ret;
	}
}
