/* SPDX-License-Identifier: GPL-2.0 */
/* Checks that a test leaves nothing behind: counts the device's objects and, roughly, the memory. */
#ifndef VERBS_CENSUS_H
#define VERBS_CENSUS_H

struct census {
	int nldev, device;
	char objects[512];
	long vmalloc, slab;	/* KiB */
};

struct census census_take(void);
/* Waits for the counts to return to @then; fails the test if they do not. */
void census_same(const struct census *then);

#endif
