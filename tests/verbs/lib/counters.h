/* SPDX-License-Identifier: GPL-2.0 */
/* What the devices and the kernel count. */
#ifndef VERBS_COUNTERS_H
#define VERBS_COUNTERS_H

/* A counter of the port; fails the test where there is none of that name. */
long port_counter(const char *device, const char *name);
/* The same; -1 where the driver does not count it. */
long port_counter_any(const char *device, const char *name);

/* A parameter of a module, for the time of the test; skips the test where there is none. */
void set_parameter(const char *module, const char *name, const char *value);

#endif
