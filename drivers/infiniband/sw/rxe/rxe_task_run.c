// SPDX-License-Identifier: GPL-2.0
/* Runs tasks for a bounded time, and hands the rest over to workers. */
#include "rxe_task_run.h"

/*
 * RXE_RUN_SHARE_NS: how long one system call or softirq may run tasks, because
 * it does so with bottom halves off. RXE_RUN_TASKS: the clock is read after so
 * many tasks, since reading it costs as much as a short task. The clock is also
 * read after a task that has more to do.
 */
#define RXE_RUN_SHARE_NS	NSEC_PER_MSEC
#define RXE_RUN_TASKS		4

static struct workqueue_struct *rxe_task_wq;
static struct workqueue_struct *rxe_task_cpu_wq;

/**
 * rxe_task_defer() - hand a task over to a worker
 * @task: the task, which the caller owns
 *
 * Context: any.
 */
void rxe_task_defer(struct rxe_task *task)
{
	if (task->stays)
		queue_work_on(task->cpu, rxe_task_cpu_wq, &task->work);
	else
		queue_work(rxe_task_wq, &task->work);
}

/* Returns true if the task has to be run again. */
static bool rxe_task_run(struct rxe_task *task)
{
	/*
	 * Pairs with the full barrier of atomic_inc_return() in the kicks: @fn
	 * sees everything that was written before the kicks that are counted
	 * here.
	 */
	int seen = atomic_read_acquire(&task->pending);
	bool again;

	lockdep_assert_in_softirq();

	if (task->stays) {
		task->cpu = smp_processor_id();
		task->ran = jiffies;
	}
	rcu_read_lock();
	again = task->fn(task);
	rcu_read_unlock();
	if (again)
		return true;
	/*
	 * A full barrier. It pairs with the next kick's atomic_inc_return(),
	 * with rxe_task_is_busy(), rxe_task_drain() and rxe_task_retire(): they
	 * see what @fn has written. When @pending is 0, the task may be freed.
	 */
	return atomic_sub_return(seen, &task->pending) != 0;
}

/**
 * rxe_tasks_defer() - hand tasks over to workers
 * @tasks: list of tasks, which the caller owns; empty after the call
 *
 * Context: any; nothing else uses the list.
 */
void rxe_tasks_defer(struct list_head *tasks)
{
	struct rxe_task *task, *next;

	list_for_each_entry_safe(task, next, tasks, node) {
		list_del(&task->node);
		rxe_task_defer(task);
	}
}

static void rxe_task_again(struct list_head *tasks, struct rxe_task *task)
{
	if (task->later)
		rxe_task_defer(task);
	else
		list_add_tail(&task->node, tasks);
}

/**
 * rxe_tasks_run() - run tasks until there are none or their time is up
 * @tasks: list of tasks, which the caller owns, in order; a task may append
 *	others; empty after the call, as workers run the rest
 *
 * Context: bottom halves off, no lock held that a task takes; nothing else uses
 * the list.
 */
void rxe_tasks_run(struct list_head *tasks)
{
	unsigned int ran = 0;
	struct rxe_task *task;
	u64 now, end = 0;

	lockdep_assert_in_softirq();

	while (!list_empty(tasks)) {
		task = list_first_entry(tasks, struct rxe_task, node);
		list_del(&task->node);
		if (rxe_task_run(task)) {
			rxe_task_again(tasks, task);
			ran |= RXE_RUN_TASKS - 1;
		}
		if (++ran % RXE_RUN_TASKS)
			continue;
		now = ktime_get_ns();
		if (!end)
			end = now + RXE_RUN_SHARE_NS;
		else if (now > end)
			break;
	}
	rxe_tasks_defer(tasks);
}

/**
 * rxe_task_run_init() - create the workqueues
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_task_run_init(void)
{
	rxe_task_wq = alloc_workqueue("rxe_task", WQ_UNBOUND | WQ_MEM_RECLAIM,
				      0);
	if (!rxe_task_wq)
		return -ENOMEM;
	rxe_task_cpu_wq = alloc_workqueue("rxe_task_cpu",
					  WQ_PERCPU | WQ_MEM_RECLAIM, 0);
	if (!rxe_task_cpu_wq) {
		destroy_workqueue(rxe_task_wq);
		return -ENOMEM;
	}
	return 0;
}

/**
 * rxe_task_run_exit() - undo rxe_task_run_init()
 *
 * Context: process context; may sleep; no tasks exist any more.
 */
void rxe_task_run_exit(void)
{
	destroy_workqueue(rxe_task_cpu_wq);
	destroy_workqueue(rxe_task_wq);
}
