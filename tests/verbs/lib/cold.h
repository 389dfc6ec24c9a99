/* SPDX-License-Identifier: GPL-2.0 */
/* A connection to on-demand memory of which no page is there yet. */
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

/* Both memories have @len bytes. Skips the test where there is no on-demand paging. */
void cold_open(struct cold *rig, size_t len);

/* A WRITE or READ between the same places of both, with success. */
void cold_rdma(struct cold *rig, enum ibv_wr_opcode opcode, size_t offset, size_t len);

#endif
