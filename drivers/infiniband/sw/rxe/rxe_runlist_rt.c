// SPDX-License-Identifier: GPL-2.0
/*
 * The run lists of kernels with PREEMPT_RT. Threads that have turned bottom
 * halves off preempt one another there, so each of them has a run list.
 */
#include <linux/percpu.h>
#include <linux/sched.h>

#include "rxe_runlist.h"
#include "rxe_task_run.h"

/**
 * struct rxe_runlist - tasks owned by a thread that runs tasks
 * @tasks: the tasks to run, in order; accessed by @thread only
 * @thread: the thread, on whose stack this is; it does not migrate meanwhile
 * @node: in the list of its CPU
 */
struct rxe_runlist {
	struct list_head tasks;
	struct task_struct *thread;
	struct list_head node;
};

/* The run lists on each CPU. Accessed by the CPU, with preemption off. */
static DEFINE_PER_CPU(struct list_head, rxe_runlists);

/* The run list of the current thread, or NULL. */
static struct rxe_runlist *rxe_runlist_find(void)
{
	struct rxe_runlist *list;

	preempt_disable();
	list_for_each_entry(list, this_cpu_ptr(&rxe_runlists), node) {
		if (list->thread == current)
			goto found;
	}
	list = NULL;
found:
	preempt_enable();
	return list;
}

static void rxe_runlist_run(struct rxe_runlist *list)
{
	preempt_disable();
	list_add(&list->node, this_cpu_ptr(&rxe_runlists));
	preempt_enable();

	rxe_tasks_run(&list->tasks);

	preempt_disable();
	list_del(&list->node);
	preempt_enable();
}

void rxe_runlist_add(struct rxe_task *task)
{
	struct rxe_runlist *outer, list = { .thread = current };

	INIT_LIST_HEAD(&list.tasks);
	local_bh_disable();
	outer = rxe_runlist_find();
	list_add_tail(&task->node, outer ? &outer->tasks : &list.tasks);
	if (!outer)
		rxe_runlist_run(&list);
	local_bh_enable();
}

/*
 * A consumer may hold a lock with bottom halves and interrupts on, because a
 * spinlock_t turns off neither.
 */
void rxe_runlist_add_apart(struct rxe_task *task)
{
	rxe_task_defer(task);
}

void rxe_runlist_hold(void)
{
}

void rxe_runlist_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		INIT_LIST_HEAD(&per_cpu(rxe_runlists, cpu));
}

void rxe_runlist_exit(void)
{
}
