// SPDX-License-Identifier: GPL-2.0
/*
 * The NAK that ends a connection arrives before the READ responses that were sent before it. Found
 * on two processors, where packets of one queue pair sent on different ones pass each other: the
 * NAK was thrown away, and its sender has nothing more to say.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/wire.h"

#define LEN (8 * PAGE)

struct rig {
	struct pair pair;
	struct buf local, remote;
};

/* READ responses of more than one packet have opcodes 0x0d to 0x0f, behind 20 + 8 bytes. */
static void rig_open(struct rig *rig)
{
	struct rc rc = rc_default();

	need_wire();
	rc.timeout = 16;	/* 268 ms: longer than the delay */
	pair_open(&rig->pair, &rc);
	rig->local = buf_anon(rig->pair.a.pd, 2 * LEN, ALL_ACCESS);
	wire_delay_from_peer("match u8 0x0c 0xfc at 28", "20ms");
}

static void post(struct rig *rig, enum ibv_wr_opcode opcode, uint64_t wr_id, size_t local,
		 uint32_t rkey)
{
	struct ibv_sge list = sge(&rig->local, local, LEN);
	struct ibv_send_wr wr = {
		.wr_id = wr_id, .opcode = opcode, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { .remote_addr = (uintptr_t)rig->remote.p, .rkey = rkey },
	};

	post_send(&rig->pair.a, &wr);
}

/* What is read before is read, then comes the error. */
static void test_later_request(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	rig.remote = buf_anon(rig.pair.b.pd, LEN, ALL_ACCESS);
	pattern_fill(rig.remote.p, LEN, 0, 7);
	post(&rig, IBV_WR_RDMA_READ, 1, 0, rig.remote.mr->rkey);
	post(&rig, IBV_WR_RDMA_WRITE, 2, LEN, rig.remote.mr->rkey ^ 1);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
	pattern_check(rig.local.p, LEN, 0, 7, "read");
	expect_wc(rig.pair.a.scq, 2, IBV_WC_REM_ACCESS_ERR);
	expect_state(rig.pair.a.qp, IBV_QPS_ERR);
}

/* The NAK belongs to the READ itself: half of its memory is not there. */
static void test_same_request(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	need_odp(rig.pair.a.ctx);
	rig.remote = buf_memfd(rig.pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	pattern_fill(rig.remote.p, LEN, 0, 7);
	assert_int_equal(munmap(rig.remote.p + LEN / 2, LEN / 2), 0);
	post(&rig, IBV_WR_RDMA_READ, 1, 0, rig.remote.mr->rkey);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_REM_ACCESS_ERR);
	expect_state(rig.pair.a.qp, IBV_QPS_ERR);
}

/* The responses never come, but why they cannot is known. */
static void test_responses_lost(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	need_odp(rig.pair.a.ctx);
	rig.remote = buf_memfd(rig.pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	assert_int_equal(munmap(rig.remote.p + LEN / 2, LEN / 2), 0);
	wire_delay_from_peer("match u8 0x0c 0xfc at 28", "1ms loss 100%");
	post(&rig, IBV_WR_RDMA_READ, 1, 0, rig.remote.mr->rkey);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_REM_ACCESS_ERR);
	expect_state(rig.pair.a.qp, IBV_QPS_ERR);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_later_request),
	cmocka_unit_test(test_same_request),
	cmocka_unit_test(test_responses_lost),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("overtake", tests, ARRAY_SIZE(tests));
}
