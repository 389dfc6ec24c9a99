// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/* A queue pair that is brought from state to state while its peer sends already. */
#include "lib/attack.h"
#include "lib/forge.h"
#include "lib/test.h"

#define OLD_PSN 1000
#define NEW_PSN 2000

struct flood {
	struct attack *attack;
	struct target *target;
};

/* Floods the queue pair with a middle packet of a message, at the PSN that the queue pair expected before. */
static void flood_child(void *arg)
{
	struct flood *flood = arg;
	struct roce roce = plain(flood->target, ROCE_WRITE_MIDDLE);
	struct frame *frames[16];

	roce.psn = OLD_PSN;
	roce.payload = mtu_bytes(flood->target->rc.mtu);
	roce_build(&flood->attack->spare, &flood->target->path, &roce);
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
		frames[i] = &flood->attack->spare;
	for (;;)
		frames_send(flood->attack->link, frames, ARRAY_SIZE(frames));
}

/*
 * A regression: a queue pair on its way to RTR took a packet with the old PSN, answered with a NAK, and was
 * in the error state before its owner could move it to RTS.
 */
static void test_connecting(void **state)
{
	struct attack *attack = attack_open();
	struct flood flood = { .attack = attack, .target = &attack->targets[0] };
	struct target *target = flood.target;
	uint64_t end = now_ms() + 3000;

	(void)state;
	child_start(flood_child, &flood);
	while (now_ms() < end) {
		target->rc.psn = OLD_PSN;
		qp_to(target->end.qp, IBV_QPS_RESET);
		qp_init(target->end.qp, &target->rc);
		qp_rtr(target->end.qp, &target->end, &target->rc, &target->remote, NOBODY);
		connect_target(target, NEW_PSN);
		expect_state(target->end.qp, IBV_QPS_RTS);
	}
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connecting),
	};

	parse_options(argc, argv);
	return run_group("connecting", tests, ARRAY_SIZE(tests));
}
