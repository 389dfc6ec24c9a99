/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_fault.c: waiting for pages */
#ifndef RXE_FAULT_H
#define RXE_FAULT_H

#include <linux/ktime.h>

struct rxe_place;
struct rxe_qp;
struct rxe_task;
struct umem_odp_request;

/**
 * struct rxe_fault - a page that a task waits for
 * @request: makes it present; NULL while @qp is reset
 * @qp: whose page it is
 * @task: kicked then
 * @role: what @qp does with it, for people
 * @busy: the task is parked; set by the task, cleared by the worker
 * @result: 0, or why the access can never succeed: what umem_odp_fault() gave
 * @lkey: of the region
 * @offset: bytes from its start
 * @len: bytes that will be accessed from there on
 * @write: kind of access
 * @since: when the task was parked
 */
struct rxe_fault {
	struct umem_odp_request *request;
	struct rxe_qp *qp;
	struct rxe_task *task;
	const char *role;
	bool busy;
	int result;
	u32 lkey;
	u64 offset;
	u64 len;
	bool write;
	ktime_t since;
};

void rxe_fault_init(struct rxe_fault *fault, struct rxe_qp *qp,
		    struct rxe_task *task, const char *role);
int rxe_fault_open(struct rxe_fault *fault);
void rxe_fault_close(struct rxe_fault *fault);
int rxe_fault_start(struct rxe_fault *fault, const struct rxe_place *place,
		    u64 len, bool write);

static inline bool rxe_fault_busy(const struct rxe_fault *fault)
{
	return smp_load_acquire(&fault->busy);
}

#endif /* RXE_FAULT_H */
