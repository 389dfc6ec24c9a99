// SPDX-License-Identifier: GPL-2.0
/* Ways: wire */
/* CI: debug */
/*
 * Reordered packets.
 *
 * The NAK that ends a connection arrives before the READ responses that were sent before it. This happens
 * with two CPUs: packets of one queue pair that are sent on different CPUs may be reordered. The requester
 * dropped that NAK, and its sender sends nothing further.
 *
 * Packets that arrive early are kept: when the missing packets arrive, nothing has to be retransmitted. Found
 * by "retry" and "order" on slow kernels, where each gap caused the rest of a message to be retransmitted.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/wire.h"

#define LEN (8 * PAGE)

struct rig {
	struct pair pair;
	struct buf local, remote;
	uint64_t timeouts;
};

/* The opcode is behind 20 + 8 bytes; READ responses of several packets have 0x0d to 0x0f. */
#define RESPONSES "match u8 0x0c 0xfc at 28"
#define READ_FIRST "match u8 0x0d 0xff at 28"
#define READ_MIDDLE "match u8 0x0e 0xff at 28"
#define WRITE_BUT_LAST "match u8 0x06 0xfe at 28"

static void rig_connect(struct rig *rig, int retry_cnt)
{
	struct rc rc = rc_default();

	need_wire();
	rc.timeout = options.slow > 1 ? 18 : 16;	/* 1.07 s or 268 ms: longer than the delay */
	rc.retry_cnt = retry_cnt;
	pair_open(&rig->pair, &rc);
	rig->local = buf_anon(rig->pair.a.pd, 2 * LEN, ALL_ACCESS);
}

static void rig_open(struct rig *rig)
{
	rig_connect(rig, rc_default().retry_cnt);
	wire_delay_from_peer(RESPONSES, "20ms");
}

static void post(struct rig *rig, enum ibv_wr_opcode opcode, uint64_t wr_id, size_t local,
		 uint32_t rkey)
{
	post_rdma(&rig->pair.a, wr_id, opcode, sge(&rig->local, local, LEN), (uintptr_t)rig->remote.p, rkey);
}

/* The earlier READ completes, then the error arrives. */
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

/* The NAK belongs to the READ itself: half of its memory does not exist. */
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

/* The responses never arrive, but the reason does. */
static void test_responses_lost(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	need_odp(rig.pair.a.ctx);
	rig.remote = buf_memfd(rig.pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	assert_int_equal(munmap(rig.remote.p + LEN / 2, LEN / 2), 0);
	wire_delay_from_peer(RESPONSES, "1ms loss 100%");
	post(&rig, IBV_WR_RDMA_READ, 1, 0, rig.remote.mr->rkey);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_REM_ACCESS_ERR);
	expect_state(rig.pair.a.qp, IBV_QPS_ERR);
}

static uint64_t timeouts(void)
{
	return port_counter(options.device, "timeout_retry_err") +
	       port_counter(options.peer, "timeout_retry_err");
}

/*
 * Packets of one kind are late. There is one retry for the packets that seem lost, and no time for a timeout.
 */
static void rig_late(struct rig *rig, const char *which)
{
	rig_connect(rig, 1);
	rig->remote = buf_anon(rig->pair.b.pd, LEN, ALL_ACCESS);
	pattern_fill(rig->remote.p, LEN, 0, 8);
	rig->timeouts = timeouts();
	wire_delay_from_peer(which, "20ms");
}

static void test_late_response(const char *which)
{
	struct rig rig;

	rig_late(&rig, which);
	post(&rig, IBV_WR_RDMA_READ, 1, 0, rig.remote.mr->rkey);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
	pattern_check(rig.local.p, LEN, 0, 8, "read");
	assert_int_equal(timeouts(), rig.timeouts);
}

static void test_first_response_late(void **state)
{
	(void)state;
	test_late_response(READ_FIRST);
}

static void test_middle_responses_late(void **state)
{
	(void)state;
	test_late_response(READ_MIDDLE);
}

static void test_requests_late(void **state)
{
	struct rig rig;

	(void)state;
	rig_late(&rig, WRITE_BUT_LAST);
	post_rdma(&rig.pair.b, 1, IBV_WR_RDMA_WRITE, sge(&rig.remote, 0, LEN), (uintptr_t)rig.local.p,
		  rig.local.mr->rkey);
	expect_wc(rig.pair.b.scq, 1, IBV_WC_SUCCESS);
	pattern_check(rig.local.p, LEN, 0, 8, "written");
	assert_int_equal(timeouts(), rig.timeouts);
}

/*
 * The responses of two READs and of the requests between them all arrive before the missing packet of the
 * first READ.
 */
static void test_later_answers_kept(void **state)
{
	struct rig rig;

	(void)state;
	rig_late(&rig, READ_FIRST);
	pattern_fill(rig.local.p, LEN, 0, 9);
	post(&rig, IBV_WR_RDMA_READ, 1, LEN, rig.remote.mr->rkey);
	post(&rig, IBV_WR_RDMA_WRITE, 2, 0, rig.remote.mr->rkey);
	post(&rig, IBV_WR_RDMA_READ, 3, LEN, rig.remote.mr->rkey);
	post(&rig, IBV_WR_RDMA_WRITE, 4, 0, rig.remote.mr->rkey);
	for (int i = 1; i <= 4; i++)
		expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
	pattern_check(rig.local.p + LEN, LEN, 0, 9, "read again");
	assert_int_equal(timeouts(), rig.timeouts);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_first_response_late),
	cmocka_unit_test(test_middle_responses_late),
	cmocka_unit_test(test_requests_late),
	cmocka_unit_test(test_later_answers_kept),
	cmocka_unit_test(test_later_request),
	cmocka_unit_test(test_same_request),
	cmocka_unit_test(test_responses_lost),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("overtake", tests, ARRAY_SIZE(tests));
}
