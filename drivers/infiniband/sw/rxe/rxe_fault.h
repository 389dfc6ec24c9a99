/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_fault.c: waiting for pages */
#ifndef RXE_FAULT_H
#define RXE_FAULT_H

#include <linux/ktime.h>

/* Bytes of a buffer that holds the payload of any packet. */
#define RXE_FAULT_ROOM	4096U

struct rxe_place;
struct rxe_qp;
struct rxe_task;
struct umem_odp_request;

/**
 * struct rxe_fault - a fault that a task waits for
 * @request: the request to ib_umem_odp's workers; NULL while @qp is reset
 * @qp: the queue pair that the task belongs to
 * @task: the task that waits; kicked when the fault has ended
 * @role: what the task does with the page; shown by tracepoints
 * @busy: the task is parked; set by the task, cleared by the worker
 * @result: 0, or the error of umem_odp_fault(): the access can never succeed
 * @lkey: key of the region
 * @offset: first missing byte, in bytes from the region's start
 * @len: number of bytes that will be accessed from @offset on
 * @write: the bytes will be written
 * @since: when the task was parked
 * @packet: identifies the packet that @left and @kept belong to; 0: none
 * @payload: number of bytes that the packet reads from memory; 0: it writes
 * @left: number of payload bytes that were missing at the farthest try
 * @kept: buffer of RXE_FAULT_ROOM bytes, at whose end the packet's payload is
 *	laid out as far as it has been read; or NULL
 * @kept_left: number of payload bytes that are not in @kept
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

/* Pairs with the release in rxe_fault_done(): @result is valid after false. */
static inline bool rxe_fault_busy(const struct rxe_fault *fault)
{
	return smp_load_acquire(&fault->busy);
}

#endif /* RXE_FAULT_H */
