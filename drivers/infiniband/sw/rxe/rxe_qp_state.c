// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: States of a queue pair
 *
 * The verbs move a queue pair from state to state, and its tasks do when
 * something fails. state_lock serializes the two.
 */
#include "rxe_qp.h"
#include "rxe_qp_state.h"
#include "rxe_service.h"

static void rxe_qp_set_state(struct rxe_qp *qp, enum ib_qp_state state)
{
	lockdep_assert_held(&qp->state_lock);
	WRITE_ONCE(qp->state, state);
	qp->attr.qp_state = state;
}

/**
 * rxe_qp_change_state() - move a queue pair to another state for a verb
 * @qp: the queue pair
 * @from: the state for which the verb has checked the change
 * @to: the new state
 *
 * Context: modify_mutex held; sq.lock and rq.lock may be held.
 * Return: 0, or -EINVAL if a task has changed the state since the check.
 */
int rxe_qp_change_state(struct rxe_qp *qp, enum ib_qp_state from,
			enum ib_qp_state to)
{
	int ret = -EINVAL;

	lockdep_assert_held(&qp->modify_mutex);
	spin_lock_bh(&qp->state_lock);
	if (qp->state == from || to == IB_QPS_RESET || to == IB_QPS_ERR) {
		rxe_qp_set_state(qp, to);
		ret = 0;
	}
	spin_unlock_bh(&qp->state_lock);
	return ret;
}

/**
 * rxe_qp_event() - report an event to a queue pair's owner
 * @qp: the queue pair
 * @type: the event
 *
 * Context: any that the owner's handler allows; user space's allows all.
 */
void rxe_qp_event(struct rxe_qp *qp, enum ib_event_type type)
{
	struct ib_event event = {
		.device = qp->ib.device,
		.element.qp = qp->handle,
		.event = type,
	};

	if (qp->handle->event_handler)
		qp->handle->event_handler(&event, qp->handle->qp_context);
}

/**
 * rxe_qp_error() - move a queue pair to the error state
 * @qp: the queue pair; in the reset state it stays there
 *
 * The tasks then flush its requests.
 *
 * Context: a task, or no lock held.
 */
void rxe_qp_error(struct rxe_qp *qp)
{
	spin_lock_bh(&qp->state_lock);
	if (qp->state != IB_QPS_RESET)
		rxe_qp_set_state(qp, IB_QPS_ERR);
	spin_unlock_bh(&qp->state_lock);
	rxe_task_kick(&qp->sq.task);
	rxe_task_kick(&qp->rq.task);
}

/**
 * rxe_qp_fatal() - a completion of a queue pair has been lost
 * @qp: the queue pair
 *
 * The owner does not know any more which requests are complete. So the queue
 * pair goes to the error state, and the owner gets IB_EVENT_QP_FATAL.
 *
 * Context: a task.
 */
void rxe_qp_fatal(struct rxe_qp *qp)
{
	bool works;

	spin_lock_bh(&qp->state_lock);
	works = qp->state != IB_QPS_RESET && qp->state != IB_QPS_ERR;
	spin_unlock_bh(&qp->state_lock);
	if (!works)
		return;
	rxe_qp_event(qp, IB_EVENT_QP_FATAL);
	rxe_qp_error(qp);
}

/**
 * rxe_qp_send_error() - a request of a queue pair has failed
 * @qp: the queue pair
 *
 * Without a reliable connection only the sending half stops (SQE). The
 * receiving half goes on, and the owner may bring the sending half back to RTS.
 *
 * Context: sq.lock held.
 */
void rxe_qp_send_error(struct rxe_qp *qp)
{
	lockdep_assert_held(&qp->sq.lock);
	if (!qp->service->send_error) {
		rxe_qp_error(qp);
		return;
	}
	spin_lock_bh(&qp->state_lock);
	if (qp->state == IB_QPS_RTS || qp->state == IB_QPS_SQD)
		rxe_qp_set_state(qp, IB_QPS_SQE);
	spin_unlock_bh(&qp->state_lock);
	rxe_task_kick(&qp->sq.task);
}
