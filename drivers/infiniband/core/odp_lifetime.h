/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_LIFETIME_H
#define ODP_LIFETIME_H

#include <linux/types.h>

struct mm_struct;
struct odp_mirror;

struct mm_struct *odp_mirror_mmget(struct odp_mirror *mirror);
bool odp_mirror_is_dead(struct odp_mirror *mirror);
void odp_mirror_drop_mm(struct odp_mirror *mirror);
void odp_mirror_put_ref(struct odp_mirror *mirror);
void odp_mirror_tidy_later(struct odp_mirror *mirror);
int odp_lifetime_module_init(void);
void odp_lifetime_module_exit(void);

#endif /* ODP_LIFETIME_H */
