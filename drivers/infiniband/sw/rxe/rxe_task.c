// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Tasks
 *
 * Work is done where it arises: in the doorbell's system call, or in the
 * softirq that receives a packet. If a task causes more work (a packet for a QP
 * of this device, a completion event), that work is another task, which is
 * appended to the run list of the same CPU. So nothing recurses, and no lock is
 * held from one task to the next. A CPU that has run tasks for long enough
 * hands the rest over to workers. Retransmissions that a timer triggers also
 * run in a worker.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/percpu.h>

#include "rxe_task.h"

/*
 * RXE_RUN_SHARE_NS: how long one system call or softirq may run tasks, because
 * it does so with bottom halves off. RXE_RUN_TASKS: the clock is read after so
 * many tasks, since reading it costs as much as a short task. The clock is also
 * read after a task that has more to do.
 */
#define RXE_RUN_SHARE_NS	NSEC_PER_MSEC
#define RXE_RUN_TASKS		4

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
static struct workqueue_struct *rxe_task_wq;
static struct workqueue_struct *rxe_task_cpu_wq;

/*
 * The time within which a CPU has passed on the packets that a task sent there,
 * in jiffies.
 */
#define RXE_STAY_JIFFIES	2

/*
 * Did the task run on another CPU so recently that it has to run there again?
 * Otherwise packets sent from two CPUs could be reordered.
 */
static bool rxe_task_is_elsewhere(const struct rxe_task *task)
{
	return task->stays && task->cpu != raw_smp_processor_id() &&
	       time_before_eq(jiffies, task->ran + RXE_STAY_JIFFIES);
}

/* Hands the task over to a worker. The caller owns the task. */
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
	 * see what
	 * @fn has written. When @pending is 0, the task may be freed.
	 */
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

/*
 * Runs the tasks of the current CPU until its list is empty or its time is up.
 */
static void rxe_runlist_run(struct rxe_runlist *list)
{
	unsigned int ran = 0;
	struct rxe_task *task;
	u64 now, end = 0;

	lockdep_assert_in_softirq();

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
	/* The tasklet of a CPU that went offline runs on another CPU. */
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
 * rxe_task_init() - initialize a task
 * @task: the task
 * @fn: does a bounded part of the work and returns true if there is more to do;
 *	runs with bottom halves off, in an RCU read section, on one CPU at a
 *	time
 *
 * Context: any; nothing else uses @task yet.
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
 * rxe_task_kick() - run a task
 * @task: the task
 *
 * The task runs before this returns, except in these cases: it is running
 * elsewhere (then it runs there once more); it has to stay on the CPU where it
 * ran before (then a worker runs it there soon); the caller is a task itself
 * (then it runs after the caller); or rxe_task_hold() has been called (then it
 * runs in the tasklet).
 *
 * Context: process or softirq, interrupts on; no lock held that a task takes,
 * unless the caller is a task.
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
 * rxe_task_kick_worker() - run a task in a worker
 * @task: the task
 *
 * For timers that trigger retransmissions, maybe again and again. If those ran
 * in the timer's softirq, they could keep the thread from running that the peer
 * is waiting for. A worker only shares the CPU with that thread.
 *
 * Context: any.
 */
void rxe_task_kick_worker(struct rxe_task *task)
{
	if (atomic_inc_return(&task->pending) == 1)
		rxe_task_defer(task);
}

/**
 * rxe_task_resume() - run a task whose fault has ended
 * @task: the task
 *
 * As rxe_task_kick(), but a task with rxe_task.stays set continues on its
 * former CPU, however long it has waited. The CPU of the worker that calls this
 * is arbitrary and no reason to move the task.
 *
 * Context: process context, interrupts on; no lock held that a task takes.
 */
void rxe_task_resume(struct rxe_task *task)
{
	if (task->stays)
		rxe_task_kick_worker(task);
	else
		rxe_task_kick(task);
}

/*
 * Appends a task to the run list without running the list. The tasklet runs it,
 * unless rxe_runlist_run() is active on this CPU and takes it then.
 */
static void rxe_task_append(struct rxe_task *task)
{
	struct rxe_runlist *list = this_cpu_ptr(&rxe_runlist);

	lockdep_assert_in_softirq();
	list_add_tail(&task->node, &list->tasks);
	if (!list->running)
		tasklet_schedule(&list->softirq);
}

/**
 * rxe_task_kick_apart() - run a task, but not under the caller's locks
 * @task: the task
 *
 * For kernel consumers. A task may call a consumer's completion handler, and
 * that may take a lock that the consumer holds now. With interrupts and bottom
 * halves on, the consumer holds no lock that its handler may take, because the
 * handler may run in a softirq at any time; then the task runs at once.
 * Otherwise it runs in a tasklet or in a worker.
 *
 * Context: any; no lock of this driver held that a task takes.
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
 * rxe_task_hold() - delay tasks because more packets arrive at once
 *
 * Tasks that are kicked from now on run in a tasklet, after the softirq that
 * receives the packets. So each task runs once for all of the packets.
 *
 * Context: softirq.
 */
void rxe_task_hold(void)
{
	struct rxe_runlist *list = this_cpu_ptr(&rxe_runlist);

	lockdep_assert_in_softirq();

	if (list->running || list->held)
		return;
	list->held = true;
	tasklet_schedule(&list->softirq);
}

/**
 * rxe_task_drain() - wait until a task is idle
 * @task: the task; it is not kicked any more, or finds nothing to do
 *
 * Context: process context; may sleep.
 */
void rxe_task_drain(struct rxe_task *task)
{
	/* Pairs with atomic_sub_return() in rxe_task_run(). */
	while (atomic_read_acquire(&task->pending))
		usleep_range(20, 50);
	flush_work(&task->work);
}

/**
 * rxe_task_retire() - wait until a task is idle, and never run it again
 * @task: the task; later kicks have no effect
 *
 * When the task is idle, this function takes ownership of it and never gives it
 * back: no kick raises @task->pending from 0 to 1 any more.
 *
 * Context: process context; may sleep, as long as turns of the task are under
 * way.
 */
void rxe_task_retire(struct rxe_task *task)
{
	/*
	 * A successful cmpxchg pairs with atomic_sub_return() in
	 * rxe_task_run().
	 */
	while (atomic_cmpxchg(&task->pending, 0, 1))
		usleep_range(20, 50);
	flush_work(&task->work);
}

/**
 * rxe_task_module_init() - prepare the run lists and create the workqueues
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
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

/**
 * rxe_task_module_exit() - undo rxe_task_module_init()
 *
 * Context: process context; may sleep; no tasks exist any more.
 */
void rxe_task_module_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		tasklet_kill(&per_cpu(rxe_runlist, cpu).softirq);
	destroy_workqueue(rxe_task_cpu_wq);
	destroy_workqueue(rxe_task_wq);
}
