/* SPDX-License-Identifier: GPL-2.0 */
/* What odp_join.c, odp_span.c, odp_fault.c and odp_guess.c share. */
#ifndef ODP_FAULT_H
#define ODP_FAULT_H

#include <linux/jiffies.h>
#include <linux/mm.h>

#include "odp_ahead.h"
#include "odp_mirror.h"

/* How long a fault continues after its first page has arrived. */
#define ODP_FAULT_SHARE		msecs_to_jiffies(100)
/*
 * Pages that often arrive together: of a large folio, or of a file's
 * fault-around.
 */
#define ODP_FAULT_FEW		(16 * PAGE_SIZE)

/**
 * struct odp_fault - one call of umem_odp_fault(), or a guess
 * @mirror: the mirror
 * @umem: the region; NULL for a guess
 * @mm: the address space, with an mm_users held
 * @write: pages have to be writable
 * @snapshot: pages are not faulted in
 * @prefetch: no access waits for the pages
 * @node: in mirror->faults while the fault asks the mm; protected by
 *	faults_lock
 * @start: first page that the fault then asks for; protected by faults_lock
 * @end: end of these pages; protected by faults_lock
 * @first: the first page of the call, the only one that the fault waits for
 * @deadline: when the fault stops taking pages, in jiffies
 * @over: the fault takes no more pages: the deadline has passed, or the next
 *	page would have to be waited for, or cannot be had
 * @lost: pages that the fault had made present were gone before it could return
 *	them
 * @faulted_in: bytes of the leaf that were made present, counted from the first
 *	wanted page
 * @pages: number of the leaf's wanted pages that were made present
 * @pfns: the answer of hmm_range_fault() about the leaf
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
	unsigned long faulted_in;
	unsigned long pages;
	unsigned long *pfns;
	unsigned long *table;
};

static inline bool odp_fault_is_guess(const struct odp_fault *f)
{
	return !f->umem;
}

/* The number of bytes to ask for next if only part of @bytes stayed present. */
static inline unsigned long odp_fault_fewer(unsigned long bytes)
{
	return max(PAGE_SIZE, ALIGN_DOWN(bytes / 2, PAGE_SIZE));
}

int odp_fault_announce(struct odp_fault *f, unsigned long start,
		       unsigned long end);
void odp_fault_retire(struct odp_fault *f);

long odp_fault_missing(struct odp_fault *f, struct odp_window *window,
		       unsigned long start, unsigned long end);

void odp_fault_guess(struct odp_mirror *mirror, struct mm_struct *mm,
		     const struct odp_guess *guess);

#endif /* ODP_FAULT_H */
