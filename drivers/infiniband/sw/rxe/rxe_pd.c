// SPDX-License-Identifier: GPL-2.0
/*
 * Protection domains and user contexts. Other objects refer to them. A
 * protection domain has a list of its queue pairs.
 */
#include "rxe_pd.h"
#include "rxe_qp.h"

/**
 * rxe_alloc_ucontext() - open the device for a process
 * @ibcontext: the process' user context
 * @udata: not used: the command has no driver data
 *
 * Context: process context.
 * Return: 0.
 */
int rxe_alloc_ucontext(struct ib_ucontext *ibcontext, struct ib_udata *udata)
{
	return 0;
}

/**
 * rxe_dealloc_ucontext() - close a user context
 * @ibcontext: the user context; its objects have been destroyed
 *
 * Context: process context.
 */
void rxe_dealloc_ucontext(struct ib_ucontext *ibcontext)
{
}

/**
 * rxe_disassociate_ucontext() - detach a process from a device that is removed
 * @ibcontext: the process' user context
 *
 * Mapped rings stay valid memory that the driver does not use any more. The
 * core allows the removal of a device in use only if this function exists.
 *
 * Context: process context.
 */
void rxe_disassociate_ucontext(struct ib_ucontext *ibcontext)
{
}

/**
 * rxe_alloc_pd() - create a protection domain
 * @ibpd: the protection domain
 * @udata: not used: the command has no driver data
 *
 * Context: process context.
 * Return: 0.
 */
int rxe_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	struct rxe_pd *pd = to_rpd(ibpd);

	INIT_LIST_HEAD(&pd->qps);
	mutex_init(&pd->qps_lock);
	return 0;
}

/**
 * rxe_dealloc_pd() - destroy a protection domain
 * @ibpd: the protection domain; no object refers to it
 * @udata: not used
 *
 * Context: process context.
 * Return: 0.
 */
int rxe_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	return 0;
}

/**
 * rxe_pd_add() - add a queue pair to the list of its protection domain
 * @qp: the queue pair; completely initialized
 *
 * Context: process context; may sleep.
 */
void rxe_pd_add(struct rxe_qp *qp)
{
	struct rxe_pd *pd = to_rpd(qp->ib.pd);

	mutex_lock(&pd->qps_lock);
	list_add_tail(&qp->pd_node, &pd->qps);
	mutex_unlock(&pd->qps_lock);
}

/**
 * rxe_pd_remove() - remove a queue pair from the list of its protection domain
 * @qp: the queue pair
 *
 * Context: process context; may sleep.
 */
void rxe_pd_remove(struct rxe_qp *qp)
{
	struct rxe_pd *pd = to_rpd(qp->ib.pd);

	mutex_lock(&pd->qps_lock);
	list_del(&qp->pd_node);
	mutex_unlock(&pd->qps_lock);
}

/**
 * rxe_pd_pass() - wait for remote accesses under way in a protection domain
 * @ibpd: the protection domain
 *
 * A responder looks up a key and accesses the memory in one critical section of
 * rq.lock. This function takes and releases rq.lock of each queue pair. So
 * accesses that began before have ended when it returns, and later accesses see
 * what the caller has written before the call.
 *
 * Context: process context; may sleep.
 */
void rxe_pd_pass(struct ib_pd *ibpd)
{
	struct rxe_pd *pd = to_rpd(ibpd);
	struct rxe_qp *qp;

	mutex_lock(&pd->qps_lock);
	list_for_each_entry(qp, &pd->qps, pd_node) {
		rxe_resp_pass(qp);
		cond_resched();
	}
	mutex_unlock(&pd->qps_lock);
}
