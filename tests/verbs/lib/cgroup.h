/* SPDX-License-Identifier: GPL-2.0 */
/* Control groups (version 2): limits for the processes in them, and what they use. */
#ifndef VERBS_CGROUP_H
#define VERBS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cgroup {
	char path[96];
};

/*
 * A new group with @controllers, as in "memory pids"; skips the test where the kernel lacks one. At the
 * end of the test its processes are killed and it is removed.
 */
struct cgroup *cgroup_make(const char *name, const char *controllers);
/* A new group that may have @max bytes of memory. */
struct cgroup *cgroup_make_small(const char *name, size_t max);
/* Writes @value into the group's @file, such as "memory.max"; skips the test where there is none. */
void cgroup_set(const struct cgroup *cgroup, const char *file, const char *value);
/* The same, false where the kernel does not have the file or does not take the value. */
bool cgroup_try(const struct cgroup *cgroup, const char *file, const char *value);
/* Limits what it reads of the block device to so many bytes a second; skips the test where that cannot be said. */
void cgroup_throttle(const struct cgroup *cgroup, dev_t device, size_t bytes);
/* Moves the calling process there. */
void cgroup_enter(const struct cgroup *cgroup);
/* The number in @file behind @label ("" for a file that is one number); -1 without one. */
long cgroup_number(const struct cgroup *cgroup, const char *file, const char *label);

#endif
