// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>

#include "bench.h"

#define LEAST 5

void samples_open(struct samples *samples, size_t room)
{
	*samples = (struct samples){ .ns = malloc(room * sizeof(*samples->ns)), .room = room };
	if (!samples->ns)
		die(errno, "no memory for %zu samples", room);
}

void samples_add(struct samples *samples, uint64_t ns)
{
	if (samples->n < samples->room)
		samples->ns[samples->n++] = ns;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

bool samples_more(const struct samples *samples, uint64_t until)
{
	return samples->n < samples->room && (samples->n < LEAST || now_ns() < until);
}

uint64_t samples_at(struct samples *samples, unsigned int permille)
{
	if (!samples->n)
		die(0, "nothing was measured: try a longer time (--time)");
	qsort(samples->ns, samples->n, sizeof(*samples->ns), compare);
	return samples->ns[(samples->n - 1) * permille / 1000];
}

void samples_close(struct samples *samples)
{
	free(samples->ns);
	*samples = (struct samples){};
}
