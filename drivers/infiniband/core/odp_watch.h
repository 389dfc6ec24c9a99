/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_WATCH_H
#define ODP_WATCH_H

struct odp_mirror;

int odp_watch_start(struct odp_mirror *mirror);
void odp_watch_stop(struct odp_mirror *mirror);
void odp_watch_module_exit(void);

#endif /* ODP_WATCH_H */
