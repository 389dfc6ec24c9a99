/* SPDX-License-Identifier: GPL-2.0 */
/* A connection to on-demand memory of which no page is present yet. */
#ifndef VERBS_COLD_H
#define VERBS_COLD_H

#include <stddef.h>
#include <infiniband/verbs.h>

#include "lib/mem.h"
#include "lib/rc.h"

struct cold {
	struct pair pair;
	struct buf local;	/* pinned, at pair.a */
	struct buf cold;	/* on demand, at pair.b */
};

/* Both buffers have @len bytes. Skips the test if the device lacks on-demand paging. */
void cold_open(struct cold *rig, size_t len);

/* A successful WRITE or READ between the same offsets of both buffers. */
void cold_rdma(struct cold *rig, enum ibv_wr_opcode opcode, size_t offset, size_t len);

#endif
