// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * A link on a slow network: messages of unreliable queue pairs wait in the network's queue. Each queue pair
 * may queue only its own share, and a sender on another link does not wait.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "lib/mem.h"
#include "lib/slowlink.h"
#include "lib/test.h"

#define QUEUED_MOST (768 * 1024)	/* of one queue pair, at most */

struct flood {
	enum ibv_qp_type type;
	atomic_bool full;
};

static void flood_slow(void *arg)
{
	struct flood *flood = arg;
	struct sender slow;

	sender_open(&slow, flood->type, SLOW_LINK, SLOW_ADDRESS);
	sender_run(&slow, 500 * options.slow);
	flood->full = true;
	sender_run(&slow, PATIENCE);
}

static void test_own_account(void **state)
{
	struct flood *flood = map_shared(sizeof(*flood));
	struct sender fast;
	int alone, beside;
	long queued;

	flood->type = *(const enum ibv_qp_type *)*state;
	slowlink_make();
	sender_open(&fast, flood->type, FAST_LINK, FAST_ADDRESS);
	alone = sender_run(&fast, 500 * options.slow);
	child_start(flood_slow, flood);
	for (uint64_t end = now_ms() + PATIENCE; !flood->full && now_ms() < end;)
		sleep_ms(10);
	assert_true(flood->full);
	beside = sender_run(&fast, 500 * options.slow);
	queued = slowlink_queued();
	print_message("  %d messages alone, %d beside a link with %ld KiB in its queue\n", alone, beside,
		      queued / 1024);
	/* The flood has filled its share. */
	assert_true(queued > QUEUED_MOST / 4);
	assert_true(queued < QUEUED_MOST);
	/* Two busy senders may have to share one CPU. */
	assert_true(beside > alone / 5);
}

int main(int argc, char **argv)
{
	static const enum ibv_qp_type types[] = { IBV_QPT_UD, IBV_QPT_UC };
	struct CMUnitTest tests[] = {
		{ .name = "UD", .test_func = test_own_account, .initial_state = (void *)&types[0] },
		{ .name = "UC", .test_func = test_own_account, .initial_state = (void *)&types[1] },
	};

	parse_options(argc, argv);
	return run_group("slowlink", tests, ARRAY_SIZE(tests));
}
