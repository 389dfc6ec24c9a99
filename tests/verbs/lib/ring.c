// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ring.h"
#include "lib/test.h"

#define MAX_MAPS 256

struct map {
	unsigned long start, end, offset;
};

/* A ring's offset is larger than that of every ring made before it. */
static int by_offset(const void *a, const void *b)
{
	const struct map *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static int maps_read(struct map *maps)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) && n < MAX_MAPS) {
		if (strstr(line, "/uverbs") &&
		    sscanf(line, "%lx-%lx %*s %lx", &maps[n].start, &maps[n].end,
			   &maps[n].offset) == 3)
			n++;
	}
	fclose(file);
	qsort(maps, n, sizeof(*maps), by_offset);
	return n;
}

void rings_find(struct ring *rings, int n)
{
	struct map maps[MAX_MAPS];
	int found = maps_read(maps);

	assert_true(found >= n);
	for (int i = 0; i < n; i++) {
		struct map *map = &maps[found - n + i];
		struct rxe_queue_buf *buf = (void *)map->start;

		rings[i] = (struct ring){ .buf = buf, .bytes = map->end - map->start,
					  .mask = buf->index_mask, .shift = buf->log2_elem_size };
		assert_true((rings[i].mask + 1ul) << rings[i].shift < rings[i].bytes);
	}
}

void *ring_slot(const struct ring *ring, uint32_t index)
{
	return ring->buf->data + ((size_t)(index & ring->mask) << ring->shift);
}
