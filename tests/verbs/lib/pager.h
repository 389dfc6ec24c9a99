/* SPDX-License-Identifier: GPL-2.0 */
/* A user-space pager: a thread that answers the missing pages of memory (userfaultfd) as its fields say. */
#ifndef VERBS_PAGER_H
#define VERBS_PAGER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pager {
	/* Set by the caller of pager_make(); what the comments call the default is set already. */
	unsigned int page_us;		/* time for each page; default 0 */
	unsigned int resident;		/* pages that the pager keeps, the newest; default 0: all */
	_Atomic long limit;		/* pages from here on wait until this grows; default -1: none waits */
	uint8_t *content;		/* of missing pages, see pager_keep_content(); default NULL: zeroes */

	_Atomic unsigned long asked;	/* pages given */
	_Atomic unsigned long early;	/* pages beyond the limit that a fault waits for */

	/* private */
	uint8_t *p;
	size_t pages;
	int fd;
	_Atomic bool stop;
	pthread_t thread;
	bool *present, *waiting;	/* of each page; present is only tracked with content */
	size_t *kept, head, tail;	/* ring of @resident page numbers */
};

/*
 * Opens a userfaultfd for a pager; closed at the end of the test. Skips the test if the kernel lacks
 * userfaultfd. Opening it needs privileges: a tenant opens it before tenant_become_nobody(), and opens the
 * devices afterwards, because uverbs rejects a process that changed its credentials since it opened the
 * device.
 */
int pager_open(void);
/* Provides no page of the mapping [p, p + len): a fault there waits forever. */
void pager_never(int fd, void *p, size_t len);
/* Makes a pager for the mapping [p, p + len). Set its fields, then start it. */
struct pager *pager_make(int fd, void *p, size_t len);
/*
 * Gives the pager a store, zeroed at first. A page that it removes then keeps its contents, if the memory is
 * used by one transfer at a time, and if nobody else removes pages: for those the pager itself would wait.
 */
void pager_keep_content(struct pager *pager);
/* Serves faults in a thread until the end of the test. */
void pager_start(struct pager *pager);

#endif
