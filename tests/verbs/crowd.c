// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/*
 * Many queue pairs that wait for pages at once: none of them delays, for as long as it waits itself, a queue
 * pair, region or process that need not wait, and none makes a peer retransmit.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/lanes.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/remote.h"
#include "lib/test.h"
#include "lib/uffd.h"

#define STUCK 48		/* queue pairs that each wait for a missing page */
#define SOON (300u * options.slow)	/* ms; a page that does not come takes 1000 and more */

#define TIMEOUT 20		/* of the connections */
#define TIMEOUT_US ((4096ul << TIMEOUT) / 1000)

struct rig {
	struct end a, b;
	struct pair *lanes;	/* connections between the ends' protection domains */
	struct buf from, to;
};

static struct rc patient(void)
{
	struct rc rc = rc_default();

	rc.timeout = TIMEOUT;
	rc.retry_cnt = 7;
	return rc;
}

static void rig_open(struct rig *rig, size_t lanes, size_t len)
{
	struct rc rc = patient();

	rc.cqe = 4 * lanes;
	end_open(&rig->a, options.device, &rc);
	end_open(&rig->b, options.peer, &rc);
	need_odp(rig->a.ctx);
	rig->lanes = scratch(lanes * sizeof(*rig->lanes));
	for (size_t i = 0; i < lanes; i++) {
		rig->lanes[i] = (struct pair){ rc, rig->a, rig->b };
		pair_open_qps(&rig->lanes[i]);
	}
	rig->from = buf_anon(rig->a.pd, len, ALL_ACCESS);
	pattern_fill(rig->from.p, len, 0, 1);
	rig->to = buf_anon(rig->b.pd, len, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

static void lane_write(struct rig *rig, size_t lane, size_t offset, size_t len)
{
	post_rdma(&rig->lanes[lane].a, lane, IBV_WR_RDMA_WRITE, sge(&rig->from, offset, len),
		  (uintptr_t)rig->to.p + offset, rig->to.mr->rkey);
}

/* Lanes 1.. wait for the first pages of the leaf. */
static int stick(struct rig *rig)
{
	int fd = uffd_open(UFFD_MISSING);

	rig_open(rig, STUCK + 1, 2 * MIB);
	uffd_watch(fd, UFFD_MISSING, rig->to.p, STUCK * PAGE);
	for (size_t i = 1; i <= STUCK; i++)
		lane_write(rig, i, (i - 1) * PAGE, PAGE);
	for (size_t i = 1; i <= STUCK; i++)
		uffd_wait(fd);
	return fd;
}

static void unstick(struct rig *rig, int fd)
{
	uffd_answer(fd, UFFD_MISSING, rig->to.p, STUCK * PAGE, NULL);
	for (size_t i = 1; i <= STUCK; i++)
		assert_int_equal(wait_wc(rig->a.scq).status, IBV_WC_SUCCESS);
	pattern_check(rig->to.p, STUCK * PAGE, 0, 1, "written by the waiting lanes");
}

/* A present page in the same 2 MiB of the same region. */
static void test_queue_pair(void **state)
{
	struct rig rig;
	uint64_t start;
	int fd;

	(void)state;
	fd = stick(&rig);
	start = now_ms();
	lane_write(&rig, 0, rig.to.len - 10 * PAGE, 10 * PAGE);
	expect_wc(rig.a.scq, 0, IBV_WC_SUCCESS);
	assert_in_range(now_ms() - start, 0, SOON);
	unstick(&rig, fd);
}

/* One message begins with a present page; others wait for the pages behind it. */
static void test_overlap(void **state)
{
	struct rig rig;
	uint64_t start;
	int fd = uffd_open(UFFD_MISSING);

	(void)state;
	rig_open(&rig, 2, 2 * MIB);
	uffd_watch(fd, UFFD_MISSING, rig.to.p + 4 * PAGE, PAGE);
	lane_write(&rig, 0, 0, 8 * PAGE);
	uffd_wait(fd);
	/* Remove the pages that the first message wrote before it got stuck. */
	assert_int_equal(madvise(rig.to.p, 4 * PAGE, MADV_DONTNEED), 0);
	start = now_ms();
	lane_write(&rig, 1, 0, 2 * PAGE);
	expect_wc(rig.a.scq, 1, IBV_WC_SUCCESS);
	assert_in_range(now_ms() - start, 0, SOON);
	uffd_answer(fd, UFFD_MISSING, rig.to.p + 4 * PAGE, PAGE, NULL);
	expect_wc(rig.a.scq, 0, IBV_WC_SUCCESS);
	pattern_check(rig.to.p, 2 * PAGE, 0, 1, "written by the second");
	pattern_check(rig.to.p + 4 * PAGE, 4 * PAGE, 4 * PAGE, 1, "written by the first");
}

struct stuck_child {
	atomic_bool stuck;
};

static void stuck_child(void *arg)
{
	struct stuck_child *shared = arg;
	struct rig rig;

	stick(&rig);
	shared->stuck = true;
	for (;;)
		pause();
}

#define ROUNDS 25

/* Returns the median time, in ms, of a WRITE to memory without present pages. */
static uint64_t cold_write_ms(struct rig *rig)
{
	uint64_t took[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now_ms();

		pattern_fill(rig->from.p, rig->from.len, 0, i);
		buf_dontneed(&rig->to);
		lane_write(rig, 0, 0, rig->to.len);
		expect_wc(rig->a.scq, 0, IBV_WC_SUCCESS);
		took[i] = now_ms() - start;
		pattern_check(rig->to.p, rig->to.len, 0, i, "written");
	}
	return percentile(took, ROUNDS, 500);
}

/* Faults in cold memory beside another process that runs @child. */
static void beside(void (*child)(void *arg), size_t len, unsigned int times)
{
	struct stuck_child *shared = map_shared(sizeof(*shared));
	uint64_t alone, together;
	struct rig rig;

	rig_open(&rig, 1, len);
	alone = cold_write_ms(&rig);
	child_start(child, shared);
	for (uint64_t end = now_ms() + PATIENCE; !shared->stuck; sleep_ms(1))
		assert_true(now_ms() < end);
	together = cold_write_ms(&rig);
	if (together > times * alone + SOON / 2)
		fail_msg("%lu ms, %lu ms without the other process", together, alone);
}

static void test_process(void **state)
{
	(void)state;
	need_uffd(UFFD_MISSING);
	beside(stuck_child, MIB, 4);
}

/* --- endless faults ------------------------------------------------------------------------- */

#define GREEDY 64

/* All lanes write to pages that this thread removes all the time. */
static void *take_away(void *arg)
{
	struct rig *rig = arg;

	for (;;)
		buf_dontneed(&rig->to);
	return NULL;
}

static void greedy_child(void *arg)
{
	struct stuck_child *shared = arg;
	pthread_t taker;
	struct rig rig;

	rig_open(&rig, GREEDY, 8 * MIB);
	assert_int_equal(pthread_create(&taker, NULL, take_away, &rig), 0);
	for (size_t i = 0; i < GREEDY; i++)
		lane_write(&rig, i, i * (rig.to.len / GREEDY), rig.to.len / GREEDY);
	shared->stuck = true;
	for (;;) {
		size_t lane = wait_wc(rig.a.scq).wr_id;

		lane_write(&rig, lane, lane * (rig.to.len / GREEDY), rig.to.len / GREEDY);
	}
}

/* The other process may take its share of the CPUs, but no more. */
static void test_greedy_process(void **state)
{
	(void)state;
	beside(greedy_child, 16 * PAGE, 20);
}

/* --- damming and flood (ISPASS'21) ----------------------------------------------------------- */

#define CROWD 128
#define SHARE (4 * PAGE)

static long sent_again(void)
{
	return port_counter(options.device, "timeout_retry_err") +
	       port_counter(options.device, "completer_retry_err") +
	       port_counter(options.peer, "duplicate_request") +
	       port_counter(options.peer, "out_of_seq_request");
}

static atomic_bool page_out;

static void *pageout(void *arg)
{
	struct rig *rig = arg;

	while (page_out) {
		madvise(rig->to.p, rig->to.len, MADV_PAGEOUT);
		sleep_ms(5);
	}
	return NULL;
}

/*
 * A fault delays the packets behind it; they must not be retransmitted for that (damming). When many queue
 * pairs miss pages at once, their retransmissions must not multiply (flood).
 */
static void test_flood(void **state)
{
	uint64_t *took = scratch(20 * CROWD * sizeof(*took)), *start = scratch(CROWD * 8);
	uint8_t *got = scratch(CROWD * SHARE);
	struct rig rig;
	pthread_t thread;
	long again, waits, rnr;
	uint64_t tail;
	size_t n = 0;

	(void)state;
	need_swap();
	rig_open(&rig, CROWD, CROWD * SHARE);
	page_out = true;
	assert_int_equal(pthread_create(&thread, NULL, pageout, &rig), 0);
	again = sent_again();
	waits = port_counter(options.peer, "page_fault_waits");
	rnr = port_counter(options.peer, "page_fault_rnr");
	for (int round = 0; round < 20; round++) {
		pattern_fill(rig.from.p, rig.from.len, 0, round);
		for (size_t i = 0; i < CROWD; i++) {
			start[i] = now_ns() / 1000;
			lane_write(&rig, i, i * SHARE, SHARE);
		}
		for (size_t i = 0; i < CROWD; i++) {
			struct ibv_wc wc = wait_wc(rig.a.scq);

			assert_int_equal(wc.status, IBV_WC_SUCCESS);
			took[n++] = now_ns() / 1000 - start[wc.wr_id];
		}
		memcpy(got, rig.to.p, rig.to.len);
		pattern_check(got, rig.to.len, 0, round, "written by the crowd");
	}
	page_out = false;
	assert_int_equal(pthread_join(thread, NULL), 0);
	again = sent_again() - again;
	tail = percentile(took, n, 999);
	print_message("median %lu us, p99 %lu us, p99.9 %lu us; %ld waits, %ld RNR NAKs for faults\n",
		      percentile(took, n, 500), percentile(took, n, 990), tail,
		      port_counter(options.peer, "page_fault_waits") - waits,
		      port_counter(options.peer, "page_fault_rnr") - rnr);
	if (again)
		fail_msg("%ld packets were retransmitted", again);
	if (tail > TIMEOUT_US)
		fail_msg("p99.9 is %lu us", tail);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_queue_pair),
	cmocka_unit_test(test_overlap),
	cmocka_unit_test(test_process),
	cmocka_unit_test(test_greedy_process),
	cmocka_unit_test(test_flood),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("crowd", tests, ARRAY_SIZE(tests));
}
