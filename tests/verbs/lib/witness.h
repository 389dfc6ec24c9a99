/* SPDX-License-Identifier: GPL-2.0 */
/* A process that minds its own business: a connection whose every byte has to be right. */
#ifndef VERBS_WITNESS_H
#define VERBS_WITNESS_H

#include <stdint.h>

struct witness {
	int pid;
	struct witness_shared *shared;
};

/* Starts it between options.device and options.peer; returns when its first bytes have arrived. */
struct witness witness_start(void);
/* Its queue pairs' numbers. */
uint32_t witness_qpn(const struct witness *witness, int end);
/* About where the requests of end 0 to end 1 are. */
uint32_t witness_psn(const struct witness *witness);
/* How many messages there were so far. */
uint64_t witness_messages(const struct witness *witness);
/* Fails the test if it has ended. */
void witness_lives(const struct witness *witness);
/* Ends it; the test fails where a byte was wrong. Returns how many messages there were. */
uint64_t witness_stop(const struct witness *witness);

#endif
