/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A victim: a process of its own that minds its own business, as root and in no tenant's control group. It
 * writes, reads back, faults, registers and prefetches all the time, checks every byte, and keeps account of
 * how long things take.
 */
#ifndef TENANT_VICTIM_H
#define TENANT_VICTIM_H

#include <stdint.h>

struct victim;

/* What it is measured by, each in a window of time. */
enum victim_work {
	VICTIM_LATENCY,		/* WRITE of 8 bytes into memory that is there */
	VICTIM_BANDWIDTH,	/* WRITE and READ of 64 KiB, checked */
	VICTIM_FAULT,		/* WRITE of 64 KiB into memory that is not there */
	VICTIM_REGISTER,	/* registration and its end */
	VICTIM_PREFETCH,	/* an asynchronous prefetch of 16 pages, until they are there */
	VICTIM_WORKS,
};

struct victim_figures {
	uint64_t rounds;	/* each does every work once */
	struct {
		uint64_t median_ns, worst_ns;
	} work[VICTIM_WORKS];
	long available_kib;	/* memory that the machine has left for it, at the end */
};

/* Starts it; returns when its first round is done. Skips the test without on-demand paging. */
struct victim *victim_start(void);
/* What it did in the next @ms. */
struct victim_figures victim_watch(struct victim *victim, unsigned int ms);
/*
 * Fails the test where @beside, with a tenant at work, is unbearably worse than @alone: where a median is more
 * than @factor times as long (and longer than scheduling explains), or one thing took @worst_ms.
 */
void victim_bears(const struct victim_figures *alone, const struct victim_figures *beside,
		  unsigned int factor, unsigned int worst_ms);
/* Fails the test where the tenant has taken more memory from the machine than @most_kib. */
void victim_has_memory(const struct victim_figures *alone, const struct victim_figures *beside,
		       long most_kib);
/* Ends it; the test fails where a byte was wrong or a request failed. */
void victim_stop(struct victim *victim);

#endif
