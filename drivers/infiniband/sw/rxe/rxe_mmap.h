/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_mmap.c: mapping rings into user space */
#ifndef RXE_MMAP_H
#define RXE_MMAP_H

#include "rxe_ring.h"

int rxe_mmap(struct ib_ucontext *context, struct vm_area_struct *vma);
int rxe_mmap_offer(struct rxe_dev *rxe, struct ib_ucontext *context,
		   struct rxe_ring *ring, struct mminfo *info);
void rxe_mmap_withdraw(struct rxe_dev *rxe, struct rxe_ring *ring);

#endif /* RXE_MMAP_H */
