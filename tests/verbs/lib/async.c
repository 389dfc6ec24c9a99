// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <stdlib.h>

#include "lib/async.h"
#include "lib/test.h"

static bool next_event(struct ibv_context *ctx, struct ibv_async_event *event, int ms)
{
	struct pollfd file = { .fd = ctx->async_fd, .events = POLLIN };

	if (poll(&file, 1, ms) != 1)
		return false;
	assert_int_equal(ibv_get_async_event(ctx, event), 0);
	ibv_ack_async_event(event);
	return true;
}

struct ibv_async_event wait_event(struct ibv_context *ctx, enum ibv_event_type type)
{
	uint64_t end = now_ms() + PATIENCE;
	struct ibv_async_event event;

	while (now_ms() < end) {
		if (next_event(ctx, &event, PATIENCE) && event.event_type == type)
			return event;
	}
	fail_msg("no event: %s", ibv_event_type_str(type));
	abort();
}

struct ibv_async_event expect_event(struct ibv_context *ctx, enum ibv_event_type type)
{
	struct ibv_async_event event;

	if (!next_event(ctx, &event, PATIENCE))
		fail_msg("no asynchronous event within %d ms", PATIENCE);
	assert_int_equal(event.event_type, type);
	return event;
}

int count_events(struct ibv_context *ctx, enum ibv_event_type type, int ms)
{
	struct ibv_async_event event;
	int n = 0;

	while (next_event(ctx, &event, ms))
		n += event.event_type == type;
	return n;
}
