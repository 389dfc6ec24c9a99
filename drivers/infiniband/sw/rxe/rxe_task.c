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
 *
 * With PREEMPT_RT, threads that have turned bottom halves off preempt one
 * another, so several of them may run tasks on one CPU. There each such thread
 * has a run list of its own.
 */
#include <linux/delay.h>

#include "rxe_runlist.h"
#include "rxe_task.h"
#include "rxe_task_run.h"

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

static void rxe_task_work(struct work_struct *work)
{
	rxe_runlist_add(container_of(work, struct rxe_task, work));
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
		rxe_runlist_add(task);
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

/**
 * rxe_task_kick_apart() - run a task, but not under the caller's locks
 * @task: the task
 *
 * For kernel consumers. A task may call a consumer's completion handler, and
 * that may take a lock that the consumer holds now. Where the consumer may hold
 * such a lock, the task runs in a tasklet or in a worker; elsewhere at once.
 *
 * Context: any; no lock of this driver held that a task takes.
 */
void rxe_task_kick_apart(struct rxe_task *task)
{
	if (atomic_inc_return(&task->pending) != 1)
		return;
	if (rxe_task_is_elsewhere(task))
		rxe_task_defer(task);
	else
		rxe_runlist_add_apart(task);
}

/**
 * rxe_task_hold() - delay tasks because more packets arrive at once
 *
 * Tasks that are kicked from now on run in a tasklet, after the softirq that
 * receives the packets. So each task runs once for all of the packets. No
 * effect with PREEMPT_RT.
 *
 * Context: softirq.
 */
void rxe_task_hold(void)
{
	lockdep_assert_in_softirq();
	rxe_runlist_hold();
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
	rxe_runlist_init();
	return rxe_task_run_init();
}

/**
 * rxe_task_module_exit() - undo rxe_task_module_init()
 *
 * Context: process context; may sleep; no tasks exist any more.
 */
void rxe_task_module_exit(void)
{
	rxe_runlist_exit();
	rxe_task_run_exit();
}
