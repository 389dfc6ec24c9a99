/* SPDX-License-Identifier: GPL-2.0 */
/* The kinds of memory that a region may lie over. */
#ifndef KIT_MEMORY_H
#define KIT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kit/odp.h"

enum trait {
	ANONYMOUS = 1 << 0,	/* private memory, zero when new */
	FILE_BACKED = 1 << 1,	/* fd can be truncated */
	SHARED = 1 << 2,
	ON_DISK = 1 << 3,	/* written back */
	HUGETLB = 1 << 4,
	TRANSPARENT = 1 << 5,	/* a transparent huge page */
	TWINS = 1 << 6,		/* others share the pages until they are written */
	READABLE = 1 << 7,
	WRITE = 1 << 8,
	MAPPED = 1 << 9,
	FILLED = 1 << 10,	/* the CPU has written it */
};

struct memory;

/* Fails if the other users of the bytes have lost them. */
typedef void (*others_fn)(struct memory *m);

struct kind {
	const char *name;
	void (*make)(struct memory *m);
	others_fn others_keep;
	unsigned int traits;
	size_t length;
	uint8_t state;		/* of each page, after a read through a region */
	int read_error;
	int write_error;
};

struct memory {
	const struct kind *kind;
	others_fn others_keep;
	unsigned int traits;
	char *at;
	size_t length;
	char *want;		/* expected contents of the memory */
	int fd;
	char *twin;
	int child;
};

enum {
	KIND_ANONYMOUS, KIND_ZERO_PAGE, KIND_THP, KIND_HUGETLB, KIND_PRIVATE_FILE,
	KIND_SHARED_FILE, KIND_MEMFD, KIND_COW, KIND_KSM, KIND_PROT_READ, KIND_PROT_NONE,
	KIND_HOLE, KINDS
};

extern const struct kind kinds[KINDS];

/* Seed of the memory's initial contents. */
#define FIRST 1

/*
 * Returns an address range of the test's own choice, aligned to 2 MiB, with a hole on both sides. The kernel
 * places no mapping there by itself, so a hole stays a hole. Unmapped at the end of the test.
 */
char *place(size_t length);

/* Anonymous memory of small pages at such an address. */
char *anonymous_at(char *at, size_t length);
char *anonymous(size_t length);

struct memory *memory_make(const struct kind *kind);

/* Fails if another process sees other bytes at @at. */
void process_sees(int pid, const char *at, const char *want, size_t len);

/* Starts a child that waits until the test ends, with its copy of this address space. */
int child_waits(void);

#endif
