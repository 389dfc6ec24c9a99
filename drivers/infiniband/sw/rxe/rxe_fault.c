// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Waiting for pages
 *
 * The data path waits only here. A task that misses a page parks: it starts a
 * fault and returns, and it is kicked when the page is present. The task's
 * packets stay queued meanwhile, and other queue pairs continue.
 *
 * A worker of ib_umem_odp faults the page in. That may take forever, for
 * example on a frozen file system. So a queue pair that is reset or destroyed
 * leaves the request to the worker and does not wait for it.
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

/* An interrupted fault is no error: the task tries the access again. */
static int rxe_fault_errno(long result)
{
	return result == -EINTR ? 0 : min(result, 0L);
}

static void rxe_fault_done(struct umem_odp_request *request, long result)
{
	struct rxe_fault *fault = umem_odp_request_context(request);

	fault->result = rxe_fault_errno(result);
	trace_rxe_resume(fault, fault->result);
	/*
	 * Pairs with the acquire in rxe_fault_busy(): a task that sees @busy
	 * false sees @result, too.
	 */
	smp_store_release(&fault->busy, false);
	rxe_task_resume(fault->task);
}

/**
 * rxe_fault_init() - initialize a struct rxe_fault
 * @fault: the fault
 * @qp: the queue pair whose task waits
 * @task: the task of @qp that waits
 * @role: what the task does with the page; shown by tracepoints
 *
 * Context: any; nothing else uses @fault yet.
 */
void rxe_fault_init(struct rxe_fault *fault, struct rxe_qp *qp,
		    struct rxe_task *task, const char *role)
{
	fault->qp = qp;
	fault->task = task;
	fault->role = role;
}

/**
 * rxe_fault_open() - allocate what rxe_fault_start() needs
 * @fault: the fault; its task does not start it yet
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
 * rxe_fault_close() - cancel a fault and free its resources
 * @fault: the fault; its task does not start it any more
 *
 * The fault may still kick its task until this function returns, but not later.
 *
 * Context: process context; may sleep; does not wait for the page.
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

/*
 * --- packets whose pages do not all stay present ---------------------------
 */

/*
 * Returns a number that identifies the packet that the task is working on among
 * all packets that it may handle soon. Returns 0 for a datagram, whose PSN its
 * sender chooses and which therefore cannot be identified.
 */
static u64 rxe_fault_packet(const struct rxe_fault *fault)
{
	const struct rxe_qp *qp = fault->qp;
	const struct rxe_sq *sq = &qp->sq;

	if (fault == &qp->sq.gather)
		return (u64)sq->cur << 32 | BIT_ULL(31) | sq->offset;
	if (fault == &qp->sq.scatter)
		return (u64)sq->cons << 32 | BIT_ULL(31) | sq->una;
	if (!qp->service->sequenced)
		return 0;
	return (u64)qp->rq.msn << 32 | BIT_ULL(31) | rxe_rq_at(&qp->rq);
}

/* Asserts that the lock of the half of the QP that has @fault is held. */
static void rxe_fault_assert(const struct rxe_fault *fault)
{
	struct rxe_qp *qp = fault->qp;

	lockdep_assert_held(fault == &qp->rq.fault ? &qp->rq.lock :
						     &qp->sq.lock);
}

/* The payload in bytes of a packet whose payload is read from memory. */
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

/* A buffer for the payload of a packet, charged to the QP's owner; or NULL. */
static void *rxe_fault_room(const struct rxe_qp *qp)
{
	struct mem_cgroup *before = set_active_memcg(qp->memcg);
	gfp_t gfp = GFP_NOWAIT | __GFP_NOWARN;
	void *room;

	room = kmalloc(RXE_FAULT_ROOM, qp->memcg ? gfp | __GFP_ACCOUNT : gfp);
	set_active_memcg(before);
	return room;
}

/*
 * Saves the payload that has been read, up to @at: the packet's own buffer is
 * freed while the task waits.
 */
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
 * rxe_fault_resume() - skip payload that was copied before its page went
 * missing
 * @fault: where the task waits; not busy
 * @at: where in the payload the missing page's bytes belong; used for reads
 * @left: number of payload bytes from @at on
 * @write: true if the payload is written to memory, false if it is read
 *
 * A packet whose first pages are reclaimed before its last page is present
 * would start again forever. So its progress is remembered. Bytes that have
 * been written to memory need no page any more. Bytes that have been read are
 * saved from the second try on; most packets need no third try.
 *
 * Context: the task, with the lock of its half of the queue pair held.
 * Return: the number of payload bytes from @at on that are done; 0: the task
 * must wait for the page.
 */
u32 rxe_fault_resume(struct rxe_fault *fault, void *at, u32 left, bool write)
{
	u32 payload = write ? 0 : rxe_fault_payload(fault);
	u64 packet = rxe_fault_packet(fault);
	bool again;

	rxe_fault_assert(fault);
	if (!packet)
		return 0;
	/* A peer that repeats a READ request may ask for another length. */
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
 * rxe_fault_start() - start to fault in pages
 * @fault: where the task waits; not busy
 * @place: the first missing byte
 * @len: number of bytes that the task will access from @place on; inside the
 *	region
 * @write: true if the task will write them
 *
 * Context: the task, in the RCU read section in which @place was resolved. The
 * task must return then. When it runs again, it must check rxe_fault_busy() and
 * @fault->result first.
 * Return: -EAGAIN: the task is parked; -EFAULT: the region is being
 * deregistered and the task is not parked.
 */
int rxe_fault_start(struct rxe_fault *fault, const struct rxe_place *place,
		    u64 len, bool write)
{
	lockdep_assert_in_rcu_read_lock();
	fault->lkey = place->mr->ib.lkey;
	fault->offset = place->offset;
	fault->len = len;
	fault->write = write;
	fault->since = ktime_get();
	/* Ordered before rxe_fault_done() by the start of the request below. */
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
