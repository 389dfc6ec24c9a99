/* SPDX-License-Identifier: GPL-2.0 */
/* A region and the memory around it, with a record of what may change. */
#ifndef VERBS_ZONE_H
#define VERBS_ZONE_H

#include <stdbool.h>
#include <stdint.h>
#include <infiniband/verbs.h>

#include "lib/mem.h"

#define ZONE (16 * PAGE)

struct zone {
	uint8_t *p, *before;
	struct ibv_mr *mr;
	bool open;		/* the region may change */
};

struct zone zone_make(struct ibv_pd *pd, int access, bool open);
/* Returns the start of the region. */
uint8_t *zone_inside(const struct zone *zone);
/* Fails the test if memory has changed that must not change. */
void zone_check(const struct zone *zone);

#endif
