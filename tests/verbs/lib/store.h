/* SPDX-License-Identifier: GPL-2.0 */
/* A user-space pager: a thread that answers the page faults of a region, as slowly and as rarely as told. */
#ifndef VERBS_STORE_H
#define VERBS_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mem.h"

#define STORE_PAGES 4096	/* most pages that one pager can serve */

struct store {
	uint8_t *p;
	size_t pages;
	int fd;
	unsigned int resident;		/* pages that it keeps, the newest; 0: all */
	unsigned int page_us;		/* time for each page */
	_Atomic long limit;		/* pages from here on are given when this has grown; -1: all are */
	_Atomic unsigned long asked;	/* faults for pages not present */
	_Atomic unsigned long early;	/* faults beyond the limit */
	_Atomic bool stop;
	pthread_t thread;
	uint8_t *content;		/* contents of the pages that are not present */
	bool present[STORE_PAGES], waiting[STORE_PAGES];
	unsigned long kept[STORE_PAGES], head, tail;
};

/*
 * Opens a pager for @buf, whose pages are zero at first. Set the fields between store_open() and
 * store_start(). A written page keeps its contents when the pager removes the page, if the memory is only
 * used by one transfer at a time. Stopped at the end of the test.
 */
struct store *store_open(struct buf *buf);
void store_start(struct store *store);

#endif
