/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A corpus of random stories that reached new code. A tape records the rolls of a story. Changing a part of a
 * tape changes a choice, and so gives another valid story.
 */
#ifndef VERBS_CORPUS_H
#define VERBS_CORPUS_H

#include <stddef.h>

#include "lib/dice.h"

#define CORPUS_MAX 4096

struct corpus {
	struct dice dice;
	struct tape *tapes[CORPUS_MAX];
	size_t n;
};

/* Makes an empty corpus; freed at the end of the test. */
struct corpus *corpus_make(uint64_t seed);
/* Draws the tape to begin a story with: a kept tape with changes, or an empty tape. */
void corpus_draw(struct corpus *corpus, struct tape *tape);
/* Keeps the tape with its rolls. */
void corpus_keep(struct corpus *corpus, const struct tape *tape);

#endif
