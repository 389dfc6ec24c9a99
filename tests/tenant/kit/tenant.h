/* SPDX-License-Identifier: GPL-2.0 */
/* A tenant: a process without privileges, in a control group with limits, that may open the devices. */
#ifndef TENANT_TENANT_H
#define TENANT_TENANT_H

#include "lib/cgroup.h"

#define NOBODY 65534

/*
 * Starts a child process in @cgroup (NULL: the parent's) that drops all privileges, runs @fn and exits with
 * 0, or with 1 if an assertion fails. It is killed at the end of the test.
 */
int tenant_start(const struct cgroup *cgroup, void (*fn)(void *arg), void *arg);
/*
 * Like tenant_start(), but keeps its privileges, for children that need some before they call
 * tenant_become_nobody().
 */
int tenant_start_as_root(const struct cgroup *cgroup, void (*fn)(void *arg), void *arg);
/* The calling process drops all privileges, for good. */
void tenant_become_nobody(void);
/* Runs a tenant until it exits; the test fails if an assertion in it failed. */
void tenant_run(const struct cgroup *cgroup, void (*fn)(void *arg), void *arg);

/* Returns how many tasks, including kernel threads, have a name that begins with @prefix. */
int tasks_named(const char *prefix);

#endif
