// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Faults
 *
 * A fault asks the mm about a leaf at a time: it has the pages that are wanted made
 * present (odp_bring.c), and looks at what the CPU has then, of those and, for
 * free, beside them. The answer of hmm_range_fault() comes into an array of the
 * fault's own and becomes entries only under the leaf's lock and a sequence that
 * still holds.
 *
 * Many queue pairs often miss the same page. A fault that begins where another
 * one is at work waits for it; but not long where that one may be stuck on a page
 * that this one does not need (userfaultfd). To ask the mm twice is only slower.
 */
#include <linux/export.h>
#include <linux/hmm.h>
#include <linux/memcontrol.h>
#include <linux/mmap_lock.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "odp.h"
#include "odp_trace.h"

/* How long a fault lets itself be invalidated. */
#define ODP_FAULT_TIMEOUT	HZ
/* How often all of a batch is tried while invalidations come in between. */
#define ODP_FAULT_BATCHES	4
/*
 * The most that one call makes present: what comes first must still be there
 * when the last has come, be memory or tables as short as they may.
 */
#define ODP_FAULT_MOST		((u64)SZ_16M)
/* Pages that often come together: of large folios, and those around a file's. */
#define ODP_FAULT_FEW		(16 * PAGE_SIZE)
/* How long a fault waits for one that needs other pages, too. */
#define ODP_FAULT_JOIN		msecs_to_jiffies(10)

/**
 * struct odp_fault - one call of umem_odp_fault()
 * @umem: the region
 * @mm: its address space, of which an mm_users is held
 * @write: pages have to be writable
 * @snapshot: pages have to be there already
 * @prefetch: nobody waits for the pages
 * @node: in the mirror's faults while it asks the mm; under faults_lock
 * @start: first page that it then asks for; under faults_lock
 * @end: of those pages; under faults_lock
 * @ahead: where looking ahead for a sequential stream ends, an address
 * @pages: of a leaf's pages wanted, those that came
 * @pfns: what hmm_range_fault() says of a leaf
 * @table: a spare table, or NULL
 */
struct odp_fault {
	struct ib_umem_odp *umem;
	struct mm_struct *mm;
	bool write;
	bool snapshot;
	bool prefetch;
	struct list_head node;
	unsigned long start, end;
	unsigned long ahead;
	unsigned long pages;
	unsigned long *pfns;
	unsigned long *table;
};

/* The part of a leaf that a fault is about. */
struct odp_span {
	unsigned long base;	/* of the leaf */
	unsigned long start;	/* first page wanted */
	unsigned long end;	/* of the pages wanted */
	unsigned long ahead;	/* of the pages that would be good to have */
	unsigned long lo, hi;	/* the mapping's part of the leaf */
	bool anonymous;
};

/* Clips @span to the mapping that its first page lies in. */
static int odp_span_clip(const struct odp_fault *f, struct odp_span *span)
{
	struct vm_area_struct *vma;
	int ret;

	mmap_read_lock(f->mm);
	vma = vma_lookup(f->mm, span->start);
	ret = odp_bring_check(vma, f->write);
	if (!ret) {
		span->lo = max(span->base, vma->vm_start);
		span->hi = min(span->base + ODP_LEAF_SIZE, vma->vm_end);
		span->anonymous = vma_is_anonymous(vma);
	}
	mmap_read_unlock(f->mm);
	if (ret)
		return ret;

	span->end = min(span->end, span->hi);
	span->ahead = clamp(f->ahead, span->end, span->hi);
	return 0;
}

/*
 * What the CPU has in a part of a leaf, into f->pfns. Returns 0 with @seq the
 * sequence that it belongs to; -EBUSY where invalidations do not stop.
 */
static int odp_look(const struct odp_fault *f, struct odp_window *window,
		    unsigned long start, unsigned long end, unsigned long *seq)
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
		if (mmap_read_lock_killable(f->mm))
			return -EINTR;
		ret = check_stable_address_space(f->mm) ?
			      -EFAULT : hmm_range_fault(&range);
		mmap_read_unlock(f->mm);
	} while (ret == -EBUSY && time_before(jiffies, deadline));
	*seq = range.notifier_seq;
	return ret;
}

/* The same for an answer that may be entered: of the rest of the leaf, nothing. */
static int odp_span_look(const struct odp_fault *f, struct odp_window *window,
			 unsigned long start, unsigned long end,
			 unsigned long *seq)
{
	memset(f->pfns, 0, ODP_LEAF_TABLE_SIZE);
	return odp_look(f, window, start, end, seq);
}

static bool odp_hmm_allows(unsigned long hmm_pfn, bool write)
{
	return hmm_pfn & HMM_PFN_VALID && !(hmm_pfn & HMM_PFN_ERROR) &&
	       (!write || hmm_pfn & HMM_PFN_WRITE);
}

/* The first page from @addr on that the answer covers, or does not, or @end. */
static unsigned long odp_first(const struct odp_fault *f, bool covered,
			       unsigned long addr, unsigned long end,
			       bool write)
{
	while (addr < end && odp_hmm_allows(f->pfns[odp_page_index(addr)],
					    write) != covered)
		addr += PAGE_SIZE;
	return addr;
}

/* Bytes from the first page wanted on that the answer covers. */
static unsigned long odp_span_got(const struct odp_fault *f,
				  const struct odp_span *span)
{
	return odp_first(f, false, span->start, span->end, f->write) -
	       span->start;
}

/*
 * Has the pages from @start to @end made present that the last look did not find.
 * The first one of each few may bring others along (a huge page, a large folio,
 * a file's pages around it), so it is looked again then: the first time at all, for
 * a huge page, then at the few. Returns 0 if at least the first page has come.
 */
static int odp_span_bring(const struct odp_fault *f, struct odp_window *window,
			  unsigned long start, unsigned long end, bool write)
{
	unsigned long addr = start, few_end = start, look_end, seq;
	bool first = true;
	long ret = 0;

	while (ret >= 0) {
		addr = odp_first(f, false, addr, end, write);
		if (addr == end)
			return 0;
		if (addr < few_end) {
			ret = odp_bring(f->mm, addr,
					odp_first(f, true, addr, few_end,
						  write), write);
			addr += max(ret, 0L);
			continue;
		}
		ret = odp_bring(f->mm, addr, addr + PAGE_SIZE, write);
		if (ret < 0)
			break;
		addr += PAGE_SIZE;
		few_end = min(end, ALIGN(addr, ODP_FAULT_FEW));
		look_end = first ? end : few_end;
		if (addr < look_end)
			ret = odp_look(f, window, addr, look_end, &seq);
		first = false;
	}
	return addr > start ? 0 : ret;
}

/*
 * What lies ahead of the pages wanted is a guess: memory that no one has asked
 * for is read in, but a file's page is not made dirty or copied for it.
 */
static void odp_span_ahead(const struct odp_fault *f, struct odp_window *window,
			   const struct odp_span *span)
{
	unsigned long seq;

	if (span->ahead > span->end &&
	    !odp_look(f, window, span->end, span->ahead, &seq))
		odp_span_bring(f, window, span->end, span->ahead,
			       f->write && span->anonymous);
}

/*
 * Has what is missing of the pages wanted made present, at least the first.
 * @hurry: and nothing else.
 */
static int odp_span_want(const struct odp_fault *f, struct odp_window *window,
			 const struct odp_span *span, bool hurry)
{
	unsigned long seq;
	int ret = odp_look(f, window, span->start, span->end, &seq);

	if (ret || odp_span_got(f, span) == span->end - span->start)
		return ret;
	ret = odp_span_bring(f, window, span->start, span->end, f->write);
	if (!ret && !hurry)
		odp_span_ahead(f, window, span);
	return ret;
}

/* Returns -EBUSY where the answer has become old, and -errno. */
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
			f->table = odp_mirror_table(f->umem->mirror);
			if (!f->table)
				return -ENOMEM;
		} else {
			return ret;
		}
	}
}

/* Of the pages wanted, those that the answer covers. */
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
 * Makes the answer the leaf's entries. Returns -EBUSY where it has become old.
 * The mapping is looked at once more: were it replaced since the first look,
 * the sequence would tell, so this look and the answer belong together.
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
 * Finds out what there is in the leaf, once what is wanted is there. @hurry: what
 * is wanted and nothing else. Returns 0 with f->pfns and @seq.
 */
static int odp_span_find(const struct odp_fault *f, struct odp_window *window,
			 const struct odp_span *span, bool hurry,
			 unsigned long *seq)
{
	int ret = f->snapshot ? 0 : odp_span_want(f, window, span, hurry);

	if (ret)
		return ret;
	if (hurry)
		return odp_span_look(f, window, span->start, span->end, seq);
	return odp_span_look(f, window, span->lo, span->hi, seq);
}

/* The answer does not cover the first page wanted. */
static int odp_span_trouble(const struct odp_fault *f,
			    const struct odp_span *span)
{
	/* A page that is none of the kernel's; else what came has gone again. */
	if (f->pfns[odp_page_index(span->start)] & HMM_PFN_ERROR)
		return -EFAULT;
	return -EBUSY;
}

/* One try. Returns bytes present from the first page wanted on, or -errno. */
static long odp_span_try(struct odp_fault *f, struct odp_window *window,
			 struct odp_span *span, bool hurry)
{
	unsigned long seq, got;
	int ret;

	ret = odp_span_clip(f, span);
	if (ret)
		return ret;
	ret = odp_span_find(f, window, span, hurry, &seq);
	if (ret)
		return ret;
	got = odp_span_got(f, span);
	if (!got && !f->snapshot)
		return odp_span_trouble(f, span);
	f->pages = odp_span_pages(f, span);
	ret = f->pages ? odp_span_commit(f, window, span, seq) : 0;
	if (ret)
		return ret;
	/* Prefetching without faults passes over what is not there. */
	if (f->snapshot && f->prefetch)
		return span->end - span->start;
	return got ? got : -EAGAIN;
}

/*
 * Tries until the first page wanted is there or the reason why it cannot be is
 * known. The less is asked for the sooner it is entered: where invalidations come
 * one after the other (reclaim of a large range), that gets in between two of
 * them.
 */
static long odp_fault_missing(struct odp_fault *f, struct odp_window *window,
			      unsigned long start, unsigned long end)
{
	struct odp_span span = {
		.base = ALIGN_DOWN(start, ODP_LEAF_SIZE),
		.start = start,
	};
	unsigned long deadline = 0;
	unsigned int busy;
	long ret;

	for (busy = 0;; busy++) {
		span.end = busy > ODP_FAULT_BATCHES ? start + PAGE_SIZE : end;
		ret = odp_span_try(f, window, &span, busy && !f->snapshot);
		if (ret != -EBUSY)
			return ret;
		/* A page may have taken its time to come; that does not count. */
		if (!busy)
			deadline = jiffies + ODP_FAULT_TIMEOUT;
		else if (time_after_eq(jiffies, deadline))
			return ret;
	}
}

/* Is @other worth waiting for? At length only if it needs no page but @f's. */
static bool odp_fault_covers(const struct odp_fault *other,
			     const struct odp_fault *f, bool at_length)
{
	if (f->start < other->start || f->start >= other->end ||
	    f->write > other->write)
		return false;
	return !at_length ||
	       (other->start == f->start && other->end <= f->end);
}

/* Joins the faults that ask the mm, if there is none to wait for. */
static bool odp_fault_join(struct odp_fault *f, bool at_length)
{
	struct odp_mirror *mirror = f->umem->mirror;
	struct odp_fault *other;
	bool free = true;

	spin_lock(&mirror->faults_lock);
	list_for_each_entry(other, &mirror->faults, node)
		free &= !odp_fault_covers(other, f, at_length);
	if (free)
		list_add(&f->node, &mirror->faults);
	spin_unlock(&mirror->faults_lock);
	return free;
}

/* Announces the fault. Returns -ERESTARTSYS after a fatal signal. */
static int odp_fault_begin(struct odp_fault *f, unsigned long start,
			   unsigned long end)
{
	struct odp_mirror *mirror = f->umem->mirror;
	int ret;

	f->start = start;
	f->end = end;
	ret = wait_event_killable_timeout(mirror->fault_wait,
					  odp_fault_join(f, false),
					  ODP_FAULT_JOIN);
	if (ret)
		return min(ret, 0);
	return wait_event_killable(mirror->fault_wait, odp_fault_join(f, true));
}

static void odp_fault_end(struct odp_fault *f)
{
	struct odp_mirror *mirror = f->umem->mirror;

	spin_lock(&mirror->faults_lock);
	list_del(&f->node);
	spin_unlock(&mirror->faults_lock);
	wake_up_all(&mirror->fault_wait);
}

static void odp_count_fault(struct umem_odp_counters *counters,
			    bool prefetch, unsigned long pages, u64 ns)
{
	if (prefetch) {
		atomic64_add(pages, &counters->pages_prefetched);
		return;
	}
	atomic64_inc(&counters->faults);
	atomic64_add(pages, &counters->pages_faulted);
	atomic64_add(ns, &counters->fault_ns);
}

static void odp_fault_account(const struct odp_fault *f, u64 ns)
{
	atomic64_inc(&f->umem->mirror->nr_faults);
	odp_count_fault(&f->umem->counters, f->prefetch, f->pages, ns);
	odp_count_fault(&f->umem->mirror->dev->counters, f->prefetch,
			f->pages, ns);
}

static long odp_fault_here(struct odp_fault *f, struct odp_window *window,
			   unsigned long start, unsigned long end)
{
	ktime_t since = ktime_get();
	long ret;
	u64 ns;

	if (odp_leaf_present(window, start, end, f->write))
		return end - start;
	trace_odp_fault_begin(f->umem, start, end, f->write, f->prefetch);
	ret = odp_fault_missing(f, window, start, end);
	if (ret < 0)
		f->pages = 0;
	ns = ktime_to_ns(ktime_sub(ktime_get(), since));
	odp_fault_account(f, ns);
	trace_odp_fault_end(f->umem, start, f->pages, ret, ns);
	return ret;
}

static long odp_fault_leaf(struct odp_fault *f, unsigned long start,
			   unsigned long end)
{
	struct odp_window *window;
	long ret;

	window = odp_window_get(f->umem->mirror, start);
	if (IS_ERR(window))
		return PTR_ERR(window);
	/* Who only looks does not wait for who faults. */
	ret = f->snapshot ? 0 : odp_fault_begin(f, start, end);
	if (!ret) {
		ret = odp_fault_here(f, window, start, end);
		if (!f->snapshot)
			odp_fault_end(f);
	}
	odp_window_put(window);
	return ret == -ERESTARTSYS ? -EINTR : ret;
}

/*
 * As readahead does: a fault that begins where the last one ended looks ahead
 * twice as far as that one did, but not beyond the leaf; any other begins anew.
 */
static void odp_stream_advance(struct odp_fault *f, unsigned long start,
			       unsigned long end)
{
	struct ib_umem_odp *umem = f->umem;
	u64 region_end = PAGE_ALIGN(umem->address + umem->length);
	u64 bytes = 0;

	if (READ_ONCE(umem->stream_next) == start)
		bytes = clamp_t(u64, 2 * READ_ONCE(umem->stream_bytes),
				end - start, ODP_LEAF_SIZE);
	f->ahead = min3(end + bytes, region_end, (u64)odp_leaf_end(end - 1));
	WRITE_ONCE(umem->stream_bytes, bytes);
	WRITE_ONCE(umem->stream_next, f->ahead);
}

static long odp_fault_range(struct odp_fault *f, unsigned long start,
			    unsigned long end)
{
	unsigned long addr = start;
	long ret = 0;

	if (!f->snapshot && !f->prefetch)
		odp_stream_advance(f, start, end);
	while (addr < end) {
		ret = odp_fault_leaf(f, addr, min(end, odp_leaf_end(addr)));
		if (ret <= 0)
			break;
		addr += ret;
		cond_resched();
	}
	return addr > start ? addr - start : ret;
}

/* Tables are charged to whom they serve, whoever's thread this is. */
static long odp_fault_charged(struct odp_fault *f, unsigned long start,
			      unsigned long end)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(f->mm);
	struct mem_cgroup *old = set_active_memcg(memcg);
	long ret = -ENOMEM;

	f->pfns = kmalloc(ODP_LEAF_TABLE_SIZE, GFP_KERNEL_ACCOUNT);
	if (f->pfns)
		ret = odp_fault_range(f, start, end);
	kfree(f->pfns);
	odp_table_free(f->table);

	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return ret;
}

ssize_t umem_odp_fault(struct ib_umem_odp *umem, u64 offset, u64 len,
		       unsigned int flags)
{
	struct odp_fault f = {
		.umem = umem,
		.write = flags & UMEM_ODP_FAULT_WRITE,
		.snapshot = flags & UMEM_ODP_FAULT_SNAPSHOT,
		.prefetch = flags & UMEM_ODP_FAULT_PREFETCH,
	};
	u64 addr;
	long ret;

	if (!len || offset > umem->length || len > umem->length - offset)
		return -EINVAL;
	if (umem->pinned)
		return -EFAULT;
	if (f.write && !umem->writable)
		return -EPERM;
	f.mm = odp_mirror_mmget(umem->mirror);
	if (!f.mm)
		return -ESRCH;

	addr = umem->address + offset;
	len = min(len, ODP_FAULT_MOST);
	ret = odp_fault_charged(&f, addr & PAGE_MASK, PAGE_ALIGN(addr + len));
	/* The last user's way out is long; it is not this thread's to go. */
	mmput_async(f.mm);
	return ret < 0 ? ret : min_t(u64, ret - offset_in_page(addr), len);
}
EXPORT_SYMBOL_GPL(umem_odp_fault);
