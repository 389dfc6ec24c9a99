/* SPDX-License-Identifier: GPL-2.0 */
/* An area of one of the kinds of memory, what it must hold, and what may happen to it. */
#ifndef VERBS_AREA_H
#define VERBS_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What memory holds once its pages were thrown away. */
enum backing { ZEROES, ITSELF, ITS_FILE };

struct area;

struct kind {
	const char *name;
	enum backing backing;
	bool huge;		/* 2 MiB pages, or that it wants them */
	bool hugetlb;
	bool pageable;		/* its pages can be swapped or written back for certain */
	void (*map)(struct area *area);
	/* Brings it into its special state, with its bytes in area->want. */
	void (*prepare)(struct area *area);
};

struct area {
	const struct kind *kind;
	uint8_t *p;
	size_t len;
	uint8_t *elsewhere;	/* room for as much */
	int fd, map_flags;
	uint8_t *at;		/* the bytes that are looked at: all, or those about the middle */
	size_t span;
	uint8_t *want;		/* each of them, as it must be */
	uint8_t *file;		/* as the file under a private mapping holds it */
	uint8_t *moved;		/* where mremap put what was here */
	uint8_t *moved_want;
	int child, tell_child;	/* a process that has a copy of its own */
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
/* @len bytes of it, all of which are looked at. */
struct area area_open_all(const struct kind *kind, size_t len);
/* Writes with the CPU what then must be there. */
void area_fill(struct area *area, uint64_t seed);
/* Compares what the CPU sees, and the file, the moved pages and the child's copy. */
void area_check(struct area *area, const char *when);
/* The child looks at its copy, says whether it is what it was at its fork, and ends. */
void area_check_child(struct area *area);
/* Forks such a child; @scribble: it then writes all over its copy. */
void area_fork(struct area *area, bool scribble);
/* Maps the same memory again at the same place, over what is there. */
void area_map_again(struct area *area);
/* The bytes are those that the backing has. */
void area_want_backing(struct area *area);

#endif
