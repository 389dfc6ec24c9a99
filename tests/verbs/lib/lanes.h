/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Traffic of every kind from and to areas whose every byte is known: each connection has a part of an
 * area of its own, and one request at a time under way.
 */
#ifndef VERBS_LANES_H
#define VERBS_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/area.h"
#include "lib/dice.h"

#define LANE_MOST (64 * 1024ul)		/* bytes of a message */
#define LANES_MAX 24

struct lane;

struct lanes {
	const char *name;	/* for what a failure says */
	uint64_t seed;
	unsigned int n;
	struct lane *lane[LANES_MAX];
	bool rdma_only;		/* the CPU keeps away, but for giving memory up */
	uint64_t messages, bytes;	/* so far, by RDMA */
	uint64_t steps;			/* with what the CPU does */
};

/* A connection to @peer, for @len bytes of @area from @from on, which are whole pages. */
void lanes_add(struct lanes *lanes, struct area *area, size_t from, size_t len, const char *peer);
/* Writes all of it. */
void lanes_fill(struct lanes *lanes);
/* Random steps in each lane until @until (now_ms()). */
void lanes_run(struct lanes *lanes, uint64_t until);
/* Reads all of it, by RDMA. */
void lanes_check(struct lanes *lanes);

/* The CPU's view of memory, also where the CPU itself may be shown an old one. */
void cpu_read(void *to, void *from, size_t len);

#endif
