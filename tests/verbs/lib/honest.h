/* SPDX-License-Identifier: GPL-2.0 */
/* An honest connection in a process of its own: whatever happens beside it, its bytes are right. */
#ifndef VERBS_HONEST_H
#define VERBS_HONEST_H

#include <stdint.h>

struct honest_report;

struct honest {
	int pid;
	struct honest_report *report;
};

/* Between options.device and options.peer. Start it before the test opens a device itself. */
void honest_start(struct honest *honest);
/* How many rounds it has done so far; a round is a WRITE, a SEND, an atomic and a READ. */
uint64_t honest_rounds(const struct honest *honest);
/* Ends it; it must have got on, byte for byte. */
void honest_stop(struct honest *honest);

#endif
