// SPDX-License-Identifier: GPL-2.0
/* Ways: wire */
/* CI: debug */
/* A wire that is cut: how long the sender retries, which error it reports, and that it recovers. */
#include <stdio.h>

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/wire.h"

#define LEN (20 * 1024)
#define CUT "loss 100%"
#define TIMEOUT 14		/* 67.1 ms */
#define TIMEOUT_MS 67
/* Cutting and repairing the wire takes four processes: seconds on a slow machine. */
#define LONG_TIMEOUT 17		/* 537 ms */
#define LONG_TIMEOUT_MS 537

struct rig {
	struct pair pair;
	struct buf a, b;
};

static void rig_open(struct rig *rig, int timeout, int retry_cnt)
{
	struct rc rc = rc_default();

	need_wire();
	rc.timeout = timeout;
	rc.retry_cnt = retry_cnt;
	pair_open(&rig->pair, &rc);
	rig->a = buf_anon(rig->pair.a.pd, LEN, ALL_ACCESS);
	rig->b = buf_anon(rig->pair.b.pd, LEN, ALL_ACCESS);
}

static void post(struct rig *rig, enum ibv_wr_opcode opcode, uint64_t wr_id)
{
	bool atomic = opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
	struct ibv_sge list = sge(&rig->a, 0, atomic ? 8 : LEN);
	struct ibv_send_wr wr = {
		.wr_id = wr_id, .opcode = opcode, .sg_list = &list, .num_sge = 1,
	};

	if (atomic) {
		wr.wr.atomic.remote_addr = (uintptr_t)rig->b.p;
		wr.wr.atomic.rkey = rig->b.mr->rkey;
		wr.wr.atomic.compare_add = 1;
	} else {
		wr.wr.rdma.remote_addr = (uintptr_t)rig->b.p;
		wr.wr.rdma.rkey = rig->b.mr->rkey;
	}
	post_send(&rig->pair.a, &wr);
}

/*
 * The timer expires between one and four times the timeout, once more than there are retries. Load on the
 * machine may make it later, but nothing may make it earlier.
 */
static void test_exhausted(void **state)
{
	static const int retries[] = { 0, 1, 3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(retries); i++) {
		uint64_t least = (retries[i] + 1) * TIMEOUT_MS, start, took;
		struct rig rig;

		rig_open(&rig, TIMEOUT, retries[i]);
		wire_impair(CUT);
		start = now_ms();
		post(&rig, IBV_WR_RDMA_WRITE, 1);
		post(&rig, IBV_WR_RDMA_READ, 2);
		expect_wc(rig.pair.a.scq, 1, IBV_WC_RETRY_EXC_ERR);
		took = now_ms() - start;
		expect_wc(rig.pair.a.scq, 2, IBV_WC_WR_FLUSH_ERR);
		expect_state(rig.pair.a.qp, IBV_QPS_ERR);
		wire_repair();
		if (took < least * 9 / 10 || took > 4 * least + 2000)
			fail_msg("%d retries: gave up after %d ms, not %d to %d", retries[i],
				 (int)took, (int)least, (int)(4 * least));
	}
}

/*
 * A gap causes a NAK, and one retry, however often the NAK arrives. Nothing is lost here, so one retry is
 * enough. Found by "order" on a slow kernel, where a request ran out of its seven retries.
 */
static void test_doubled_nak(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, LONG_TIMEOUT, 1);
	wire_impair("delay 2ms reorder 25% duplicate 100% limit 10000");
	for (unsigned int i = 0; i < 30; i++) {
		pattern_fill(rig.a.p, LEN, 0, i);
		post(&rig, IBV_WR_RDMA_WRITE, i);
		expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
		pattern_check(rig.b.p, LEN, 0, i, "written");
	}
	assert_true(port_counter(options.device, "rcvd_seq_err") > 0);
}

static const enum ibv_wr_opcode opcodes[] = {
	IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_ATOMIC_FETCH_AND_ADD,
};

/* The wire is cut for less time than the sender retries. */
static void test_wire_repaired_in_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		bool write = opcodes[i] == IBV_WR_RDMA_WRITE;
		struct rig rig;

		rig_open(&rig, LONG_TIMEOUT, 7);
		pattern_fill(rig.a.p, LEN, 0, 1);
		pattern_fill(rig.b.p, LEN, 0, 2);
		wire_impair(CUT);
		post(&rig, opcodes[i], 1);
		expect_quiet(rig.pair.a.scq, LONG_TIMEOUT_MS + 100);
		wire_repair();
		expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
		if (opcodes[i] != IBV_WR_ATOMIC_FETCH_AND_ADD)
			pattern_check(write ? rig.b.p : rig.a.p, LEN, 0, write ? 1 : 2, "moved");
	}
}

static struct ibv_mw *window_alloc(struct rig *rig)
{
	struct ibv_mw *mw = ibv_alloc_mw(rig->pair.a.pd, IBV_MW_TYPE_2);

	assert_non_null(mw);
	defer((undo_fn)ibv_dealloc_mw, mw);
	return mw;
}

/* A request that is executed locally is executed once, whatever before it has to be retransmitted. */
static void test_local_request_executed_once(void **state)
{
	struct ibv_send_wr bind = { .wr_id = 2, .opcode = IBV_WR_BIND_MW };
	struct ibv_send_wr invalidate = { .wr_id = 4, .opcode = IBV_WR_LOCAL_INV };
	/* On a slow kernel it takes seconds to repair the wire. */
	unsigned int longer = options.slow > 1 ? 2 : 0;
	struct ibv_mr *mr;
	struct rig rig;

	(void)state;
	rig_open(&rig, LONG_TIMEOUT - 2 + longer, 7);
	mr = reg(rig.pair.a.pd, rig.a.p, LEN, ALL_ACCESS | IBV_ACCESS_MW_BIND);
	bind.bind_mw.mw = window_alloc(&rig);
	bind.bind_mw.rkey = ibv_inc_rkey(bind.bind_mw.mw->rkey);
	bind.bind_mw.bind_info = (struct ibv_mw_bind_info){
		.mr = mr, .addr = (uintptr_t)rig.a.p, .length = LEN,
		.mw_access_flags = IBV_ACCESS_REMOTE_WRITE,
	};
	invalidate.invalidate_rkey = bind.bind_mw.rkey;

	wire_impair(CUT);
	post(&rig, IBV_WR_RDMA_WRITE, 1);
	post_send(&rig.pair.a, &bind);
	post(&rig, IBV_WR_RDMA_WRITE, 3);
	post_send(&rig.pair.a, &invalidate);
	post(&rig, IBV_WR_RDMA_WRITE, 5);
	expect_quiet(rig.pair.a.scq, LONG_TIMEOUT_MS << longer);
	wire_repair();
	for (int i = 1; i <= 5; i++)
		expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
}

/* The cut falls into the middle of the traffic, again and again. */
static void test_cuts_in_traffic(void **state)
{
	uint64_t *counter;
	struct rig rig;

	(void)state;
	rig_open(&rig, LONG_TIMEOUT - 1, 7);
	counter = (uint64_t *)rig.b.p;
	for (uint64_t i = 0; i < 15; i++) {
		for (int k = 0; k < 8; k++)
			post(&rig, IBV_WR_ATOMIC_FETCH_AND_ADD, 8 * i + k);
		wire_impair(CUT);
		wire_repair();
		for (int k = 0; k < 8; k++)
			expect_wc(rig.pair.a.scq, 8 * i + k, IBV_WC_SUCCESS);
		assert_int_equal(*counter, 8 * i + 8);
	}
}

/* Timeout 0: no timer. The next request, not the timer, reveals what was lost. */
static void test_no_timer(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, 0, 7);
	pattern_fill(rig.a.p, LEN, 0, 5);
	wire_impair(CUT);
	post(&rig, IBV_WR_RDMA_WRITE, 1);
	expect_quiet(rig.pair.a.scq, 500);
	assert_int_equal(qp_state(rig.pair.a.qp), IBV_QPS_RTS);
	wire_repair();
	post(&rig, IBV_WR_RDMA_WRITE, 2);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
	expect_wc(rig.pair.a.scq, 2, IBV_WC_SUCCESS);
	pattern_check(rig.b.p, LEN, 0, 5, "written");
}

/* After the retries are exhausted, the same queue pairs work again once they are reset. */
static void test_works_after_reset(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, 12, 1);
	for (int i = 1; i <= 3; i++) {
		wire_impair(CUT);
		post(&rig, IBV_WR_RDMA_WRITE, 1);
		expect_wc(rig.pair.a.scq, 1, IBV_WC_RETRY_EXC_ERR);
		wire_repair();
		pair_connect(&rig.pair);
		pattern_fill(rig.a.p, LEN, 0, i);
		post(&rig, IBV_WR_RDMA_WRITE, 2);
		expect_wc(rig.pair.a.scq, 2, IBV_WC_SUCCESS);
		pattern_check(rig.b.p, LEN, 0, i, "written");
	}
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_exhausted),
	cmocka_unit_test(test_doubled_nak),
	cmocka_unit_test(test_wire_repaired_in_time),
	cmocka_unit_test(test_local_request_executed_once),
	cmocka_unit_test(test_cuts_in_traffic),
	cmocka_unit_test(test_no_timer),
	cmocka_unit_test(test_works_after_reset),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("retry", tests, ARRAY_SIZE(tests));
}
