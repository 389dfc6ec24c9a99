// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Faults
 *
 * A fault asks the mm about one leaf after another (odp_span.c).
 *
 * A fault makes progress even if pages are taken away meanwhile. It waits for
 * the first page of the call and for no other. Of the pages behind it, the
 * fault takes those that arrive without waiting, for %ODP_FAULT_SHARE at most.
 * It then checks that the first page is still present. If the later pages have
 * pushed the first one out (a small memory cgroup, a pager that keeps few
 * pages), the fault begins again with half as many, and the next faults ask for
 * no more than that.
 *
 * A fault that belongs to a stream also notes which pages the stream will need
 * next (odp_ahead.c). A worker faults these pages in afterwards (odp_guess.c).
 */
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/memcontrol.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "odp_alloc.h"
#include "odp_fault.h"
#include "odp_lifetime.h"
#include "odp_trace.h"
#include "odp_window.h"

/* Teardown waits for a fault under way, so its delay has an end. */
#define ODP_FAULT_SLOWEST	1000U

static unsigned int odp_slow_faults;
module_param_named(slow_faults, odp_slow_faults, uint, 0644);
MODULE_PARM_DESC(slow_faults,
		 "Milliseconds that each fault takes at least, to test programs; at most 1000; 0 (default): no delay");

/* The most that one call makes present. */
#define ODP_FAULT_MOST		((u64)SZ_16M)

static void odp_fault_count(struct umem_odp_counters *counters,
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
	odp_fault_count(&f->umem->counters, f->prefetch, f->pages, ns);
	odp_fault_count(&f->mirror->dev->counters, f->prefetch, f->pages, ns);
}

/* As if the page came from a slow disk */
static void odp_fault_delay(const struct odp_fault *f)
{
	unsigned int ms = READ_ONCE(odp_slow_faults);

	if (ms && !f->prefetch)
		msleep(min(ms, ODP_FAULT_SLOWEST));
}

/* Makes pages of one leaf present, and counts the fault if some are missing. */
static long odp_fault_absent(struct odp_fault *f, struct odp_window *window,
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
	odp_fault_delay(f);
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
	/* A snapshot does not wait for faults under way. */
	ret = f->snapshot ? 0 : odp_fault_announce(f, start, end);
	if (!ret) {
		ret = odp_fault_absent(f, window, start, end);
		if (!f->snapshot)
			odp_fault_retire(f);
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
 * The end of the next part, which is not beyond the leaf. A guess has parts of
 * a few pages, so that a fault that wants the first of them need not wait for
 * all.
 */
static unsigned long odp_fault_part(const struct odp_fault *f,
				    unsigned long addr, unsigned long end)
{
	if (odp_fault_is_guess(f))
		end = min(end, ALIGN(addr + 1, ODP_FAULT_FEW));
	return min(end, odp_leaf_end(addr));
}

/* Makes part after part present, until @f is over. */
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
 * The pages of one leaf are present when they are entered. In a range of
 * several leaves, the last pages may have pushed out the first one.
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

/* --- one call ------------------------------------------------------------- */

/* The most bytes to ask for: less if memory was found too short for more. */
static u64 odp_fault_most(const struct ib_umem_odp *umem)
{
	return READ_ONCE(umem->short_bytes) ?: ODP_FAULT_MOST;
}

/*
 * Notes how much a fault should ask for. @got: bytes that the fault returns.
 * While memory is short, each call asks for a little more than the last one.
 */
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

/* Charges tables to the process that they serve, whichever thread this is. */
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

/* Notes what the next faults can use. @got: bytes that are present. */
static void odp_fault_done(struct odp_fault *f, unsigned long start,
			   unsigned long end, unsigned long got)
{
	if (f->snapshot || f->prefetch)
		return;
	odp_fault_learn(f, got);
	if (got == end - start && !READ_ONCE(f->umem->short_bytes))
		odp_ahead_note(f->umem, start, end, f->write);
}

void odp_fault_guess(struct odp_mirror *mirror, struct mm_struct *mm,
		     const struct odp_guess *guess)
{
	struct odp_fault f = {
		.mirror = mirror,
		.mm = mm,
		.write = guess->write,
	};

	odp_fault_charged(&f, guess->start, guess->end);
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
	/* Tearing the mm down takes long, so this thread must not do it. */
	mmput_async(f.mm);
	return ret < 0 ? ret : min_t(u64, ret - offset_in_page(addr), len);
}
EXPORT_SYMBOL_GPL(umem_odp_fault);
