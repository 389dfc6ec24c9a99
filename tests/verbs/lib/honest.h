/* SPDX-License-Identifier: GPL-2.0 */
/* A process that minds its own business: a connection whose every byte has to be right. */
#ifndef VERBS_HONEST_H
#define VERBS_HONEST_H

#include <stdint.h>

struct honest {
	int pid;
	struct honest_shared *shared;
};

/* Starts it between options.device and options.peer; returns when its first bytes have arrived. */
struct honest honest_start(void);
/* Its queue pairs' numbers. */
uint32_t honest_qpn(const struct honest *honest, int end);
/* Fails the test if it has ended. */
void honest_lives(const struct honest *honest);
/* Ends it; the test fails where a byte was wrong. Returns how many messages there were. */
uint64_t honest_stop(const struct honest *honest);

#endif
