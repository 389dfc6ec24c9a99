/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_fault.c: waiting for pages */
#ifndef RXE_FAULT_H
#define RXE_FAULT_H

#include <linux/ktime.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

struct rxe_mr;
struct rxe_place;
struct rxe_qp;
struct rxe_task;

/**
 * struct rxe_fault - a page that a task waits for
 * @work: makes it present
 * @qp: whose page it is; held while @busy
 * @task: kicked then
 * @role: what @qp does with it, for people
 * @busy: the task is parked; set by the task, cleared by the worker
 * @result: 0, or why the access can never succeed: what umem_odp_fault() gave
 * @mr: held while @busy
 * @offset: bytes from the region's start
 * @len: bytes that will be accessed from there on
 * @write: kind of access
 * @since: when the task was parked
 * @limit: makes @worker give up
 * @worker: who runs @work; constant while @limit may fire
 */
struct rxe_fault {
	struct work_struct work;
	struct rxe_qp *qp;
	struct rxe_task *task;
	const char *role;
	bool busy;
	int result;
	struct rxe_mr *mr;
	u64 offset;
	u64 len;
	bool write;
	ktime_t since;
	struct timer_list limit;
	struct task_struct *worker;
};

void rxe_fault_init(struct rxe_fault *fault, struct rxe_qp *qp,
		    struct rxe_task *task, const char *role);
int rxe_fault_start(struct rxe_fault *fault, const struct rxe_place *place,
		    u64 len, bool write);
void rxe_fault_drain(struct rxe_fault *fault);

static inline bool rxe_fault_busy(const struct rxe_fault *fault)
{
	return smp_load_acquire(&fault->busy);
}

#endif /* RXE_FAULT_H */
