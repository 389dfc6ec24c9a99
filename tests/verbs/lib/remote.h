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

void address_tell(struct address *address, const struct end *end, const struct buf *buf);
/* Waits until the address is known, at most PATIENCE. */
void address_wait(const struct address *address);
/* Takes the queue pair of @end from RESET to RTS, connected to @to, which is known. */
void end_join(struct end *end, const struct rc *rc, const struct address *to);

/* Posts a request to offset @offset of the memory at @to; the wr_id is @offset. */
void post_to(struct end *end, enum ibv_wr_opcode opcode, struct ibv_sge *list,
	     const struct address *to, uint64_t offset);

/* Requests of @end with @buf to @to, which @post posts, @depth of them under way. */
struct traffic {
	struct end *end;
	struct buf *buf;
	const struct address *to;
	void (*post)(struct end *end, struct buf *buf, const struct address *to, unsigned int i);
	unsigned int depth;
};

/*
 * Keeps requests under way until one fails. Kills child *@pid at @when (now_ms()) and sets *@pid to 0; fails
 * the test after PATIENCE. @pid NULL: kills nobody, and has no time limit. Returns how many requests are
 * still posted.
 */
unsigned int traffic_until_error(const struct traffic *traffic, int *pid, uint64_t when);

#endif
