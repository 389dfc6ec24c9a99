/* SPDX-License-Identifier: GPL-2.0 */
/* The rings that a process shares with the driver, found where the library mapped them. */
#ifndef VERBS_RING_H
#define VERBS_RING_H

#include <stddef.h>
#include <stdint.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_rxe.h>

struct ring {
	struct rxe_queue_buf *buf;
	size_t bytes;
	uint32_t mask, shift;	/* as found at first */
};

/* Finds the @n most recently mapped rings, in the order of their creation. */
void rings_find(struct ring *rings, int n);
void *ring_slot(const struct ring *ring, uint32_t index);

#endif
