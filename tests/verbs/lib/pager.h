/* SPDX-License-Identifier: GPL-2.0 */
/* A user-space pager (userfaultfd) that is slow, keeps few pages at a time, or never answers. */
#ifndef VERBS_PAGER_H
#define VERBS_PAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pager;

struct pager_rules {
	unsigned int delay_ms;	/* delay before each page */
	size_t resident;	/* pages kept at a time, the newest ones; 0: all */
	bool never;		/* does not answer at all */
};

/*
 * Opens a pager that does nothing yet; closed at the end of the test. Skips the test if the kernel lacks
 * userfaultfd. Opening it needs privileges: a tenant opens it before tenant_become_nobody(), and opens the
 * devices afterwards, because uverbs rejects a process that changed its credentials since it opened the
 * device.
 */
int pager_open(void);
/* Serves the missing pages of the mapping [p, p + len), in a thread, until the end of the test. */
struct pager *pager_start(int fd, void *p, size_t len, struct pager_rules rules);
/* Returns how many faults the pager was asked to answer so far. */
uint64_t pager_faults(const struct pager *pager);

#endif
