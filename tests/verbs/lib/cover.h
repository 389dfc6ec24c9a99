/* SPDX-License-Identifier: GPL-2.0 */
/* Code coverage of the driver by a process's packets (KCOV). */
#ifndef VERBS_COVER_H
#define VERBS_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of numbers. */
struct number_set {
	uint64_t *slots;
	size_t n;
};

struct cover {
	int fd;
	uint64_t *area;
	struct number_set places, ways;	/* code locations; steps from one location to the next */
};

/* Skips the test if the kernel does not record coverage. */
void need_cover(void);
/*
 * From here on the kernel records the code that receives the packets of this thread, and of children it forks
 * later. Returns NULL if the kernel cannot. The recording ends with the test.
 */
struct cover *cover_open(void);
/* Takes over what was recorded since the last call; returns the number of new entries. */
size_t cover_collect(struct cover *cover);

#endif
