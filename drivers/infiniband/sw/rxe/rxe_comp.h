/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_comp.c: the completer; a part of the sending task, under sq.lock */
#ifndef RXE_COMP_H
#define RXE_COMP_H

#include <linux/types.h>

struct rxe_qp;

unsigned int rxe_comp_responses(struct rxe_qp *qp, unsigned int budget);
void rxe_comp_timeout(struct rxe_qp *qp);
bool rxe_comp_lost_again(struct rxe_qp *qp);

#endif /* RXE_COMP_H */
