// SPDX-License-Identifier: GPL-2.0
/* Transparent huge pages come and go. */
#include <errno.h>
#include <sys/mman.h>

#include "kit/scene.h"
#include "kit/sys.h"
#include "lib/test.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define BITS (PRESENT | WRITABLE | HUGE)

/* The CPU cannot protect a part of a huge page without splitting it. */
static void split_first(struct scene *s)
{
	char *at = s->m->at + PAGE;

	assert_int_equal(mprotect(at, PAGE, PROT_READ), 0);
	assert_int_equal(mprotect(at, PAGE, PROT_READ | PROT_WRITE), 0);
	assert_int_equal(huge_bytes(s->m->at), s->m->length - LEAF);
}

static void run_split(struct scene *s)
{
	scene_writes(s, 0, s->m->length, 2);
	split_first(s);
	scene_states(s, 0, LEAF, 0xff, 0, "after the split");
	scene_states(s, LEAF, s->m->length, BITS, BITS, "beside the split");
	scene_reads(s, 0, s->m->length, "after the split");
	scene_states(s, 0, LEAF, PRESENT | HUGE, PRESENT, "small pages");
}

static void run_collapse(struct scene *s)
{
	scene_writes(s, 0, s->m->length, 2);
	split_first(s);
	scene_writes(s, 0, LEAF, 3);
	scene_states(s, 0, LEAF, BITS, PRESENT | WRITABLE, "small pages");
	if (madvise(s->m->at, LEAF, MADV_COLLAPSE))
		skip_because("the kernel did not collapse the pages: errno %d", errno);
	assert_int_equal(huge_bytes(s->m->at), s->m->length);
	scene_states(s, 0, LEAF, 0xff, 0, "after the collapse");
	scene_reads(s, 0, s->m->length, "after the collapse");
	scene_states(s, 0, LEAF, BITS, BITS, "a huge page again");
}

const struct event huge_events[] = {
	{ .name = "split", .run = run_split, .need = TRANSPARENT },
	{ .name = "collapse", .run = run_collapse, .need = TRANSPARENT },
	{ 0 }
};
