/* SPDX-License-Identifier: GPL-2.0 */
/* Asynchronous events of a device. */
#ifndef VERBS_ASYNC_H
#define VERBS_ASYNC_H

#include <infiniband/verbs.h>

/* Waits for the next event of @type, at most PATIENCE, and discards events that come before it. */
struct ibv_async_event wait_event(struct ibv_context *ctx, enum ibv_event_type type);
/* Waits for the next event, which must be of @type. */
struct ibv_async_event expect_event(struct ibv_context *ctx, enum ibv_event_type type);
/* Counts the events of @type that arrive within @ms. */
int count_events(struct ibv_context *ctx, enum ibv_event_type type, int ms);

#endif
