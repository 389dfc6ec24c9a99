/* SPDX-License-Identifier: GPL-2.0 */
/* How long page faults took, from a tracepoint: in buckets, an eighth of a power of two each. */
#ifndef BOX_LATENCY_H
#define BOX_LATENCY_H

#include <stdint.h>

void latency_open(void);	/* nothing without our driver */
void latency_take(void);	/* what came since the last call */
uint64_t latency_part(double part);	/* ns that this part of the faults did not exceed */
uint64_t latency_most(void);	/* ns */
uint64_t latency_count(void);

#endif
