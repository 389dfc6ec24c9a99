/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_qp_tasks.c: the two tasks of a queue pair */
#ifndef RXE_QP_TASKS_H
#define RXE_QP_TASKS_H

#include <linux/types.h>

struct rxe_qp;

int rxe_qp_tasks_init(struct rxe_qp *qp);
int rxe_qp_tasks_open(struct rxe_qp *qp);
int rxe_qp_tasks_reserve(struct rxe_qp *qp, u32 max_dest_rd_atomic);
void rxe_qp_tasks_exit(struct rxe_qp *qp);
void rxe_qp_tasks_reset(struct rxe_qp *qp);
void rxe_qp_tasks_store(struct rxe_qp *qp, int mask);
void rxe_qp_tasks_modified(struct rxe_qp *qp, int mask);
void rxe_qp_tasks_retire(struct rxe_qp *qp);
void rxe_qp_tasks_settle(struct rxe_qp *qp);

#endif /* RXE_QP_TASKS_H */
