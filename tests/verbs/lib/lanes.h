/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Traffic of every kind from and to areas whose every byte is known. Each connection uses its own part of an
 * area, and has one request at a time under way.
 */
#ifndef VERBS_LANES_H
#define VERBS_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/area.h"
#include "lib/dice.h"

#define LANE_MOST (64 * 1024ul)		/* bytes of a message, at most */
#define LANES_MAX 24

struct lane;

struct lanes {
	const char *name;	/* for failure messages */
	uint64_t seed;
	unsigned int n;
	struct lane *lane[LANES_MAX];
	bool rdma_only;		/* the CPU accesses the area only to release its memory */
	uint64_t messages, bytes;	/* so far, by RDMA */
	uint64_t steps;			/* including the CPU's steps */
};

/* Adds a connection to @peer for @len bytes of @area at offset @from; both are whole pages. */
void lanes_add(struct lanes *lanes, struct area *area, size_t from, size_t len, const char *peer);
/* Writes all of the lanes' memory. */
void lanes_fill(struct lanes *lanes);
/* Runs random steps in each lane until @until (now_ms()). */
void lanes_run(struct lanes *lanes, uint64_t until);
/* Reads all of the lanes' memory, by RDMA. */
void lanes_check(struct lanes *lanes);

#endif
