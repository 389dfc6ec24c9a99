/* SPDX-License-Identifier: GPL-2.0 */
/* Allocations of the kernel that fail on demand (CONFIG_FAULT_INJECTION). */
#ifndef VERBS_INJECT_H
#define VERBS_INJECT_H

#include <stdbool.h>

/* Skips the test if the kernel lacks fault injection; from here on every kind of allocation can fail. */
void need_inject(void);

/* The @n-th allocation of this thread from here on fails, until inject_end(). */
void inject_nth(unsigned int n);
/* Ends the injection; returns whether an allocation failed. */
bool inject_end(void);
/* Ends the injection; returns how many more allocations it would have taken. */
unsigned int inject_left(void);
/*
 * Excludes the slab caches in @caches (NULL-terminated, missing ones are ignored) from the count, until
 * inject_stop(). In workers it also excludes pages, because the caches are made of pages.
 */
void inject_spare(const char *const *caches);

/* Like inject_nth(), for each of the kernel's unbound workers, in which the driver waits for pages. */
void inject_workers_nth(unsigned int n);
bool inject_workers_end(void);

/* Until inject_stop(), @percent of all allocations from the slab cache fail, whoever allocates. */
void inject_cache(const char *cache, unsigned int percent);
/* Like inject_cache(), for allocations of this thread only. */
void inject_own_cache(const char *cache, unsigned int percent);
/* Like inject_cache(), for all allocations of the unbound workers. */
void inject_workers(unsigned int percent);
/* Stops; returns how many allocations failed. */
unsigned long inject_stop(void);

#endif
