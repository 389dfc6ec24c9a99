// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * Packets, responses, routes and faults for which there is no memory at the moment: requests take longer, but
 * complete with every byte right and every atomic executed once. Without memory for a long time they fail,
 * and others' requests go on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/inject.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/stream.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/wire.h"
#include "lib/witness.h"

#define LEN 5000
#define AREA (2 * PAGE)
/* More allocations than a doorbell or a fault makes. */
#define ENDLESS 500

struct op {
	const char *name;
	enum ibv_wr_opcode opcode;
	bool receive;
	bool like_another;	/* allocates the same memory as another one: only in the long version */
};

static const struct op ops[] = {
	{ "SEND", IBV_WR_SEND, true, false },
	{ "SEND with immediate", IBV_WR_SEND_WITH_IMM, true, true },
	{ "WRITE", IBV_WR_RDMA_WRITE, false, false },
	{ "WRITE with immediate", IBV_WR_RDMA_WRITE_WITH_IMM, true, true },
	{ "READ", IBV_WR_RDMA_READ, false, false },
	{ "fetch-and-add", IBV_WR_ATOMIC_FETCH_AND_ADD, false, false },
	{ "compare-and-swap", IBV_WR_ATOMIC_CMP_AND_SWP, false, true },
};

static bool is_atomic(const struct op *op)
{
	return op->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ||
	       op->opcode == IBV_WR_ATOMIC_CMP_AND_SWP;
}

/* The side whose memory is on demand. */
enum side { NOBODY, LOCAL, REMOTE };

static const char *const side_names[] = { "pinned", "on demand", "on demand at the peer" };

struct scene {
	struct witness witness;
	struct pair pair;
	struct buf a, b;
	uint64_t counter;	/* expected value of the peer's word */
};

static struct rc starving(void)
{
	struct rc rc = rc_default();

	rc.timeout = 10;	/* 8 ms */
	return rc;
}

static void scene_open(struct scene *s, enum side side, const struct rc *rc)
{
	need_inject();
	*s = (struct scene){};
	s->witness = witness_start();
	pair_open(&s->pair, rc);
	if (side != NOBODY)
		need_odp(s->pair.a.ctx);
	s->a = buf_memfd(s->pair.a.pd, AREA,
			 ALL_ACCESS | (side == LOCAL ? IBV_ACCESS_ON_DEMAND : 0));
	s->b = buf_memfd(s->pair.b.pd, AREA,
			 ALL_ACCESS | (side == REMOTE ? IBV_ACCESS_ON_DEMAND : 0));
}

/* --- one request ----------------------------------------------------------- */

/* The peer's word counts the atomics; each returns the former value. */
static void prepare_atomic(struct scene *s)
{
	memcpy(s->b.p, &s->counter, sizeof(s->counter));
	memset(s->a.p, 0xee, sizeof(s->counter));
}

static void prepare(struct scene *s, const struct op *op, unsigned int i)
{
	memset(s->a.p, 0, AREA);
	memset(s->b.p, 0, AREA);
	if (is_atomic(op))
		prepare_atomic(s);
	else
		pattern_fill(op->opcode == IBV_WR_RDMA_READ ? s->b.p : s->a.p, LEN, 0, i);
}

static void receive(struct scene *s, const struct op *op, unsigned int i)
{
	struct ibv_sge list = sge(&s->b, 0, op->opcode == IBV_WR_RDMA_WRITE_WITH_IMM ? 0 : LEN);

	if (op->receive)
		post_recv(&s->pair.b, i, &list, 1);
}

static int post(struct scene *s, const struct op *op, unsigned int i)
{
	struct ibv_sge list = sge(&s->a, 0, is_atomic(op) ? sizeof(s->counter) : LEN);
	struct ibv_send_wr *bad, wr = {
		.wr_id = i, .opcode = op->opcode, .sg_list = &list, .num_sge = 1,
	};

	if (is_atomic(op)) {
		wr.wr.atomic.remote_addr = (uintptr_t)s->b.p;
		wr.wr.atomic.rkey = s->b.mr->rkey;
		wr.wr.atomic.compare_add =
			op->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ? 1 : s->counter;
		wr.wr.atomic.swap = s->counter + 1;
	} else {
		wr.wr.rdma.remote_addr = (uintptr_t)s->b.p;
		wr.wr.rdma.rkey = s->b.mr->rkey;
	}
	return ibv_post_send(s->pair.a.qp, &wr, &bad);
}

/*
 * The kernel's uverbs needs memory for a doorbell; if there is none, it reports that although the request is
 * in the ring already. The next doorbell covers that request, too.
 */
static void ring_again(struct scene *s)
{
	struct ibv_send_wr wr = {
		.wr_id = ~0ull, .opcode = IBV_WR_RDMA_WRITE,
		.wr.rdma = { .remote_addr = (uintptr_t)s->b.p, .rkey = s->b.mr->rkey },
	};

	post_send(&s->pair.a, &wr);
}

static void check_atomic(struct scene *s)
{
	uint64_t old, new;

	memcpy(&old, s->a.p, sizeof(old));
	memcpy(&new, s->b.p, sizeof(new));
	assert_int_equal(old, s->counter);
	assert_int_equal(new, ++s->counter);
}

/* Checks request @i; the number also chooses its bytes. */
static void check(struct scene *s, const struct op *op, unsigned int i)
{
	bool read = op->opcode == IBV_WR_RDMA_READ;

	expect_wc(s->pair.a.scq, i, IBV_WC_SUCCESS);
	if (op->receive)
		expect_wc(s->pair.b.rcq, i, IBV_WC_SUCCESS);
	if (is_atomic(op))
		check_atomic(s);
	else
		pattern_check(read ? s->a.p : s->b.p, LEN, 0, i, op->name);
}

static void told(struct scene *s, const char *what, unsigned int n)
{
	printf("# %s: %u allocations failed in turn\n", what, n - 1);
	assert_true(n > 1 && n < ENDLESS);
	witness_stop(&s->witness);
}

/* --- the doorbell's own allocations ---------------------------------------- */

struct trial {
	const struct op *op;
	enum side side;
	char name[96];
};

/* Makes allocation @n fail; returns whether there was one. */
static bool doorbell(struct scene *s, const struct op *op, unsigned int n)
{
	bool failed;
	int err;

	prepare(s, op, n);
	receive(s, op, n);
	inject_nth(n);
	err = post(s, op, n);
	failed = inject_end();
	if (err) {
		assert_int_equal(err, ENOMEM);
		ring_again(s);
	}
	check(s, op, n);
	if (err)
		expect_wc(s->pair.a.scq, ~0ull, IBV_WC_SUCCESS);
	return failed;
}

static void test_doorbell(void **state)
{
	const struct trial *trial = *state;
	struct rc rc = starving();
	unsigned int n = 1;
	struct scene s;

	scene_open(&s, trial->side, &rc);
	while (n < ENDLESS && doorbell(&s, trial->op, n))
		n++;
	told(&s, trial->name, n);
}

/*
 * The peer sends an RNR NAK while the sender waits for memory for its next packet, or the peer has no memory
 * for the NAK. More packets follow that ask for a response, so the transfer goes on without a timeout.
 */
static void test_pause(void **state)
{
	struct rc rc = starving();
	struct ibv_sge list;
	struct scene s;

	(void)state;
	rc.timeout = 0;
	scene_open(&s, NOBODY, &rc);
	list = sge(&s.b, 0, LEN);
	/*
	 * The first allocation is the one of uverbs; then five packets make two each, and so does a response
	 * if there is no wire.
	 */
	for (unsigned int n = 4; n <= (have_wire() ? 11 : 13); n++) {
		pattern_fill(s.a.p, LEN, 0, n);
		memset(s.b.p, 0, LEN);
		inject_nth(n);
		assert_int_equal(post(&s, &ops[0], n), 0);
		assert_true(inject_end());
		sleep_ms(20);
		post_recv(&s.pair.b, n, &list, 1);
		check(&s, &ops[0], n);
	}
	witness_stop(&s.witness);
}

/* --- allocations of the fault worker ------------------------------------------ */

/* A new region has no translations, and no page is in the page table. */
static void forget_pages(struct buf *buf, struct ibv_pd *pd)
{
	undo(buf->mr);
	buf_remap(buf);
	buf->mr = reg(pd, buf->p, buf->len, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

static int post_with_fault(struct scene *s, const struct trial *trial, unsigned int i)
{
	prepare(s, trial->op, i);
	if (trial->side == LOCAL)
		forget_pages(&s->a, s->pair.a.pd);
	else
		forget_pages(&s->b, s->pair.b.pd);
	receive(s, trial->op, i);
	return post(s, trial->op, i);
}

/*
 * Another worker than at first may fault, or other work may use up the count: the sweep ends when several
 * numbers in a row were not reached.
 */
static void test_fault(void **state)
{
	const struct trial *trial = *state;
	unsigned int n, missed = 0;
	struct rc rc = starving();
	struct scene s;

	scene_open(&s, trial->side, &rc);
	for (n = 1; n < ENDLESS && missed < 3; n++) {
		inject_workers_nth(n);
		assert_int_equal(post_with_fault(&s, trial, n), 0);
		check(&s, trial->op, n);
		missed = inject_workers_end() ? 0 : missed + 1;
	}
	told(&s, trial->name, n - missed);
}

/* Makes so many of the allocations of many faults fail that a retried fault succeeds. */
static void test_faults(void **state)
{
	const struct trial *trial = *state;
	unsigned int n = options.count ? options.count : options.full ? 2000 : 30;
	struct rc rc = starving();
	unsigned long failures;
	struct scene s;

	scene_open(&s, trial->side, &rc);
	inject_workers(5);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(post_with_fault(&s, trial, i), 0);
		check(&s, trial->op, i);
	}
	failures = inject_stop();
	printf("# %lu failures, %u faults\n", failures, n);
	assert_true(failures > 0);
	witness_stop(&s.witness);
}

static void drain(struct ibv_cq *cq)
{
	struct ibv_wc wc;

	while (ibv_poll_cq(cq, 1, &wc) > 0)
		;
}

/* All pages of the others are present after this has run once. */
static void others_go_on(struct rig *others)
{
	for (size_t i = 0; i < n_streams; i++) {
		pair_connect(&others->pair);
		streams[i].run(others, 16);
	}
}

/* The caches that packets come from: a worker may have to send a packet, too. */
static const char *const of_packets[] = {
	"skbuff_head_cache", "skbuff_small_head", "kmalloc-1k", "kmalloc-2k", NULL,
};

/* No page can be faulted in for longer than anybody waits. */
static void test_never(void **state)
{
	const struct trial *trial = *state;
	enum ibv_wc_status want = trial->side == LOCAL ? IBV_WC_LOC_PROT_ERR : IBV_WC_REM_OP_ERR;
	struct rc rc = starving();
	struct rig others;
	struct scene s;

	scene_open(&s, trial->side, &rc);
	witness_stop(&s.witness);
	streams_open(&others);
	others_go_on(&others);
	inject_spare(of_packets);
	inject_workers(100);
	assert_int_equal(post_with_fault(&s, trial, 1), 0);
	others_go_on(&others);
	expect_wc(s.pair.a.scq, 1, want);
	expect_state(s.pair.a.qp, IBV_QPS_ERR);
	assert_true(inject_stop() > 0);

	pair_connect(&s.pair);
	drain(s.pair.b.rcq);
	assert_int_equal(post_with_fault(&s, trial, 2), 0);
	check(&s, trial->op, 2);
}

/* --- packets --------------------------------------------------------------- */

struct shortage {
	const char *cache;
	unsigned int percent;
	const struct stream *stream;
	char name[96];
};

static void test_packets(void **state)
{
	const struct shortage *shortage = *state;
	unsigned int n = options.full ? 400 : 64;
	unsigned long failures;
	struct rig rig;

	need_inject();
	/* The direct way allocates nothing. */
	set_parameter("rdma_rxe", "direct", "N");
	streams_open(&rig);
	inject_cache(shortage->cache, shortage->percent);
	shortage->stream->run(&rig, n);
	failures = inject_stop();
	printf("# %s: %lu failures\n", shortage->name, failures);
	assert_true(failures > 0);
}

/* The route to the peer is looked up in the middle of a stream; every second lookup fails. */
static void test_routes(void **state)
{
	const char *cache = access("/sys/kernel/slab/rtable", F_OK) ? "ip_dst_cache" : "rtable";
	unsigned long failures = 0;
	struct rig rig;

	(void)state;
	need_inject();
	need_wire();
	streams_open(&rig);
	for (int i = 0; i < 20; i++) {
		pair_connect(&rig.pair);
		assert_int_equal(write_file("/proc/sys/net/ipv4/route/flush", "1"), 0);
		inject_cache(cache, 50);
		streams[i % n_streams].run(&rig, 16);
		failures += inject_stop();
	}
	printf("# %lu failures\n", failures);
	assert_true(failures > 0);
}

/* --- the list of tests ----------------------------------------------------- */

static struct CMUnitTest tests[128];
static size_t n_tests;

static void add(const char *name, CMUnitTestFunction fn, void *state)
{
	assert_true(n_tests < ARRAY_SIZE(tests));
	tests[n_tests++] = (struct CMUnitTest){
		.name = name, .test_func = fn, .initial_state = state,
	};
}

static void add_trial(const char *what, CMUnitTestFunction fn, const struct op *op, enum side side)
{
	static struct trial trials[ARRAY_SIZE(tests)];
	struct trial *trial = &trials[n_tests];

	trial->op = op;
	trial->side = side;
	snprintf(trial->name, sizeof(trial->name), "%s, %s, %s", what, op->name, side_names[side]);
	add(trial->name, fn, trial);
}

static void add_shortage(const char *cache, unsigned int percent, const struct stream *stream)
{
	static struct shortage shortages[ARRAY_SIZE(tests)];
	struct shortage *shortage = &shortages[n_tests];

	shortage->cache = cache;
	shortage->percent = percent;
	shortage->stream = stream;
	snprintf(shortage->name, sizeof(shortage->name), "packets, %s, %s", cache, stream->name);
	add(shortage->name, test_packets, shortage);
}

static const struct {
	const char *name;
	CMUnitTestFunction fn;
} of_faults[] = {
	{ "a fault's allocations", test_fault },
	{ "many faults", test_faults },
	{ "no memory for long", test_never },
};

/* Whether only packets with data come from a cache. */
static const struct {
	const char *name;
	bool data;
} caches[] = {
	{ "skbuff_head_cache", false }, { "skbuff_small_head", false }, { "kmalloc-2k", true },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		if (ops[i].like_another && !options.full)
			continue;
		for (enum side side = NOBODY; side <= REMOTE; side++)
			add_trial("a doorbell's allocations", test_doorbell, &ops[i], side);
	}
	for (size_t f = 0; f < ARRAY_SIZE(of_faults); f++) {
		for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
			if (ops[i].like_another && !options.full)
				continue;
			add_trial(of_faults[f].name, of_faults[f].fn, &ops[i], LOCAL);
			add_trial(of_faults[f].name, of_faults[f].fn, &ops[i], REMOTE);
		}
	}
	for (size_t c = 0; c < ARRAY_SIZE(caches); c++) {
		for (size_t i = 0; i < n_streams; i++) {
			if (streams[i].data || !caches[c].data)
				add_shortage(caches[c].name, 10, &streams[i]);
		}
	}
	add("not ready while there is no memory", test_pause, NULL);
	add("routes", test_routes, NULL);
	return run_group("starve", tests, n_tests);
}
