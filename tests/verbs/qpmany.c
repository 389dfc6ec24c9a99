// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/* Many queue pairs at once, of one process and of several: each gets its own bytes. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

#define PAIRS 128
#define ROUNDS 6
#define SLOT (12 * 1024)
#define PROCESSES 4

struct rig {
	struct end a, b;
	struct ibv_qp *qa[PAIRS], *qb[PAIRS];
	struct buf from, to;
};

static void join(struct rig *rig, int i, const struct rc *rc)
{
	struct pair pair = { *rc, rig->a, rig->b };

	pair_open_qps(&pair);
	rig->qa[i] = pair.a.qp;
	rig->qb[i] = pair.b.qp;
}

static void rig_open(struct rig *rig, int pairs, bool odp)
{
	int access = ALL_ACCESS | (odp ? IBV_ACCESS_ON_DEMAND : 0);
	struct rc rc = rc_default();

	rc.send_wr = rc.recv_wr = 2 * ROUNDS;
	rc.timeout = 18;	/* 1 s: this many queue pairs share the machine */
	rc.cqe = 2 * ROUNDS * pairs;
	end_open(&rig->a, options.device, &rc);
	end_open(&rig->b, options.peer, &rc);
	if (odp)
		need_odp(rig->a.ctx);
	for (int i = 0; i < pairs; i++)
		join(rig, i, &rc);
	rig->from = buf_anon(rig->a.pd, pairs * SLOT, access);
	rig->to = buf_anon(rig->b.pd, pairs * SLOT, access);
}

/* Posts one round: a WRITE of each pair, and an immediate that names the pair. */
static void post(struct rig *rig, int i, int round)
{
	struct ibv_sge list = sge(&rig->from, i * SLOT, SLOT - 7 * i);
	struct ibv_send_wr wr = {
		.wr_id = i, .opcode = IBV_WR_RDMA_WRITE_WITH_IMM, .imm_data = i,
		.sg_list = &list, .num_sge = 1,
		.wr.rdma = {
			.remote_addr = (uintptr_t)rig->to.p + i * SLOT, .rkey = rig->to.mr->rkey,
		},
	};

	rig->a.qp = rig->qa[i];
	rig->b.qp = rig->qb[i];
	pattern_fill(rig->from.p + i * SLOT, list.length, 0, i * 1000 + round);
	post_recv(&rig->b, i, NULL, 0);
	post_send(&rig->a, &wr);
}

static void collect(struct ibv_cq *cq, int pairs)
{
	bool seen[PAIRS] = {};

	for (int i = 0; i < pairs; i++) {
		struct ibv_wc wc = wait_wc(cq);

		assert_int_equal(wc.status, IBV_WC_SUCCESS);
		assert_true(wc.wr_id < (uint64_t)pairs && !seen[wc.wr_id]);
		seen[wc.wr_id] = true;
	}
}

static void run(struct rig *rig, int pairs)
{
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < pairs; i++)
			post(rig, (i * 37 + round) % pairs, round);
		collect(rig->b.rcq, pairs);
		collect(rig->a.scq, pairs);
		for (int i = 0; i < pairs; i++)
			pattern_check(rig->to.p + i * SLOT, SLOT - 7 * i, 0, i * 1000 + round,
				      "the bytes of a pair");
	}
}

static void test_one_process(void **state)
{
	struct rig *rig = scratch(sizeof(*rig));

	rig_open(rig, PAIRS, *state);
	run(rig, PAIRS);
}

static void child(void *unused)
{
	struct rig *rig = scratch(sizeof(*rig));

	(void)unused;
	rig_open(rig, PAIRS / PROCESSES, true);
	run(rig, PAIRS / PROCESSES);
}

static void test_processes(void **state)
{
	int pids[PROCESSES];

	(void)state;
	need_odp(device_open(options.device));
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = child_start(child, NULL);
	for (int i = 0; i < PROCESSES; i++)
		assert_int_equal(child_wait(pids[i]), 0);
}

/* Queue pairs come and go beside the traffic of one that stays. */
static void test_come_and_go(void **state)
{
	struct rc rc = rc_default();
	struct rig *rig = scratch(sizeof(*rig));

	(void)state;
	rig_open(rig, 1, false);
	for (int round = 0; round < 100; round++) {
		join(rig, 1, &rc);
		post(rig, 0, round);
		undo(rig->qb[1]);
		undo(rig->qa[1]);
		collect(rig->b.rcq, 1);
		collect(rig->a.scq, 1);
		pattern_check(rig->to.p, SLOT, 0, round, "the queue pair that stays");
	}
}

static struct CMUnitTest tests[] = {
	{ .name = "128 pinned", .test_func = test_one_process },
	{ .name = "128 on demand", .test_func = test_one_process, .initial_state = tests },
	{ .name = "4 processes", .test_func = test_processes },
	{ .name = "coming and going", .test_func = test_come_and_go },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("qpmany", tests, ARRAY_SIZE(tests));
}
