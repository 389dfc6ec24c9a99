/* SPDX-License-Identifier: GPL-2.0 */
/* The calls of /dev/odp_test, with the checks that every test needs. */
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
 * How a copy ended: the bytes copied, the error of the fault that stopped it, if any, and, for a copy between
 * two regions, the side of the missing page.
 */
struct outcome {
	uint64_t done;
	int error;
	int missing;
};

/* Closed at the end of the test, with its regions. The test must end within two minutes. */
int odp_open(void);
void odp_close(int fd);

/* Returns 0 or -errno. */
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

/* Reads the states of the pages that hold the bytes from @offset on. */
void region_states(struct region *r, uint64_t offset, uint64_t pages, uint8_t *states);
uint8_t region_state(struct region *r, uint64_t offset);

/* Fails if one of these pages has another state under @mask. */
void states_are(struct region *r, uint64_t offset, uint64_t pages, uint8_t mask, uint8_t want,
		const char *what);

/*
 * Starts a child that makes region @r, writes it to *@tell, and goes on; returns its pid once @r has arrived.
 */
int child_start_with_region(void (*fn)(void *arg), void *arg, int *tell, struct region *r);

/* Runs a faulting copy to its end; the bytes must be those of @want. */
void region_holds(struct region *r, uint64_t offset, const void *want, uint64_t len,
		  const char *what);
void region_takes(struct region *r, uint64_t offset, const void *from, uint64_t len);

/* Runs a faulting copy that must end with @error after @done bytes. */
void read_ends(struct region *r, uint64_t offset, uint64_t len, uint64_t done, int error);
void write_ends(struct region *r, uint64_t offset, uint64_t len, uint64_t done, int error);

#endif
