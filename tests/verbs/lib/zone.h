/* SPDX-License-Identifier: GPL-2.0 */
/* Memory around a region and in it, of which it is known what may change. */
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
/* Where the region is. */
uint8_t *zone_inside(const struct zone *zone);
/* Fails the test where something has changed that may not. */
void zone_check(const struct zone *zone);

#endif
