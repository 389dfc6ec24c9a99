// SPDX-License-Identifier: GPL-2.0
/* Events of a file under its mapping. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kit/scene.h"
#include "kit/sys.h"
#include "lib/test.h"

/* Before the new end the region has the pages that the CPU still has: large folios lose more. */
static void rest_is_kept(struct scene *s)
{
	for (size_t pos = 0; pos < s->lo; pos += PAGE) {
		uint8_t want = pagemap(s->m->at + pos) & PAGEMAP_PRESENT ? PRESENT : 0;

		scene_states(s, pos, pos + PAGE, PRESENT, want, "before the new end");
	}
}

static void run_truncate(struct scene *s)
{
	struct memory *m = s->m;

	if (m->traits & WRITE)
		scene_writes(s, s->lo, s->hi, 2);
	assert_int_equal(ftruncate(m->fd, s->lo), 0);
	scene_states(s, s->lo, m->length, 0xff, 0, "after truncation");
	rest_is_kept(s);
	scene_read_fails(s, s->lo, -ENXIO);
	scene_write_fails(s, s->hi, -ENXIO);
	read_ends(&s->r, scene_offset(s->lo - 100), 200, 100, -ENXIO);

	assert_int_equal(ftruncate(m->fd, m->length), 0);
	memset(m->want + s->lo, 0, m->length - s->lo);
	scene_reads(s, 0, m->length, "a file that was truncated and extended");
	m->others_keep = NULL;
}

static void run_writeback(struct scene *s)
{
	uint64_t faults;

	scene_writes(s, s->lo, s->hi, 2);
	assert_int_equal(fsync(s->m->fd), 0);
	scene_states(s, 0, s->m->length, PRESENT | WRITABLE | DIRTY, PRESENT, "after writeback");
	faults = region_stats(&s->r).faults;
	scene_reads(s, 0, s->m->length, "after writeback");
	assert_int_equal(region_stats(&s->r).faults, faults);
	scene_writes(s, s->lo, s->hi, 3);
	scene_states(s, s->lo, s->hi, PRESENT | WRITABLE | DIRTY, PRESENT | WRITABLE | DIRTY,
		     "written again");
}

const struct event file_events[] = {
	{ .name = "truncation", .run = run_truncate, .need = FILE_BACKED },
	{ .name = "writeback", .run = run_writeback, .need = SHARED | ON_DISK },
	{ 0 }
};
