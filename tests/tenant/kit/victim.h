/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A victim: an uninvolved process, run by root and in no tenant's control group. It writes, reads back, sends
 * datagrams, faults, registers and prefetches all the time, checks every byte, and records how long each
 * operation takes.
 */
#ifndef TENANT_VICTIM_H
#define TENANT_VICTIM_H

#include <stdint.h>

struct victim;

/* Kinds of work of the victim, each measured in a window of time. */
enum victim_work {
	VICTIM_LATENCY,		/* WRITE of 8 bytes into present memory */
	VICTIM_BANDWIDTH,	/* WRITE and READ of 64 KiB, checked */
	VICTIM_DATAGRAM,	/* a datagram of 1000 bytes; a lost one is sent again */
	VICTIM_FAULT,		/* WRITE of 64 KiB into memory without pages */
	VICTIM_REGISTER,	/* registration and deregistration */
	VICTIM_PREFETCH,	/* an asynchronous prefetch of 16 pages, until they are present */
	VICTIM_WORKS,
};

struct victim_figures {
	uint64_t rounds;	/* each does every kind of work once */
	struct {
		uint64_t median_ns, worst_ns;
	} work[VICTIM_WORKS];
	long available_kib;	/* memory available on the machine at the end */
};

/* Starts a victim; returns when its first round is done. Skips the test without on-demand paging. */
struct victim *victim_start(void);
/* Returns what the victim did in the next @ms. */
struct victim_figures victim_watch(struct victim *victim, unsigned int ms);
/*
 * Fails the test if @beside, with a tenant at work, is unbearably worse than @alone: if a median is more than
 * @factor times as long (and longer than scheduling explains), or one operation took @worst_ms.
 */
void victim_bears(const struct victim_figures *alone, const struct victim_figures *beside,
		  unsigned int factor, unsigned int worst_ms);
/* Fails the test if the tenant has taken more than @most_kib of memory from the machine. */
void victim_has_memory(const struct victim_figures *alone, const struct victim_figures *beside,
		       long most_kib);
/* Ends the victim; the test fails if a byte was wrong or a request failed. */
void victim_stop(struct victim *victim);

#endif
