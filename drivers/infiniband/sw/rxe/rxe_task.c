// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Tasks
 *
 * Work is done where it arises: in the doorbell's system call, in the softirq
 * that receives a packet. What a task gives rise to (a packet for a QP of this
 * device, a completion to announce) is another task, appended to the run list
 * of the same processor, so nothing recurses and no lock is held across it. A
 * processor that has done its share leaves the rest to a worker; so does a timer
 * that has something sent again.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/percpu.h>

#include "rxe_task.h"

/*
 * How long one system call or softirq may be made to run tasks, which is with bottom
 * halves off; and after how many it looks at the clock, which costs as much as a short
 * one. It does so, too, after one that has used up its budget.
 */
#define RXE_RUN_SHARE_NS	NSEC_PER_MSEC
#define RXE_RUN_TASKS		4

/**
 * struct rxe_runlist - tasks owned by a processor
 * @tasks: to be run, in order
 * @running: someone below on this processor's stack is at it
 * @held: they run in @softirq, or before it where no softirq kicks one
 * @softirq: runs them in one of its own
 *
 * Touched by its processor only, with bottom halves off.
 */
struct rxe_runlist {
	struct list_head tasks;
	bool running;
	bool held;
	struct tasklet_struct softirq;
};

static DEFINE_PER_CPU(struct rxe_runlist, rxe_runlist);
static struct workqueue_struct *rxe_task_wq;
static struct workqueue_struct *rxe_task_cpu_wq;

/* How long a processor may take to bring packets on their way. */
#define RXE_STAY_JIFFIES	2

/* Has the task just been running on another processor, and has to stay there? */
static bool rxe_task_is_elsewhere(const struct rxe_task *task)
{
	return task->stays && task->cpu != raw_smp_processor_id() &&
	       time_before_eq(jiffies, task->ran + RXE_STAY_JIFFIES);
}

/* Caller: owns the task. */
static void rxe_task_defer(struct rxe_task *task)
{
	if (task->stays)
		queue_work_on(task->cpu, rxe_task_cpu_wq, &task->work);
	else
		queue_work(rxe_task_wq, &task->work);
}

/* Returns true if the task has to be run again. */
static bool rxe_task_run(struct rxe_task *task)
{
	int seen = atomic_read_acquire(&task->pending);
	bool again;

	if (task->stays) {
		task->cpu = smp_processor_id();
		task->ran = jiffies;
	}
	rcu_read_lock();
	again = task->fn(task);
	rcu_read_unlock();
	if (again)
		return true;
	/* From here on, at 0, the task may be gone. */
	return atomic_sub_return(seen, &task->pending) != 0;
}

static void rxe_runlist_hand_over(struct rxe_runlist *list)
{
	struct rxe_task *task, *next;

	list_for_each_entry_safe(task, next, &list->tasks, node) {
		list_del(&task->node);
		rxe_task_defer(task);
	}
}

static void rxe_task_again(struct rxe_runlist *list, struct rxe_task *task)
{
	if (task->later)
		rxe_task_defer(task);
	else
		list_add_tail(&task->node, &list->tasks);
}

/* Caller: bottom halves are off. */
static void rxe_runlist_run(struct rxe_runlist *list)
{
	unsigned int ran = 0;
	struct rxe_task *task;
	u64 now, end = 0;

	if (list->running || list->held)
		return;
	list->running = true;
	while (!list_empty(&list->tasks)) {
		task = list_first_entry(&list->tasks, struct rxe_task, node);
		list_del(&task->node);
		if (rxe_task_run(task)) {
			rxe_task_again(list, task);
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
	rxe_runlist_hand_over(list);
	list->running = false;
}

static void rxe_runlist_softirq(struct tasklet_struct *softirq)
{
	struct rxe_runlist *list = from_tasklet(list, softirq, softirq);

	list->held = false;
	/* Of a processor that has gone, it is another that does this. */
	if (list == this_cpu_ptr(&rxe_runlist))
		rxe_runlist_run(list);
	else
		rxe_runlist_hand_over(list);
}

static void rxe_task_enqueue(struct rxe_task *task)
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

static void rxe_task_work(struct work_struct *work)
{
	rxe_task_enqueue(container_of(work, struct rxe_task, work));
}

/**
 * rxe_task_init() - make a task
 * @task: the task
 * @fn: does a bounded part of its work and returns true if there is more; runs
 *	with bottom halves off, in an RCU read section, never twice at once
 */
void rxe_task_init(struct rxe_task *task, bool (*fn)(struct rxe_task *task))
{
	atomic_set(&task->pending, 0);
	INIT_LIST_HEAD(&task->node);
	INIT_WORK(&task->work, rxe_task_work);
	task->fn = fn;
	task->later = false;
	task->stays = false;
	task->cpu = 0;
	task->ran = jiffies - RXE_STAY_JIFFIES - 1;
}

/**
 * rxe_task_kick() - there is something to do for a task
 * @task: the task
 *
 * It runs before this returns, unless it is running elsewhere (then it runs
 * once more there), has to stay where it just was (then it runs there soon),
 * a task is what calls (then it runs after that one), or rxe_task_hold() has been
 * called.
 *
 * Context: process or softirq, interrupts on; no lock held that a task takes.
 */
void rxe_task_kick(struct rxe_task *task)
{
	if (atomic_inc_return(&task->pending) != 1)
		return;
	if (rxe_task_is_elsewhere(task))
		rxe_task_defer(task);
	else
		rxe_task_enqueue(task);
}

/**
 * rxe_task_kick_worker() - the same, but a worker runs it
 * @task: the task
 *
 * For timers that have something sent again, and again. In their softirq that could
 * keep from running whoever is to do what is waited for; a worker only shares the
 * processor.
 *
 * Context: any; no lock of ours held that a task takes.
 */
void rxe_task_kick_worker(struct rxe_task *task)
{
	if (atomic_inc_return(&task->pending) == 1)
		rxe_task_defer(task);
}

/**
 * rxe_task_resume() - what a task has waited for is there
 * @task: the task
 *
 * As rxe_task_kick(), but a task that stays goes on where it was, however long it
 * has waited: which processor it hears of it on is chance.
 *
 * Context: process, interrupts on; no lock held that a task takes.
 */
void rxe_task_resume(struct rxe_task *task)
{
	if (task->stays)
		rxe_task_kick_worker(task);
	else
		rxe_task_kick(task);
}

/* For a softirq of its own; a task that is at it has to come to its end first. */
static void rxe_task_append(struct rxe_task *task)
{
	struct rxe_runlist *list = this_cpu_ptr(&rxe_runlist);

	list_add_tail(&task->node, &list->tasks);
	if (!list->running)
		tasklet_schedule(&list->softirq);
}

/**
 * rxe_task_kick_apart() - the same, but not under the caller's locks
 * @task: the task
 *
 * For consumers in the kernel, whose handlers, which tasks call, may take the
 * locks that they call us with. With interrupts and bottom halves on there is
 * none that a softirq may not take at this very place; else the task runs in a
 * softirq of its own, or in a worker.
 *
 * Context: any; no lock of ours held that a task takes.
 */
void rxe_task_kick_apart(struct rxe_task *task)
{
	if (atomic_inc_return(&task->pending) != 1)
		return;
	if (irqs_disabled() || rxe_task_is_elsewhere(task))
		rxe_task_defer(task);
	else if (in_softirq())
		rxe_task_append(task);
	else
		rxe_task_enqueue(task);
}

/**
 * rxe_task_hold() - more packets are about to come
 *
 * Tasks that are kicked from here on run in a softirq of their own, after the one that
 * brings the packets: once for all of them.
 *
 * Context: softirq.
 */
void rxe_task_hold(void)
{
	struct rxe_runlist *list = this_cpu_ptr(&rxe_runlist);

	if (list->running || list->held)
		return;
	list->held = true;
	tasklet_schedule(&list->softirq);
}

/**
 * rxe_task_drain() - wait until a task is idle
 * @task: the task; nobody kicks it any more, or what it finds to do has become
 *	nothing
 *
 * Context: may sleep.
 */
void rxe_task_drain(struct rxe_task *task)
{
	while (atomic_read_acquire(&task->pending))
		usleep_range(20, 50);
	flush_work(&task->work);
}

/**
 * rxe_task_retire() - have a task never run again
 * @task: the task; who still kicks it has no effect
 *
 * Waits until it is idle, and then owns it for good: no kick makes @task->pending 1
 * any more.
 *
 * Context: may sleep, for the turns that are under way on the task's processor.
 */
void rxe_task_retire(struct rxe_task *task)
{
	while (atomic_cmpxchg(&task->pending, 0, 1))
		usleep_range(20, 50);
	flush_work(&task->work);
}

int rxe_task_module_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		INIT_LIST_HEAD(&per_cpu(rxe_runlist, cpu).tasks);
		tasklet_setup(&per_cpu(rxe_runlist, cpu).softirq,
			      rxe_runlist_softirq);
	}
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

void rxe_task_module_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		tasklet_kill(&per_cpu(rxe_runlist, cpu).softirq);
	destroy_workqueue(rxe_task_cpu_wq);
	destroy_workqueue(rxe_task_wq);
}
