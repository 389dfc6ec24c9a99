/* SPDX-License-Identifier: GPL-2.0 */
/* Makes one thing in a correct packet wrong. */
#ifndef VERBS_SPOIL_H
#define VERBS_SPOIL_H

#include "lib/attack.h"

/* Changes a field; lengths and checksums are correct for the changed field. */
void spoil_fields(struct attack *attack, struct roce *roce);
/* Changes bytes of any layer. */
void spoil_bytes(struct attack *attack, struct frame *frame);

/* Some of the changes of spoil_bytes(), by name. */
void bad_icrc(struct attack *attack, struct frame *frame);
void flipped(struct attack *attack, struct frame *frame);
void udp_sum(struct attack *attack, struct frame *frame);
void other_port(struct attack *attack, struct frame *frame);
/* Sets a source address that is not that of the target's peer. */
void spoofed(struct attack *attack, struct frame *frame);

#endif
