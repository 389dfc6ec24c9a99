// SPDX-License-Identifier: GPL-2.0
/* What the kernel does to pages on its own, triggered by the test. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "kit/scene.h"
#include "kit/sys.h"
#include "lib/test.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

/* Takes the pages away from the CPU; returns how many it took. */
static size_t page_out(struct scene *s)
{
	size_t pages = s->m->length / PAGE;

	need_swap();
	/* The kernel keeps a file's page until it is written back. */
	if (s->m->traits & ON_DISK)
		assert_int_equal(msync(s->m->at, s->m->length, MS_SYNC), 0);
	assert_int_equal(madvise(s->m->at, s->m->length, MADV_PAGEOUT), 0);
	return pages - pages_with(s->m->at, pages, PAGEMAP_PRESENT);
}

/* The region has no page that the CPU does not have. */
static void absent_is_absent(struct scene *s)
{
	for (size_t pos = 0; pos < s->m->length; pos += PAGE) {
		if (!(pagemap(s->m->at + pos) & PAGEMAP_PRESENT))
			scene_states(s, pos, pos + PAGE, 0xff, 0, "a page that was reclaimed");
	}
}

static void run_page_out(struct scene *s)
{
	if (s->m->traits & WRITE)
		scene_writes(s, s->lo, s->hi, 2);
	if (!page_out(s))
		skip_because("the kernel kept the pages");
	absent_is_absent(s);
	scene_reads(s, 0, s->m->length, "after the reclaim");
	scene_states(s, 0, s->m->length, PRESENT, PRESENT, "faulted in again");
}

/* Outside of the middle a page freed by MADV_FREE may be old or zero; whatever it is must stay. */
static void take_as_it_is(struct scene *s, size_t from, size_t to)
{
	static const char zeroes[PAGE];
	char *want = s->m->want;

	for (size_t pos = from; pos < to; pos += PAGE) {
		if (!memcmp(s->m->at + pos, zeroes, PAGE))
			memset(want + pos, 0, PAGE);
		else
			scene_cpu_sees(s, pos, pos + PAGE, "a page that MADV_FREE spared");
	}
}

static void run_free(struct scene *s)
{
	assert_int_equal(madvise(s->m->at, s->m->length, MADV_FREE), 0);
	scene_states(s, 0, s->m->length, 0xff, 0, "after MADV_FREE");
	scene_writes(s, s->lo, s->hi, 2);
	if (!page_out(s))
		skip_because("the kernel kept the pages");
	absent_is_absent(s);
	scene_reads(s, s->lo, s->hi, "written after MADV_FREE");
	take_as_it_is(s, 0, s->lo);
	take_as_it_is(s, s->hi, s->m->length);
}

static void pfns_of(struct memory *m, uint64_t *pfns)
{
	for (size_t i = 0; i < m->length / PAGE; i++)
		pfns[i] = pagemap(m->at + i * PAGE) & PAGEMAP_PFN;
}

/* Soft offlining migrates a page at once, on any machine. */
static void migrate(struct memory *m)
{
	size_t step = m->traits & (HUGETLB | TRANSPARENT) ? LEAF : PAGE;

	for (size_t pos = 0; pos < m->length; pos += step) {
		if (!madvise(m->at + pos, PAGE, MADV_SOFT_OFFLINE))
			continue;
		if (file_put("/proc/sys/vm/compact_memory", "1"))
			skip_because("no way to migrate a page: no soft offline, no compaction");
		return;
	}
}

static void run_migrate(struct scene *s)
{
	size_t pages = s->m->length / PAGE, moved = 0;
	uint64_t *before = scratch(pages * 8), *after = scratch(pages * 8);

	if (s->m->traits & WRITE)
		scene_writes(s, s->lo, s->hi, 2);
	pfns_of(s->m, before);
	migrate(s->m);
	pfns_of(s->m, after);
	for (size_t i = 0; i < pages; i++) {
		if (before[i] == after[i])
			continue;
		moved++;
		scene_states(s, i * PAGE, (i + 1) * PAGE, 0xff, 0, "a page that was migrated");
	}
	if (!moved)
		skip_because("the kernel migrated none of the pages");
	scene_reads(s, 0, s->m->length, "after the migration");
}

const struct event reclaim_events[] = {
	{ .name = "swap", .run = run_page_out, .need = READABLE, .refuse = HUGETLB },
	{ .name = "MADV_FREE", .run = run_free, .need = WRITE | ANONYMOUS,
	  .refuse = HUGETLB | TWINS },
	{ .name = "migration", .run = run_migrate, .need = READABLE },
	{ 0 }
};
