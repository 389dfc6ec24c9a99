/* SPDX-License-Identifier: GPL-2.0 */
/* Asynchronous events of a device. */
#ifndef VERBS_ASYNC_H
#define VERBS_ASYNC_H

#include <infiniband/verbs.h>

/* Waits for the next event of @type, at most PATIENCE; others before it are let go. */
struct ibv_async_event wait_event(struct ibv_context *ctx, enum ibv_event_type type);
/* How many events of @type come within @ms. */
int count_events(struct ibv_context *ctx, enum ibv_event_type type, int ms);

#endif
