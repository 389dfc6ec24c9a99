/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_fault.c: waiting for pages */
#ifndef RXE_FAULT_H
#define RXE_FAULT_H

#include <linux/ktime.h>

/* For the payload of any packet. */
#define RXE_FAULT_ROOM	4096U

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
 * @packet: which packet @left and @kept are about
 * @payload: bytes that it reads from memory; 0: it writes
 * @left: bytes of its payload that were missing at its farthest try
 * @kept: the end of a payload that was read, or NULL
 * @kept_left: bytes of the payload that @kept does not have
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
	u64 packet;
	u32 payload;
	u32 left;
	u32 kept_left;
	void *kept;
};

void rxe_fault_init(struct rxe_fault *fault, struct rxe_qp *qp,
		    struct rxe_task *task, const char *role);
int rxe_fault_open(struct rxe_fault *fault);
void rxe_fault_close(struct rxe_fault *fault);
u32 rxe_fault_resume(struct rxe_fault *fault, void *at, u32 left, bool write);
int rxe_fault_start(struct rxe_fault *fault, const struct rxe_place *place,
		    u64 len, bool write);

static inline bool rxe_fault_busy(const struct rxe_fault *fault)
{
	return smp_load_acquire(&fault->busy);
}

#endif /* RXE_FAULT_H */
