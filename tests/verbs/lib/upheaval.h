/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread that does to areas, at random and while they are used, all that can happen to memory
 * without changing a byte that its process sees.
 */
#ifndef VERBS_UPHEAVAL_H
#define VERBS_UPHEAVAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "lib/area.h"
#include "lib/dice.h"

#define HAPPENINGS 13

struct upheaval {
	struct area *areas;
	unsigned int n_areas;
	struct dice dice;
	atomic_bool stop;
	uint64_t counts[HAPPENINGS];
	pthread_t thread;
};

extern const char *const happening_names[HAPPENINGS];

/* Its areas and dice are set. It ends with the test, or by undo(). */
void upheaval_start(struct upheaval *upheaval);

/* KSM scans from now on to the end of the test. */
void ksm_start(void);

#endif
