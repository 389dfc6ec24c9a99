// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Looking ahead
 *
 * This is to faults what readahead is to reads. A fault belongs to a stream if
 * it begins where the region's last fault ended, or in the pages that were
 * guessed then. The pages that follow are guessed to be needed next: twice as
 * many as last time, but not beyond the leaf and the region. The fault only
 * notes the guess; a worker faults the pages in later (odp_guess.c).
 */
#include <linux/minmax.h>

#include "odp_ahead.h"
#include "odp_mirror.h"

/* Adds a guess to the mirror's ring, and starts the worker. */
static void odp_ahead_queue(struct odp_mirror *mirror,
			    const struct odp_guess *guess)
{
	unsigned int at;

	spin_lock(&mirror->faults_lock);
	at = (mirror->first_guess + mirror->nr_guesses) % ODP_GUESSES;
	mirror->guesses[at] = *guess;
	if (mirror->nr_guesses < ODP_GUESSES)
		mirror->nr_guesses++;
	else
		mirror->first_guess = (at + 1) % ODP_GUESSES;
	spin_unlock(&mirror->faults_lock);
	odp_user_queue_work(mirror->user, &mirror->ahead_work);
}

/**
 * odp_ahead_note() - a fault has made all of its pages present
 * @umem: the region
 * @start: first page
 * @end: end of the last page
 * @write: the pages were wanted for writing
 *
 * Context: may sleep; the caller keeps the region.
 */
void odp_ahead_note(struct ib_umem_odp *umem, unsigned long start,
		    unsigned long end, bool write)
{
	u64 next = READ_ONCE(umem->stream_next), bytes = 0;
	struct odp_guess guess = { .start = end, .write = write };

	if (start >= next && start <= next + READ_ONCE(umem->stream_bytes))
		bytes = clamp_t(u64, 2 * READ_ONCE(umem->stream_bytes),
				end - start, ODP_LEAF_SIZE);
	WRITE_ONCE(umem->stream_bytes, bytes);
	WRITE_ONCE(umem->stream_next, end);

	guess.end = min3(end + bytes, PAGE_ALIGN(umem->address + umem->length),
			 (u64)odp_leaf_end(end - 1));
	if (guess.end > guess.start)
		odp_ahead_queue(umem->mirror, &guess);
}

/**
 * odp_ahead_take() - take the oldest guess out of the ring
 * @mirror: the mirror
 * @guess: receives the guess
 *
 * Context: may sleep.
 * Return: false if there is no guess.
 */
bool odp_ahead_take(struct odp_mirror *mirror, struct odp_guess *guess)
{
	bool some;

	spin_lock(&mirror->faults_lock);
	some = mirror->nr_guesses;
	if (some) {
		*guess = mirror->guesses[mirror->first_guess];
		mirror->first_guess = (mirror->first_guess + 1) % ODP_GUESSES;
		mirror->nr_guesses--;
	}
	spin_unlock(&mirror->faults_lock);
	return some;
}
