// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/* The queue pair's state machine: what is allowed, what is refused, what each state does. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/async.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

static const char *const state_names[] = { "RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR" };

/* The queue pairs of one device, and what they need to reach each other. */
struct rig {
	struct rc rc;
	struct end end;
	struct ibv_qp *qp;
};

static void rig_open(struct rig *rig)
{
	rig->rc = rc_default();
	end_open(&rig->end, options.device, &rig->rc);
	rig->qp = end_qp(&rig->end, &rig->rc);
}

/* All attributes that any transition takes. */
static struct ibv_qp_attr step_attr(const struct rig *rig, enum ibv_qp_state state)
{
	return (struct ibv_qp_attr){
		.qp_state = state,
		.port_num = 1,
		.qp_access_flags = ALL_ACCESS,
		.path_mtu = IBV_MTU_1024,
		.dest_qp_num = rig->qp->qp_num,
		.max_dest_rd_atomic = 4, .max_rd_atomic = 4,
		.min_rnr_timer = 1, .timeout = 14, .retry_cnt = 7, .rnr_retry = 7,
		.ah_attr = {
			.is_global = 1, .port_num = 1,
			.grh = { .dgid = rig->end.gid, .sgid_index = rig->end.gid_index,
				 .hop_limit = 8 },
		},
	};
}

/* The attributes that the transition to each state needs. */
static const int step_masks[IBV_QPS_ERR + 1] = {
	[IBV_QPS_INIT] = IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS,
	[IBV_QPS_RTR] = IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
			IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER,
	[IBV_QPS_RTS] = IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
			IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC,
};

/* Returns 0 or an errno. RTS from RTS or SQD takes none of the connection's attributes. */
static int step(struct rig *rig, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = step_attr(rig, state);
	enum ibv_qp_state now = qp_state(rig->qp);
	bool again = state == IBV_QPS_RTS && (now == IBV_QPS_RTS || now == IBV_QPS_SQD);

	return ibv_modify_qp(rig->qp, &attr, IBV_QP_STATE | (again ? 0 : step_masks[state]));
}

static const enum ibv_qp_state way[] = { IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QPS_SQD };

/* Brings a new queue pair to @state by the shortest path. */
static void walk_to(struct rig *rig, enum ibv_qp_state state)
{
	bool error = state == IBV_QPS_ERR;

	assert_int_equal(step(rig, IBV_QPS_RESET), 0);
	for (size_t i = 0; qp_state(rig->qp) != (error ? IBV_QPS_INIT : state); i++) {
		assert_true(i < ARRAY_SIZE(way));
		assert_int_equal(step(rig, way[i]), 0);
	}
	if (error)
		assert_int_equal(step(rig, IBV_QPS_ERR), 0);
}

/* Rows: from; columns: to: RESET INIT RTR RTS SQD SQE ERR */
static const bool allowed[IBV_QPS_ERR + 1][IBV_QPS_ERR + 1] = {
	[IBV_QPS_RESET] = { 1, 1, 0, 0, 0, 0, 0 },
	[IBV_QPS_INIT]	= { 1, 1, 1, 0, 0, 0, 1 },
	[IBV_QPS_RTR]	= { 1, 0, 0, 1, 0, 0, 1 },
	[IBV_QPS_RTS]	= { 1, 0, 0, 1, 1, 0, 1 },
	[IBV_QPS_SQD]	= { 1, 0, 0, 1, 1, 0, 1 },
	[IBV_QPS_ERR]	= { 1, 0, 0, 0, 0, 0, 1 },
};

static void test_transitions(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	for (int from = IBV_QPS_RESET; from <= IBV_QPS_ERR; from++) {
		for (int to = IBV_QPS_RESET; to <= IBV_QPS_ERR; to++) {
			int want = allowed[from][to] ? 0 : EINVAL, got;

			if (from == IBV_QPS_SQE || to == IBV_QPS_SQE)
				continue;
			walk_to(&rig, from);
			got = step(&rig, to);
			if (got != want)
				fail_msg("%s to %s: %s, not %s", state_names[from], state_names[to],
					 strerror(got), strerror(want));
			assert_int_equal(qp_state(rig.qp), want ? from : to);
		}
	}
}

/* A needed attribute is missing, or a forbidden one is set. */
static void test_wrong_masks(void **state)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT, .port_num = 1, .retry_cnt = 7 };
	const int needed = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;
	struct rig rig;

	(void)state;
	rig_open(&rig);
	assert_int_equal(ibv_modify_qp(rig.qp, &attr, needed & ~IBV_QP_PORT), EINVAL);
	assert_int_equal(ibv_modify_qp(rig.qp, &attr, needed | IBV_QP_RETRY_CNT), EINVAL);
	attr.port_num = 2;
	assert_int_not_equal(ibv_modify_qp(rig.qp, &attr, needed), 0);
	attr.port_num = 1;
	assert_int_equal(ibv_modify_qp(rig.qp, &attr, needed), 0);
}

/* A transition with an attribute value that does not exist. */
struct bad_value {
	const char *name;
	enum ibv_qp_state state;
	size_t offset;
	uint8_t value;
};

static const struct bad_value bad_values[] = {
	{ "more READs than the device has", IBV_QPS_RTS, offsetof(struct ibv_qp_attr, max_rd_atomic), 255 },
	{ "a timeout with 6 bits", IBV_QPS_RTS, offsetof(struct ibv_qp_attr, timeout), 32 },
	{ "an MTU beyond the port's", IBV_QPS_RTR, offsetof(struct ibv_qp_attr, path_mtu), 7 },
};

static void test_bad_values(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	for (size_t i = 0; i < ARRAY_SIZE(bad_values); i++) {
		const struct bad_value *bad = &bad_values[i];
		struct ibv_qp_attr attr = step_attr(&rig, bad->state);

		walk_to(&rig, bad->state - 1);
		((uint8_t *)&attr)[bad->offset] = bad->value;
		if (!ibv_modify_qp(rig.qp, &attr, IBV_QP_STATE | step_masks[bad->state]))
			fail_msg("%s was accepted", bad->name);
		assert_int_equal(qp_state(rig.qp), bad->state - 1);
	}
}

/* ibv_query_qp() returns the attributes that were set. */
static void test_query(void **state)
{
	struct rc rc = rc_default();
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;
	struct pair pair;

	(void)state;
	rc.mtu = IBV_MTU_2048;
	rc.timeout = 13;
	rc.retry_cnt = 3;
	rc.rnr_retry = 5;
	rc.min_rnr_timer = 17;
	rc.rd_atomic = 8;
	rc.access = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
	pair_open(&pair, &rc);
	assert_int_equal(ibv_query_qp(pair.a.qp, &attr, IBV_QP_DEST_QPN * 2 - 1, &init), 0);
	assert_int_equal(attr.qp_state, IBV_QPS_RTS);
	assert_int_equal(attr.path_mtu, rc.mtu);
	assert_int_equal(attr.timeout, rc.timeout);
	assert_int_equal(attr.retry_cnt, rc.retry_cnt);
	assert_int_equal(attr.rnr_retry, rc.rnr_retry);
	assert_int_equal(attr.min_rnr_timer, rc.min_rnr_timer);
	assert_int_equal(attr.max_rd_atomic, rc.rd_atomic);
	assert_int_equal(attr.max_dest_rd_atomic, rc.rd_atomic);
	assert_int_equal(attr.qp_access_flags & ALL_REMOTE, rc.access);
	assert_int_equal(attr.dest_qp_num, pair.b.qp->qp_num);
	assert_int_equal(attr.rq_psn, rc.psn);
	assert_int_equal(attr.port_num, 1);
	assert_int_equal(attr.ah_attr.is_global, 1);
	assert_int_equal(attr.ah_attr.grh.sgid_index, pair.a.gid_index);
	assert_memory_equal(attr.ah_attr.grh.dgid.raw, pair.b.gid.raw, sizeof(pair.b.gid.raw));
	assert_true(init.cap.max_send_wr >= rc.send_wr && init.cap.max_recv_wr >= rc.recv_wr);
	assert_true(init.cap.max_send_sge >= rc.sge && init.cap.max_recv_sge >= rc.sge);
	assert_true(init.cap.max_inline_data >= rc.inline_data);
}

/* The PSNs are the current ones of the connection. */
static void test_query_psn(void **state)
{
	struct rc rc = rc_default();
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr a, b;
	struct buf from, to;
	struct pair pair;
	struct ibv_sge list;
	struct ibv_send_wr wr = { .wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .num_sge = 1 };

	(void)state;
	pair_open(&pair, &rc);
	from = buf_anon(pair.a.pd, 5 * PAGE, ALL_ACCESS);
	to = buf_anon(pair.b.pd, 5 * PAGE, ALL_ACCESS);
	list = sge(&from, 0, from.len);
	wr.sg_list = &list;
	wr.wr.rdma.remote_addr = (uintptr_t)to.p;
	wr.wr.rdma.rkey = to.mr->rkey;
	for (uint32_t i = 1; i <= 3; i++) {
		uint32_t psn = (rc.psn + i * from.len / mtu_bytes(rc.mtu)) & 0xffffff;

		post_send(&pair.a, &wr);
		expect_wc(pair.a.scq, 1, IBV_WC_SUCCESS);
		assert_int_equal(ibv_query_qp(pair.a.qp, &a, IBV_QP_SQ_PSN | IBV_QP_RQ_PSN, &init), 0);
		assert_int_equal(ibv_query_qp(pair.b.qp, &b, IBV_QP_SQ_PSN | IBV_QP_RQ_PSN, &init), 0);
		assert_int_equal(a.sq_psn, psn);
		assert_int_equal(b.rq_psn, psn);
		assert_int_equal(a.rq_psn, rc.psn);
		assert_int_equal(b.sq_psn, rc.psn);
	}
	qp_to(pair.a.qp, IBV_QPS_RESET);
	assert_int_equal(ibv_query_qp(pair.a.qp, &a, IBV_QP_SQ_PSN | IBV_QP_RQ_PSN, &init), 0);
	assert_int_equal(a.sq_psn, 0);
	assert_int_equal(a.rq_psn, 0);
}

#define N 5

static void post_numbered(struct end *end, bool send, uint64_t first)
{
	for (int i = 0; i < N; i++) {
		struct ibv_send_wr wr = { .wr_id = first + i, .opcode = IBV_WR_SEND };

		if (send)
			post_send(end, &wr);
		else
			post_recv(end, first + i, NULL, 0);
	}
}

static void expect_numbered(struct ibv_cq *cq, uint64_t first, enum ibv_wc_status status)
{
	for (int i = 0; i < N; i++)
		expect_wc(cq, first + i, status);
}

/* Receive requests may be posted in INIT already; ERR flushes them in order. */
static void test_flush(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	for (int from = IBV_QPS_INIT; from <= IBV_QPS_SQD; from++) {
		walk_to(&rig, from);
		rig.end.qp = rig.qp;
		post_numbered(&rig.end, false, 100);
		expect_quiet(rig.end.rcq, 5);
		assert_int_equal(step(&rig, IBV_QPS_ERR), 0);
		expect_numbered(rig.end.rcq, 100, IBV_WC_WR_FLUSH_ERR);
		post_numbered(&rig.end, false, 200);
		post_numbered(&rig.end, true, 300);
		expect_numbered(rig.end.rcq, 200, IBV_WC_WR_FLUSH_ERR);
		expect_numbered(rig.end.scq, 300, IBV_WC_WR_FLUSH_ERR);
	}
}

/* No doorbell announces a receive request: the driver has to look for them itself. */
static void test_flush_without_doorbell(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	post_numbered(&pair.a, false, 100);
	qp_to(pair.a.qp, IBV_QPS_ERR);
	expect_numbered(pair.a.rcq, 100, IBV_WC_WR_FLUSH_ERR);
	for (int i = 1; i <= 5; i++) {
		sleep_ms(i * i * 10);
		post_numbered(&pair.a, false, i * 100);
		expect_numbered(pair.a.rcq, i * 100, IBV_WC_WR_FLUSH_ERR);
	}
	/* RESET clears the error state: nothing flushes the next requests. */
	pair_connect(&pair);
	post_numbered(&pair.a, false, 600);
	expect_quiet(pair.a.rcq, 50);
}

/* RESET discards the posted requests, without completions. */
static void test_reset_discards_requests(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	post_numbered(&pair.b, false, 100);
	qp_to(pair.b.qp, IBV_QPS_RESET);
	pair_connect(&pair);
	post_numbered(&pair.b, false, 200);
	post_numbered(&pair.a, true, 300);
	expect_numbered(pair.b.rcq, 200, IBV_WC_SUCCESS);
	expect_numbered(pair.a.scq, 300, IBV_WC_SUCCESS);
	expect_quiet(pair.b.rcq, 5);
}

/* SQD completes the requests under way and begins no others; RTS continues with the posted ones. */
static void test_drain(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	for (int round = 0; round < 3; round++) {
		post_numbered(&pair.b, false, 100);
		post_numbered(&pair.b, false, 100 + N);
		post_numbered(&pair.a, true, 200);
		expect_numbered(pair.a.scq, 200, IBV_WC_SUCCESS);
		qp_to(pair.a.qp, IBV_QPS_SQD);
		post_numbered(&pair.a, true, 200 + N);
		expect_quiet(pair.a.scq, 50);
		assert_int_equal(qp_state(pair.a.qp), IBV_QPS_SQD);
		qp_to(pair.a.qp, IBV_QPS_RTS);
		expect_numbered(pair.a.scq, 200 + N, IBV_WC_SUCCESS);
		expect_numbered(pair.b.rcq, 100, IBV_WC_SUCCESS);
		expect_numbered(pair.b.rcq, 100 + N, IBV_WC_SUCCESS);
	}
}

/* A queue pair in SQD still executes the requests of its peer. */
static void test_drained_receives(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	qp_to(pair.b.qp, IBV_QPS_SQD);
	post_numbered(&pair.b, false, 100);
	post_numbered(&pair.a, true, 200);
	expect_numbered(pair.b.rcq, 100, IBV_WC_SUCCESS);
	expect_numbered(pair.a.scq, 200, IBV_WC_SUCCESS);
}

static void test_drained_event(void **state)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_SQD, .en_sqd_async_notify = 1 };
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	assert_int_equal(ibv_modify_qp(pair.a.qp, &attr,
				       IBV_QP_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY), 0);
	expect_event(pair.a.ctx, IBV_EVENT_SQ_DRAINED);
}

/* A connection whose b end is only in RTR. */
static void half_open(struct pair *pair)
{
	struct rc rc = rc_default();

	pair_open(pair, &rc);
	qp_to(pair->a.qp, IBV_QPS_RESET);
	qp_to(pair->b.qp, IBV_QPS_RESET);
	qp_init(pair->a.qp, &rc);
	qp_init(pair->b.qp, &rc);
	qp_rtr(pair->a.qp, &pair->a, &rc, &pair->b.gid, pair->b.qp->qp_num);
	qp_rtr(pair->b.qp, &pair->b, &rc, &pair->a.gid, pair->a.qp->qp_num);
	qp_rts(pair->a.qp, &rc);
}

/* A responder in RTR receives before its own side can send. */
static void test_receives_in_rtr(void **state)
{
	struct pair pair;

	(void)state;
	half_open(&pair);
	post_numbered(&pair.b, false, 100);
	post_numbered(&pair.a, true, 200);
	expect_numbered(pair.b.rcq, 100, IBV_WC_SUCCESS);
	expect_numbered(pair.a.scq, 200, IBV_WC_SUCCESS);
	qp_rts(pair.b.qp, &pair.rc);
	post_numbered(&pair.a, false, 300);
	post_numbered(&pair.b, true, 400);
	expect_numbered(pair.a.rcq, 300, IBV_WC_SUCCESS);
}

static void test_established_event(void **state)
{
	struct pair pair;

	(void)state;
	half_open(&pair);
	post_numbered(&pair.b, false, 100);
	post_numbered(&pair.a, true, 200);
	expect_event(pair.b.ctx, IBV_EVENT_COMM_EST);
}

static void move_data(struct pair *pair, struct buf *from, struct buf *to, uint64_t seed)
{
	pattern_fill(from->p, from->len, 0, seed);
	pair_rdma(pair, IBV_WR_RDMA_WRITE, sge(from, 0, from->len), (uintptr_t)to->p, to->mr->rkey,
		  IBV_WC_SUCCESS);
	pattern_check(to->p, to->len, 0, seed, "the target");
}

/* From ERR through RESET the same queue pair works again, any number of times. */
static void test_recovery(void **state)
{
	struct rc rc = rc_default();
	struct buf from, to;
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	from = buf_anon(pair.a.pd, 5 * PAGE, ALL_ACCESS);
	to = buf_anon(pair.b.pd, 5 * PAGE, ALL_ACCESS);
	for (uint64_t round = 1; round < 20; round++) {
		struct ibv_send_wr bad = { .wr_id = 500, .opcode = IBV_WR_RDMA_WRITE };
		struct ibv_sge list = sge(&from, 0, 8);

		move_data(&pair, &from, &to, round);
		bad.sg_list = &list;
		bad.num_sge = 1;
		bad.wr.rdma.rkey = 0xbad;
		post_send(&pair.a, &bad);
		expect_wc(pair.a.scq, 500, IBV_WC_REM_ACCESS_ERR);
		expect_state(pair.b.qp, IBV_QPS_ERR);
		pair_connect(&pair);
	}
}

/* An object in use cannot be destroyed. */
static void test_in_use(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	undo_refused(pair.a.scq, EBUSY);
	undo_refused(pair.a.rcq, EBUSY);
	undo_refused(pair.a.pd, EBUSY);
	undo(pair.a.qp);
	buf_anon(pair.a.pd, PAGE, ALL_ACCESS);
	undo_refused(pair.a.pd, EBUSY);
}

static void test_violation_event(void **state)
{
	struct ibv_send_wr bad = { .wr_id = 1, .opcode = IBV_WR_RDMA_WRITE };
	struct rc rc = rc_default();
	struct ibv_sge list;
	struct pair pair;
	struct buf from;

	(void)state;
	pair_open(&pair, &rc);
	from = buf_anon(pair.a.pd, PAGE, ALL_ACCESS);
	list = sge(&from, 0, 8);
	bad.sg_list = &list;
	bad.num_sge = 1;
	bad.wr.rdma.rkey = 0xbad;
	post_send(&pair.a, &bad);
	expect_wc(pair.a.scq, 1, IBV_WC_REM_ACCESS_ERR);
	expect_event(pair.b.ctx, IBV_EVENT_QP_ACCESS_ERR);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_transitions),
	cmocka_unit_test(test_wrong_masks),
	cmocka_unit_test(test_bad_values),
	cmocka_unit_test(test_query),
	cmocka_unit_test(test_query_psn),
	cmocka_unit_test(test_flush),
	cmocka_unit_test(test_flush_without_doorbell),
	cmocka_unit_test(test_reset_discards_requests),
	cmocka_unit_test(test_drain),
	cmocka_unit_test(test_drained_receives),
	cmocka_unit_test(test_drained_event),
	cmocka_unit_test(test_receives_in_rtr),
	cmocka_unit_test(test_established_event),
	cmocka_unit_test(test_recovery),
	cmocka_unit_test(test_violation_event),
	cmocka_unit_test(test_in_use),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("state", tests, ARRAY_SIZE(tests));
}
