// SPDX-License-Identifier: GPL-2.0
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/honest.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/test.h"

#define LEN (32 * 1024)
#define SENT (2 * LEN)		/* where in the peer's memory a SEND arrives */
#define COUNTER (4 * LEN)	/* where its counter is */

struct honest_report {
	atomic_bool stop;
	atomic_ullong rounds;
};

struct rig {
	struct pair pair;
	struct buf from, back, to;
	uint64_t counter;
};

static void rig_open(struct rig *rig)
{
	struct rc rc = rc_default();
	int access = ALL_ACCESS;

	rc.timeout = 18;	/* 1 s: what happens beside it takes the machine */
	pair_open(&rig->pair, &rc);
	if (device_has_odp(rig->pair.a.ctx))
		access |= IBV_ACCESS_ON_DEMAND;
	rig->from = buf_anon(rig->pair.a.pd, LEN, access);
	rig->back = buf_anon(rig->pair.a.pd, 3 * LEN + PAGE, access);
	rig->to = buf_anon(rig->pair.b.pd, COUNTER + PAGE, access);
}

static void request(struct rig *rig, enum ibv_wr_opcode opcode, struct ibv_sge list, size_t at)
{
	struct ibv_send_wr wr = { .opcode = opcode, .sg_list = &list, .num_sge = 1 };

	if (opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr.wr.atomic.remote_addr = (uintptr_t)rig->to.p + at;
		wr.wr.atomic.rkey = rig->to.mr->rkey;
		wr.wr.atomic.compare_add = 3;
	} else {
		wr.wr.rdma.remote_addr = (uintptr_t)rig->to.p + at;
		wr.wr.rdma.rkey = rig->to.mr->rkey;
	}
	post_send(&rig->pair.a, &wr);
}

static void round_of(struct rig *rig, uint64_t round)
{
	uint64_t dice = mix64(options.seed + round);
	size_t at = dice % 8192, len = 1 + (dice >> 16) % (LEN - at);
	struct ibv_sge sent = sge(&rig->to, SENT + at, len);
	uint64_t *fetched = (void *)(rig->back.p + 3 * LEN);

	pattern_fill(rig->from.p + at, len, 0, round);
	post_recv(&rig->pair.b, round, &sent, 1);
	request(rig, IBV_WR_RDMA_WRITE, sge(&rig->from, at, len), at);
	request(rig, IBV_WR_SEND, sge(&rig->from, at, len), 0);
	request(rig, IBV_WR_ATOMIC_FETCH_AND_ADD, sge(&rig->back, 3 * LEN, 8), COUNTER);
	request(rig, IBV_WR_RDMA_READ, sge(&rig->back, at, len), at);
	expect_wc(rig->pair.b.rcq, round, IBV_WC_SUCCESS);
	for (int i = 0; i < 4; i++)
		expect_wc(rig->pair.a.scq, 0, IBV_WC_SUCCESS);

	/* A uml guest shows replaced pages to who has entered the kernel. */
	sched_yield();
	pattern_check(rig->to.p + at, len, 0, round, "an honest WRITE");
	pattern_check(rig->to.p + SENT + at, len, 0, round, "an honest SEND");
	pattern_check(rig->back.p + at, len, 0, round, "an honest READ");
	assert_int_equal(*fetched, rig->counter);
	rig->counter += 3;
}

static void honest_child(void *arg)
{
	struct honest_report *report = arg;
	struct rig *rig = scratch(sizeof(*rig));

	*rig = (struct rig){};
	rig_open(rig);
	for (uint64_t round = 0; !report->stop; round++) {
		if (round % 32 == 31) {
			buf_dontneed(&rig->from);
			buf_dontneed(&rig->back);
		}
		round_of(rig, round);
		report->rounds = round + 1;
	}
}

void honest_start(struct honest *honest)
{
	uint64_t end = now_ms() + PATIENCE;

	honest->report = map_shared(sizeof(*honest->report));
	honest->pid = child_start(honest_child, honest->report);
	while (!honest->report->rounds) {
		if (now_ms() > end)
			fail_msg("the honest connection does not start");
		sleep_ms(1);
	}
}

uint64_t honest_rounds(const struct honest *honest)
{
	return honest->report->rounds;
}

void honest_stop(struct honest *honest)
{
	uint64_t before = honest->report->rounds, end = now_ms() + PATIENCE;

	while (honest->report->rounds == before && now_ms() < end)
		sleep_ms(1);
	honest->report->stop = true;
	if (child_wait(honest->pid))
		fail_msg("the honest connection beside broke after %llu rounds",
			 (unsigned long long)honest->report->rounds);
	assert_true(honest->report->rounds > before);
}
