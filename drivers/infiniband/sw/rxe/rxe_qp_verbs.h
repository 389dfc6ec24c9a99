/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_qp_verbs.c: queue pairs as the verbs make and change them */
#ifndef RXE_QP_VERBS_H
#define RXE_QP_VERBS_H

#include <rdma/ib_verbs.h>

int rxe_qp_module_init(void);
void rxe_qp_module_exit(void);
int rxe_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *init,
		  struct ib_udata *udata);
int rxe_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		  struct ib_udata *udata);
int rxe_query_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		 struct ib_qp_init_attr *init);
int rxe_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata);

#endif /* RXE_QP_VERBS_H */
