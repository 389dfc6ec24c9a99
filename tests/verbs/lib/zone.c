// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "lib/pattern.h"
#include "lib/test.h"
#include "lib/zone.h"

#define GUARD (4 * PAGE)

uint8_t *zone_inside(const struct zone *zone)
{
	return zone->p + GUARD;
}

struct zone zone_make(struct ibv_pd *pd, int access, bool open)
{
	struct zone zone = { .p = map_anon(ZONE + 2 * GUARD), .open = open };

	zone.before = scratch(ZONE + 2 * GUARD);
	pattern_fill(zone.before, ZONE + 2 * GUARD, 0, access);
	memcpy(zone.p, zone.before, ZONE + 2 * GUARD);
	zone.mr = reg(pd, zone_inside(&zone), ZONE, access);
	return zone;
}

void zone_check(const struct zone *zone)
{
	same_bytes(zone->p, zone->before, GUARD, "memory before a region");
	same_bytes(zone_inside(zone) + ZONE, zone->before + GUARD + ZONE, GUARD,
		   "memory behind a region");
	if (!zone->open)
		same_bytes(zone_inside(zone), zone->before + GUARD, ZONE, "a closed region");
}
