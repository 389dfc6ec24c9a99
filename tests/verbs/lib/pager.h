/* SPDX-License-Identifier: GPL-2.0 */
/* A user-space pager (userfaultfd): slow, with few pages at a time, or one that never answers. */
#ifndef VERBS_PAGER_H
#define VERBS_PAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pager;

struct pager_rules {
	unsigned int delay_ms;	/* before each page that it gives */
	size_t resident;	/* pages that it lets be there; 0: all. It takes the oldest away */
	bool never;		/* it does not answer at all */
};

/*
 * A pager that does nothing yet, closed at the end of the test; skips the test where the kernel has no
 * userfaultfd. It takes privileges: a tenant opens it before tenant_become_nobody(), and the devices behind that,
 * since uverbs refuses who has changed its credentials since it opened one.
 */
int pager_open(void);
/* Serves the missing pages of [p, p + len), which is mapped, in a thread until the end of the test. */
struct pager *pager_start(int fd, void *p, size_t len, struct pager_rules rules);
/* Faults that it was asked to answer so far. */
uint64_t pager_faults(const struct pager *pager);

#endif
