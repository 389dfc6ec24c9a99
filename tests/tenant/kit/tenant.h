/* SPDX-License-Identifier: GPL-2.0 */
/* A tenant: a process without privileges, in a control group with limits, that may open the devices. */
#ifndef TENANT_TENANT_H
#define TENANT_TENANT_H

#include "lib/cgroup.h"

#define NOBODY 65534

/*
 * A child process in @cgroup (NULL: in the parent's) that gives up all privileges, runs @fn and leaves
 * with 0, or with 1 where an assertion fails. It is killed at the end of the test.
 */
int tenant_start(const struct cgroup *cgroup, void (*fn)(void *arg), void *arg);
/* The same with privileges, for children that need some before they call tenant_become_nobody(). */
int tenant_start_as_root(const struct cgroup *cgroup, void (*fn)(void *arg), void *arg);
/* The calling process gives up all privileges, for good. */
void tenant_become_nobody(void);
/* Runs it to its end; the test fails where an assertion in it failed. */
void tenant_run(const struct cgroup *cgroup, void (*fn)(void *arg), void *arg);

/* How many tasks there are, threads of the kernel too, whose name begins with @prefix. */
int tasks_named(const char *prefix);

#endif
