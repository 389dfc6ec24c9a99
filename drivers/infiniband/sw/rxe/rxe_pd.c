// SPDX-License-Identifier: GPL-2.0
/*
 * Protection domains and user contexts: names that other objects refer to. A
 * protection domain knows its queue pairs.
 */
#include "rxe_pd.h"
#include "rxe_qp.h"

/**
 * rxe_alloc_ucontext() - a process opens the device
 * @ibcontext: its context
 * @udata: nothing is asked and nothing is told
 *
 * Return: 0.
 */
int rxe_alloc_ucontext(struct ib_ucontext *ibcontext, struct ib_udata *udata)
{
	return 0;
}

/**
 * rxe_dealloc_ucontext() - the end of a context
 * @ibcontext: the context; its objects are gone
 */
void rxe_dealloc_ucontext(struct ib_ucontext *ibcontext)
{
}

/**
 * rxe_disassociate_ucontext() - the device goes before the process does
 * @ibcontext: the context
 *
 * Mapped rings stay valid memory, with nobody at the other end. That the
 * function exists lets a device in use be removed.
 */
void rxe_disassociate_ucontext(struct ib_ucontext *ibcontext)
{
}

/**
 * rxe_alloc_pd() - make a protection domain
 * @ibpd: the protection domain
 * @udata: nothing is asked and nothing is told
 *
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
 * rxe_dealloc_pd() - the end of a protection domain
 * @ibpd: the protection domain; nothing refers to it
 * @udata: not used
 *
 * Return: 0.
 */
int rxe_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	return 0;
}

/**
 * rxe_pd_add() - a protection domain has another queue pair
 * @qp: the queue pair, complete
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
 * rxe_pd_remove() - the end of that
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
 * rxe_pd_pass() - wait for what peers are having done in a protection domain
 * @ibpd: the protection domain
 *
 * What a peer may touch is looked up and touched under one hold of rq.lock. Who gets
 * the lock later sees what the caller has written before.
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
