/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_AHEAD_H
#define ODP_AHEAD_H

#include <linux/types.h>

struct ib_umem_odp;
struct odp_mirror;

/* Guesses that a mirror keeps; a new one replaces the oldest. */
#define ODP_GUESSES		8

/**
 * struct odp_guess - pages that a stream of faults is expected to need
 * @start: address of the first page
 * @end: end of the last page
 * @write: the pages are expected to be written
 */
struct odp_guess {
	unsigned long start, end;
	bool write;
};

void odp_ahead_note(struct ib_umem_odp *umem, unsigned long start,
		    unsigned long end, bool write);
bool odp_ahead_take(struct odp_mirror *mirror, struct odp_guess *guess);

#endif /* ODP_AHEAD_H */
