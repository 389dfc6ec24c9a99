// SPDX-License-Identifier: GPL-2.0
/* CI: uml:loop */
/*
 * Queues of the maximal length: no call gets slow from the number of entries posted before it, and work that
 * is split into many small steps has the same result as in one step.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/late.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/ring.h"
#include "lib/test.h"

/* --- a doorbell, and the flush ---------------------------------------------------- */

/*
 * Limit for one call; with half a million entries a call took 90 to 150 ms. The best of several tries counts.
 */
#define CALL_MS 15

struct long_queue {
	uint32_t posted;	/* as many requests as the device allows */
	struct pair pair;
	struct ring ring;
	struct ring done;	/* the ring of its completions */
	struct buf buf;
};

static struct ibv_device_attr most_of(const char *device)
{
	struct ibv_context *ctx = device_open(device);
	struct ibv_device_attr attr;

	assert_int_equal(ibv_query_device(ctx, &attr), 0);
	return attr;
}

static void long_queue_open(struct long_queue *q)
{
	struct rc rc = rc_default();
	struct ring rings[2];

	q->posted = most_of(options.device).max_qp_wr;
	rc.send_wr = q->posted;
	rc.recv_wr = rc.sge = 1;
	rc.inline_data = 0;
	rc.sq_sig_all = false;
	rc.cqe = q->posted + 16;
	q->pair.rc = rc;
	end_open(&q->pair.a, options.device, &rc);
	rings_find(rings, 2);
	q->done = rings[0];
	q->pair.rc.cqe = 16;
	end_open(&q->pair.b, options.peer, &q->pair.rc);
	q->pair.a.qp = end_qp(&q->pair.a, &rc);
	rings_find(&q->ring, 1);
	rc.send_wr = 1;
	q->pair.b.qp = end_qp(&q->pair.b, &rc);
	q->buf = buf_anon(q->pair.b.pd, PAGE, ALL_ACCESS);
}

/* Puts WRITEs of no bytes into the ring, as the library would. */
static void fill_ring(struct long_queue *q)
{
	uint32_t first = q->ring.buf->producer_index;

	for (uint32_t i = 0; i < q->posted - 1; i++) {
		struct rxe_send_wqe *wqe = ring_slot(&q->ring, first + i);

		memset(wqe, 0, sizeof(*wqe));
		wqe->wr.wr_id = i;
		wqe->wr.opcode = IBV_WR_RDMA_WRITE;
		wqe->wr.wr.rdma.remote_addr = (uintptr_t)q->buf.p;
		wqe->wr.wr.rdma.rkey = q->buf.mr->rkey;
	}
	__atomic_store_n(&q->ring.buf->producer_index, (first + q->posted - 1) & q->ring.mask,
			 __ATOMIC_RELEASE);
}

/* Posts one more request, with a doorbell. Returns how long that took. */
static uint64_t ring_bell(struct long_queue *q)
{
	struct ibv_send_wr wr = {
		.wr_id = q->posted - 1, .opcode = IBV_WR_RDMA_WRITE,
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

static void expect_first(struct long_queue *q, uint32_t n, enum ibv_wc_status status)
{
	uint64_t end = now_ms() + 4 * PATIENCE;
	struct ibv_wc wc[64];
	uint32_t seen = 0;

	while (seen < n) {
		int got = ibv_poll_cq(q->pair.a.scq, ARRAY_SIZE(wc), wc);

		assert_true(got >= 0 && now_ms() < end);
		for (int i = 0; i < got; i++, seen++) {
			assert_int_equal(wc[i].wr_id, seen);
			assert_int_equal(wc[i].status, status);
		}
		if (!got)
			sleep_ms(1);
	}
	expect_quiet(q->pair.a.scq, 5);
}

/* --- how long a CPU is unavailable ------------------------------------------------------ */

/*
 * The driver may keep a CPU from other tasks for this long because of what is posted or arrives: 2 ms with
 * bottom halves off, and as much as the tick and the scheduler need to notice. The machine's own share is
 * measured with a program that only counts for the same time; for a call that makes a ring, with the same
 * ring without entries to copy. A kernel without preemption, such as uml's, maps a ring in one go; then only
 * a preemptible kernel can tell (tests/vm --kernel 7.3).
 */
#define TURN_NS (3 * 1000000ull * options.slow)
#define TRIES 3			/* at least */
#define MOST_TRIES 12		/* while other load may be the reason */

/* The best of several tries: other load makes a try longer, never shorter. */
struct turn {
	uint64_t call, late, machine, empty;
};

static const struct turn turn_none = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX };

static void keep_best(uint64_t *best, uint64_t value)
{
	if (value < *best)
		*best = value;
}

/* A call took @ns; the work that it started in the background is watched for the same time again. */
static void turn_take(struct turn *turn, struct late *late, uint64_t ns)
{
	uint64_t end;

	keep_best(&turn->call, ns);
	sleep_ms(ns / 1000000 + 1);
	keep_best(&turn->late, late_worst(late));
	for (end = now_ns() + 2 * ns; now_ns() < end;)
		;
	keep_best(&turn->machine, late_worst(late));
}

static uint64_t turn_machine(const struct turn *turn)
{
	return turn->empty != UINT64_MAX && turn->empty > turn->machine ? turn->empty : turn->machine;
}

static bool turn_is_short(const struct turn *turn)
{
	return turn->late <= TURN_NS + turn_machine(turn);
}

/* Returns whether to try once more: there can be a verdict, and it would be a bad one. */
static bool turn_again(int tries, const struct turn *turn)
{
	return tries < TRIES ||
	       (tries < MOST_TRIES && turn_machine(turn) <= TURN_NS && !turn_is_short(turn));
}

static void expect_turn(const char *what, const struct turn *turn, uint64_t call_ms)
{
	uint64_t machine = turn_machine(turn);

	print_message("%s: the call takes %.2f ms, the CPU is unavailable for %.2f ms (without entries: %.2f)\n",
		      what, turn->call / 1e6, turn->late / 1e6, machine / 1e6);
	if (call_ms && turn->call > call_ms * 1000000 * options.slow)
		fail_msg("%s takes %.1f ms", what, turn->call / 1e6);
	if (machine > TURN_NS)
		print_message("  (no verdict: the share of the kernel and the machine is larger)\n");
	else if (!turn_is_short(turn))
		fail_msg("%s keeps a CPU for %.1f ms", what, turn->late / 1e6);
}

static uint64_t ring_entries(const struct ring *ring)
{
	return (ring->buf->producer_index - ring->buf->consumer_index) & ring->mask;
}

/* The flush is complete when each request has a completion. */
static void wait_for_all(struct long_queue *q)
{
	uint64_t end = now_ms() + PATIENCE;

	while (ring_entries(&q->done) < q->posted) {
		if (now_ms() > end)
			fail_msg("%lu of %u requests were flushed", (unsigned long)ring_entries(&q->done),
				 q->posted);
		sleep_ms(1);
	}
}

/* A resize copies all entries of the queue. */
static uint64_t resize_cq(struct long_queue *q, uint32_t cqe)
{
	uint64_t start = now_ns();

	assert_int_equal(ibv_resize_cq(q->pair.a.scq, cqe), 0);
	start = now_ns() - start;
	rings_find(&q->done, 1);
	return start;
}

static void empty_cq(struct end *end, uint32_t cqe)
{
	struct ibv_cq *cq = ibv_create_cq(end->ctx, cqe, NULL, NULL, 0);

	assert_non_null(cq);
	assert_int_equal(ibv_destroy_cq(cq), 0);
}

static void empty_srq(struct end *end, uint32_t wr)
{
	struct ibv_srq_init_attr attr = { .attr = { .max_wr = wr, .max_sge = 1 } };
	struct ibv_srq *srq = ibv_create_srq(end->pd, &attr);

	assert_non_null(srq);
	assert_int_equal(ibv_destroy_srq(srq), 0);
}

static void test_long_queue(void **state)
{
	struct turn bell = turn_none, error = turn_none, resize = turn_none;
	struct long_queue q;
	struct late *late;

	(void)state;
	long_queue_open(&q);
	late = late_start();
	for (int i = 0; turn_again(i, &bell) || turn_again(i, &error) || turn_again(i, &resize); i++) {
		pair_connect(&q.pair);
		/* In SQD nothing is sent: the doorbell only handles what was posted. */
		qp_to(q.pair.a.qp, IBV_QPS_SQD);
		fill_ring(&q);
		late_worst(late);
		turn_take(&bell, late, ring_bell(&q));
		turn_take(&error, late, to_error(&q));
		wait_for_all(&q);
		late_worst(late);
		turn_take(&resize, late, resize_cq(&q, q.posted + 16 + i));
		empty_cq(&q.pair.a, q.posted + 16);
		keep_best(&resize.empty, late_worst(late));
		expect_first(&q, q.posted, IBV_WC_WR_FLUSH_ERR);
	}
	expect_turn("a doorbell", &bell, CALL_MS);
	expect_turn("the transition to ERR", &error, CALL_MS);
	expect_turn("resizing a full completion queue", &resize, 0);
}

static void test_srq(void **state)
{
	struct turn resize = turn_none;
	struct rc rc = rc_default();
	uint32_t most = most_of(options.device).max_srq_wr;
	struct late *late;
	struct end end;

	(void)state;
	end_open(&end, options.device, &rc);
	end_srq(&end, most, 1);
	for (uint32_t i = 0; i < most / 2; i++)
		post_recv(&end, i, NULL, 0);
	late = late_start();
	for (int i = 0; turn_again(i, &resize); i++) {
		struct ibv_srq_attr attr = { .max_wr = i % 2 ? most : most / 2 };
		uint64_t start = now_ns();

		assert_int_equal(ibv_modify_srq(end.srq, &attr, IBV_SRQ_MAX_WR), 0);
		turn_take(&resize, late, now_ns() - start);
		empty_srq(&end, attr.max_wr);
		keep_best(&resize.empty, late_worst(late));
	}
	expect_turn("resizing a full shared receive queue", &resize, 0);
}

/* --- many receivers of one packet --------------------------------------------------------- */

#define MEMBERS 64		/* of a group; the device's maximum */
#define LETTERS 256u

/* One sender, and queue pairs of one group. Their receive requests are their own or in a shared queue. */
struct gathering {
	struct rc rc;
	struct end speaker, members[MEMBERS];
	struct ibv_ah *ah;
	struct buf out, in;
};

static const union ibv_gid group = { .raw = { [10] = 0xff, 0xff, 239, 1, 2, 4 } };

/* A queue pair cannot be destroyed while it is attached. */
static int detach(void *member)
{
	return ibv_detach_mcast(((struct end *)member)->qp, &group, 0);
}

static void gathering_open(struct gathering *gathering, bool shared)
{
	struct rc rc = rc_default();
	struct end to;

	rc.type = IBV_QPT_UD;
	rc.send_wr = rc.recv_wr = LETTERS;
	rc.sge = 1;
	rc.cqe = MEMBERS * LETTERS;
	rc.sq_sig_all = false;
	gathering->rc = rc;
	end_open(&gathering->speaker, options.device, &rc);
	end_open(&gathering->members[0], options.peer, &rc);
	if (shared)
		end_srq(&gathering->members[0], MEMBERS * LETTERS, 1);
	for (int i = MEMBERS - 1; i >= 0; i--) {
		gathering->members[i] = gathering->members[0];
		gathering->members[i].qp = end_qp(&gathering->members[i], &rc);
		qp_init(gathering->members[i].qp, &rc);
		qp_to(gathering->members[i].qp, IBV_QPS_RTR);
		assert_int_equal(ibv_attach_mcast(gathering->members[i].qp, &group, 0), 0);
		defer(detach, &gathering->members[i]);
	}
	gathering->speaker.qp = end_qp(&gathering->speaker, &rc);
	qp_init(gathering->speaker.qp, &rc);
	qp_to(gathering->speaker.qp, IBV_QPS_RTR);
	qp_rts(gathering->speaker.qp, &rc);
	to = gathering->speaker;
	to.gid = group;
	gathering->ah = end_ah(&gathering->speaker, &to);
	gathering->out = buf_anon(gathering->speaker.pd, PAGE, 0);
	gathering->in = buf_anon(gathering->members[0].pd, PAGE, IBV_ACCESS_LOCAL_WRITE);
}

/* Fills all receive queues. */
static void gathering_post(struct gathering *gathering)
{
	struct ibv_sge list = sge(&gathering->in, 0, PAGE);
	struct ibv_recv_wr wr = { .sg_list = &list, .num_sge = 1 }, *bad;

	for (int i = 0; i < MEMBERS; i++) {
		struct end *end = &gathering->members[i];

		while (!(end->srq ? ibv_post_srq_recv(end->srq, &wr, &bad) :
				    ibv_post_recv(end->qp, &wr, &bad)))
			;
	}
}

/* Sends with one doorbell, and waits for what arrives: datagrams may be lost. Returns how long that took. */
static uint64_t gathering_hear(struct gathering *gathering)
{
	struct ibv_sge list = sge(&gathering->out, 0, 100);
	struct ibv_send_wr wrs[LETTERS] = {}, *bad;
	uint64_t start = now_ns(), last = start;
	unsigned int heard = 0;
	struct ibv_wc wc[64];

	for (unsigned int i = 0; i < LETTERS; i++) {
		wrs[i] = (struct ibv_send_wr){
			.opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
			.next = i + 1 < LETTERS ? &wrs[i + 1] : NULL,
			.send_flags = i + 1 < LETTERS ? 0 : IBV_SEND_SIGNALED,
			.wr.ud = { gathering->ah, 0xffffff, gathering->rc.qkey },
		};
	}
	assert_int_equal(ibv_post_send(gathering->speaker.qp, wrs, &bad), 0);
	while (heard < MEMBERS * LETTERS && now_ns() - last < 3000 * 1000000ull * options.slow) {
		int got = ibv_poll_cq(gathering->members[0].rcq, ARRAY_SIZE(wc), wc);

		for (int i = 0; i < got; i++)
			assert_int_equal(wc[i].status, IBV_WC_SUCCESS);
		heard += got;
		if (got)
			last = now_ns();
		else
			sched_yield();
	}
	expect_wc(gathering->speaker.scq, 0, IBV_WC_SUCCESS);
	print_message("  %u of %u arrived\n", heard, MEMBERS * LETTERS);
	assert_true(heard > 0);
	return last - start;
}

static void hear_all(bool shared)
{
	struct gathering *gathering = scratch(sizeof(*gathering));
	struct turn turn = turn_none;
	struct late *late;

	gathering_open(gathering, shared);
	late = late_start();
	for (int i = 0; turn_again(i, &turn); i++) {
		gathering_post(gathering);
		late_worst(late);
		turn_take(&turn, late, gathering_hear(gathering));
	}
	expect_turn(shared ? "a group with one receive queue" : "a group of queue pairs", &turn, 0);
}

static void test_group(void **state)
{
	(void)state;
	hear_all(false);
}

static void test_group_srq(void **state)
{
	(void)state;
	hear_all(true);
}

/* --- local requests --------------------------------------------------------------------- */

#define LOCALS 8192u
#define REMOTES 64u	/* WRITEs among them; each acknowledges the requests before it */

static void bind_and_invalidate(struct end *end, struct ibv_mw *mw, struct buf *buf)
{
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_BIND_MW,
		.bind_mw = { mw, ibv_inc_rkey(mw->rkey), { buf->mr, (uintptr_t)buf->p, PAGE,
							   IBV_ACCESS_REMOTE_WRITE } },
	};

	post_send(end, &wr);
	mw->rkey = wr.bind_mw.rkey;
	wr = (struct ibv_send_wr){ .opcode = IBV_WR_LOCAL_INV, .invalidate_rkey = mw->rkey };
	post_send(end, &wr);
}

/* Returns the ns for @n local requests, with a WRITE now and then. */
static uint64_t do_locals(struct pair *pair, struct ibv_mw *mw, struct buf *near, struct buf *far, uint32_t n)
{
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE, .wr.rdma = { (uintptr_t)far->p, far->mr->rkey },
	};
	uint64_t start = now_ns();

	for (uint32_t i = 0; i < n; i++) {
		bind_and_invalidate(&pair->a, mw, near);
		if (i % (n / REMOTES) == n / REMOTES - 1)
			post_send(&pair->a, &wr);
	}
	wr.wr_id = n;
	wr.send_flags = IBV_SEND_SIGNALED;
	post_send(&pair->a, &wr);
	expect_wc(pair->a.scq, n, IBV_WC_SUCCESS);
	return now_ns() - start;
}

static void test_locals(void **state)
{
	uint64_t few = UINT64_MAX, many = UINT64_MAX;
	struct rc rc = rc_default();
	struct buf near, far;
	struct pair pair;
	struct ibv_mw *mw;

	(void)state;
	rc.send_wr = 3 * LOCALS * 4;
	rc.sq_sig_all = false;
	rc.access = ALL_ACCESS | IBV_ACCESS_MW_BIND;
	pair_open(&pair, &rc);
	near = buf_anon(pair.a.pd, PAGE, ALL_ACCESS | IBV_ACCESS_MW_BIND);
	far = buf_anon(pair.b.pd, PAGE, ALL_ACCESS);
	mw = ibv_alloc_mw(pair.a.pd, IBV_MW_TYPE_2);
	assert_non_null(mw);
	defer((undo_fn)ibv_dealloc_mw, mw);
	for (int i = 0; i < TRIES; i++) {
		keep_best(&few, do_locals(&pair, mw, &near, &far, LOCALS));
		keep_best(&many, do_locals(&pair, mw, &near, &far, 4 * LOCALS));
	}
	print_message("%u local requests: %.1f ms; %u: %.1f ms\n", 2 * LOCALS, few / 1e6, 8 * LOCALS, many / 1e6);
	/*
	 * Four times as many requests take four times as long; if each compared itself with all others,
	 * sixteen times.
	 */
	assert_in_range(many, 0, 9 * few);
}

/* All of them are executed, though only the last one rings the doorbell. */
static void test_one_doorbell(void **state)
{
	struct long_queue q;

	(void)state;
	long_queue_open(&q);
	pair_connect(&q.pair);
	fill_ring(&q);
	for (uint32_t i = 0; i < q.posted - 1; i++)
		((struct rxe_send_wqe *)ring_slot(&q.ring, i))->wr.send_flags = IBV_SEND_SIGNALED;
	ring_bell(&q);
	expect_first(&q, q.posted - 1, IBV_WC_SUCCESS);
}

/* --- resizing while completions arrive ----------------------------------------------- */

#define RESIZES 20
#define KEPT 60000u

struct adding {
	struct pair *pair;
	struct ibv_qp *qp;
	struct buf *buf;
	atomic_bool stop;
	uint32_t posted;
};

/* Adds as many completions as the queue has room for. */
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
		cmocka_unit_test(test_srq),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_group_srq),
		cmocka_unit_test(test_locals),
		cmocka_unit_test(test_one_doorbell),
		cmocka_unit_test(test_resize),
	};

	parse_options(argc, argv);
	return run_group("bigqueues", tests, ARRAY_SIZE(tests));
}
