/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For how long a processor cannot be had: a thread that goes before all others there wants it every ms. It gets
 * it late where bottom halves or preemption are off, and where the machine itself is not given a processor.
 */
#ifndef VERBS_LATE_H
#define VERBS_LATE_H

#include <stdint.h>

/* Binds the calling thread to a processor and watches that, until the end of the test. */
struct late *late_start(void);
/* The longest that the processor could not be had since the last call, in ns. */
uint64_t late_worst(struct late *late);

#endif
