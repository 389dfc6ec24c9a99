/* SPDX-License-Identifier: GPL-2.0 */
/* Allocations of the kernel that fail on demand (CONFIG_FAULT_INJECTION). */
#ifndef VERBS_INJECT_H
#define VERBS_INJECT_H

#include <stdbool.h>

/* Skips the test where the kernel cannot; from here on allocations of every kind can be chosen. */
void need_inject(void);

/* The @n-th allocation that this thread makes from here on fails, until inject_end. */
void inject_nth(unsigned int n);
/* Was there one? */
bool inject_end(void);
/* The same end; returns how many allocations were still missing. */
unsigned int inject_left(void);
/*
 * Slab caches, if there are such, whose allocations do not count until inject_stop; up to NULL. Of
 * workers, nor do pages then, which they are made of.
 */
void inject_spare(const char *const *caches);

/* The same for each of the kernel's unbound workers, which is where the driver waits for pages. */
void inject_workers_nth(unsigned int n);
bool inject_workers_end(void);

/* Of all that a slab cache is asked for, by anybody, so many percent fail, until inject_stop. */
void inject_cache(const char *cache, unsigned int percent);
/* The same, of what this thread asks for. */
void inject_own_cache(const char *cache, unsigned int percent);
/* Of all that the unbound workers ask for. */
void inject_workers(unsigned int percent);
/* Returns how many have failed. */
unsigned long inject_stop(void);

#endif
