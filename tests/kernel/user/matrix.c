// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/* Every kind of memory, every event: the bytes, and the state of the translations. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kit/scene.h"
#include "lib/pattern.h"
#include "lib/test.h"

struct cell {
	const struct kind *kind;
	const struct event *event;
};

static void scene_begin(struct scene *s)
{
	struct memory *m = s->m;

	region_make(&s->r, odp_open(), m->at + SKEW, m->length - SKEW, ODP_TEST_WRITABLE);
	s->lo = m->traits & (HUGETLB | TRANSPARENT) ? LEAF : m->length / 4;
	s->hi = m->traits & (HUGETLB | TRANSPARENT) ? m->length : m->length / 4 * 3;
	scene_states(s, 0, m->length, 0xff, 0, "of a new region");
	if (m->traits & READABLE)
		scene_reads(s, 0, m->length, "the first read");
	else
		scene_read_fails(s, 0, m->kind->read_error);
	scene_states(s, 0, m->length, 0xff, m->kind->state, "after the first read");
}

static void file_has_it(struct memory *m)
{
	char *got = scratch(m->length);

	assert_int_equal(pread(m->fd, got, m->length, 0), m->length);
	same_bytes(got, m->want, m->length, "the file");
}

static void scene_end(struct scene *s)
{
	struct memory *m = s->m;

	if (m->traits & READABLE) {
		scene_reads(s, 0, m->length, "the last read");
		scene_cpu_sees(s, 0, m->length, "the CPU's view at the end");
	}
	if (m->traits & WRITE) {
		scene_writes(s, 0, m->length, 9);
		scene_cpu_sees(s, 0, m->length, "the CPU's view of the last write");
		scene_states(s, 0, m->length, PRESENT | WRITABLE | DIRTY,
			     PRESENT | WRITABLE | DIRTY, "at the end");
	} else {
		scene_write_fails(s, 0, m->kind->write_error);
	}
	if (m->traits & SHARED)
		file_has_it(m);
	if (m->others_keep)
		m->others_keep(m);
	region_put(&s->r);
	if (m->traits & READABLE)
		scene_cpu_sees(s, 0, m->length, "the CPU's view after deregistration");
}

static void run_cell(void **state)
{
	const struct cell *cell = *state;
	struct scene s = {};

	s.m = memory_make(cell->kind);
	scene_begin(&s);
	cell->event->run(&s);
	scene_end(&s);
}

static bool applies(const struct kind *kind, const struct event *event)
{
	return (kind->traits & event->need) == event->need && !(kind->traits & event->refuse);
}

static void add_cell(struct CMUnitTest *test, const struct kind *kind, const struct event *event)
{
	struct cell *cell = malloc(sizeof(*cell));
	char *name;

	if (!cell || asprintf(&name, "%s: %s", kind->name, event->name) < 0)
		exit(1);
	*cell = (struct cell){ kind, event };
	*test = (struct CMUnitTest){ .name = name, .test_func = run_cell, .initial_state = cell };
}

int main(int argc, char **argv)
{
	static const struct event *const events[] = {
		mapping_events, process_events, reclaim_events, file_events, huge_events,
		device_events,
	};
	static struct CMUnitTest tests[500];
	size_t n = 0;

	parse_options(argc, argv);
	for (size_t k = 0; k < KINDS; k++) {
		for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
			for (const struct event *event = events[i]; event->name; event++) {
				if (applies(&kinds[k], event))
					add_cell(&tests[n++], &kinds[k], event);
			}
		}
	}
	return run_group("matrix", tests, n);
}
