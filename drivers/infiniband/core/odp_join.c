// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Faults on the same pages
 *
 * Many queue pairs often miss the same page. A fault that begins at a page
 * where another fault is at work waits for the other fault. If the other fault
 * waits for a different page, this fault waits only briefly, because the other
 * one may be stuck on a page that this one does not need (userfaultfd). Asking
 * the mm twice for the same page is correct, only slower.
 */
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "odp_fault.h"

/* How long a fault waits for another one that also needs other pages. */
#define ODP_FAULT_JOIN		msecs_to_jiffies(10)

/*
 * Should @f wait for @other? Without a time limit (@at_length), only if @other
 * waits for the first page of @f.
 */
static bool odp_fault_covers(const struct odp_fault *other,
			     const struct odp_fault *f, bool at_length)
{
	lockdep_assert_held(&f->mirror->faults_lock);
	if (f->start < other->start || f->start >= other->end ||
	    f->write > other->write)
		return false;
	return !at_length || other->start == f->start;
}

/* Adds @f to the faults that ask the mm, unless there is one to wait for. */
static bool odp_fault_try_announce(struct odp_fault *f, bool at_length)
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

/**
 * odp_fault_announce() - wait for faults on the same pages, then join the list
 * @f: the fault
 * @start: first page that it asks for
 * @end: end of the pages
 *
 * Context: may sleep.
 * Return: 0; -ERESTARTSYS after a fatal signal; -EAGAIN if @f is a guess and
 * another fault is already at work on its first page.
 */
int odp_fault_announce(struct odp_fault *f, unsigned long start,
		       unsigned long end)
{
	struct odp_mirror *mirror = f->mirror;
	int ret;

	f->start = start;
	f->end = end;
	if (odp_fault_is_guess(f))
		return odp_fault_try_announce(f, false) ? 0 : -EAGAIN;
	ret = wait_event_killable_timeout(mirror->fault_wait,
					  odp_fault_try_announce(f, false),
					  ODP_FAULT_JOIN);
	if (ret)
		return min(ret, 0);
	return wait_event_killable(mirror->fault_wait,
				   odp_fault_try_announce(f, true));
}

/**
 * odp_fault_retire() - the fault no longer asks the mm
 * @f: the fault, after odp_fault_announce()
 *
 * Context: may sleep.
 */
void odp_fault_retire(struct odp_fault *f)
{
	struct odp_mirror *mirror = f->mirror;

	spin_lock(&mirror->faults_lock);
	list_del(&f->node);
	spin_unlock(&mirror->faults_lock);
	wake_up_all(&mirror->fault_wait);
}
