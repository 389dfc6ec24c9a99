// SPDX-License-Identifier: GPL-2.0
/*
 * Queues as long as they may be: no call takes long for what has been posted before it, and what
 * is done in many small steps comes out as if it had been done in one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/ring.h"
#include "lib/test.h"

/* --- a doorbell, and the flush ---------------------------------------------------- */

#define POSTED (1u << 19)
/* Of a call behind that many: all of them took 90 to 150 ms. The best of some counts. */
#define CALL_MS 30
#define TRIES 3

struct long_queue {
	struct pair pair;
	struct ring ring;
	struct buf buf;
};

static void long_queue_open(struct long_queue *q)
{
	struct rc rc = rc_default();

	rc.send_wr = POSTED;
	rc.recv_wr = rc.sge = 1;
	rc.inline_data = 0;
	rc.sq_sig_all = false;
	rc.cqe = POSTED + 16;
	q->pair.rc = rc;
	end_open(&q->pair.a, options.device, &rc);
	q->pair.rc.cqe = 16;
	end_open(&q->pair.b, options.peer, &q->pair.rc);
	q->pair.a.qp = end_qp(&q->pair.a, &rc);
	rings_find(&q->ring, 1);
	rc.send_wr = 1;
	q->pair.b.qp = end_qp(&q->pair.b, &rc);
	q->buf = buf_anon(q->pair.b.pd, PAGE, ALL_ACCESS);
}

/* WRITEs of no bytes, in the ring as the library would have put them there. */
static void fill_ring(struct long_queue *q)
{
	uint32_t first = q->ring.buf->producer_index;

	for (uint32_t i = 0; i < POSTED - 1; i++) {
		struct rxe_send_wqe *wqe = ring_slot(&q->ring, first + i);

		memset(wqe, 0, sizeof(*wqe));
		wqe->wr.wr_id = i;
		wqe->wr.opcode = IBV_WR_RDMA_WRITE;
		wqe->wr.wr.rdma.remote_addr = (uintptr_t)q->buf.p;
		wqe->wr.wr.rdma.rkey = q->buf.mr->rkey;
	}
	__atomic_store_n(&q->ring.buf->producer_index, (first + POSTED - 1) & q->ring.mask,
			 __ATOMIC_RELEASE);
}

/* One more request, with a doorbell. Returns how long that took. */
static uint64_t ring_bell(struct long_queue *q)
{
	struct ibv_send_wr wr = {
		.wr_id = POSTED - 1, .opcode = IBV_WR_RDMA_WRITE,
		.wr.rdma = { (uintptr_t)q->buf.p, q->buf.mr->rkey },
	};
	uint64_t start = now_ns();

	post_send(&q->pair.a, &wr);
	return now_ns() - start;
}

static uint64_t to_error(struct long_queue *q)
{
	uint64_t start = now_ns();

	qp_to(q->pair.a.qp, IBV_QPS_ERR);
	return now_ns() - start;
}

static void expect_all(struct long_queue *q, enum ibv_wc_status status)
{
	for (uint32_t i = 0; i < POSTED; i++) {
		struct ibv_wc wc = wait_wc(q->pair.a.scq);

		assert_int_equal(wc.wr_id, i);
		assert_int_equal(wc.status, status);
	}
	expect_quiet(q->pair.a.scq, 5);
}

static void expect_quick(const char *what, uint64_t ns)
{
	printf("%s behind %u requests: %.2f ms\n", what, POSTED, ns / 1e6);
	if (ns > CALL_MS * 1000000ull * options.slow)
		fail_msg("%s behind %u requests takes %.1f ms", what, POSTED, ns / 1e6);
}

static void test_long_queue(void **state)
{
	uint64_t bell = UINT64_MAX, error = UINT64_MAX;
	struct long_queue q;

	(void)state;
	long_queue_open(&q);
	for (int i = 0; i < TRIES; i++) {
		uint64_t took;

		pair_connect(&q.pair);
		/* Nothing is sent: what the doorbell does, it does for what has been posted. */
		qp_to(q.pair.a.qp, IBV_QPS_SQD);
		fill_ring(&q);
		took = ring_bell(&q);
		bell = took < bell ? took : bell;
		took = to_error(&q);
		error = took < error ? took : error;
		expect_all(&q, IBV_WC_WR_FLUSH_ERR);
	}
	expect_quick("a doorbell", bell);
	expect_quick("going to ERR", error);
}

/* All of them are executed, though only the last has a doorbell. */
static void test_one_bell(void **state)
{
	struct long_queue q;

	(void)state;
	long_queue_open(&q);
	pair_connect(&q.pair);
	fill_ring(&q);
	for (uint32_t i = 0; i < POSTED - 1; i++)
		((struct rxe_send_wqe *)ring_slot(&q.ring, i))->wr.send_flags = IBV_SEND_SIGNALED;
	ring_bell(&q);
	for (uint32_t i = 0; i < POSTED - 1; i++)
		assert_int_equal(expect_wc(q.pair.a.scq, i, IBV_WC_SUCCESS).wr_id, i);
}

/* --- another size while completions come -------------------------------------------- */

#define RESIZES 20
#define KEPT 60000u

struct adding {
	struct pair *pair;
	struct ibv_qp *qp;
	struct buf *buf;
	atomic_bool stop;
	uint32_t posted;
};

/* Adds completions, as many as the queue has room for. */
static void *add_completions(void *arg)
{
	struct adding *adding = arg;
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE, .send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { (uintptr_t)adding->buf->p, adding->buf->mr->rkey },
	}, *bad;

	while (!adding->stop && adding->posted < KEPT / 2) {
		wr.wr_id = adding->posted;
		if (!ibv_post_send(adding->qp, &wr, &bad))
			adding->posted++;
	}
	return NULL;
}

static void test_resize(void **state)
{
	struct rc rc = rc_default();
	struct adding adding = {};
	struct pair pair;
	pthread_t thread;
	struct buf buf;
	uint32_t cqe = 2 * KEPT;

	(void)state;
	rc.send_wr = KEPT;
	rc.cqe = cqe;
	pair_open(&pair, &rc);
	buf = buf_anon(pair.b.pd, PAGE, ALL_ACCESS);
	adding = (struct adding){ .pair = &pair, .qp = pair.a.qp, .buf = &buf };
	assert_int_equal(pthread_create(&thread, NULL, add_completions, &adding), 0);
	for (int i = 0; i < RESIZES; i++) {
		cqe = i % 2 ? 2 * KEPT : 3 * KEPT;
		assert_int_equal(ibv_resize_cq(pair.a.scq, cqe), 0);
	}
	adding.stop = true;
	pthread_join(thread, NULL);
	for (uint32_t i = 0; i < adding.posted; i++)
		expect_wc(pair.a.scq, i, IBV_WC_SUCCESS);
	expect_quiet(pair.a.scq, 5);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_queue),
		cmocka_unit_test(test_one_bell),
		cmocka_unit_test(test_resize),
	};

	parse_options(argc, argv);
	return run_group("bigqueues", tests, ARRAY_SIZE(tests));
}
