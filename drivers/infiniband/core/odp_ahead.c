// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Looking ahead
 *
 * As readahead does: a fault that begins where the last one of its region ended,
 * or in what was guessed then, is one of a stream, and what lies behind it is
 * guessed to be wanted next: twice as much as the last time, but not beyond the
 * leaf and the region. The fault only notes the guess. The mirror's worker has
 * the pages brought later (odp_fault.c), which takes nothing from anybody: it
 * does not wait for a page or for a lock of the mm, and leaves alone memory that
 * a user-space pager serves.
 */
#include <linux/workqueue.h>

#include "odp.h"

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
	odp_workers_queue(mirror, &mirror->ahead_work);
}

/**
 * odp_ahead_note() - a fault has made all of its pages present
 * @umem: the region
 * @start: first page
 * @end: behind the last one
 * @write: they were wanted for writing
 *
 * Context: may sleep; the region stays until it returns.
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
 * odp_ahead_take() - the oldest guess
 * @mirror: whose
 * @guess: filled in
 *
 * Context: may sleep.
 * Return: whether there is one.
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
