// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/*
 * Shared receive queues: every byte arrives in the right place, whichever queue pair takes a request; no
 * request is lost and none is used twice; limits, resizes and the destruction of queue pairs work as
 * documented.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "lib/async.h"
#include "lib/mover.h"
#include "lib/pattern.h"
#include "lib/ring.h"
#include "lib/test.h"

#define SLOT 2048
#define MANY 8		/* queue pairs at one shared receive queue */
#define DEPTH 16	/* messages of each under way */

/* --- bytes ------------------------------------------------------------------ */

static void sweep(int kind, enum ibv_mtu mtu)
{
	struct rc rc = rc_default();

	rc.mtu = mtu;
	mover_sweep_new(&rc, kind & 1, kind & 2, true, MOVER_LEN);
}

static void test_pinned(void **state)
{
	(void)state;
	sweep(0, IBV_MTU_1024);
}

static void test_odp_sender(void **state)
{
	(void)state;
	sweep(1, IBV_MTU_4096);
}

static void test_odp_receiver(void **state)
{
	(void)state;
	sweep(2, IBV_MTU_1024);
}

static void test_odp_both(void **state)
{
	(void)state;
	sweep(3, IBV_MTU_256);
}

/* --- many queue pairs ---------------------------------------------------------- */

/* MANY pairs whose b ends share a receive queue and a completion queue. */
struct crowd {
	struct rc rc;
	struct end a[MANY], b[MANY];
	struct buf src, dst;
};

static void end_like(struct end *end, const struct end *first, const struct rc *rc)
{
	*end = *first;
	end->qp = end_qp(end, rc);
}

static void crowd_join(struct crowd *crowd, int i)
{
	struct pair pair = { .rc = crowd->rc, .a = crowd->a[i], .b = crowd->b[i] };

	pair_connect(&pair);
}

static void crowd_open(struct crowd *crowd, unsigned int srq_wr)
{
	int odp;

	*crowd = (struct crowd){ .rc = rc_default() };
	crowd->rc.cqe = 1024;
	/* 0.64 ms or 10 ms: with less, a slow kernel would do nothing but send RNR NAKs. */
	crowd->rc.min_rnr_timer = options.slow > 1 ? 20 : 12;
	end_open(&crowd->a[0], options.device, &crowd->rc);
	end_open(&crowd->b[0], options.peer, &crowd->rc);
	end_srq(&crowd->b[0], srq_wr, 2);
	for (int i = MANY - 1; i >= 0; i--) {
		end_like(&crowd->a[i], &crowd->a[0], &crowd->rc);
		end_like(&crowd->b[i], &crowd->b[0], &crowd->rc);
		crowd_join(crowd, i);
	}
	odp = odp_access(crowd->a[0].ctx);
	crowd->src = buf_anon(crowd->a[0].pd, 256 * SLOT, odp);
	crowd->dst = buf_anon(crowd->b[0].pd, 256 * SLOT, IBV_ACCESS_LOCAL_WRITE | odp);
}

static void crowd_post(struct crowd *crowd, unsigned int slot)
{
	struct ibv_sge list = sge(&crowd->dst, slot * SLOT, SLOT);

	post_recv(&crowd->b[0], slot, &list, 1);
}

/*
 * Sends message @n from queue pair @i; its length and its bytes identify it. A queue pair has DEPTH slots to
 * send from.
 */
static void crowd_send(struct crowd *crowd, int i, unsigned int n)
{
	size_t at = (i * DEPTH + n / MANY % DEPTH) * SLOT;
	struct ibv_sge list = sge(&crowd->src, at, 100 + n % 1500);
	struct ibv_send_wr wr = {
		.wr_id = n, .opcode = IBV_WR_SEND_WITH_IMM, .imm_data = n,
		.sg_list = &list, .num_sge = 1,
	};

	pattern_fill(crowd->src.p + at, list.length, 0, n);
	post_send(&crowd->a[i], &wr);
}

static int crowd_whose(const struct end *ends, uint32_t qpn)
{
	int i;

	for (i = 0; ends[i].qp->qp_num != qpn; i++)
		assert_true(i < MANY - 1);
	return i;
}

/* Checks a message in any slot: it must be complete and come from the right queue pair. */
static void message_check(struct crowd *crowd, const struct ibv_wc *wc)
{
	assert_int_equal(wc->status, IBV_WC_SUCCESS);
	assert_int_equal(wc->byte_len, 100 + wc->imm_data % 1500);
	assert_int_equal(wc->imm_data % MANY, crowd_whose(crowd->b, wc->qp_num));
	pattern_check(crowd->dst.p + wc->wr_id * SLOT, wc->byte_len, 0, wc->imm_data, "a message");
}

static struct ibv_wc crowd_check(struct crowd *crowd)
{
	struct ibv_wc wc = wait_wc(crowd->b[0].rcq);

	message_check(crowd, &wc);
	return wc;
}

/* Takes a message, if there is one, and posts its slot again. */
static bool crowd_take(struct crowd *crowd)
{
	struct ibv_wc wc;

	if (ibv_poll_cq(crowd->b[0].rcq, 1, &wc) != 1)
		return false;
	message_check(crowd, &wc);
	crowd_post(crowd, wc.wr_id);
	return true;
}

/* All queue pairs stream through few requests; each slot is used again as soon as it is free. */
static void test_many(void **state)
{
	unsigned int each = options.full ? 2000 : 150, sent[MANY] = {}, done[MANY] = {}, got = 0;
	uint64_t end = now_ms() + PATIENCE;
	struct crowd crowd;

	(void)state;
	crowd_open(&crowd, 16);
	for (unsigned int i = 0; i < 16; i++)
		crowd_post(&crowd, i);
	while (got < each * MANY) {
		for (int i = 0; i < MANY; i++) {
			for (; sent[i] < each && sent[i] - done[i] < DEPTH; sent[i]++)
				crowd_send(&crowd, i, sent[i] * MANY + i);
		}
		if (crowd_take(&crowd)) {
			got++;
			end = now_ms() + PATIENCE;
		} else if (now_ms() > end) {
			fail_msg("no further message after %u messages", got);
		} else {
			sched_yield();
		}
		for (struct ibv_wc wc; ibv_poll_cq(crowd.a[0].scq, 1, &wc) > 0;) {
			assert_int_equal(wc.status, IBV_WC_SUCCESS);
			done[crowd_whose(crowd.a, wc.qp_num)]++;
		}
	}
	expect_quiet(crowd.b[0].rcq, 20);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(sent[i], each);
}

/* Requests are taken in the order in which they were posted. */
static void test_order(void **state)
{
	struct crowd crowd;

	(void)state;
	crowd_open(&crowd, 64);
	for (unsigned int i = 0; i < 64; i++)
		crowd_post(&crowd, i);
	for (unsigned int i = 0; i < 64; i++) {
		crowd_send(&crowd, i % MANY, i);
		assert_int_equal(crowd_check(&crowd).wr_id, i);
		expect_wc(crowd.a[0].scq, i, IBV_WC_SUCCESS);
	}
}

/* An empty queue means a receiver that is not ready. */
static void test_empty(void **state)
{
	struct crowd crowd;

	(void)state;
	crowd_open(&crowd, 4);
	for (int i = 0; i < MANY; i++)
		crowd_send(&crowd, i, i);
	expect_quiet(crowd.a[0].scq, 50);
	for (int i = 0; i < MANY; i++) {
		crowd_post(&crowd, i);
		crowd_check(&crowd);
	}
	for (int i = 0; i < MANY; i++)
		assert_int_equal(wait_wc(crowd.a[0].scq).status, IBV_WC_SUCCESS);
}

/* --- limits --------------------------------------------------------------------- */

static void arm(struct ibv_srq *srq, unsigned int limit)
{
	struct ibv_srq_attr attr = { .srq_limit = limit };

	assert_int_equal(ibv_modify_srq(srq, &attr, IBV_SRQ_LIMIT), 0);
}

static struct ibv_srq_attr query(struct ibv_srq *srq)
{
	struct ibv_srq_attr attr = {};

	assert_int_equal(ibv_query_srq(srq, &attr), 0);
	return attr;
}

/* The event comes once, when fewer requests are left than the limit, and not before. */
static void test_limit(void **state)
{
	struct ibv_async_event event;
	struct ibv_context *ctx;
	struct crowd crowd;

	(void)state;
	crowd_open(&crowd, 16);
	ctx = crowd.b[0].ctx;
	count_events(ctx, IBV_EVENT_COMM_EST, 50);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 8; i++)
			crowd_post(&crowd, i);
		arm(crowd.b[0].srq, 4);
		assert_int_equal(query(crowd.b[0].srq).srq_limit, 4);
		for (unsigned int i = 0; i < 4; i++) {
			crowd_send(&crowd, i, i);
			crowd_check(&crowd);
		}
		assert_int_equal(count_events(ctx, IBV_EVENT_SRQ_LIMIT_REACHED, 20), 0);
		crowd_send(&crowd, 4, 4);
		event = wait_event(ctx, IBV_EVENT_SRQ_LIMIT_REACHED);
		assert_ptr_equal(event.element.srq, crowd.b[0].srq);
		crowd_check(&crowd);
		assert_int_equal(query(crowd.b[0].srq).srq_limit, 0);
		for (unsigned int i = 5; i < 8; i++) {
			crowd_send(&crowd, i, i);
			crowd_check(&crowd);
		}
		assert_int_equal(count_events(ctx, IBV_EVENT_SRQ_LIMIT_REACHED, 20), 0);
		for (unsigned int i = 0; i < 8; i++)
			assert_int_equal(wait_wc(crowd.a[0].scq).status, IBV_WC_SUCCESS);
	}
}

static void test_disarm(void **state)
{
	struct crowd crowd;

	(void)state;
	crowd_open(&crowd, 16);
	crowd_post(&crowd, 0);
	arm(crowd.b[0].srq, 5);
	arm(crowd.b[0].srq, 0);
	crowd_send(&crowd, 0, 0);
	crowd_check(&crowd);
	assert_int_equal(count_events(crowd.b[0].ctx, IBV_EVENT_SRQ_LIMIT_REACHED, 50), 0);
}

/* --- sizes ----------------------------------------------------------------------- */

static int resize(struct ibv_srq *srq, unsigned int wr)
{
	struct ibv_srq_attr attr = { .max_wr = wr };
	int ret = ibv_modify_srq(srq, &attr, IBV_SRQ_MAX_WR);

	return ret < 0 ? errno : ret;
}

/* The waiting requests stay in the queue, in order. */
static void test_resize(void **state)
{
	static const unsigned int sizes[] = { 100, 31, 5, 200 };
	struct crowd crowd;

	(void)state;
	crowd_open(&crowd, 16);
	for (unsigned int i = 0; i < 5; i++)	/* so that the ring wraps */
		crowd_post(&crowd, i);
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (unsigned int i = 0; i < 12; i++) {
			crowd_send(&crowd, i % MANY, i);
			crowd_post(&crowd, crowd_check(&crowd).wr_id);
			assert_int_equal(wait_wc(crowd.a[0].scq).status, IBV_WC_SUCCESS);
		}
		assert_int_equal(resize(crowd.b[0].srq, sizes[s]), 0);
		assert_true(query(crowd.b[0].srq).max_wr >= sizes[s]);
	}
	for (unsigned int i = 5; i < 200; i++)
		crowd_post(&crowd, i);
	for (unsigned int i = 0; i < 200; i++) {
		crowd_send(&crowd, i % MANY, i);
		crowd_check(&crowd);
		assert_int_equal(wait_wc(crowd.a[0].scq).status, IBV_WC_SUCCESS);
	}
}

static void test_resize_refused(void **state)
{
	struct ibv_srq_attr both = { .max_wr = 8, .srq_limit = 9 };
	struct ibv_device_attr device;
	struct crowd crowd;

	(void)state;
	crowd_open(&crowd, 32);
	assert_int_equal(ibv_query_device(crowd.b[0].ctx, &device), 0);
	for (unsigned int i = 0; i < 20; i++)
		crowd_post(&crowd, i);
	arm(crowd.b[0].srq, 10);
	assert_int_equal(resize(crowd.b[0].srq, 0), EINVAL);
	assert_int_equal(resize(crowd.b[0].srq, 19), EINVAL);
	assert_int_equal(resize(crowd.b[0].srq, device.max_srq_wr + 1), EINVAL);
	arm(crowd.b[0].srq, 25);
	assert_int_equal(resize(crowd.b[0].srq, 24), EINVAL);
	assert_int_equal(ibv_modify_srq(crowd.b[0].srq, &both, IBV_SRQ_MAX_WR | IBV_SRQ_LIMIT),
			 EINVAL);
}

static void expect_no_srq(struct ibv_pd *pd, unsigned int wr, unsigned int sge)
{
	struct ibv_srq_init_attr attr = { .attr = { .max_wr = wr, .max_sge = sge } };

	assert_null(ibv_create_srq(pd, &attr));
	assert_int_equal(errno, EINVAL);
}

static void test_attributes(void **state)
{
	struct rc rc = rc_default();
	struct ibv_device_attr device;
	struct end end;

	(void)state;
	end_open(&end, options.device, &rc);
	assert_int_equal(ibv_query_device(end.ctx, &device), 0);
	assert_true(device.max_srq > 0 && device.max_srq_wr > 0 && device.max_srq_sge > 0);
	expect_no_srq(end.pd, device.max_srq_wr + 1, 1);
	expect_no_srq(end.pd, 1, device.max_srq_sge + 1);
	end_srq(&end, 10, device.max_srq_sge);
	assert_true(query(end.srq).max_wr >= 10);
	assert_int_equal(query(end.srq).max_sge, device.max_srq_sge);
	end.qp = end_qp(&end, &rc);
	undo_refused(end.srq, EBUSY);
}

/* --- errors ------------------------------------------------------------------------ */

/* One queue pair goes to the error state; the others go on with the remaining requests. */
static void test_error(void **state)
{
	struct ibv_async_event event;
	struct crowd crowd;

	(void)state;
	crowd_open(&crowd, 64);
	for (unsigned int i = 0; i < 64; i++)
		crowd_post(&crowd, i);
	for (int victim = 0; victim < MANY; victim++) {
		qp_to(crowd.b[victim].qp, IBV_QPS_ERR);
		event = wait_event(crowd.b[0].ctx, IBV_EVENT_QP_LAST_WQE_REACHED);
		assert_ptr_equal(event.element.qp, crowd.b[victim].qp);
		expect_quiet(crowd.b[0].rcq, 5);
		for (int i = victim + 1; i < MANY; i++) {
			crowd_send(&crowd, i, i);
			crowd_check(&crowd);
			expect_wc(crowd.a[0].scq, i, IBV_WC_SUCCESS);
		}
	}
	assert_int_equal(count_events(crowd.b[0].ctx, IBV_EVENT_QP_LAST_WQE_REACHED, 20), 0);
	for (int i = 0; i < MANY; i++)
		crowd_join(&crowd, i);
	/* 64 - 7 - 6 - ... requests are left, and none is lost. */
	for (unsigned int i = 0; i < 64 - MANY * (MANY - 1) / 2; i++) {
		crowd_send(&crowd, i % MANY, i);
		crowd_check(&crowd);
		expect_wc(crowd.a[0].scq, i, IBV_WC_SUCCESS);
	}
	crowd_send(&crowd, 0, 0);
	expect_quiet(crowd.b[0].rcq, 20);
}

/* If a message is too long, its request completes with an error, and no other request does. */
static void test_too_long(void **state)
{
	struct ibv_send_wr wr = { .wr_id = 77, .opcode = IBV_WR_SEND, .num_sge = 1 };
	struct crowd crowd;
	struct ibv_sge list;

	(void)state;
	crowd_open(&crowd, 16);
	crowd_post(&crowd, 0);
	crowd_post(&crowd, 1);
	list = sge(&crowd.src, 0, SLOT + 1);
	wr.sg_list = &list;
	post_send(&crowd.a[0], &wr);
	expect_wc(crowd.b[0].rcq, 0, IBV_WC_LOC_LEN_ERR);
	expect_wc(crowd.a[0].scq, 77, IBV_WC_REM_INV_REQ_ERR);
	wait_event(crowd.b[0].ctx, IBV_EVENT_QP_LAST_WQE_REACHED);
	crowd_send(&crowd, 1, 1);
	assert_int_equal(crowd_check(&crowd).wr_id, 1);
}

/* The memory of a request must belong to the protection domain of the queue, not of the queue pair. */
static void test_domains(void **state)
{
	struct rc rc = rc_default();
	struct ibv_pd *other;
	struct buf src, own, foreign;
	struct ibv_sge list;
	struct pair pair;

	(void)state;
	pair_open_ends(&pair, &rc);
	end_srq(&pair.b, 16, 1);
	own = buf_anon(pair.b.pd, PAGE, IBV_ACCESS_LOCAL_WRITE);
	other = ibv_alloc_pd(pair.b.ctx);
	assert_non_null(other);
	defer((undo_fn)ibv_dealloc_pd, other);
	foreign = buf_anon(other, PAGE, IBV_ACCESS_LOCAL_WRITE);
	pair.b.pd = other;
	pair_open_qps(&pair);
	src = buf_anon(pair.a.pd, PAGE, 0);

	for (int i = 0; i < 2; i++) {
		struct ibv_send_wr wr = { .wr_id = i, .opcode = IBV_WR_SEND, .num_sge = 1 };

		list = sge(i ? &foreign : &own, 0, PAGE);
		post_recv(&pair.b, i, &list, 1);
		list = sge(&src, 0, 100);
		wr.sg_list = &list;
		pattern_fill(src.p, 100, 0, i);
		post_send(&pair.a, &wr);
		expect_wc(pair.b.rcq, i, i ? IBV_WC_LOC_PROT_ERR : IBV_WC_SUCCESS);
		expect_wc(pair.a.scq, i, i ? IBV_WC_REM_OP_ERR : IBV_WC_SUCCESS);
	}
	pattern_check(own.p, 100, 0, 0, "the message");
	assert_int_equal(foreign.p[0], 0);
}

/* A queue pair with a shared receive queue has no receive queue of its own. */
static void test_no_own_queue(void **state)
{
	struct ibv_recv_wr wr = {}, *bad;
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;
	struct crowd crowd;

	(void)state;
	crowd_open(&crowd, 16);
	assert_int_not_equal(ibv_post_recv(crowd.b[0].qp, &wr, &bad), 0);
	assert_int_equal(ibv_query_qp(crowd.b[0].qp, &attr, IBV_QP_CAP, &init), 0);
	assert_int_equal(attr.cap.max_recv_wr, 0);
	assert_int_equal(attr.cap.max_recv_sge, 0);
	assert_ptr_equal(init.srq, crowd.b[0].srq);
}

/* The sizes of its own receive queue are ignored: rdma-core passes on whatever the application left there. */
static void test_own_sizes(void **state)
{
	struct ibv_qp_init_attr init;
	struct rc rc = rc_default();
	struct ibv_qp *qp;
	struct end end;

	(void)state;
	end_open(&end, options.device, &rc);
	end_srq(&end, 1, 1);
	init = end_qp_attr(&end, &rc);
	init.cap.max_recv_wr = init.cap.max_recv_sge = ~0u;
	qp = ibv_create_qp(end.pd, &init);
	assert_non_null(qp);
	assert_int_equal(init.cap.max_recv_wr, 0);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	init.srq = NULL;
	init.cap.max_recv_wr = init.cap.max_recv_sge = ~0u;
	assert_null(ibv_create_qp(end.pd, &init));
	assert_int_equal(errno, EINVAL);
}

/* --- a program that scribbles on the ring -------------------------------------------- */

/* Anything may be in the ring's indices and requests: the driver survives, and others' data is right. */
static void test_scribbled(void **state)
{
	struct rc rc = rc_default();
	struct crowd honest, liar;
	struct ring ring;

	(void)state;
	memset(&liar, 0, sizeof(liar));
	rc.rnr_retry = 0;
	rc.timeout = 1;
	end_open(&liar.a[0], options.device, &rc);
	end_open(&liar.b[0], options.device, &rc);
	end_srq(&liar.b[0], 31, 2);
	rings_find(&ring, 1);
	assert_int_equal(ring.mask, 31);
	liar.rc = rc;
	liar.a[0].qp = end_qp(&liar.a[0], &rc);
	liar.b[0].qp = end_qp(&liar.b[0], &rc);
	liar.src = buf_anon(liar.a[0].pd, 256 * SLOT, 0);
	crowd_open(&honest, 16);

	for (unsigned int round = 0; round < 300; round++) {
		uint8_t *bytes = (uint8_t *)ring.buf;
		struct ibv_wc wc;

		crowd_join(&liar, 0);
		for (size_t i = 0; i < ring.bytes; i += 8) {
			uint64_t r = mix64(options.seed + round * ring.bytes + i);

			if (round % 3 == 0 || r % 5 == 0)
				memcpy(bytes + i, &r, 8);
		}
		for (unsigned int i = 0; i < 4; i++)
			crowd_send(&liar, 0, i);
		for (unsigned int i = 0; i < 4; i++)
			wait_wc(liar.a[0].scq);
		while (ibv_poll_cq(liar.b[0].rcq, 1, &wc) > 0)
			assert_int_equal(wc.qp_num, liar.b[0].qp->qp_num);
		crowd_post(&honest, round % 16);
		crowd_send(&honest, round % MANY, round);
		crowd_check(&honest);
		expect_wc(honest.a[0].scq, round, IBV_WC_SUCCESS);
	}
	/* Restored, so that the library finds the ring as it was. */
	ring.buf->index_mask = ring.mask;
	ring.buf->log2_elem_size = ring.shift;
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_pinned),
	cmocka_unit_test(test_odp_sender),
	cmocka_unit_test(test_odp_receiver),
	cmocka_unit_test(test_odp_both),
	cmocka_unit_test(test_many),
	cmocka_unit_test(test_order),
	cmocka_unit_test(test_empty),
	cmocka_unit_test(test_limit),
	cmocka_unit_test(test_disarm),
	cmocka_unit_test(test_resize),
	cmocka_unit_test(test_resize_refused),
	cmocka_unit_test(test_attributes),
	cmocka_unit_test(test_error),
	cmocka_unit_test(test_too_long),
	cmocka_unit_test(test_domains),
	cmocka_unit_test(test_no_own_queue),
	cmocka_unit_test(test_own_sizes),
	cmocka_unit_test(test_scribbled),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("srq", tests, ARRAY_SIZE(tests));
}
