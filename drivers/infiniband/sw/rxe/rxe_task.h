/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_task.c: work that runs to completion */
#ifndef RXE_TASK_H
#define RXE_TASK_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/workqueue.h>

/**
 * struct rxe_task - something to be done, by one processor at a time
 * @pending: kicks not yet answered; who makes it 1 owns the task
 * @node: in a processor's run list; the owner's
 * @fn: does a bounded part of the work; returns true if there is more
 * @later: what more there is, is for a worker: softirqs are to run before; @fn's
 * @stays: what it sends is to go its way in order: it does not change the
 *	processor while that may still have something of it; constant
 * @cpu: where it ran last; the owner's
 * @ran: when, in jiffies; the owner's
 * @work: takes the task to a worker when a processor has done enough
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

/* Has a kick of the task not been answered yet? */
static inline bool rxe_task_is_busy(const struct rxe_task *task)
{
	return atomic_read_acquire(&task->pending);
}

int rxe_task_module_init(void);
void rxe_task_module_exit(void);

#endif /* RXE_TASK_H */
