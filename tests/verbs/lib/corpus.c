// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "lib/corpus.h"
#include "lib/test.h"

#define RECENT 32

static int corpus_free(void *object)
{
	struct corpus *corpus = object;

	while (corpus->n)
		free(corpus->tapes[--corpus->n]);
	return 0;
}

struct corpus *corpus_make(uint64_t seed)
{
	struct corpus *corpus = scratch(sizeof(*corpus));

	*corpus = (struct corpus){ .dice.seed = seed };
	defer(corpus_free, corpus);
	return corpus;
}

static uint64_t below(struct corpus *corpus, uint64_t n)
{
	return dice_below(&corpus->dice, n);
}

/* Picks one of the RECENT latest tapes half of the time, otherwise any tape. */
static const struct tape *pick(struct corpus *corpus)
{
	size_t recent = corpus->n < RECENT ? corpus->n : RECENT;

	if (below(corpus, 2))
		return corpus->tapes[corpus->n - 1 - below(corpus, recent)];
	return corpus->tapes[below(corpus, corpus->n)];
}

/* --- changes; no tape is empty ------------------------------------------------------ */

static void roll_anew(struct corpus *corpus, struct tape *tape)
{
	for (int n = 1 + below(corpus, 4); n--;)
		tape->rolls[below(corpus, tape->n)] = dice_roll(&corpus->dice);
}

/* Changes a roll to the next choice or the one before. */
static void step(struct corpus *corpus, struct tape *tape)
{
	tape->rolls[below(corpus, tape->n)] += below(corpus, 2) ? 1 : -1;
}

static void leave_out(struct corpus *corpus, struct tape *tape)
{
	unsigned int at = below(corpus, tape->n), len = 1 + below(corpus, 32);

	if (at + len >= tape->n) {
		tape->n = at;
		return;
	}
	memmove(tape->rolls + at, tape->rolls + at + len, (tape->n - at - len) * 8);
	tape->n -= len;
}

/* Repeats a part of the tape behind itself. */
static void repeat(struct corpus *corpus, struct tape *tape)
{
	unsigned int at = below(corpus, tape->n), len = 1 + below(corpus, 32);

	if (at + len > tape->n || tape->n + len > TAPE_LEN)
		return;
	memmove(tape->rolls + at + len, tape->rolls + at, (tape->n - at) * 8);
	tape->n += len;
}

/* Cuts the tape; the rest is rolled again. */
static void cut(struct corpus *corpus, struct tape *tape)
{
	tape->n = below(corpus, tape->n);
}

/* Replaces the rest of the tape by the end of another tape. */
static void splice(struct corpus *corpus, struct tape *tape)
{
	const struct tape *other = pick(corpus);
	unsigned int at = below(corpus, tape->n), from = below(corpus, other->n);
	unsigned int len = other->n - from;

	if (len > TAPE_LEN - at)
		len = TAPE_LEN - at;
	memcpy(tape->rolls + at, other->rolls + from, len * 8);
	tape->n = at + len;
}

static void (*const changes[])(struct corpus *corpus, struct tape *tape) = {
	roll_anew, roll_anew, roll_anew, step, leave_out, repeat, cut, splice,
};

/* --- the interface ------------------------------------------------------------------ */

void corpus_draw(struct corpus *corpus, struct tape *tape)
{
	tape->n = tape->at = 0;
	if (!corpus->n || dice_one_in(&corpus->dice, 4))
		return;
	*tape = *pick(corpus);
	for (int n = 1 + below(corpus, 3); n-- && tape->n;)
		changes[below(corpus, ARRAY_SIZE(changes))](corpus, tape);
	tape->at = 0;
}

void corpus_keep(struct corpus *corpus, const struct tape *tape)
{
	struct tape *kept;

	if (!tape->at)
		return;
	if (corpus->n == CORPUS_MAX) {
		kept = corpus->tapes[below(corpus, CORPUS_MAX)];
	} else {
		kept = malloc(sizeof(*kept));
		assert_non_null(kept);
		corpus->tapes[corpus->n++] = kept;
	}
	memcpy(kept->rolls, tape->rolls, tape->at * 8);
	kept->n = tape->at;
}
