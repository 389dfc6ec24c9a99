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
 * A fault makes progress whatever becomes of the pages meanwhile. It waits for the
 * first page that it was called for and for no other: of those behind it, it takes
 * what comes without waiting, for %ODP_FAULT_SHARE at most, and returns. It then
 * checks that the first page is still present. If the pages that came later have
 * pushed it out (a small memory cgroup, a pager that keeps few pages), the fault
 * begins again with half as many, and the next ones ask for no more than that.
 *
 * Many queue pairs often miss the same page. A fault that begins where another
 * one is at work waits for it; but not long where that one may be stuck on a page
 * that this one does not need (userfaultfd). To ask the mm twice is only slower.
 *
 * What a stream of faults that goes forward is going to want is guessed
 * (odp_ahead.c), and brought by a worker after the fault: nobody waits for a
 * guess, and a guess waits for no page.
 */
#include <linux/export.h>
#include <linux/hmm.h>
#include <linux/memcontrol.h>
#include <linux/mmap_lock.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include "odp.h"
#include "odp_trace.h"

/* How long a fault lets itself be invalidated. */
#define ODP_FAULT_TIMEOUT	HZ
/* How often all of a batch is tried while invalidations come in between. */
#define ODP_FAULT_BATCHES	4
/* How long a fault goes on once its first page has come. */
#define ODP_FAULT_SHARE		msecs_to_jiffies(100)
/* The most that one call makes present. */
#define ODP_FAULT_MOST		((u64)SZ_16M)
/* Pages that often come together: of large folios, and those around a file's. */
#define ODP_FAULT_FEW		(16 * PAGE_SIZE)
/* How long a fault waits for one that needs other pages, too. */
#define ODP_FAULT_JOIN		msecs_to_jiffies(10)

/**
 * struct odp_fault - one call of umem_odp_fault(), or a guess
 * @mirror: the translations
 * @umem: the region; NULL for a guess
 * @mm: the address space, of which an mm_users is held
 * @write: pages have to be writable
 * @snapshot: pages have to be there already
 * @prefetch: nobody waits for the pages
 * @node: in the mirror's faults while it asks the mm; under faults_lock
 * @start: first page that it then asks for; under faults_lock
 * @end: of those pages; under faults_lock
 * @first: the page that it was called for, the only one it waits for
 * @deadline: when it takes no more pages, in jiffies
 * @over: it takes no more pages: the time is up, or the next one has to be
 *	waited for, or cannot be had
 * @lost: pages that it had brought were gone before they could be handed back
 * @brought: bytes of a leaf that came, from the first page wanted on
 * @pages: of a leaf's pages wanted, those that came
 * @pfns: what hmm_range_fault() says of a leaf
 * @table: a spare table, or NULL
 */
struct odp_fault {
	struct odp_mirror *mirror;
	struct ib_umem_odp *umem;
	struct mm_struct *mm;
	bool write;
	bool snapshot;
	bool prefetch;
	struct list_head node;
	unsigned long start, end;
	unsigned long first;
	unsigned long deadline;
	bool over;
	bool lost;
	unsigned long brought;
	unsigned long pages;
	unsigned long *pfns;
	unsigned long *table;
};

/* The part of a leaf that a fault is about. */
struct odp_span {
	unsigned long base;	/* of the leaf */
	unsigned long start;	/* first page wanted */
	unsigned long end;	/* of the pages wanted */
	unsigned long lo, hi;	/* the mapping's part of the leaf */
};

static bool odp_fault_is_guess(const struct odp_fault *f)
{
	return !f->umem;
}

static int odp_fault_lock_mm(const struct odp_fault *f)
{
	if (odp_fault_is_guess(f))
		return mmap_read_trylock(f->mm) ? 0 : -EAGAIN;
	return mmap_read_lock_killable(f->mm) ? -EINTR : 0;
}

/*
 * Nobody has asked for what is guessed: a user-space pager is not asked for it,
 * and a file's page is read in, but not made dirty or copied.
 */
static int odp_fault_check(struct odp_fault *f, struct vm_area_struct *vma)
{
	int ret = odp_bring_check(vma, f->write);

	if (ret || !odp_fault_is_guess(f))
		return ret;
	f->write &= vma_is_anonymous(vma);
	return userfaultfd_armed(vma) ? -EAGAIN : 0;
}

/* Clips @span to the mapping that its first page lies in. */
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
			       unsigned long addr, unsigned long end)
{
	while (addr < end && odp_hmm_allows(f->pfns[odp_page_index(addr)],
					    f->write) != covered)
		addr += PAGE_SIZE;
	return addr;
}

/* Bytes from the first page wanted on that the answer covers. */
static unsigned long odp_span_got(const struct odp_fault *f,
				  const struct odp_span *span)
{
	return odp_first(f, false, span->start, span->end) - span->start;
}

static enum odp_wait odp_fault_wait(const struct odp_fault *f,
				    unsigned long addr)
{
	if (odp_fault_is_guess(f))
		return ODP_WAIT_NOT;
	return addr == f->first ? ODP_WAIT_PAGE : ODP_WAIT_LOCK;
}

/* Has missing pages made present. Returns where they end. */
static unsigned long odp_fault_bring(struct odp_fault *f, unsigned long addr,
				     unsigned long end, int *error)
{
	enum odp_wait wait = odp_fault_wait(f, addr);
	long ret = odp_bring(f->mm, addr, end, f->write, wait, f->deadline);

	if (ret < (long)(end - addr))
		f->over = true;
	if (wait == ODP_WAIT_PAGE)
		f->deadline = jiffies + ODP_FAULT_SHARE;
	*error = min(ret, 0L);
	return addr + max(ret, 0L);
}

/*
 * Has the pages wanted made present that the last look did not find, until @f is
 * over. The first one of each few may bring others along (a huge page, a large
 * folio, a file's pages around it), so it is looked again then: the first time at
 * all, for a huge page, then at the few. Returns 0 if at least the first page has
 * come.
 */
static int odp_span_bring(struct odp_fault *f, struct odp_window *window,
			  const struct odp_span *span)
{
	unsigned long addr = span->start, few_end = addr, look_end, upto, seq;
	bool first = true;
	int ret = 0;

	while (!f->over && !ret) {
		addr = odp_first(f, false, addr, span->end);
		if (addr == span->end)
			break;
		if (addr < few_end) {
			upto = odp_first(f, true, addr, few_end);
			addr = odp_fault_bring(f, addr, upto, &ret);
			continue;
		}
		addr = odp_fault_bring(f, addr, addr + PAGE_SIZE, &ret);
		few_end = min(span->end, ALIGN(addr, ODP_FAULT_FEW));
		look_end = first ? span->end : few_end;
		if (!f->over && addr < look_end)
			ret = odp_look(f, window, addr, look_end, &seq);
		first = false;
	}
	f->brought = addr - span->start;
	return f->brought ? 0 : ret;
}

/* Has what is missing of the pages wanted made present, at least the first. */
static int odp_span_want(struct odp_fault *f, struct odp_window *window,
			 const struct odp_span *span)
{
	unsigned long seq;
	int ret = odp_look(f, window, span->start, span->end, &seq);

	f->brought = span->end - span->start;
	if (ret || odp_span_got(f, span) == f->brought)
		return ret;
	return odp_span_bring(f, window, span);
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
			f->table = odp_mirror_table(f->mirror);
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
static int odp_span_find(struct odp_fault *f, struct odp_window *window,
			 const struct odp_span *span, bool hurry,
			 unsigned long *seq)
{
	int ret = f->snapshot ? 0 : odp_span_want(f, window, span);

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

/* The bytes to ask for next where not all of @bytes stayed present. */
static unsigned long odp_fault_fewer(unsigned long bytes)
{
	return max(PAGE_SIZE, ALIGN_DOWN(bytes / 2, PAGE_SIZE));
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
	ret = odp_span_find(f, window, span, hurry || odp_fault_is_guess(f),
			    &seq);
	if (ret)
		return ret;
	got = odp_span_got(f, span);
	f->lost |= !f->snapshot && got < f->brought;
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
 * known. The less is asked for the sooner it is entered: where the first page is
 * lost as the last ones come, that ends; where invalidations come one after the
 * other (reclaim of a large range), that gets in between two of them.
 */
static long odp_fault_missing(struct odp_fault *f, struct odp_window *window,
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
			bytes = odp_fault_fewer(min(bytes, f->brought));
		if (busy > ODP_FAULT_BATCHES)
			bytes = PAGE_SIZE;
		span.end = start + bytes;
		f->over = false;
		ret = odp_span_try(f, window, &span, busy && !f->snapshot);
		if (ret != -EBUSY || odp_fault_is_guess(f))
			return ret;
		/* A page may have taken its time to come; that does not count. */
		if (!busy)
			deadline = jiffies + ODP_FAULT_TIMEOUT;
		else if (time_after_eq(jiffies, deadline))
			return ret;
	}
}

/* Is @other worth waiting for? At length only if it waits for @f's first page. */
static bool odp_fault_covers(const struct odp_fault *other,
			     const struct odp_fault *f, bool at_length)
{
	if (f->start < other->start || f->start >= other->end ||
	    f->write > other->write)
		return false;
	return !at_length || other->start == f->start;
}

/* Joins the faults that ask the mm, if there is none to wait for. */
static bool odp_fault_join(struct odp_fault *f, bool at_length)
{
	struct odp_mirror *mirror = f->mirror;
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

/*
 * Announces the fault. Returns -ERESTARTSYS after a fatal signal; -EAGAIN where a
 * guess has come too late.
 */
static int odp_fault_begin(struct odp_fault *f, unsigned long start,
			   unsigned long end)
{
	struct odp_mirror *mirror = f->mirror;
	int ret;

	f->start = start;
	f->end = end;
	if (odp_fault_is_guess(f))
		return odp_fault_join(f, false) ? 0 : -EAGAIN;
	ret = wait_event_killable_timeout(mirror->fault_wait,
					  odp_fault_join(f, false),
					  ODP_FAULT_JOIN);
	if (ret)
		return min(ret, 0);
	return wait_event_killable(mirror->fault_wait, odp_fault_join(f, true));
}

static void odp_fault_end(struct odp_fault *f)
{
	struct odp_mirror *mirror = f->mirror;

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
	atomic64_inc(&f->mirror->nr_faults);
	odp_count_fault(&f->umem->counters, f->prefetch, f->pages, ns);
	odp_count_fault(&f->mirror->dev->counters, f->prefetch, f->pages, ns);
}

static long odp_fault_here(struct odp_fault *f, struct odp_window *window,
			   unsigned long start, unsigned long end)
{
	ktime_t since = ktime_get();
	long ret;
	u64 ns;

	if (odp_leaf_present(window, start, end, f->write))
		return end - start;
	if (odp_fault_is_guess(f))
		return odp_fault_missing(f, window, start, end);
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

	window = odp_window_get(f->mirror, start);
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

/* Is the first page still present? */
static bool odp_fault_holds(const struct odp_fault *f)
{
	struct odp_window *window = odp_window_get(f->mirror, f->first);
	bool holds;

	if (IS_ERR(window))
		return false;
	holds = odp_leaf_present(window, f->first, f->first + PAGE_SIZE,
				 f->write);
	odp_window_put(window);
	return holds;
}

/*
 * What is asked for at a time: what is in a leaf. Of a guess a few pages, so that
 * who wants the first of them before it is done does not wait for all.
 */
static unsigned long odp_fault_part(const struct odp_fault *f,
				    unsigned long addr, unsigned long end)
{
	if (odp_fault_is_guess(f))
		end = min(end, ALIGN(addr + 1, ODP_FAULT_FEW));
	return min(end, odp_leaf_end(addr));
}

/* Part after part, until @f is over. */
static long odp_fault_leaves(struct odp_fault *f, unsigned long end)
{
	unsigned long addr = f->first;
	long ret = 0;

	f->over = false;
	f->deadline = jiffies + ODP_FAULT_SHARE;
	while (addr < end && !f->over) {
		ret = odp_fault_leaf(f, addr, odp_fault_part(f, addr, end));
		if (ret <= 0)
			break;
		addr += ret;
		f->over |= f->lost || time_after(jiffies, f->deadline);
		cond_resched();
	}
	return addr > f->first ? addr - f->first : ret;
}

/*
 * What one leaf brings is present when it is entered; of several, the last may
 * have pushed out the first.
 */
static long odp_fault_range(struct odp_fault *f, unsigned long start,
			    unsigned long end)
{
	long ret;

	f->first = start;
	for (;;) {
		ret = odp_fault_leaves(f, end);
		if (f->snapshot || ret <= 0 ||
		    start + ret <= odp_leaf_end(start) || odp_fault_holds(f))
			return ret;
		f->lost = true;
		end = start + odp_fault_fewer(ret);
	}
}

/* --- one call --------------------------------------------------------------- */

/* How much is asked for: less where memory has been found too short for more. */
static u64 odp_fault_most(const struct ib_umem_odp *umem)
{
	return READ_ONCE(umem->short_bytes) ?: ODP_FAULT_MOST;
}

/* @got: bytes that the fault returns. From call to call a little more is tried. */
static void odp_fault_learn(const struct odp_fault *f, u64 got)
{
	u64 most = READ_ONCE(f->umem->short_bytes);

	if (!f->lost && !most)
		return;
	if (f->lost)
		most = got;
	else
		most += max(most / 8, PAGE_SIZE);
	WRITE_ONCE(f->umem->short_bytes, most < ODP_FAULT_MOST ? most : 0);
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

/* @got bytes of it are present. */
static void odp_fault_done(struct odp_fault *f, unsigned long start,
			   unsigned long end, unsigned long got)
{
	if (f->snapshot || f->prefetch)
		return;
	odp_fault_learn(f, got);
	if (got == end - start && !READ_ONCE(f->umem->short_bytes))
		odp_ahead_note(f->umem, start, end, f->write);
}

ssize_t umem_odp_fault(struct ib_umem_odp *umem, u64 offset, u64 len,
		       unsigned int flags)
{
	struct odp_fault f = {
		.mirror = umem->mirror,
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
	len = min(len, odp_fault_most(umem));
	ret = odp_fault_charged(&f, addr & PAGE_MASK, PAGE_ALIGN(addr + len));
	if (ret > 0)
		odp_fault_done(&f, addr & PAGE_MASK, PAGE_ALIGN(addr + len),
			       ret);
	/* The last user's way out is long; it is not this thread's to go. */
	mmput_async(f.mm);
	return ret < 0 ? ret : min_t(u64, ret - offset_in_page(addr), len);
}
EXPORT_SYMBOL_GPL(umem_odp_fault);

/* --- looking ahead ------------------------------------------------------------ */

#ifdef CONFIG_MEMCG
/*
 * Has each memory cgroup of the owner room for @pages? What is charged beyond the limit
 * makes the kernel reclaim, and kill if it finds nothing. No guess is worth that.
 */
static bool odp_guess_has_room(struct mm_struct *mm, unsigned long pages)
{
	struct mem_cgroup *own = get_mem_cgroup_from_mm(mm), *memcg;
	bool room = true;

	for (memcg = own; memcg && room; memcg = parent_mem_cgroup(memcg))
		room = page_counter_read(&memcg->memory) + pages <
		       READ_ONCE(memcg->memory.max);
	mem_cgroup_put(own);
	return room;
}
#else
static bool odp_guess_has_room(struct mm_struct *mm, unsigned long pages)
{
	return true;
}
#endif

static void odp_guess_bring(struct odp_mirror *mirror, struct mm_struct *mm,
			    const struct odp_guess *guess)
{
	unsigned long pages = (guess->end - guess->start) >> PAGE_SHIFT;
	struct odp_fault f = {
		.mirror = mirror,
		.mm = mm,
		.write = guess->write,
	};

	if (odp_guess_has_room(mm, pages))
		odp_fault_charged(&f, guess->start, guess->end);
}

static void odp_guess_work(struct work_struct *work)
{
	struct odp_mirror *mirror =
		container_of(work, struct odp_mirror, ahead_work);
	struct mm_struct *mm = odp_mirror_mmget(mirror);
	struct odp_guess guess;
	struct odp_lend lend;

	if (!mm)
		return;
	odp_lend_begin(&lend, mm);
	while (odp_ahead_take(mirror, &guess))
		odp_guess_bring(mirror, mm, &guess);
	odp_lend_end(&lend);
	mmput_async(mm);
}

/**
 * odp_fault_init() - make a mirror's part
 * @mirror: the mirror
 */
void odp_fault_init(struct odp_mirror *mirror)
{
	INIT_LIST_HEAD(&mirror->faults);
	spin_lock_init(&mirror->faults_lock);
	init_waitqueue_head(&mirror->fault_wait);
	INIT_WORK(&mirror->ahead_work, odp_guess_work);
}
