/* SPDX-License-Identifier: GPL-2.0 */
/* An uninvolved process: a connection whose every byte has to be right. */
#ifndef VERBS_WITNESS_H
#define VERBS_WITNESS_H

#include <stdint.h>

struct witness {
	int pid;
	struct witness_shared *shared;
};

/* Starts the process between options.device and options.peer; returns when its first bytes have arrived. */
struct witness witness_start(void);
/* Returns the number of the queue pair at @end. */
uint32_t witness_qpn(const struct witness *witness, int end);
/* Returns the approximate PSN of the requests from end 0 to end 1. */
uint32_t witness_psn(const struct witness *witness);
/* Returns how many messages the process has sent so far. */
uint64_t witness_messages(const struct witness *witness);
/* Fails the test if the process has ended. */
void witness_lives(const struct witness *witness);
/* Ends the process; the test fails if a byte was wrong. Returns how many messages it sent. */
uint64_t witness_stop(const struct witness *witness);

#endif
