/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_ALLOC_H
#define ODP_ALLOC_H

struct odp_mirror;
struct odp_window;

unsigned long *odp_mirror_table(struct odp_mirror *mirror);
struct odp_window *odp_window_get(struct odp_mirror *mirror,
				  unsigned long addr);

#endif /* ODP_ALLOC_H */
