/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_runlist.c, rxe_runlist_rt.c: the order in which a CPU runs tasks */
#ifndef RXE_RUNLIST_H
#define RXE_RUNLIST_H

#include "rxe_task.h"

/**
 * rxe_runlist_add() - run a task, after the tasks that are in the run list
 * @task: the task, which the caller owns
 *
 * Context: process or softirq, interrupts on; no lock held that a task takes,
 * unless the caller is a task. A task that the caller runs in has to end first.
 */
void rxe_runlist_add(struct rxe_task *task);

/**
 * rxe_runlist_add_apart() - run a task, but not under the caller's locks
 * @task: the task, which the caller owns
 *
 * Context: any; no lock of this driver held that a task takes.
 */
void rxe_runlist_add_apart(struct rxe_task *task);

/**
 * rxe_runlist_hold() - delay the run list until all packets are received
 *
 * Context: softirq.
 */
void rxe_runlist_hold(void);

/**
 * rxe_runlist_init() - prepare the run lists of all CPUs
 *
 * Context: any; no tasks exist yet.
 */
void rxe_runlist_init(void);

/**
 * rxe_runlist_exit() - undo rxe_runlist_init()
 *
 * Context: process context; may sleep; no tasks exist any more.
 */
void rxe_runlist_exit(void);

#endif /* RXE_RUNLIST_H */
