/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_TEST_INTERNAL_H
#define ODP_TEST_INTERNAL_H

#include <linux/kref.h>

#include "odp_test.h"

struct ib_umem_odp;

/* A reference count, so that no call is under way at umem_odp_put(). */
struct region {
	struct kref ref;
	struct ib_umem_odp *umem;
};

void region_release(struct kref *ref);

struct race;

/* Starts a race. The race takes a reference of its own to the region. */
struct race *race_start(struct region *region, const struct odp_test_race_start *args);

/* Stops the workers, fills in the result unless it is NULL, and frees the race. */
int race_stop(struct race *race, struct odp_test_race_stop *result);

#endif
