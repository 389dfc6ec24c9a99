/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_mad.c: performance management */
#ifndef RXE_MAD_H
#define RXE_MAD_H

#include <rdma/ib_verbs.h>

int rxe_process_mad(struct ib_device *ibdev, int flags, u32 port,
		    const struct ib_wc *wc, const struct ib_grh *grh,
		    const struct ib_mad *in, struct ib_mad *out,
		    size_t *out_size, u16 *out_pkey_index);

#endif /* RXE_MAD_H */
