/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BOX_REGIONS_H
#define BOX_REGIONS_H

#include <stdint.h>

struct regions {
	uint64_t on_demand, pinned;	/* bytes */
	uint64_t implicit;		/* how many regions of the whole address space */
};

void regions_open(void);
void regions_sum(struct regions *sum);

#endif
