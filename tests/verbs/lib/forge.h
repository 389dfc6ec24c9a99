/* SPDX-License-Identifier: GPL-2.0 */
/* Packets as a target's peer would send them. */
#ifndef VERBS_FORGE_H
#define VERBS_FORGE_H

#include "lib/attack.h"

/* Memory into which the target may receive, and from which it sends. */
struct ibv_sge local_sge(struct attack *attack, uint32_t len);
bool is_atomic(enum ibv_wr_opcode opcode);
/* Has the target ask its peer for something. */
void post_request(struct attack *attack, struct target *target, enum ibv_wr_opcode opcode,
		  uint32_t len);
/* Has it bind its window, to some of the open memory. */
void post_bind(struct attack *attack, struct target *target);

/* A packet to the target without what its opcode asks for. */
struct roce plain(const struct target *target, uint8_t opcode);
/* Aims it at @len bytes somewhere in memory that is open to the peer. */
void aim(struct attack *attack, const struct target *target, struct roce *roce, uint32_t len);

/* The next packet of a peer that asks for much: of the message that is begun, or of another. */
struct roce next_request(struct attack *attack, struct target *target);
/* What answers the target's oldest request; false where there is none. */
bool next_response(struct target *target, struct roce *roce);

#endif
