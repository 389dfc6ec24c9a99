/* SPDX-License-Identifier: GPL-2.0 */
/* The calls of /dev/odp_test, with the checks that every test wants. */
#ifndef KIT_ODP_H
#define KIT_ODP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "odp_test.h"

#define PAGE 4096ul
#define LEAF (2ul << 20)

/* As in include/rdma/ib_umem_odp.h. */
enum {
	FETCH_ADD,
	CMP_SWAP,
	SWAP,

	TO = 0,
	FROM,

	FAULT_WRITE = 1 << 0,
	FAULT_SNAPSHOT = 1 << 1,

	PRESENT = 1 << 0,
	WRITABLE = 1 << 1,
	DIRTY = 1 << 2,
	HUGE = 1 << 3,
};

struct region {
	int fd;
	uint32_t handle;
	char *at;
	uint64_t length;
};

/*
 * How a copy ended: what was copied, what the fault said if one stopped it, and, between two
 * regions, whose page was missing.
 */
struct outcome {
	uint64_t done;
	int error;
	int missing;
};

/* Closed when the test ends, with the regions in it. The test has two minutes from here. */
int odp_open(void);
void odp_close(int fd);

/* 0 or -errno. */
int region_try(struct region *r, int fd, uint64_t address, uint64_t length, unsigned int flags);
void region_make(struct region *r, int fd, void *at, uint64_t length, unsigned int flags);
void region_put(struct region *r);

struct outcome region_read(struct region *r, uint64_t offset, void *to, uint64_t len, int flags);
struct outcome region_write(struct region *r, uint64_t offset, const void *from, uint64_t len,
			    int flags);
struct outcome region_move(struct region *to, uint64_t offset, struct region *from,
			   uint64_t from_offset, uint64_t len, int flags);
int region_atomic(struct region *r, uint64_t offset, int op, uint64_t operand, uint64_t compare,
		  uint64_t *old, int flags);
int64_t region_fault(struct region *r, uint64_t offset, uint64_t len, unsigned int flags);
struct odp_test_stats region_stats(struct region *r);

/* The states of the pages that the bytes at @offset... lie in. */
void region_states(struct region *r, uint64_t offset, uint64_t pages, uint8_t *states);
uint8_t region_state(struct region *r, uint64_t offset);

/* Fails where a page of these has another state under @mask. */
void states_are(struct region *r, uint64_t offset, uint64_t pages, uint8_t mask, uint8_t want,
		const char *what);

/* The faulting copy, complete; the bytes are those of @want. */
void region_holds(struct region *r, uint64_t offset, const void *want, uint64_t len,
		  const char *what);
void region_takes(struct region *r, uint64_t offset, const void *from, uint64_t len);

/* The faulting copy ends with @error after @done bytes. */
void read_ends(struct region *r, uint64_t offset, uint64_t len, uint64_t done, int error);
void write_ends(struct region *r, uint64_t offset, uint64_t len, uint64_t done, int error);

#endif
