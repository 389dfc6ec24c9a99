// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "kit/scene.h"
#include "lib/pattern.h"
#include "lib/test.h"

void scene_states(struct scene *s, size_t from, size_t to, uint8_t mask, uint8_t want,
		  const char *what)
{
	states_are(&s->r, scene_offset(from), (to - from) / PAGE, mask, want, what);
}

void scene_rest_untouched(struct scene *s, const char *what)
{
	uint8_t state = s->m->kind->state & (PRESENT | WRITABLE);

	scene_states(s, 0, s->lo, PRESENT | WRITABLE, state, what);
	scene_states(s, s->hi, s->m->length, PRESENT | WRITABLE, state, what);
}

static size_t past_skew(size_t from)
{
	return from > SKEW ? from : SKEW;
}

void scene_reads(struct scene *s, size_t from, size_t to, const char *what)
{
	from = past_skew(from);
	region_holds(&s->r, from - SKEW, s->m->want + from, to - from, what);
}

void scene_writes(struct scene *s, size_t from, size_t to, uint64_t seed)
{
	from = past_skew(from);
	pattern_fill(s->m->want + from, to - from, from, seed);
	region_takes(&s->r, from - SKEW, s->m->want + from, to - from);
}

void scene_read_fails(struct scene *s, size_t from, int error)
{
	read_ends(&s->r, scene_offset(from), PAGE, 0, error);
}

void scene_write_fails(struct scene *s, size_t from, int error)
{
	write_ends(&s->r, scene_offset(from), PAGE, 0, error);
}

void scene_cpu_sees(struct scene *s, size_t from, size_t to, const char *what)
{
	same_bytes(s->m->at + from, s->m->want + from, to - from, what);
}

void scene_middle_anew(struct scene *s)
{
	anonymous_at(s->m->at + s->lo, s->hi - s->lo);
	memset(s->m->want + s->lo, 0, s->hi - s->lo);
	s->m->traits &= ~(FILE_BACKED | SHARED | ON_DISK);
}
