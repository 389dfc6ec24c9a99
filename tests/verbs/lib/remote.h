/* SPDX-License-Identifier: GPL-2.0 */
/* Connections between processes. */
#ifndef VERBS_REMOTE_H
#define VERBS_REMOTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/mem.h"
#include "lib/rc.h"

/* What one side must know of the other, in memory that both share. */
struct address {
	atomic_bool known;
	union ibv_gid gid;
	uint32_t qpn, rkey;
	uint64_t addr, len;
};

/* Memory shared with child processes, zeroed; unmapped at the end of the test. */
void *map_shared(size_t len);

void address_tell(struct address *address, const struct end *end, const struct buf *buf);
/* Waits until the address is known, at most PATIENCE. */
void address_wait(const struct address *address);
/* Takes the queue pair of @end from RESET to RTS, connected to @to, which is known. */
void end_join(struct end *end, const struct rc *rc, const struct address *to);

/* Posts a request to offset @offset of the memory at @to; the wr_id is @offset. */
void post_to(struct end *end, enum ibv_wr_opcode opcode, struct ibv_sge *list,
	     const struct address *to, uint64_t offset);

#endif
