/* SPDX-License-Identifier: GPL-2.0 */
/* A user-space pager: a thread that answers the page faults of a region, as slowly and as few as told. */
#ifndef VERBS_STORE_H
#define VERBS_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mem.h"

#define STORE_PAGES 4096	/* of memory that one can serve */

struct store {
	uint8_t *p;
	size_t pages;
	int fd;
	unsigned int resident;		/* pages that it keeps, the newest; 0: all */
	unsigned int page_us;		/* that it takes for a page */
	_Atomic long limit;		/* pages from here on are given when this has grown; -1: all are */
	_Atomic unsigned long asked;	/* faults that came for pages not present */
	_Atomic unsigned long early;	/* faults beyond the limit */
	_Atomic bool stop;
	pthread_t thread;
	uint8_t *content;		/* what the pages hold that are not present */
	bool present[STORE_PAGES], waiting[STORE_PAGES];
	unsigned long kept[STORE_PAGES], head, tail;
};

/*
 * A pager for @buf, zeroed at first, that works as its fields say; they are set between the two. What is
 * written to a page stays when the page goes, if all that is done to the memory is one transfer at a time.
 * Stopped at the end of the test.
 */
struct store *store_open(struct buf *buf);
void store_start(struct store *store);

#endif
