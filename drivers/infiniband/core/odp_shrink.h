/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_SHRINK_H
#define ODP_SHRINK_H

struct odp_mirror;

/* Leaves that are visited in one RCU read section. */
#define ODP_SHRINK_BATCH	32

unsigned long odp_mirror_shrink(struct odp_mirror *mirror, unsigned long nr);
int odp_shrink_module_init(void);
void odp_shrink_module_exit(void);

#endif /* ODP_SHRINK_H */
