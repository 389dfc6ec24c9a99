// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "lib/census.h"
#include "lib/nldev.h"
#include "lib/system.h"
#include "lib/test.h"

#define TOLERANCE 8192		/* KiB that caches may keep */

/* KiB of slab, at most, that KASAN keeps after it was freed, to detect later use. */
static long quarantine(void)
{
	if (!kernel_has("kasan_quarantine_put"))
		return 0;
	return file_number("/proc/meminfo", "MemTotal:") / 32;
}

struct census census_take(void)
{
	struct census now = { .nldev = nldev_open() };

	now.device = nldev_index(now.nldev, options.device);
	assert_true(now.device >= 0);
	nldev_resources(now.nldev, now.device, now.objects, sizeof(now.objects));
	now.vmalloc = file_number("/proc/meminfo", "VmallocUsed:");
	now.slab = file_number("/proc/meminfo", "SUnreclaim:");
	return now;
}

void census_same(const struct census *then)
{
	long kept = TOLERANCE + quarantine();
	uint64_t end = now_ms() + PATIENCE;

	for (;;) {
		char objects[sizeof(then->objects)];
		long vmalloc = file_number("/proc/meminfo", "VmallocUsed:") - then->vmalloc;
		long slab = file_number("/proc/meminfo", "SUnreclaim:") - then->slab;

		nldev_resources(then->nldev, then->device, objects, sizeof(objects));
		if (!strcmp(objects, then->objects) && vmalloc < TOLERANCE && slab < kept)
			return;
		if (now_ms() > end)
			fail_msg("objects: %s, not %s; %ld KiB of vmalloc, %ld KiB of slab more",
				 objects, then->objects, vmalloc, slab);
		sleep_ms(10);
	}
}
