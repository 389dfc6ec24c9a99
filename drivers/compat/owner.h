/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Access to the limits of a process, some of which exist only in some kernel
 * configurations. Used by odp_lend.c and odp_user.c.
 */
#ifndef RXE_ODP_COMPAT_OWNER_H
#define RXE_ODP_COMPAT_OWNER_H

#include <linux/cgroup.h>
#include <linux/cpuset.h>
#include <linux/iocontext.h>
#include <linux/ioprio.h>
#include <linux/memcontrol.h>
#include <linux/mempolicy.h>
#include <linux/rcupdate.h>
#include <linux/sched/task.h>

/*
 * Returns the task that owns an address space, or NULL. The task is valid until
 * the caller's RCU read section ends.
 */
static inline struct task_struct *compat_mm_owner(struct mm_struct *mm)
{
	lockdep_assert_in_rcu_read_lock();
#ifdef CONFIG_MEMCG
	return rcu_dereference(mm->owner);
#else
	return NULL;
#endif
}

/*
 * Returns an ID of the current process' memory cgroup. No other cgroup gets the
 * same ID before the next boot.
 */
static inline u64 compat_memcg_number(void)
{
	u64 number = 0;
#ifdef CONFIG_MEMCG
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(current->mm);

	if (memcg)
		number = cgroup_id(memcg->css.cgroup);
	mem_cgroup_put(memcg);
#endif
	return number;
}

/*
 * Makes a private copy of a task's memory policy. Returns false if the task has
 * no policy. The caller holds task_lock() of the task.
 */
static inline bool compat_copy_policy(struct mempolicy *copy,
				      const struct task_struct *task)
{
	lockdep_assert_held(&task->alloc_lock);
#ifdef CONFIG_NUMA
	if (!task->mempolicy)
		return false;
	*copy = *task->mempolicy;
	atomic_set(&copy->refcnt, 1);
	return true;
#else
	return false;
#endif
}

/* Sets the memory policy of the current task and returns the former one. */
static inline struct mempolicy *compat_swap_policy(struct mempolicy *policy)
{
	struct mempolicy *old = NULL;

#ifdef CONFIG_NUMA
	task_lock(current);
	old = current->mempolicy;
	current->mempolicy = policy;
	task_unlock(current);
#endif
	return old;
}

/*
 * The nodes that a task's cpuset allows. The caller holds task_lock() of the
 * task, unless the task is the current one.
 */
static inline nodemask_t compat_mems_allowed(const struct task_struct *task)
{
	lockdep_assert(task == current ||
		       lockdep_is_held(&task->alloc_lock));
#ifdef CONFIG_CPUSETS
	return task->mems_allowed;
#else
	return node_possible_map;
#endif
}

/* Returns a task's block cgroup with a reference, or NULL. */
static inline struct cgroup_subsys_state *
compat_get_blkcg(struct task_struct *task)
{
#ifdef CONFIG_BLK_CGROUP
	return task_get_css(task, io_cgrp_id);
#else
	return NULL;
#endif
}

static inline void compat_put_blkcg(struct cgroup_subsys_state *blkcg)
{
#ifdef CONFIG_BLK_CGROUP
	if (blkcg)
		css_put(blkcg);
#endif
}

/*
 * The I/O priority that a task was given. Without one, the block layer derives
 * the priority from the nice value. The caller holds task_lock() of the task.
 */
static inline int compat_ioprio(const struct task_struct *task)
{
	lockdep_assert_held(&task->alloc_lock);
#ifdef CONFIG_BLOCK
	if (task->io_context)
		return task->io_context->ioprio;
#endif
	return IOPRIO_DEFAULT;
}

static inline void compat_set_ioprio(int ioprio)
{
#ifdef CONFIG_BLOCK
	set_task_ioprio(current, ioprio);
#endif
}

#endif /* RXE_ODP_COMPAT_OWNER_H */
