// SPDX-License-Identifier: GPL-2.0
/* The run list of each CPU; with PREEMPT_RT, rxe_runlist_rt.c replaces it. */
#include <linux/interrupt.h>
#include <linux/percpu.h>

#include "rxe_runlist.h"
#include "rxe_task_run.h"

/**
 * struct rxe_runlist - tasks owned by a CPU
 * @tasks: the tasks to run, in order
 * @running: rxe_runlist_run() is active on this CPU, further down the stack
 * @held: kicks from softirqs do not run @tasks now; @softirq will, unless
 *	process context kicks a task before
 * @softirq: tasklet that runs @tasks
 *
 * Accessed by its CPU only, with bottom halves off.
 */
struct rxe_runlist {
	struct list_head tasks;
	bool running;
	bool held;
	struct tasklet_struct softirq;
};

static DEFINE_PER_CPU(struct rxe_runlist, rxe_runlist);

/* Runs the tasks of the current CPU. */
static void rxe_runlist_run(struct rxe_runlist *list)
{
	if (list->running || list->held)
		return;
	list->running = true;
	rxe_tasks_run(&list->tasks);
	list->running = false;
}

static void rxe_runlist_softirq(struct tasklet_struct *softirq)
{
	struct rxe_runlist *list = from_tasklet(list, softirq, softirq);

	list->held = false;
	/* The tasklet of a CPU that went offline runs on another CPU. */
	if (list == this_cpu_ptr(&rxe_runlist))
		rxe_runlist_run(list);
	else
		rxe_tasks_defer(&list->tasks);
}

void rxe_runlist_add(struct rxe_task *task)
{
	struct rxe_runlist *list;

	local_bh_disable();
	list = this_cpu_ptr(&rxe_runlist);
	list_add_tail(&task->node, &list->tasks);
	if (!in_serving_softirq())
		list->held = false;
	rxe_runlist_run(list);
	local_bh_enable();
}

/*
 * Appends a task to the run list without running the list. The tasklet runs it,
 * unless rxe_runlist_run() is active on this CPU and takes it then.
 */
static void rxe_runlist_append(struct rxe_task *task)
{
	struct rxe_runlist *list = this_cpu_ptr(&rxe_runlist);

	lockdep_assert_in_softirq();
	list_add_tail(&task->node, &list->tasks);
	if (!list->running)
		tasklet_schedule(&list->softirq);
}

/*
 * With interrupts and bottom halves on, the consumer holds no lock that its
 * handler may take, because the handler may run in a softirq at any time.
 */
void rxe_runlist_add_apart(struct rxe_task *task)
{
	if (irqs_disabled())
		rxe_task_defer(task);
	else if (in_softirq())
		rxe_runlist_append(task);
	else
		rxe_runlist_add(task);
}

void rxe_runlist_hold(void)
{
	struct rxe_runlist *list = this_cpu_ptr(&rxe_runlist);

	if (list->running || list->held)
		return;
	list->held = true;
	tasklet_schedule(&list->softirq);
}

void rxe_runlist_init(void)
{
	struct rxe_runlist *list;
	int cpu;

	for_each_possible_cpu(cpu) {
		list = &per_cpu(rxe_runlist, cpu);
		INIT_LIST_HEAD(&list->tasks);
		tasklet_setup(&list->softirq, rxe_runlist_softirq);
	}
}

void rxe_runlist_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		tasklet_kill(&per_cpu(rxe_runlist, cpu).softirq);
}
