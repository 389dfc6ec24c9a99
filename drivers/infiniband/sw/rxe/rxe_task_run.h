/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_task_run.c: running tasks, here or in workers */
#ifndef RXE_TASK_RUN_H
#define RXE_TASK_RUN_H

#include "rxe_task.h"

void rxe_task_defer(struct rxe_task *task);
void rxe_tasks_defer(struct list_head *tasks);
void rxe_tasks_run(struct list_head *tasks);
int rxe_task_run_init(void);
void rxe_task_run_exit(void);

#endif /* RXE_TASK_RUN_H */
