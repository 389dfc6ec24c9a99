/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_TEST_INTERNAL_H
#define ODP_TEST_INTERNAL_H

#include <linux/kref.h>

#include "odp_test.h"

struct ib_umem_odp;

/* Counted, so that no call is under way when the region is put. */
struct region {
	struct kref ref;
	struct ib_umem_odp *umem;
};

void region_release(struct kref *ref);

struct race;

/* Takes a reference of its own to the region. */
struct race *race_start(struct region *region, const struct odp_test_race_start *args);

/* Ends the workers, fills in the result (NULL: nobody wants it) and frees the race. */
int race_stop(struct race *race, struct odp_test_race_stop *result);

#endif
