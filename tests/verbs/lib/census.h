/* SPDX-License-Identifier: GPL-2.0 */
/* That nothing is left of what a test has made: the device's objects, and roughly the memory. */
#ifndef VERBS_CENSUS_H
#define VERBS_CENSUS_H

struct census {
	int nldev, device;
	char objects[512];
	long vmalloc, slab;	/* KiB */
};

struct census census_take(void);
/* Waits for things to be as they were then; fails the test where they do not become so. */
void census_same(const struct census *then);

#endif
