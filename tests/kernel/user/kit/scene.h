/* SPDX-License-Identifier: GPL-2.0 */
/* One cell of the matrix: memory of some kind, a region over it, and an event. */
#ifndef KIT_SCENE_H
#define KIT_SCENE_H

#include "kit/memory.h"
#include "kit/odp.h"

/*
 * Positions are bytes from the start of the memory. The region begins SKEW bytes after it, so that nothing is
 * aligned by chance. The event affects the middle, from lo to hi.
 */
#define SKEW 24

struct scene {
	struct memory *m;
	struct region r;
	size_t lo, hi;
};

struct event {
	const char *name;
	void (*run)(struct scene *s);
	unsigned int need, refuse;	/* traits of the memory */
};

extern const struct event mapping_events[], process_events[], reclaim_events[], file_events[],
	huge_events[], device_events[];

static inline uint64_t scene_offset(size_t pos)
{
	return pos > SKEW ? pos - SKEW : 0;
}

/* Checks the states of the pages from @from to @to under @mask. */
void scene_states(struct scene *s, size_t from, size_t to, uint8_t mask, uint8_t want,
		  const char *what);
/* Outside of the middle everything is as after the first read. */
void scene_rest_untouched(struct scene *s, const char *what);

/* Read through the region and compare with m->want; write the bytes of @seed to both. */
void scene_reads(struct scene *s, size_t from, size_t to, const char *what);
void scene_writes(struct scene *s, size_t from, size_t to, uint64_t seed);

/* Accesses through the region that must fail. */
void scene_read_fails(struct scene *s, size_t from, int error);
void scene_write_fails(struct scene *s, size_t from, int error);

/* The CPU must see m->want. */
void scene_cpu_sees(struct scene *s, size_t from, size_t to, const char *what);

/* The middle is now new anonymous memory, all zeroes. */
void scene_middle_anew(struct scene *s);

#endif
