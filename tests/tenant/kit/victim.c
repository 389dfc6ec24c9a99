// SPDX-License-Identifier: GPL-2.0
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kit/victim.h"
#include "libodp/odp.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/witness.h"

#define LEN (64 * 1024ul)
#define PREFETCH (16 * PAGE)
#define LETTER 1000		/* bytes of a datagram */
#define GRH 40		/* bytes in front of a datagram's payload */
#define SAMPLES 4096		/* of each kind of work; more do not change the median */

struct window {
	uint64_t rounds;
	uint64_t worst[VICTIM_WORKS];
	uint32_t n[VICTIM_WORKS];
	uint64_t took[VICTIM_WORKS][SAMPLES];
};

struct shared {
	atomic_bool stop, ready;
	atomic_uint turn;	/* the window that the process fills; the parent increments it */
	struct window window[2];
};

struct victim {
	int pid;
	struct shared *shared;
};

struct work {
	struct shared *shared;
	struct pair pair, letters;
	struct ibv_ah *ah;	/* of letters.b */
	struct buf from, warm, cold, hint, out, in;
	uint64_t round;
};

/* --- the process ----------------------------------------------------------------- */

static void transfer(struct work *work, enum ibv_wr_opcode opcode, struct buf *to, size_t len)
{
	struct ibv_sge list = sge(&work->from, 0, len);
	struct ibv_send_wr wr = {
		.wr_id = work->round, .opcode = opcode, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { (uintptr_t)to->p, to->mr->rkey },
	};

	post_send(&work->pair.a, &wr);
	expect_wc(work->pair.a.scq, work->round, IBV_WC_SUCCESS);
}

static void do_latency(struct work *work)
{
	transfer(work, IBV_WR_RDMA_WRITE, &work->warm, 8);
}

static void do_bandwidth(struct work *work)
{
	pattern_fill(work->from.p, LEN, 0, work->round);
	transfer(work, IBV_WR_RDMA_WRITE, &work->warm, LEN);
	memset(work->from.p, 0, LEN);
	transfer(work, IBV_WR_RDMA_READ, &work->warm, LEN);
	pattern_check(work->from.p, LEN, 0, work->round, "the victim's bytes, there and back");
}

static bool letter_arrives(struct work *work, unsigned int ms)
{
	uint64_t end = now_ms() + ms;
	struct ibv_wc wc;

	while (!ibv_poll_cq(work->letters.b.rcq, 1, &wc)) {
		if (now_ms() > end)
			return false;
		sched_yield();
	}
	assert_int_equal(wc.status, IBV_WC_SUCCESS);
	return true;
}

static void do_datagram(struct work *work)
{
	struct ibv_sge from = sge(&work->out, 0, LETTER), to = sge(&work->in, 0, GRH + LETTER);
	struct ibv_send_wr wr = {
		.wr_id = work->round, .opcode = IBV_WR_SEND, .sg_list = &from, .num_sge = 1,
		.wr.ud = { work->ah, work->letters.b.qp->qp_num, work->letters.rc.qkey },
	};
	uint64_t end = now_ms() + PATIENCE;

	pattern_fill(work->out.p, LETTER, 0, work->round);
	post_recv(&work->letters.b, work->round, &to, 1);
	do {
		if (now_ms() > end)
			fail_msg("no datagram has arrived in %d ms", PATIENCE);
		post_send(&work->letters.a, &wr);
		expect_wc(work->letters.a.scq, work->round, IBV_WC_SUCCESS);
	} while (!letter_arrives(work, 1000));
	pattern_check(work->in.p + GRH, LETTER, 0, work->round, "the victim's datagram");
}

static void do_fault(struct work *work)
{
	transfer(work, IBV_WR_RDMA_WRITE, &work->cold, LEN);
	pattern_check(work->cold.p, LEN, 0, work->round, "the victim's bytes in new pages");
	buf_dontneed(&work->cold);
}

static void do_register(struct work *work)
{
	struct ibv_mr *mr = ibv_reg_mr(work->pair.a.pd, work->hint.p, PAGE,
				       ALL_ACCESS | IBV_ACCESS_ON_DEMAND);

	assert_non_null(mr);
	assert_int_equal(ibv_dereg_mr(mr), 0);
}

static void do_prefetch(struct work *work)
{
	struct ibv_sge list = { (uintptr_t)work->hint.p, PREFETCH, work->hint.mr->lkey };
	uint64_t end = now_ms() + PATIENCE;

	assert_int_equal(odp_advise_mr(work->pair.a.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0, &list, 1),
			 0);
	while (resident_pages(work->hint.p, PREFETCH) < PREFETCH / PAGE) {
		if (now_ms() > end)
			fail_msg("the victim's prefetch is not done after %d ms", PATIENCE);
		usleep(50);
	}
	buf_dontneed(&work->hint);
}

static void (*const works[VICTIM_WORKS])(struct work *work) = {
	[VICTIM_LATENCY] = do_latency,
	[VICTIM_BANDWIDTH] = do_bandwidth,
	[VICTIM_DATAGRAM] = do_datagram,
	[VICTIM_FAULT] = do_fault,
	[VICTIM_REGISTER] = do_register,
	[VICTIM_PREFETCH] = do_prefetch,
};

static const char *const work_names[VICTIM_WORKS] = {
	[VICTIM_LATENCY] = "WRITE of 8 bytes",
	[VICTIM_BANDWIDTH] = "WRITE and READ of 64 KiB",
	[VICTIM_DATAGRAM] = "datagram of 1000 bytes",
	[VICTIM_FAULT] = "WRITE of 64 KiB into new memory",
	[VICTIM_REGISTER] = "registration",
	[VICTIM_PREFETCH] = "prefetch of 16 pages",
};

static void account(struct window *window, enum victim_work kind, uint64_t ns)
{
	if (ns > window->worst[kind])
		window->worst[kind] = ns;
	if (window->n[kind] < SAMPLES)
		window->took[kind][window->n[kind]++] = ns;
}

static void do_round(struct work *work)
{
	work->round++;
	for (enum victim_work kind = 0; kind < VICTIM_WORKS; kind++) {
		uint64_t start = now_ns();
		struct window *window;

		works[kind](work);
		window = &work->shared->window[work->shared->turn % 2];
		account(window, kind, now_ns() - start);
	}
	work->shared->window[work->shared->turn % 2].rounds++;
	work->shared->ready = true;
}

static void victim_main(void *arg)
{
	struct work *work = scratch(sizeof(*work));
	const int access = ALL_ACCESS | IBV_ACCESS_ON_DEMAND;
	struct rc rc = rc_default();

	*work = (struct work){ .shared = arg };
	rc.timeout = 18;	/* 1 s: the tenant uses up the machine */
	pair_open(&work->pair, &rc);
	rc.type = IBV_QPT_UD;
	pair_open(&work->letters, &rc);
	work->ah = end_ah(&work->letters.a, &work->letters.b);
	work->out = buf_anon(work->letters.a.pd, PAGE, access);
	work->in = buf_anon(work->letters.b.pd, PAGE, access);
	work->from = buf_anon(work->pair.a.pd, LEN, access);
	work->warm = buf_anon(work->pair.b.pd, LEN, access);
	work->cold = buf_anon(work->pair.b.pd, LEN, access);
	work->hint = buf_anon(work->pair.a.pd, PREFETCH, access);
	while (!work->shared->stop)
		do_round(work);
}

/* --- its owner -------------------------------------------------------------------- */

static void need_on_demand(void)
{
	struct ibv_context *ctx = device_open(options.device);

	need_odp(ctx);
}

static void victim_lives(struct victim *victim)
{
	const struct witness witness = { .pid = victim->pid };

	witness_lives(&witness);
}

static struct window *window_begin(struct victim *victim)
{
	struct window *next = &victim->shared->window[(victim->shared->turn + 1) % 2];

	memset(next, 0, sizeof(*next));
	victim->shared->turn++;
	return next;
}

struct victim *victim_start(void)
{
	struct victim *victim = scratch(sizeof(*victim));
	uint64_t end = now_ms() + PATIENCE;

	need_on_demand();
	victim->shared = map_shared(sizeof(*victim->shared));
	victim->pid = child_start(victim_main, victim->shared);
	while (!victim->shared->ready) {
		victim_lives(victim);
		if (now_ms() > end)
			fail_msg("the victim makes no progress");
		sleep_ms(1);
	}
	return victim;
}

/*
 * A window ends with the victim's current round, so that it includes work that takes longer than the window.
 */
static void wait_for_round(struct victim *victim)
{
	uint64_t end = now_ms() + 2 * PATIENCE;

	victim->shared->ready = false;
	while (!victim->shared->ready) {
		victim_lives(victim);
		if (now_ms() > end)
			fail_msg("the victim has been stuck for %d ms", 2 * PATIENCE);
		sleep_ms(1);
	}
}

struct victim_figures victim_watch(struct victim *victim, unsigned int ms)
{
	struct window *window = window_begin(victim);
	struct victim_figures figures = {};

	sleep_ms(ms);
	wait_for_round(victim);
	window_begin(victim);
	figures.rounds = window->rounds;
	figures.available_kib = file_number("/proc/meminfo", "MemAvailable:");
	for (enum victim_work kind = 0; kind < VICTIM_WORKS; kind++) {
		if (!window->n[kind])
			fail_msg("the victim did nothing for %u ms", ms);
		figures.work[kind].worst_ns = window->worst[kind];
		figures.work[kind].median_ns = percentile(window->took[kind], window->n[kind], 500);
		print_message("  %-32s median %8.3f ms, worst %8.3f ms\n", work_names[kind],
			      figures.work[kind].median_ns / 1e6, figures.work[kind].worst_ns / 1e6);
	}
	return figures;
}

/* Time that a process waits for others' time slices, however fair the scheduler is. */
#define SLICE_NS (20 * 1000000ull * options.slow)

void victim_bears(const struct victim_figures *alone, const struct victim_figures *beside,
		  unsigned int factor, unsigned int worst_ms)
{
	for (enum victim_work kind = 0; kind < VICTIM_WORKS; kind++) {
		uint64_t before = alone->work[kind].median_ns, after = beside->work[kind].median_ns;
		uint64_t worst = beside->work[kind].worst_ns / 1000000;

		if (after > factor * before && after > SLICE_NS)
			fail_msg("%s takes the victim %.3f ms, %.3f alone", work_names[kind], after / 1e6,
				 before / 1e6);
		if (worst > worst_ms * (uint64_t)options.slow)
			fail_msg("%s once took the victim %llu ms", work_names[kind],
				 (unsigned long long)worst);
	}
}

void victim_has_memory(const struct victim_figures *alone, const struct victim_figures *beside,
		       long most_kib)
{
	long taken = alone->available_kib - beside->available_kib;

	if (taken > most_kib)
		fail_msg("the tenant has taken %ld KiB from the machine, its limit is %ld", taken,
			 most_kib);
}

void victim_stop(struct victim *victim)
{
	victim->shared->stop = true;
	assert_int_equal(child_wait(victim->pid), 0);
}
