/* SPDX-License-Identifier: GPL-2.0 */
/* Which of the driver's code a process's packets reach (KCOV). */
#ifndef VERBS_COVER_H
#define VERBS_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers, each once. */
struct number_set {
	uint64_t *slots;
	size_t n;
};

struct cover {
	int fd;
	uint64_t *area;
	struct number_set places, ways;	/* from one place to the next */
};

/* Skips the test where the kernel does not record it. */
void need_cover(void);
/*
 * From here on what receives a packet of this thread's, and of its children to come, is recorded.
 * NULL where the kernel cannot. It ends with the test.
 */
struct cover *cover_open(void);
/* Takes what was recorded since the last time; returns how much of it is new. */
size_t cover_collect(struct cover *cover);

#endif
