/* SPDX-License-Identifier: GPL-2.0 */
/* Random rolls of a test: the same rolls for the same seed. */
#ifndef VERBS_DICE_H
#define VERBS_DICE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/pattern.h"

#define TAPE_LEN 1024

/* Recorded rolls: a recorded roll is replayed; further rolls are appended. */
struct tape {
	unsigned int n, at;
	uint64_t rolls[TAPE_LEN];
};

struct dice {
	uint64_t seed, rolls;
	struct tape *tape;	/* or NULL */
};

static inline uint64_t dice_fresh(struct dice *dice)
{
	return mix64(mix64(dice->seed) + dice->rolls++);
}

static inline uint64_t dice_roll(struct dice *dice)
{
	struct tape *tape = dice->tape;

	if (!tape || tape->at == TAPE_LEN)
		return dice_fresh(dice);
	if (tape->at == tape->n)
		tape->rolls[tape->n++] = dice_fresh(dice);
	return tape->rolls[tape->at++];
}

/* 0 .. @n - 1 */
static inline uint64_t dice_below(struct dice *dice, uint64_t n)
{
	return dice_roll(dice) % n;
}

static inline bool dice_one_in(struct dice *dice, uint64_t n)
{
	return !dice_below(dice, n);
}

/*
 * A random number of any magnitude: small numbers, numbers around a power of two, and their negatives,
 * equally likely.
 */
static inline uint64_t dice_size(struct dice *dice)
{
	uint64_t power = 1ull << dice_below(dice, 64);

	switch (dice_below(dice, 4)) {
	case 0:
		return dice_below(dice, 17);
	case 1:
		return power + dice_below(dice, 5) - 2;
	case 2:
		return dice_below(dice, 9) - power;
	default:
		return dice_roll(dice) & (2 * power - 1);
	}
}

#endif
