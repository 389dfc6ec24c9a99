/* SPDX-License-Identifier: GPL-2.0 */
/* A connection with a buffer at each end. */
#ifndef VERBS_RIG_H
#define VERBS_RIG_H

#include <stddef.h>

#include "lib/mem.h"
#include "lib/rc.h"

struct rig {
	struct pair pair;
	struct buf a, b;	/* at pair.a and at pair.b */
};

/* Makes both buffers on a connection that is open already, on demand if the device can. */
void rig_open_bufs(struct rig *rig, size_t len);

/*
 * Opens the connection and pinned memory at pair.a; the caller makes the on-demand memory at pair.b. Skips
 * the test if the device lacks on-demand paging.
 */
void rig_open_local(struct rig *rig, const struct rc *rc, size_t len);
/* The same, with on-demand memory at pair.b of which no page is present yet. */
void rig_open_cold(struct rig *rig, size_t len);

/* A WRITE or READ, with wr_id 1, between the same offsets of both buffers; it completes with @status. */
void rig_rdma_ends(struct rig *rig, enum ibv_wr_opcode opcode, size_t offset, size_t len,
		   enum ibv_wc_status status);
/* The same with success. */
void rig_rdma(struct rig *rig, enum ibv_wr_opcode opcode, size_t offset, size_t len);

#endif
