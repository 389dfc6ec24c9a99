// SPDX-License-Identifier: GPL-2.0
/* Ways: loop */
/* CI: debug debian */
/*
 * The direct way: SEND, WRITE and READ between queue pairs of one device, without packets. Results and their
 * order are the same on both ways, however often the way changes.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/counters.h"
#include "lib/dice.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/rig.h"
#include "lib/test.h"
#include "lib/uffd.h"

#define LEN (300 * 1024ul)
#define MTU 1024

static void fill_bufs(struct rig *rig)
{
	pattern_fill(rig->a.p, LEN, 0, 1);
	pattern_fill(rig->b.p, LEN, 0, 2);
}

static void open_bufs(struct rig *rig)
{
	rig_open_bufs(rig, LEN);
	fill_bufs(rig);
}

static void rig_open(struct rig *rig, const struct rc *rc)
{
	pair_open(&rig->pair, rc);
	open_bufs(rig);
}

/* Posts a request from @list of @near to offset @at of @far, or back. */
static void post_list(struct end *near, struct buf *far, enum ibv_wr_opcode opcode,
		      struct ibv_sge *list, int n, size_t at, unsigned int flags)
{
	struct ibv_send_wr wr = {
		.opcode = opcode, .sg_list = list, .num_sge = n, .send_flags = flags,
		.wr.rdma = { (uintptr_t)far->p + at, far->mr->rkey },
	};

	post_send(near, &wr);
}

static void post(struct rig *rig, enum ibv_wr_opcode opcode, size_t offset, size_t at, size_t len,
		 unsigned int flags)
{
	struct ibv_sge list = sge(&rig->a, offset, len);

	post_list(&rig->pair.a, &rig->b, opcode, &list, 1, at, flags);
}

static void finish(struct rig *rig)
{
	expect_wc(rig->pair.a.scq, 0, IBV_WC_SUCCESS);
}

/* --- which way ------------------------------------------------------------------------------- */

struct counts {
	long sent, direct;
};

static struct counts counts(void)
{
	return (struct counts){
		port_counter(options.device, "sent_pkts"), port_counter(options.device, "direct_pkts"),
	};
}

static void set_direct(const char *value)
{
	set_parameter("rdma_rxe", "direct", value);
}

/* The receive list has other elements than the send list. */
static void send_some(struct rig *rig)
{
	struct ibv_sge out[3] = {
		sge(&rig->a, 9, 3000), sge(&rig->a, 70000, 0), sge(&rig->a, 70001, 50 * MTU),
	};
	struct ibv_sge in[3] = {
		sge(&rig->b, 5, 100), sge(&rig->b, 20000, 8000), sge(&rig->b, 100001, 100 * MTU),
	};
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_SEND_WITH_IMM, .sg_list = out, .num_sge = 3, .imm_data = 0x12345678,
	};
	const size_t total = 3000 + 50 * MTU;
	uint8_t *want = scratch(total);
	struct ibv_wc wc;

	memcpy(want, rig->a.p + 9, 3000);
	memcpy(want + 3000, rig->a.p + 70001, 50 * MTU);
	post_recv(&rig->pair.b, 11, in, 3);
	post_send(&rig->pair.a, &wr);
	finish(rig);
	wc = expect_wc(rig->pair.b.rcq, 11, IBV_WC_SUCCESS);
	assert_int_equal(wc.opcode, IBV_WC_RECV);
	assert_int_equal(wc.byte_len, total);
	assert_int_equal(wc.wc_flags, IBV_WC_WITH_IMM);
	assert_int_equal(wc.imm_data, 0x12345678);
	same_bytes(rig->b.p + 5, want, 100, "the first element");
	same_bytes(rig->b.p + 20000, want + 100, 8000, "the second");
	same_bytes(rig->b.p + 100001, want + 8100, total - 8100, "the third");

	post_recv(&rig->pair.b, 12, in, 3);
	post_recv(&rig->pair.b, 13, NULL, 0);
	post(rig, IBV_WR_SEND, 33, 0, 60, IBV_SEND_INLINE);
	post(rig, IBV_WR_SEND, 0, 0, 0, 0);
	finish(rig);
	finish(rig);
	assert_int_equal(expect_wc(rig->pair.b.rcq, 12, IBV_WC_SUCCESS).byte_len, 60);
	assert_int_equal(expect_wc(rig->pair.b.rcq, 13, IBV_WC_SUCCESS).byte_len, 0);
	same_bytes(rig->b.p + 5, rig->a.p + 33, 60, "inline");
}

static void some_of_each(struct rig *rig)
{
	uint8_t *want = scratch(LEN);
	struct ibv_sge three[3] = {
		sge(&rig->a, 7, 5000), sge(&rig->a, 100000, 1), sge(&rig->a, 50001, 9999),
	};

	memcpy(want, rig->b.p, LEN);
	post(rig, IBV_WR_RDMA_WRITE, 3, 4095, 200 * MTU, 0);
	finish(rig);
	memcpy(want + 4095, rig->a.p + 3, 200 * MTU);
	post(rig, IBV_WR_RDMA_WRITE, 64, 9, 50, IBV_SEND_INLINE);
	finish(rig);
	memcpy(want + 9, rig->a.p + 64, 50);
	post(rig, IBV_WR_RDMA_WRITE, 0, 0, 0, 0);
	finish(rig);
	post_list(&rig->pair.a, &rig->b, IBV_WR_RDMA_WRITE, three, 3, 220 * 1024, 0);
	finish(rig);
	memcpy(want + 220 * 1024, rig->a.p + 7, 5000);
	memcpy(want + 220 * 1024 + 5000, rig->a.p + 100000, 1);
	memcpy(want + 220 * 1024 + 5001, rig->a.p + 50001, 9999);
	same_bytes(rig->b.p, want, LEN, "written");
	post(rig, IBV_WR_RDMA_READ, 11, 4000, 200 * MTU + 1, 0);
	finish(rig);
	same_bytes(rig->a.p + 11, want + 4000, 200 * MTU + 1, "read");
	send_some(rig);
}

#define SENT_PACKETS (53 + 1 + 1)
#define SOME_PACKETS (200 + 1 + 1 + 15 + 201 + SENT_PACKETS)

static void test_without_packets(void **state)
{
	struct rc rc = rc_default();
	struct counts before, after;
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc);
	before = counts();
	some_of_each(&rig);
	after = counts();
	assert_int_equal(after.direct - before.direct, SOME_PACKETS);
	assert_int_equal(after.sent - before.sent, 0);
}

static void test_switched_off(void **state)
{
	struct rc rc = rc_default();
	struct counts before, after;
	struct rig rig;

	(void)state;
	set_direct("N");
	rig_open(&rig, &rc);
	before = counts();
	some_of_each(&rig);
	after = counts();
	assert_int_equal(after.direct - before.direct, 0);
	assert_true(after.sent - before.sent >= SOME_PACKETS);
}

/* A queue pair that is connected to itself. */
static void test_with_itself(void **state)
{
	struct rc rc = rc_default();
	struct rig rig;
	long before;

	(void)state;
	end_open(&rig.pair.a, options.device, &rc);
	rig.pair.a.qp = end_qp(&rig.pair.a, &rc);
	qp_init(rig.pair.a.qp, &rc);
	qp_rtr(rig.pair.a.qp, &rig.pair.a, &rc, &rig.pair.a.gid, rig.pair.a.qp->qp_num);
	qp_rts(rig.pair.a.qp, &rc);
	rig.pair.b = rig.pair.a;
	rig.a = buf_anon(rig.pair.a.pd, LEN, ALL_ACCESS);
	rig.b = buf_anon(rig.pair.a.pd, LEN, ALL_ACCESS);
	fill_bufs(&rig);
	before = port_counter(options.device, "direct_pkts");
	some_of_each(&rig);
	assert_int_equal(port_counter(options.device, "direct_pkts") - before, SOME_PACKETS);
}

/* --- order ----------------------------------------------------------------------------------- */

/* Opens @rig, and at @end an on-demand @page that arrives when the returned userfaultfd is answered. */
static int open_with_page(struct rig *rig, struct end *end, struct buf *page, struct ibv_sge *list)
{
	struct rc rc = rc_default();
	int fd;

	rc.timeout = 20;
	rig_open(rig, &rc);
	fd = uffd_open(UFFD_MISSING);
	need_odp(end->ctx);
	*page = buf_anon(end->pd, PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	uffd_watch(fd, UFFD_MISSING, page->p, PAGE);
	*list = sge(page, 0, 100);
	return fd;
}

/* A WRITE behind a SEND that waits for a page is not executed before the SEND. */
static void test_write_waits_for_send(void **state)
{
	struct ibv_sge list;
	struct buf cold;
	struct rig rig;
	int fd;

	(void)state;
	fd = open_with_page(&rig, &rig.pair.b, &cold, &list);
	post_recv(&rig.pair.b, 1, &list, 1);
	post(&rig, IBV_WR_SEND, 0, 0, 100, 0);
	post(&rig, IBV_WR_RDMA_WRITE, 1000, 2000, 3000, 0);
	post(&rig, IBV_WR_RDMA_READ, 9000, 8000, 3000, 0);
	uffd_wait(fd);
	expect_quiet(rig.pair.a.scq, 100);
	pattern_check(rig.b.p, LEN, 0, 2, "not to be written yet");
	uffd_answer(fd, UFFD_MISSING, cold.p, PAGE, NULL);
	expect_wc(rig.pair.b.rcq, 1, IBV_WC_SUCCESS);
	for (int i = 0; i < 3; i++)
		finish(&rig);
	same_bytes(cold.p, rig.a.p, 100, "sent");
	same_bytes(rig.b.p + 2000, rig.a.p + 1000, 3000, "written");
	same_bytes(rig.a.p + 9000, rig.b.p + 8000, 3000, "read");
}

/* A WRITE behind a READ whose data has arrived but whose local page is still missing. */
static void test_write_waits_for_read(void **state)
{
	struct ibv_sge list;
	struct buf cold;
	struct rig rig;
	int fd;

	(void)state;
	fd = open_with_page(&rig, &rig.pair.a, &cold, &list);
	set_direct("N");
	post_list(&rig.pair.a, &rig.b, IBV_WR_RDMA_READ, &list, 1, 77, 0);
	uffd_wait(fd);
	set_direct("Y");
	post(&rig, IBV_WR_RDMA_WRITE, 0, 77, 100, 0);
	expect_quiet(rig.pair.a.scq, 100);
	uffd_answer(fd, UFFD_MISSING, cold.p, PAGE, NULL);
	finish(&rig);
	pattern_check(cold.p, 100, 77, 2, "read before the WRITE");
	finish(&rig);
	pattern_check(rig.b.p + 77, 100, 0, 1, "written");
}

/* Posts more READs at once than may be under way, and a fenced request. */
static void test_many_reads(void **state)
{
	struct rc rc = rc_default();
	struct rig rig;

	(void)state;
	rc.rd_atomic = 2;
	rig_open(&rig, &rc);
	for (int i = 0; i < 20; i++)
		post(&rig, IBV_WR_RDMA_READ, i * 5000, i * 5001, 5000, 0);
	post(&rig, IBV_WR_RDMA_WRITE, 0, 200000, 100000, IBV_SEND_FENCE);
	for (int i = 0; i < 21; i++)
		finish(&rig);
	for (int i = 0; i < 20; i++)
		pattern_check(rig.a.p + i * 5000, 5000, i * 5001, 2, "read");
	same_bytes(rig.b.p + 200000, rig.a.p, 100000, "written behind the READs");
}

/* --- switching between the ways --------------------------------------------------------------- */

static bool flipping;

static void *flip(void *arg)
{
	(void)arg;
	for (int i = 0; __atomic_load_n(&flipping, __ATOMIC_RELAXED); i++) {
		FILE *file = fopen("/sys/module/rdma_rxe/parameters/direct", "w");

		if (!file)
			return NULL;
		fputs(i % 2 ? "Y" : "N", file);
		fclose(file);
	}
	return NULL;
}

/* Eight requests at a time, each in its own eighth of the memory, so that their order does not matter. */
#define BATCH 8
#define SHARE (LEN / BATCH)

static void post_any(struct rig *rig, struct dice *dice, size_t share, uint8_t *want_a, uint8_t *want_b)
{
	size_t len = dice_below(dice, SHARE / 2), base = share * SHARE;
	size_t offset = base + dice_below(dice, SHARE - len), at = base + dice_below(dice, SHARE - len);
	struct ibv_sge list;

	switch (dice_below(dice, 4)) {
	case 0:
		list = sge(&rig->b, at, len);
		post_recv(&rig->pair.b, 0, &list, 1);
		post(rig, IBV_WR_SEND, offset, 0, len, 0);
		memcpy(want_b + at, want_a + offset, len);
		break;
	case 1:
		post(rig, IBV_WR_RDMA_READ, offset, at, len, 0);
		memcpy(want_a + offset, want_b + at, len);
		break;
	default:
		post(rig, IBV_WR_RDMA_WRITE, offset, at, len, 0);
		memcpy(want_b + at, want_a + offset, len);
		break;
	}
}

static void test_switching_ways(void **state)
{
	uint8_t *want_a = scratch(LEN), *want_b = scratch(LEN);
	int rounds = options.full ? 20000 : 1000;
	struct rc rc = rc_default();
	struct dice dice = { .seed = options.seed };
	pthread_t thread;
	struct rig rig;
	long direct;

	(void)state;
	rig_open(&rig, &rc);
	set_direct("Y");
	memcpy(want_a, rig.a.p, LEN);
	memcpy(want_b, rig.b.p, LEN);
	direct = port_counter(options.device, "direct_pkts");
	flipping = true;
	assert_int_equal(pthread_create(&thread, NULL, flip, NULL), 0);
	for (int i = 0; i < rounds; i++) {
		for (size_t share = 0; share < BATCH; share++)
			post_any(&rig, &dice, share, want_a, want_b);
		for (size_t share = 0; share < BATCH; share++)
			finish(&rig);
		while (ibv_poll_cq(rig.pair.b.rcq, 1, &(struct ibv_wc){ 0 }))
			;
		if (i % 100)
			continue;
		same_bytes(rig.a.p, want_a, LEN, "a");
		same_bytes(rig.b.p, want_b, LEN, "b");
		buf_dontneed(&rig.b);
		memset(want_b, 0, LEN);
	}
	__atomic_store_n(&flipping, false, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	same_bytes(rig.a.p, want_a, LEN, "a");
	same_bytes(rig.b.p, want_b, LEN, "b");
	assert_true(port_counter(options.device, "direct_pkts") > direct);
}

struct side {
	struct end *end;
	struct buf *near, *far;
	size_t from;		/* start of its half of the memory */
	int rounds;
};

static void *keep_copying(void *arg)
{
	struct side *side = arg;

	for (int i = 0; i < side->rounds; i++) {
		struct ibv_sge list = sge(side->near, side->from, LEN / 2);

		post_list(side->end, side->far, i % 2 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, &list, 1,
			  side->from, 0);
		expect_wc(side->end->scq, 0, IBV_WC_SUCCESS);
	}
	return NULL;
}

/* Each queue pair is the other's responder while its own requests are under way. */
static void test_both_ways(void **state)
{
	struct rc rc = rc_default();
	struct rig rig;
	struct side a = { &rig.pair.a, &rig.a, &rig.b, 0, 400 };
	struct side b = { &rig.pair.b, &rig.b, &rig.a, LEN / 2, 400 };
	pthread_t thread;

	(void)state;
	rig_open(&rig, &rc);
	assert_int_equal(pthread_create(&thread, NULL, keep_copying, &a), 0);
	keep_copying(&b);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pattern_check(rig.a.p, LEN / 2, 0, 1, "a's bytes");
	pattern_check(rig.b.p, LEN / 2, 0, 1, "a's bytes at b");
	pattern_check(rig.b.p + LEN / 2, LEN / 2, LEN / 2, 2, "b's bytes");
	pattern_check(rig.a.p + LEN / 2, LEN / 2, LEN / 2, 2, "b's bytes at a");
}

/* --- receive requests ------------------------------------------------------------------------ */

/* The sender retries until there is a receive request; later messages go without packets again. */
static void test_not_ready(void **state)
{
	struct rc rc = rc_default();
	struct ibv_sge list;
	struct rig rig;
	long direct;

	(void)state;
	rig_open(&rig, &rc);
	list = sge(&rig.b, 0, LEN);
	post(&rig, IBV_WR_SEND, 0, 0, 70000, 0);
	expect_quiet(rig.pair.a.scq, 50);
	post_recv(&rig.pair.b, 1, &list, 1);
	finish(&rig);
	assert_int_equal(expect_wc(rig.pair.b.rcq, 1, IBV_WC_SUCCESS).byte_len, 70000);
	pattern_check(rig.b.p, 70000, 0, 1, "sent after the retries");
	direct = port_counter(options.device, "direct_pkts");
	send_some(&rig);
	assert_int_equal(port_counter(options.device, "direct_pkts") - direct, SENT_PACKETS);
}

/* The requests of a shared receive queue are used in order. */
static void test_shared_queue(void **state)
{
	struct rc rc = rc_default();
	struct rig rig;
	long direct;

	(void)state;
	pair_open_ends(&rig.pair, &rc);
	end_srq(&rig.pair.b, 8, 1);
	pair_open_qps(&rig.pair);
	open_bufs(&rig);
	for (int i = 0; i < 8; i++) {
		struct ibv_sge list = sge(&rig.b, i * 5000, 5000);

		post_recv(&rig.pair.b, i, &list, 1);
	}
	direct = port_counter(options.device, "direct_pkts");
	for (int i = 0; i < 8; i++)
		post(&rig, IBV_WR_SEND, i * 4000, 0, 4000, 0);
	for (int i = 0; i < 8; i++) {
		finish(&rig);
		expect_wc(rig.pair.b.rcq, i, IBV_WC_SUCCESS);
		pattern_check(rig.b.p + i * 5000, 4000, i * 4000, 1, "sent");
	}
	assert_int_equal(port_counter(options.device, "direct_pkts") - direct, 8 * 4);
}

/* --- errors ---------------------------------------------------------------------------------- */

/* The elements before the invalid one are written; the status is the same as with packets. */
static void test_wrong_element(void **state)
{
	struct rc rc = rc_default();
	struct ibv_sge list[2];
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc);
	list[0] = sge(&rig.a, 0, 40 * MTU);
	list[1] = sge(&rig.a, LEN - 10, 11);
	post_list(&rig.pair.a, &rig.b, IBV_WR_RDMA_WRITE, list, 2, 0, 0);
	expect_wc(rig.pair.a.scq, 0, IBV_WC_LOC_PROT_ERR);
	pattern_check(rig.b.p, 40 * MTU, 0, 1, "before the invalid element");
	pattern_check(rig.b.p + 40 * MTU, LEN - 40 * MTU, 40 * MTU, 2, "behind the invalid element");
}

static void test_no_right(void **state)
{
	struct rc rc = rc_default();
	struct rig rig;

	(void)state;
	rc.access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ;
	rig_open(&rig, &rc);
	post(&rig, IBV_WR_RDMA_READ, 0, 5, 100, 0);
	finish(&rig);
	post(&rig, IBV_WR_RDMA_WRITE, 0, 0, 100, 0);
	expect_wc(rig.pair.a.scq, 0, IBV_WC_REM_INV_REQ_ERR);
	expect_state(rig.pair.b.qp, IBV_QPS_ERR);
	pattern_check(rig.b.p, LEN, 0, 2, "must not be written");
}

/*
 * A message longer than its receive request: both sides get an error, and nothing is written behind the
 * request's buffer.
 */
static void test_too_long(void **state)
{
	struct rc rc = rc_default();
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc);
	list = sge(&rig.b, 1000, 40 * MTU - 1);
	post_recv(&rig.pair.b, 1, &list, 1);
	post(&rig, IBV_WR_SEND, 0, 0, 40 * MTU, 0);
	expect_wc(rig.pair.a.scq, 0, IBV_WC_REM_INV_REQ_ERR);
	expect_wc(rig.pair.b.rcq, 1, IBV_WC_LOC_LEN_ERR);
	pattern_check(rig.b.p + 1000 + 40 * MTU - 1, 1000, 1000 + 40 * MTU - 1, 2, "behind the buffer");
}

/* An invalid receive list is the responder's error: the sender gets a remote operational error. */
static void test_wrong_receive(void **state)
{
	struct rc rc = rc_default();
	struct ibv_sge list[2];
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc);
	list[0] = sge(&rig.b, 0, 20 * MTU);
	list[1] = sge(&rig.b, LEN - 10, 20 * MTU);
	post_recv(&rig.pair.b, 1, list, 2);
	post(&rig, IBV_WR_SEND, 0, 0, 40 * MTU, 0);
	expect_wc(rig.pair.a.scq, 0, IBV_WC_REM_OP_ERR);
	expect_wc(rig.pair.b.rcq, 1, IBV_WC_LOC_PROT_ERR);
	pattern_check(rig.b.p, 20 * MTU, 0, 1, "before the invalid element");
	pattern_check(rig.b.p + 20 * MTU, LEN - 20 * MTU, 20 * MTU, 2, "behind the invalid element");
}

static void test_unmapped_page(void **state)
{
	struct rc rc = rc_default();
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc);
	need_odp(rig.pair.b.ctx);
	buf_remap(&rig.b);
	assert_int_equal(munmap(rig.b.p + 40 * PAGE, PAGE), 0);
	post(&rig, IBV_WR_RDMA_WRITE, 0, 0, LEN, 0);
	expect_wc(rig.pair.a.scq, 0, IBV_WC_REM_ACCESS_ERR);
	pattern_check(rig.b.p, 40 * PAGE, 0, 1, "before the hole");
	assert_ptr_equal(mmap(rig.b.p + 40 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
			      MAP_FIXED, -1, 0), rig.b.p + 40 * PAGE);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_packets),
		cmocka_unit_test(test_switched_off),
		cmocka_unit_test(test_with_itself),
		cmocka_unit_test(test_write_waits_for_send),
		cmocka_unit_test(test_write_waits_for_read),
		cmocka_unit_test(test_many_reads),
		cmocka_unit_test(test_switching_ways),
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_not_ready),
		cmocka_unit_test(test_shared_queue),
		cmocka_unit_test(test_wrong_element),
		cmocka_unit_test(test_no_right),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_wrong_receive),
		cmocka_unit_test(test_unmapped_page),
	};

	parse_options(argc, argv);
	return run_group("direct", tests, ARRAY_SIZE(tests));
}
