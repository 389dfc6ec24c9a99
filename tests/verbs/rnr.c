// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/* A receiver that is not ready: the sender waits for it as long as it was told to. */
#include <stdio.h>

#include "lib/mem.h"
#include "lib/pager.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

#define LEN (5 * 1024)
#define TIMER_10MS 20	/* the IBTA's code for 10.24 ms */

struct rig {
	struct pair pair;
	struct buf a, b;
};

static void rig_open(struct rig *rig, int rnr_retry, int timer)
{
	struct rc rc = rc_default();

	rc.rnr_retry = rnr_retry;
	rc.min_rnr_timer = timer;
	pair_open(&rig->pair, &rc);
	rig->a = buf_anon(rig->pair.a.pd, 2 * LEN, ALL_ACCESS);
	rig->b = buf_anon(rig->pair.b.pd, 2 * LEN, ALL_ACCESS);
}

static void rig_send(struct rig *rig, uint64_t wr_id)
{
	struct ibv_sge list = sge(&rig->a, 0, LEN);
	struct ibv_send_wr wr = {
		.wr_id = wr_id, .opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
	};

	pattern_fill(rig->a.p, LEN, 0, wr_id);
	post_send(&rig->pair.a, &wr);
}

static void rig_receive(struct rig *rig, uint64_t wr_id)
{
	struct ibv_sge list = sge(&rig->b, 0, LEN);

	post_recv(&rig->pair.b, wr_id, &list, 1);
}

static void rig_expect(struct rig *rig, uint64_t wr_id)
{
	expect_wc(rig->pair.b.rcq, wr_id, IBV_WC_SUCCESS);
	expect_wc(rig->pair.a.scq, wr_id, IBV_WC_SUCCESS);
	pattern_check(rig->b.p, LEN, 0, wr_id, "the message");
}

/* rnr_retry 7 means forever. */
static void test_late_receiver(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, 7, 12);	/* 0.64 ms: hundreds of RNR NAKs */
	for (int i = 1; i <= 5; i++) {
		rig_send(&rig, i);
		expect_quiet(rig.pair.a.scq, 20 * i);
		rig_receive(&rig, i);
		rig_expect(&rig, i);
	}
}

/* The first message waits in vain for (retries + 1) RNR NAKs, with the timer between them. */
static void test_patience(void **state)
{
	(void)state;
	for (int retries = 0; retries <= 6; retries += 2) {
		uint64_t start, took;
		struct rig rig;

		rig_open(&rig, retries, TIMER_10MS);
		start = now_ms();
		rig_send(&rig, 1);
		expect_wc(rig.pair.a.scq, 1, IBV_WC_RNR_RETRY_EXC_ERR);
		took = now_ms() - start;
		if (took + 1 < 10u * retries)
			fail_msg("gave up after %d retries and %d ms", retries, (int)took);
	}
}

/* A receiver whose page never arrives is never ready, with or without packets. */
static void page_never_arrives(enum ibv_wr_opcode opcode)
{
	int pager = pager_open();
	struct ibv_sge list;
	struct ibv_send_wr wr = { .wr_id = 1, .opcode = opcode, .sg_list = &list, .num_sge = 1 };
	struct rig rig;
	struct buf late;

	rig_open(&rig, 1, TIMER_10MS);
	late = buf_anon(rig.pair.b.pd, 2 * PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	pager_never(pager, late.p, 2 * PAGE);
	list = sge(&late, 0, LEN);
	post_recv(&rig.pair.b, 1, &list, 1);
	list = sge(&rig.a, 0, LEN);
	wr.wr.rdma.remote_addr = (uintptr_t)late.p;
	wr.wr.rdma.rkey = late.mr->rkey;
	post_send(&rig.pair.a, &wr);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_RNR_RETRY_EXC_ERR);
}

static void test_page_never_arrives(void **state)
{
	(void)state;
	page_never_arrives(IBV_WR_RDMA_WRITE);
	page_never_arrives(IBV_WR_RDMA_READ);
	page_never_arrives(IBV_WR_SEND);
}

/* The retries count for successive RNR NAKs of one message, not for the life of the connection. */
static void test_count_restarts(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, 6, TIMER_10MS);
	for (int i = 1; i <= 10; i++) {
		rig_send(&rig, i);
		sleep_ms(15);
		rig_receive(&rig, i);
		rig_expect(&rig, i);
	}
}

/* A request that needs no receive request passes; a request behind the waiting one does not. */
static void test_order_behind(void **state)
{
	struct ibv_send_wr wr = { .wr_id = 2, .opcode = IBV_WR_RDMA_WRITE };
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	rig_open(&rig, 7, 12);
	rig_send(&rig, 1);
	list = sge(&rig.a, 0, LEN);
	wr.sg_list = &list;
	wr.num_sge = 1;
	wr.wr.rdma.remote_addr = (uintptr_t)rig.b.p + LEN;
	wr.wr.rdma.rkey = rig.b.mr->rkey;
	post_send(&rig.pair.a, &wr);
	expect_quiet(rig.pair.a.scq, 50);
	assert_int_equal(rig.b.p[LEN], 0);
	rig_receive(&rig, 1);
	rig_expect(&rig, 1);
	expect_wc(rig.pair.a.scq, 2, IBV_WC_SUCCESS);
	pattern_check(rig.b.p + LEN, LEN, 0, 1, "the write behind");
}

/* The immediate needs a receive request; the data before it does not. */
static void test_write_imm(void **state)
{
	struct ibv_send_wr wr = {
		.wr_id = 3, .opcode = IBV_WR_RDMA_WRITE_WITH_IMM, .imm_data = 77, .num_sge = 1,
	};
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	rig_open(&rig, 7, 12);
	list = sge(&rig.a, 0, LEN);
	pattern_fill(rig.a.p, LEN, 0, 3);
	wr.sg_list = &list;
	wr.wr.rdma.remote_addr = (uintptr_t)rig.b.p;
	wr.wr.rdma.rkey = rig.b.mr->rkey;
	post_send(&rig.pair.a, &wr);
	expect_quiet(rig.pair.a.scq, 30);
	rig_receive(&rig, 3);
	assert_int_equal(expect_wc(rig.pair.b.rcq, 3, IBV_WC_SUCCESS).imm_data, 77);
	expect_wc(rig.pair.a.scq, 3, IBV_WC_SUCCESS);
	pattern_check(rig.b.p, LEN, 0, 3, "written");
}

/* --- many senders that get RNR NAKs --------------------------------------------- */

#define CROWD 32
#define DEPTH 32
#define SLICE_MS (200 * options.slow)

/* Returns how far this program counts in @ms. */
static uint64_t count_for(unsigned int ms)
{
	uint64_t end = now_ms() + ms, n = 0;

	while (now_ms() < end)
		n++;
	return n;
}

/*
 * A receiver that is not ready for many senders needs time to become ready. Found on a slow kernel, where
 * each sender retransmitted everything in its timer's softirq, and the receiver never ran again.
 */
static void test_time_to_get_ready(void **state)
{
	uint64_t alone, among;
	struct rig rig;

	(void)state;
	rig_open(&rig, 7, 1);	/* 10 us */
	alone = count_for(SLICE_MS);
	for (int i = 0; i < CROWD; i++) {
		if (i) {
			rig.pair.a.qp = end_qp(&rig.pair.a, &rig.pair.rc);
			rig.pair.b.qp = end_qp(&rig.pair.b, &rig.pair.rc);
			pair_connect(&rig.pair);
		}
		for (int n = 0; n < DEPTH; n++)
			rig_send(&rig, n);
	}
	among = count_for(SLICE_MS);
	if (among < alone / 20)
		fail_msg("counted to %lu, without the senders to %lu", among, alone);
	expect_quiet(rig.pair.a.scq, 1);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_late_receiver),
	cmocka_unit_test(test_patience),
	cmocka_unit_test(test_page_never_arrives),
	cmocka_unit_test(test_count_restarts),
	cmocka_unit_test(test_order_behind),
	cmocka_unit_test(test_write_imm),
	cmocka_unit_test(test_time_to_get_ready),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("rnr", tests, ARRAY_SIZE(tests));
}
