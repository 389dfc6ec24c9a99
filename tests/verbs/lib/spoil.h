/* SPDX-License-Identifier: GPL-2.0 */
/* Makes right packets wrong in one thing. */
#ifndef VERBS_SPOIL_H
#define VERBS_SPOIL_H

#include "lib/attack.h"

/* In what it says: lengths and checksums are right for that. */
void spoil_fields(struct attack *attack, struct roce *roce);
/* In the bytes of any layer. */
void spoil_bytes(struct attack *attack, struct frame *frame);

/* Some of the latter by name. */
void bad_icrc(struct attack *attack, struct frame *frame);
void flipped(struct attack *attack, struct frame *frame);
void udp_sum(struct attack *attack, struct frame *frame);
void other_port(struct attack *attack, struct frame *frame);
/* It comes from an address that is not the target's peer's. */
void spoofed(struct attack *attack, struct frame *frame);

#endif
