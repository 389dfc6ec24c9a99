/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_GUESS_H
#define ODP_GUESS_H

struct odp_mirror;

void odp_guess_init(struct odp_mirror *mirror);

#endif /* ODP_GUESS_H */
