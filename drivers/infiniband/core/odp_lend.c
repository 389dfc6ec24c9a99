// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The owner's limits
 *
 * A page that a worker faults in for a process must cost the same as when the
 * process touches it. It has to come from the nodes that the process may use,
 * and its I/O has to count and wait in the process's cgroup. So while a worker
 * serves a request it has the memory policy, the cpuset's nodes, the block
 * cgroup, the I/O priority and the nice value of the process. (odp_fault.c
 * charges the memory.)
 *
 * A module cannot move a kernel thread into a cgroup of the unified hierarchy.
 * So the CPU time does not count for the process; the number of a user's
 * workers bounds it (odp_user.c).
 */
#include <linux/kthread.h>
#include <linux/sched.h>

#include "odp_lend.h"
#include "../../compat/owner.h"

/*
 * Reads the limits of the process whose thread owns the address space. Returns
 * false if there is no such thread.
 */
static bool odp_lend_look(struct odp_lend *lend, struct mm_struct *mm)
{
	struct task_struct *owner;

	rcu_read_lock();
	owner = compat_mm_owner(mm);
	if (owner) {
		task_lock(owner);
		lend->has_policy = compat_copy_policy(&lend->policy, owner);
		lend->mems = compat_mems_allowed(owner);
		lend->ioprio = compat_ioprio(owner);
		task_unlock(owner);
		lend->nice = task_nice(owner);
		lend->blkcg = compat_get_blkcg(owner);
	}
	rcu_read_unlock();
	return owner;
}

/**
 * odp_lend_begin() - give this worker the limits of a process
 * @lend: holds them, and the worker's own, until odp_lend_end()
 * @mm: the address space of the process
 *
 * An address space that no process uses any more has no limits to lend.
 *
 * Context: a kernel thread; may sleep.
 */
void odp_lend_begin(struct odp_lend *lend, struct mm_struct *mm)
{
	lend->lent = odp_lend_look(lend, mm);
	if (!lend->lent)
		return;
	lend->old_nice = task_nice(current);
	lend->old_mems = compat_mems_allowed(current);
	lend->old_policy = compat_swap_policy(lend->has_policy ?
					      &lend->policy : NULL);
	set_mems_allowed(lend->mems);
	if (lend->nice != lend->old_nice)
		set_user_nice(current, lend->nice);
	if (lend->ioprio != IOPRIO_DEFAULT)
		compat_set_ioprio(lend->ioprio);
	kthread_associate_blkcg(lend->blkcg);
}

/**
 * odp_lend_end() - give this worker its own limits back
 * @lend: of odp_lend_begin()
 *
 * Context: as odp_lend_begin().
 */
void odp_lend_end(struct odp_lend *lend)
{
	if (!lend->lent)
		return;
	kthread_associate_blkcg(NULL);
	compat_put_blkcg(lend->blkcg);
	if (lend->ioprio != IOPRIO_DEFAULT)
		compat_set_ioprio(IOPRIO_DEFAULT);
	if (lend->nice != lend->old_nice)
		set_user_nice(current, lend->old_nice);
	set_mems_allowed(lend->old_mems);
	compat_swap_policy(lend->old_policy);
}
