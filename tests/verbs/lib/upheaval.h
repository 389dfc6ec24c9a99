/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread that does to areas in use, at random, everything that can happen to memory without changing a byte
 * that the process sees.
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

/* Set the areas and the dice first. The thread ends with the test, or by undo(). */
void upheaval_start(struct upheaval *upheaval);

/* Makes KSM scan from now on, until the end of the test. */
void ksm_start(void);

#endif
