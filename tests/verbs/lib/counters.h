/* SPDX-License-Identifier: GPL-2.0 */
/* Counters of the devices, and parameters of the kernel's modules. */
#ifndef VERBS_COUNTERS_H
#define VERBS_COUNTERS_H

#include <stdio.h>

/* Reads a counter of the port; fails the test if there is no counter of that name. */
long port_counter(const char *device, const char *name);
/* Like port_counter(), but returns -1 if the driver lacks the counter. */
long port_counter_any(const char *device, const char *name);

/* Sets a module parameter for the time of the test; skips the test if there is no such parameter. */
void set_parameter(const char *module, const char *name, const char *value);

/* Opens the core's table of mirrors in debugfs; skips the test if the kernel has none. */
FILE *mirrors_open(void);

#endif
