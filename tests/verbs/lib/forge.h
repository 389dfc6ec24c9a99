/* SPDX-License-Identifier: GPL-2.0 */
/* Packets that imitate the target's peer. */
#ifndef VERBS_FORGE_H
#define VERBS_FORGE_H

#include "lib/attack.h"

/* Memory that the target may receive into and send from. */
struct ibv_sge local_sge(struct attack *attack, uint32_t len);
bool is_atomic(enum ibv_wr_opcode opcode);
/* Makes the target post a request to its peer. */
void post_request(struct attack *attack, struct target *target, enum ibv_wr_opcode opcode,
		  uint32_t len);
/* Makes the target bind its memory window to some of the open memory. */
void post_bind(struct attack *attack, struct target *target);

/* A packet to the target, without the headers that its opcode needs. */
struct roce plain(const struct target *target, uint8_t opcode);
/* Sets the packet's address to @len bytes somewhere in memory that a peer may use. */
void aim(struct attack *attack, const struct target *target, struct roce *roce, uint32_t len);

/* The next packet of a busy peer: the next one of the current message, or the first of another. */
struct roce next_request(struct attack *attack, struct target *target);
/* Answers the target's oldest request; returns false if there is none. */
bool next_response(struct target *target, struct roce *roce);

#endif
