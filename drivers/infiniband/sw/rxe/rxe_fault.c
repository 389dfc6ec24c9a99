// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Waiting for pages
 *
 * The one place where the data path waits. A task that misses a page parks
 * itself here: it returns without having more to do, and is kicked when the
 * page is there. Its packets stay queued; other queue pairs go on.
 *
 * A worker of ib_umem_odp makes the page present. It may take for ever (a file
 * system that is frozen), so a queue pair that is reset or destroyed leaves the
 * request to it and does not wait.
 */
#include "rxe_qp.h"

#define CREATE_TRACE_POINTS
#include "rxe_trace.h"

/* Returns 0 where the task has to look again. */
static int rxe_fault_errno(long result)
{
	return result == -EINTR ? 0 : min(result, 0L);
}

static void rxe_fault_done(struct umem_odp_request *request, long result)
{
	struct rxe_fault *fault = umem_odp_request_context(request);

	fault->result = rxe_fault_errno(result);
	trace_rxe_resume(fault, fault->result);
	smp_store_release(&fault->busy, false);
	rxe_task_resume(fault->task);
}

/**
 * rxe_fault_init() - make a place to wait
 * @fault: the place
 * @qp: the queue pair
 * @task: its task that waits
 * @role: what it does with the page, for people
 */
void rxe_fault_init(struct rxe_fault *fault, struct rxe_qp *qp,
		    struct rxe_task *task, const char *role)
{
	fault->qp = qp;
	fault->task = task;
	fault->role = role;
}

/**
 * rxe_fault_open() - have what it takes to wait
 * @fault: the place; its task starts nothing yet
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_fault_open(struct rxe_fault *fault)
{
	if (!fault->request)
		fault->request = umem_odp_request_alloc(rxe_fault_done, fault);
	return fault->request ? 0 : -ENOMEM;
}

/**
 * rxe_fault_close() - wait no more
 * @fault: the place; its task starts nothing any more
 *
 * The task may be kicked once more, but not after this has returned.
 *
 * Context: may sleep; does not wait for the page.
 */
void rxe_fault_close(struct rxe_fault *fault)
{
	umem_odp_request_free(fault->request);
	fault->request = NULL;
	fault->busy = false;
	fault->result = 0;
}

/**
 * rxe_fault_start() - have pages made present
 * @fault: where the task waits; not busy
 * @place: the first byte that is missing
 * @len: bytes that will be accessed from there on, inside the region
 * @write: they will be written
 *
 * Context: the task, in the RCU read section in which @place was resolved. It
 * returns afterwards, and looks at rxe_fault_busy() and @fault->result first
 * when it runs again.
 * Return: -EAGAIN; or -EFAULT, not parked: the region is being deregistered.
 */
int rxe_fault_start(struct rxe_fault *fault, const struct rxe_place *place,
		    u64 len, bool write)
{
	fault->lkey = place->mr->ib.lkey;
	fault->offset = place->offset;
	fault->len = len;
	fault->write = write;
	fault->since = ktime_get();
	fault->busy = true;
	trace_rxe_park(fault);
	if (umem_odp_request_start(fault->request, place->mr->umem,
				   place->offset, len,
				   write ? UMEM_ODP_FAULT_WRITE : 0)) {
		fault->busy = false;
		return -EFAULT;
	}
	rxe_count(to_rxe(fault->qp->ib.device), RXE_CNT_PAGE_FAULT_WAITS);
	return -EAGAIN;
}
