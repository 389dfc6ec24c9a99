// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/* Completion queues: order, polling of many, events, sizes, overflow. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/async.h"
#include "lib/rc.h"
#include "lib/test.h"

static void post_empty(struct end *end, uint64_t wr_id, unsigned int flags)
{
	struct ibv_send_wr wr = { .wr_id = wr_id, .opcode = IBV_WR_SEND, .send_flags = flags };

	post_send(end, &wr);
}

static void message(struct pair *pair, uint64_t wr_id, unsigned int flags)
{
	post_recv(&pair->b, wr_id, NULL, 0);
	post_empty(&pair->a, wr_id, flags);
}

/* Polls many completions at once: in order, none twice. */
static void test_poll_many(void **state)
{
	struct rc rc = rc_default();
	struct ibv_wc wc[7];
	unsigned int got = 0;
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	for (int i = 0; i < 60; i++)
		message(&pair, i, 0);
	while (got < 60) {
		uint64_t end = now_ms() + PATIENCE;
		int n = 0;

		while (!n && now_ms() < end)
			n = ibv_poll_cq(pair.b.rcq, ARRAY_SIZE(wc), wc);
		assert_true(n > 0 && n <= (int)ARRAY_SIZE(wc));
		for (int i = 0; i < n; i++, got++) {
			assert_int_equal(wc[i].wr_id, got);
			assert_int_equal(wc[i].status, IBV_WC_SUCCESS);
		}
	}
	for (int i = 0; i < 60; i++)
		expect_wc(pair.a.scq, i, IBV_WC_SUCCESS);
	expect_quiet(pair.a.scq, 5);
}

/* Only signaled requests and errors have completions. */
static void test_unsignalled(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	rc.sq_sig_all = false;
	pair_open(&pair, &rc);
	for (int i = 0; i < 30; i++) {
		message(&pair, i, i % 10 == 9 ? IBV_SEND_SIGNALED : 0);
		expect_wc(pair.b.rcq, i, IBV_WC_SUCCESS);
	}
	for (int i = 9; i < 30; i += 10)
		expect_wc(pair.a.scq, i, IBV_WC_SUCCESS);
	expect_quiet(pair.a.scq, 5);
	qp_to(pair.a.qp, IBV_QPS_ERR);
	post_empty(&pair.a, 99, 0);
	expect_wc(pair.a.scq, 99, IBV_WC_WR_FLUSH_ERR);
}

/* Many more work requests than the send queue has slots, so that the ring wraps. */
static void test_queue_wraps(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	rc.send_wr = rc.recv_wr = 5;
	rc.cqe = 6;
	pair_open(&pair, &rc);
	for (int i = 0; i < 300; i++) {
		message(&pair, i, 0);
		expect_wc(pair.b.rcq, i, IBV_WC_SUCCESS);
		expect_wc(pair.a.scq, i, IBV_WC_SUCCESS);
	}
}

static bool event_within(struct end *end, struct ibv_cq *cq, int ms)
{
	struct pollfd fd = { .fd = end->events->fd, .events = POLLIN };
	struct ibv_cq *which;
	void *context;

	if (poll(&fd, 1, ms) != 1)
		return false;
	assert_int_equal(ibv_get_cq_event(end->events, &which, &context), 0);
	assert_ptr_equal(which, cq);
	ibv_ack_cq_events(which, 1);
	return true;
}

/* Each request for notification gives one event, when the next completion comes. */
static void test_events(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	message(&pair, 1, 0);
	expect_wc(pair.b.rcq, 1, IBV_WC_SUCCESS);
	assert_false(event_within(&pair.b, pair.b.rcq, 10));
	for (int i = 2; i < 6; i++) {
		assert_int_equal(ibv_req_notify_cq(pair.b.rcq, 0), 0);
		assert_false(event_within(&pair.b, pair.b.rcq, 10));
		message(&pair, i, 0);
		message(&pair, 10 + i, 0);
		assert_true(event_within(&pair.b, pair.b.rcq, PATIENCE));
		expect_wc(pair.b.rcq, i, IBV_WC_SUCCESS);
		expect_wc(pair.b.rcq, 10 + i, IBV_WC_SUCCESS);
		assert_false(event_within(&pair.b, pair.b.rcq, 10));
	}
}

static void test_solicited_events(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	assert_int_equal(ibv_req_notify_cq(pair.b.rcq, 1), 0);
	message(&pair, 1, 0);
	expect_wc(pair.b.rcq, 1, IBV_WC_SUCCESS);
	assert_false(event_within(&pair.b, pair.b.rcq, 20));
	message(&pair, 2, IBV_SEND_SOLICITED);
	assert_true(event_within(&pair.b, pair.b.rcq, PATIENCE));
	expect_wc(pair.b.rcq, 2, IBV_WC_SUCCESS);

	/* An error counts as solicited. */
	assert_int_equal(ibv_req_notify_cq(pair.b.rcq, 1), 0);
	post_recv(&pair.b, 3, NULL, 0);
	qp_to(pair.b.qp, IBV_QPS_ERR);
	assert_true(event_within(&pair.b, pair.b.rcq, PATIENCE));
	expect_wc(pair.b.rcq, 3, IBV_WC_WR_FLUSH_ERR);
}

/* A resize keeps the completions in the queue, in order, whatever the new size. */
static void test_resize(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	rc.cqe = 50;
	pair_open(&pair, &rc);
	for (int i = 0; i < 40; i++) {
		message(&pair, i, 0);
		expect_wc(pair.a.scq, i, IBV_WC_SUCCESS);
	}
	expect_wc(pair.b.rcq, 0, IBV_WC_SUCCESS);
	assert_int_equal(ibv_resize_cq(pair.b.rcq, 500), 0);
	assert_true(pair.b.rcq->cqe >= 500);
	for (int i = 1; i < 10; i++)
		expect_wc(pair.b.rcq, i, IBV_WC_SUCCESS);
	assert_int_equal(ibv_resize_cq(pair.b.rcq, 45), 0);
	assert_true(pair.b.rcq->cqe >= 45);
	assert_int_equal(ibv_resize_cq(pair.b.rcq, 10), EINVAL);
	for (int i = 10; i < 40; i++)
		expect_wc(pair.b.rcq, i, IBV_WC_SUCCESS);
	expect_quiet(pair.b.rcq, 5);
	message(&pair, 77, 0);
	expect_wc(pair.b.rcq, 77, IBV_WC_SUCCESS);
}

static void test_bad_sizes(void **state)
{
	struct ibv_device_attr attr;
	struct rc rc = rc_default();
	struct end end;

	(void)state;
	end_open(&end, options.device, &rc);
	assert_int_equal(ibv_query_device(end.ctx, &attr), 0);
	assert_null(ibv_create_cq(end.ctx, attr.max_cqe + 1, NULL, NULL, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(ibv_create_cq(end.ctx, 0, NULL, NULL, 0));
	assert_null(ibv_create_cq(end.ctx, 16, NULL, NULL, end.ctx->num_comp_vectors));
	assert_int_not_equal(ibv_resize_cq(end.scq, attr.max_cqe + 1), 0);
}

/* The event comes once: further lost completions give no further events. */
static void no_event(struct ibv_context *ctx)
{
	struct pollfd fd = { .fd = ctx->async_fd, .events = POLLIN };

	assert_int_equal(poll(&fd, 1, 20 * options.slow), 0);
}

/*
 * More completions than the queue has room for: an event reports it, no completion is invented, and the queue
 * pair, which can no longer report its work, does no more work.
 */
static void test_overflow(void **state)
{
	struct rc rc = rc_default();
	struct ibv_wc wc;
	struct pair pair;
	int got = 0;

	(void)state;
	rc.cqe = 3;
	pair_open(&pair, &rc);
	for (int i = 0; i <= pair.a.scq->cqe + 1; i++) {
		struct ibv_send_wr wr = { .wr_id = i, .opcode = IBV_WR_RDMA_WRITE };

		post_send(&pair.a, &wr);
	}
	assert_ptr_equal(expect_event(pair.a.ctx, IBV_EVENT_CQ_ERR).element.cq, pair.a.scq);
	assert_ptr_equal(expect_event(pair.a.ctx, IBV_EVENT_QP_FATAL).element.qp, pair.a.qp);
	expect_state(pair.a.qp, IBV_QPS_ERR);
	no_event(pair.a.ctx);
	for (; got <= pair.a.scq->cqe && ibv_poll_cq(pair.a.scq, 1, &wc) == 1; got++)
		assert_int_equal(wc.wr_id, got);
	assert_true(got <= pair.a.scq->cqe);
}

/*
 * An overflow at the receiver: its peer must not take messages for received of which the receiver's owner
 * gets no completion.
 */
static void test_receive_overflow(void **state)
{
	static const enum ibv_qp_type types[] = { IBV_QPT_RC, IBV_QPT_UC };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct rc rc = rc_default();
		struct pair pair;
		int room;

		rc.type = types[i];
		rc.cqe = 3;
		pair_open_ends(&pair, &rc);
		room = pair.b.rcq->cqe;
		/* The sender's queue is large enough. */
		assert_int_equal(ibv_resize_cq(pair.a.scq, 64), 0);
		pair_open_qps(&pair);
		for (int n = 0; n <= room + 1; n++)
			message(&pair, n, IBV_SEND_SIGNALED);
		assert_ptr_equal(expect_event(pair.b.ctx, IBV_EVENT_CQ_ERR).element.cq, pair.b.rcq);
		assert_ptr_equal(expect_event(pair.b.ctx, IBV_EVENT_QP_FATAL).element.qp, pair.b.qp);
		expect_state(pair.b.qp, IBV_QPS_ERR);
		for (int n = 0; n < room; n++)
			expect_wc(pair.a.scq, n, IBV_WC_SUCCESS);
		if (rc.type == IBV_QPT_RC)
			expect_wc(pair.a.scq, room, IBV_WC_REM_OP_ERR);
		no_event(pair.b.ctx);
	}
}

/* A flush into a full queue reports nothing new. */
static void test_flush_overflow(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	rc.cqe = 3;
	pair_open(&pair, &rc);
	for (int n = 0; n <= pair.b.rcq->cqe; n++)
		post_recv(&pair.b, n, NULL, 0);
	qp_to(pair.b.qp, IBV_QPS_ERR);
	assert_ptr_equal(expect_event(pair.b.ctx, IBV_EVENT_CQ_ERR).element.cq, pair.b.rcq);
	no_event(pair.b.ctx);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_poll_many),
	cmocka_unit_test(test_unsignalled),
	cmocka_unit_test(test_queue_wraps),
	cmocka_unit_test(test_events),
	cmocka_unit_test(test_solicited_events),
	cmocka_unit_test(test_resize),
	cmocka_unit_test(test_bad_sizes),
	cmocka_unit_test(test_overflow),
	cmocka_unit_test(test_receive_overflow),
	cmocka_unit_test(test_flush_overflow),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("cq", tests, ARRAY_SIZE(tests));
}
