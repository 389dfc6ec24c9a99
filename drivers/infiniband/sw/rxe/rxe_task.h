/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_task.c: work that runs to completion */
#ifndef RXE_TASK_H
#define RXE_TASK_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/workqueue.h>

/**
 * struct rxe_task - work that one CPU at a time executes
 * @pending: number of kicks not yet handled; the CPU that raises it from 0 to 1
 *	owns the task until it has lowered it to 0 or handed the task over
 * @node: in a CPU's run list; used by the owner
 * @fn: does a bounded part of the work; returns true if there is more to do
 * @later: if @fn returns true, run the rest in a worker, after pending
 *	softirqs; set by @fn
 * @stays: the task sends packets whose order matters; it does not move to
 *	another CPU while its former CPU may still have packets of it in its
 *	queues; constant
 * @cpu: the CPU on which the task ran last; used by the owner
 * @ran: when the task ran last, in jiffies; used by the owner
 * @work: runs the task in a worker
 */
struct rxe_task {
	atomic_t pending;
	struct list_head node;
	bool (*fn)(struct rxe_task *task);
	bool later;
	bool stays;
	int cpu;
	unsigned long ran;
	struct work_struct work;
};

void rxe_task_init(struct rxe_task *task, bool (*fn)(struct rxe_task *task));
void rxe_task_kick(struct rxe_task *task);
void rxe_task_kick_worker(struct rxe_task *task);
void rxe_task_resume(struct rxe_task *task);
void rxe_task_kick_apart(struct rxe_task *task);
void rxe_task_hold(void);
void rxe_task_drain(struct rxe_task *task);
void rxe_task_retire(struct rxe_task *task);

/*
 * Is a kick of the task not handled yet? Pairs with the full barrier of
 * atomic_sub_return() in rxe_task_run(): false means that the effects of the
 * task are visible.
 */
static inline bool rxe_task_is_busy(const struct rxe_task *task)
{
	return atomic_read_acquire(&task->pending);
}

int rxe_task_module_init(void);
void rxe_task_module_exit(void);

#endif /* RXE_TASK_H */
