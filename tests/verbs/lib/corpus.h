/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random stories that were worth something, as tapes of what was rolled in them. A part of a tape
 * that is changed is a choice made otherwise, so what comes of it is again such a story.
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

/* An empty one; it is freed at the end of the test. */
struct corpus *corpus_make(uint64_t seed);
/* A tape to begin a story with: one that was kept, changed, or an empty one. */
void corpus_draw(struct corpus *corpus, struct tape *tape);
/* Keeps what was rolled. */
void corpus_keep(struct corpus *corpus, const struct tape *tape);

#endif
