/* SPDX-License-Identifier: GPL-2.0 */
/* Control groups (version 2): limits for their processes, and the use of each resource. */
#ifndef VERBS_CGROUP_H
#define VERBS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cgroup {
	char path[96];
};

/*
 * Makes a group with @controllers, such as "memory pids"; skips the test if the kernel lacks one of them. At
 * the end of the test the group's processes are killed and the group is removed.
 */
struct cgroup *cgroup_make(const char *name, const char *controllers);
/* Makes a group with a memory limit of @max bytes. */
struct cgroup *cgroup_make_small(const char *name, size_t max);
/* Writes @value into the group's @file, such as "memory.max"; skips the test if there is no such file. */
void cgroup_set(const struct cgroup *cgroup, const char *file, const char *value);
/* Like cgroup_set(), but returns false if the kernel lacks the file or rejects the value. */
bool cgroup_try(const struct cgroup *cgroup, const char *file, const char *value);
/* Limits the group's reads from the block device to @bytes a second; skips the test if the kernel cannot. */
void cgroup_throttle(const struct cgroup *cgroup, dev_t device, size_t bytes);
/* Moves the calling process into the group. */
void cgroup_enter(const struct cgroup *cgroup);
/* Returns the number behind @label in @file ("": the file is one number), or -1. */
long cgroup_number(const struct cgroup *cgroup, const char *file, const char *label);

#endif
