// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Waiting for pages
 *
 * The one place where the data path sleeps. A task that misses a page parks
 * itself here: it returns without having more to do, and is kicked when the
 * page is there. Its packets stay queued; other queue pairs go on.
 */
#include <linux/delay.h>
#include <linux/sched/signal.h>

#include "rxe_qp.h"

#define CREATE_TRACE_POINTS
#include "rxe_trace.h"

/*
 * Who answers a fault may be a process (userfaultfd) that never does. While the
 * worker waits, neither the region, nor the queue pair, nor the address space
 * can go. So it gives up after this long, and the task begins anew if it still
 * has a reason to.
 */
#define RXE_FAULT_LIMIT		HZ

/*
 * A shortage of memory is passing more often than not, and an error ends the
 * connection. So a fault is tried again for this long, less than the limit, and
 * not at once.
 */
#define RXE_FAULT_SHORTAGE_MS	500
#define RXE_FAULT_PAUSE_MS	10

static void rxe_fault_expire(struct timer_list *timer)
{
	struct rxe_fault *fault = container_of(timer, struct rxe_fault, limit);

	send_sig(SIGKILL, fault->worker, 1);
}

/* Is a fault that gave @ret to be tried again? Pauses where that helps. */
static bool rxe_fault_again(const struct rxe_fault *fault, ssize_t ret)
{
	if (signal_pending(current))
		return false;
	if (ret != -ENOMEM)
		return ret == -EBUSY;
	if (ktime_ms_delta(ktime_get(), fault->since) >= RXE_FAULT_SHORTAGE_MS)
		return false;
	msleep(RXE_FAULT_PAUSE_MS);
	return true;
}

static ssize_t rxe_fault_try(struct rxe_fault *fault)
{
	ssize_t ret;

	do {
		ret = umem_odp_fault(fault->mr->umem, fault->offset, fault->len,
				     fault->write ? UMEM_ODP_FAULT_WRITE : 0);
	} while (rxe_fault_again(fault, ret));
	return ret;
}

/* Returns 0 where the task has to look again. */
static int rxe_fault_limited(struct rxe_fault *fault)
{
	ssize_t ret;

	fault->worker = current;
	allow_kernel_signal(SIGKILL);
	mod_timer(&fault->limit, jiffies + RXE_FAULT_LIMIT);
	ret = rxe_fault_try(fault);
	timer_delete_sync(&fault->limit);
	/* What fails with the signal pending may have failed for it. */
	if (signal_pending(current))
		ret = 0;
	disallow_signal(SIGKILL);
	flush_signals(current);
	return min_t(ssize_t, ret, 0);
}

static void rxe_fault_work(struct work_struct *work)
{
	struct rxe_fault *fault = container_of(work, struct rxe_fault, work);
	struct rxe_qp *qp = fault->qp;
	struct rxe_mr *mr = fault->mr;
	int ret = rxe_fault_limited(fault);

	trace_rxe_resume(fault, ret);
	rxe_mr_release(mr);
	fault->result = ret;
	smp_store_release(&fault->busy, false);
	rxe_task_resume(fault->task);
	rxe_qp_put(qp);
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
	INIT_WORK(&fault->work, rxe_fault_work);
	timer_setup(&fault->limit, rxe_fault_expire, 0);
	fault->qp = qp;
	fault->task = task;
	fault->role = role;
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
 * Return: -EAGAIN; or -EFAULT, not parked: the region is being deregistered, or
 * the queue pair destroyed.
 */
int rxe_fault_start(struct rxe_fault *fault, const struct rxe_place *place,
		    u64 len, bool write)
{
	if (!refcount_inc_not_zero(&fault->qp->refs))
		return -EFAULT;
	if (!rxe_mr_hold(place->mr)) {
		rxe_qp_put(fault->qp);
		return -EFAULT;
	}
	fault->mr = place->mr;
	fault->offset = place->offset;
	fault->len = len;
	fault->write = write;
	fault->since = ktime_get();
	fault->busy = true;
	rxe_count(to_rxe(place->mr->ib.device), RXE_CNT_PAGE_FAULT_WAITS);
	trace_rxe_park(fault);
	umem_odp_queue_work(fault->mr->umem, &fault->work);
	return -EAGAIN;
}

/**
 * rxe_fault_drain() - wait until nothing is under way
 * @fault: the place; its task does not start anything any more
 *
 * Context: may sleep, up to RXE_FAULT_LIMIT.
 */
void rxe_fault_drain(struct rxe_fault *fault)
{
	flush_work(&fault->work);
	fault->busy = false;
	fault->result = 0;
}
