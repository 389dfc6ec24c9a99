/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Measures for how long a CPU is unavailable. A thread of the highest priority on that CPU wakes up every ms.
 * It runs late while bottom halves or preemption are off, or while the host does not run the machine.
 */
#ifndef VERBS_LATE_H
#define VERBS_LATE_H

#include <stdint.h>

/* Binds the calling thread to a CPU and watches that CPU until the end of the test. */
struct late *late_start(void);
/* Returns the longest time since the last call for which the CPU was unavailable, in ns. */
uint64_t late_worst(struct late *late);

#endif
