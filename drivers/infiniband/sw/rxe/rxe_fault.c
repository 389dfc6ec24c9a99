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
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "rxe_access.h"
#include "rxe_fault.h"
#include "rxe_mr.h"
#include "rxe_service.h"
#include "rxe_wire.h"

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
	kfree(fault->kept);
	fault->kept = NULL;
	fault->packet = 0;
	fault->request = NULL;
	fault->busy = false;
	fault->result = 0;
}

/* --- packets that have more pages than stay ---------------------------------- */

/*
 * Tells a packet from all others that its task may see soon. 0: there is nothing to
 * tell it by; a datagram's PSN is its sender's choice.
 */
static u64 rxe_fault_packet(const struct rxe_fault *fault)
{
	const struct rxe_qp *qp = fault->qp;
	const struct rxe_sq *sq = &qp->sq;

	if (fault == &qp->sq.gather)
		return (u64)sq->cur << 32 | BIT_ULL(31) | sq->offset;
	if (fault == &qp->sq.scatter)
		return (u64)sq->cons << 32 | BIT_ULL(31) | sq->una;
	if (!qp->service->connected)
		return 0;
	return (u64)qp->rq.msn << 32 | BIT_ULL(31) | rxe_rq_at(&qp->rq);
}

/* Of a packet whose payload is read from memory: bytes. */
static u32 rxe_fault_payload(const struct rxe_fault *fault)
{
	const struct rxe_qp *qp = fault->qp;
	const struct rxe_sq *sq = &qp->sq;
	const struct rxe_rq *rq = &qp->rq;
	u32 rest;

	if (fault == &qp->sq.gather)
		rest = rxe_sq_wqe(sq, sq->cur)->length - sq->offset;
	else
		rest = rq->read.length - qp->mtu *
		       rxe_psn_cmp(rq->read_psn, rq->read.first_psn);
	return min(qp->mtu, rest);
}

static void *rxe_fault_room(const struct rxe_qp *qp)
{
	struct mem_cgroup *before = set_active_memcg(qp->memcg);
	gfp_t gfp = GFP_NOWAIT | __GFP_NOWARN;
	void *room;

	room = kmalloc(RXE_FAULT_ROOM, qp->memcg ? gfp | __GFP_ACCOUNT : gfp);
	set_active_memcg(before);
	return room;
}

/* The payload up to @at is kept; the packet that it is in is not. */
static void rxe_fault_keep(struct rxe_fault *fault, const void *at, u32 left)
{
	u32 payload = fault->payload;

	if (!fault->kept)
		fault->kept = rxe_fault_room(fault->qp);
	if (!fault->kept)
		return;
	memcpy(fault->kept + RXE_FAULT_ROOM - payload, at - (payload - left),
	       payload - left);
	fault->kept_left = left;
}

/**
 * rxe_fault_resume() - a page is missing that a packet has got beyond before
 * @fault: where the task waits; not busy
 * @at: where that page's bytes belong in the payload, if memory is read
 * @left: bytes of the payload from there on
 * @write: the payload is written to memory
 *
 * A packet whose pages do not all stay until the last one has come would begin
 * anew for ever. What has been written needs no page any more. What has been read
 * is kept from the second try on, since most packets need no third.
 *
 * Context: the task.
 * Return: bytes of the payload from there on that are done; 0: the page has to be
 * waited for.
 */
u32 rxe_fault_resume(struct rxe_fault *fault, void *at, u32 left, bool write)
{
	u32 payload = write ? 0 : rxe_fault_payload(fault);
	u64 packet = rxe_fault_packet(fault);
	bool again;

	if (!packet)
		return 0;
	/* A peer may ask for another length when it asks again. */
	if (packet != fault->packet || payload != fault->payload) {
		fault->packet = packet;
		fault->payload = payload;
		fault->left = left;
		fault->kept_left = U32_MAX;
		return 0;
	}
	again = left > fault->left;
	fault->left = min(fault->left, left);
	if (write)
		return again ? left - fault->left : 0;
	if (left > fault->kept_left) {
		u32 had = left - fault->kept_left;

		memcpy(at, fault->kept + RXE_FAULT_ROOM - left, had);
		return had;
	}
	if (again || fault->kept_left != U32_MAX)
		rxe_fault_keep(fault, at, left);
	return 0;
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
