/* SPDX-License-Identifier: GPL-2.0 */
/* An area of one of the kinds of memory, the bytes it must hold, and the events that may happen to it. */
#ifndef VERBS_AREA_H
#define VERBS_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Contents of memory after its pages were discarded. */
enum backing { ZEROES, ITSELF, ITS_FILE };

struct area;

struct kind {
	const char *name;
	enum backing backing;
	bool huge;		/* uses 2 MiB pages, or asks for them */
	bool hugetlb;
	bool pageable;		/* its pages can certainly be swapped out or written back */
	void (*map)(struct area *area);
	/* Brings the area into the kind's special state, with its bytes in area->want. */
	void (*prepare)(struct area *area);
};

struct area {
	const struct kind *kind;
	uint8_t *p;
	size_t len;
	uint8_t *elsewhere;	/* spare address range of the same length */
	int fd, map_flags;
	uint8_t *at;		/* the bytes to compare: all, or those around the middle */
	size_t span;
	uint8_t *want;		/* expected value of each of these bytes */
	uint8_t *file;		/* contents of the file under a private mapping */
	uint8_t *moved;		/* new address of the pages that mremap moved away */
	uint8_t *moved_want;
	int child, tell_child;	/* a process with its own copy */
};

struct event {
	const char *name;
	bool (*fits)(const struct kind *kind);
	void (*apply)(struct area *area);
};

extern const struct kind kinds[];
extern const size_t n_kinds;
extern const struct event events[];
extern const size_t n_events;

struct area area_open(const struct kind *kind);
/* An area of @len bytes, all of which are compared. */
struct area area_open_all(const struct kind *kind, size_t len);
/* Writes the area with the CPU and records the expected bytes. */
void area_fill(struct area *area, uint64_t seed);
/* Compares the CPU's view, the file, the moved pages and the child's copy. */
void area_check(struct area *area, const char *when);
/* The child compares its copy with the state at its fork, reports the result, and exits. */
void area_check_child(struct area *area);
/* Forks such a child; with @scribble the child then overwrites its whole copy. */
void area_fork(struct area *area, bool scribble);
/* Maps the same memory again at the same place, over the old mapping. */
void area_map_again(struct area *area);
/* From now on the expected bytes are those of the backing. */
void area_want_backing(struct area *area);

#endif
