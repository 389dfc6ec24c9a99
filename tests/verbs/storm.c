// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/*
 * Storms: processes that exit or are killed in the middle of traffic and of faults, also when their pages
 * belong to a slow pager, to a freezing file system, or to a full control group; objects that come and go on
 * all CPUs, connections by the thousand, threads that share one queue pair; and an honest connection beside
 * them, whose bytes stay right.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/hardship.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/witness.h"

#define LEN (64 * 1024)
#define DEPTH 16
#define FULL (192 * 1024ul)	/* bytes of the control group of all of them: less than they would use */
#define LANES 3		/* processes that do the same at once */

static unsigned int steps(unsigned int few, unsigned int many)
{
	return options.count ? options.count : options.full ? many : few;
}

static uint64_t dice(uint64_t lane, uint64_t step)
{
	return mix64(mix64(options.seed * 64 + lane) + step);
}

/* A grandchild dies with its parent, however the parent ends. */
static void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* One of LANES processes. */
struct lane {
	unsigned int number;
	unsigned int *done;	/* number of steps, in shared memory */
	const struct hardship *hardship;
};

static void lanes_run(void (*fn)(void *lane), unsigned int *done, const struct hardship *hardship)
{
	struct lane lanes[LANES];
	int pids[LANES];

	for (unsigned int i = 0; i < LANES; i++) {
		lanes[i] = (struct lane){ .number = i, .done = &done[i], .hardship = hardship };
		pids[i] = child_start(fn, &lanes[i]);
	}
	for (unsigned int i = 0; i < LANES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		if (status)
			fail_msg("seed %llu: lane %u ended with %#x after %u steps",
				 (unsigned long long)options.seed, i, status, done[i]);
	}
}

/* --- processes that end ---------------------------------------------------- */

enum ending { KILLED, EXITED, EXECUTED, ENDINGS };

struct victim {
	struct address victim, killer;
	const struct lane *lane;
	uint64_t dice;
	enum ending ending;
	unsigned int ms;	/* how long it runs, if it exits by itself */
};

static const enum ibv_wr_opcode opcodes[] = {
	IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_SEND, IBV_WR_ATOMIC_FETCH_AND_ADD,
};

static void post_any(struct end *end, struct buf *buf, const struct address *to, unsigned int i)
{
	enum ibv_wr_opcode opcode = opcodes[i % ARRAY_SIZE(opcodes)];
	struct ibv_sge list = sge(buf, 0, opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ? 8 : LEN);

	post_to(end, opcode, &list, to, 0);
}

static void post_buffers(struct end *end, struct buf *buf)
{
	struct ibv_sge list = sge(buf, 0, LEN);

	for (int i = 0; i < 4 * DEPTH; i++)
		post_recv(end, 0, &list, 1);
}

static void end_make(struct end *end, const char *device)
{
	struct rc rc = rc_impatient();

	rc.recv_wr = 4 * DEPTH;
	end_open(end, device, &rc);
	end->qp = end_qp(end, &rc);
}

/* Traffic to its killer, while its own pages are discarded all the time, until it ends. */
static void victim_child(void *arg)
{
	struct victim *victim = arg;
	const struct hardship *hardship = victim->lane->hardship;
	struct rc rc = rc_impatient();
	struct ibv_wc wc[DEPTH];
	struct end end;
	struct buf buf;
	uint64_t stop;

	die_with_parent();
	end_make(&end, options.peer);
	buf = (struct buf){ .len = LEN, .fd = -1 };
	buf.p = hardship_map(hardship, LEN, victim->lane->number, victim->dice >> 32);
	buf.mr = reg(end.pd, buf.p, LEN, ALL_ACCESS | odp_access(end.ctx));
	hardship_enter(hardship);
	address_tell(&victim->victim, &end, &buf);
	address_wait(&victim->killer);
	end_join(&end, &rc, &victim->killer);
	post_buffers(&end, &buf);
	stop = now_ms() + victim->ms;
	for (unsigned int i = 0, under_way = 0; victim->ending == KILLED || now_ms() < stop; i++) {
		for (; under_way < DEPTH; under_way++)
			post_any(&end, &buf, &victim->killer, i + under_way);
		buf_dontneed(&buf);
		under_way -= ibv_poll_cq(end.scq, DEPTH, wc);
		ibv_poll_cq(end.rcq, DEPTH, wc);
	}
	if (victim->ending == EXECUTED)
		execl("/bin/true", "true", NULL);
}

/* Runs traffic until the first error; then everything is flushed. */
static void outlive(struct end *end, struct buf *buf, struct victim *victim, int pid, uint64_t at)
{
	struct traffic traffic = { end, buf, &victim->victim, post_any, DEPTH };

	for (unsigned int left = traffic_until_error(&traffic, &pid, at); left; left--)
		assert_int_equal(wait_wc(end->scq).status, IBV_WC_WR_FLUSH_ERR);
	if (pid)
		undo((void *)(intptr_t)pid);
}

static void outlive_one(struct end *end, struct buf *buf, struct victim *victim, const struct lane *lane,
			uint64_t dice)
{
	struct rc rc = rc_impatient();
	unsigned int ms = (dice >> 8) % 20;
	int pid;

	rc.recv_wr = 4 * DEPTH;
	*victim = (struct victim){ .lane = lane, .dice = dice, .ending = dice % ENDINGS, .ms = ms };
	end->qp = end_qp(end, &rc);
	address_tell(&victim->killer, end, buf);
	pid = child_start(victim_child, victim);
	if (dice >> 16 & 1) {
		/* Kill it before it is connected, or while it connects. */
		sleep_ms(ms);
		undo((void *)(intptr_t)pid);
	} else {
		address_wait(&victim->victim);
		end_join(end, &rc, &victim->victim);
		post_buffers(end, buf);
		outlive(end, buf, victim, pid, now_ms() + ms);
	}
	undo(end->qp);
}

static unsigned int victims(const struct hardship *hardship)
{
	return hardship->kind == HARD_NOT ? steps(40, 1000) : steps(12, 300);
}

static void killer_lane(void *arg)
{
	struct lane *lane = arg;
	struct victim *victim = map_shared(sizeof(*victim));
	struct end end;
	struct buf buf;

	die_with_parent();
	end_make(&end, options.device);
	buf = buf_anon(end.pd, LEN, ALL_ACCESS | odp_access(end.ctx));
	for (unsigned int i = 0; i < victims(lane->hardship); i++) {
		outlive_one(&end, &buf, victim, lane, dice(lane->number, i));
		*lane->done = i + 1;
	}
}

static void test_endings(void **state)
{
	enum hardship_kind kind = (uintptr_t)*state;
	unsigned int *done = map_shared(LANES * sizeof(*done));
	struct hardship *hardship;
	struct witness witness;

	if (kind != HARD_NOT)
		need_odp(device_open(options.peer));
	hardship = hardship_begin(kind, "storm", FULL);
	witness = witness_start();
	lanes_run(killer_lane, done, hardship);
	print_message("%u processes ended, %llu honest messages beside them\n",
		      LANES * victims(hardship), (unsigned long long)witness_messages(&witness));
	hardship_tell(hardship);
	witness_stop(&witness);
}

/* --- objects that come and go ------------------------------------------------ */

#define SLOTS 24

enum what { NOTHING, PD, CQ, QP, SRQ, AH, MR, MW, WHATS };

struct slot {
	enum what what;
	void *object;
	struct ibv_pd *pd;	/* its protection domain, if any */
};

struct churn {
	struct end end;
	struct slot slots[SLOTS];
	uint8_t *memory;
};

static void *churn_qp(struct churn *churn, struct ibv_pd *pd, uint64_t dice)
{
	static const enum ibv_qp_type types[] = { IBV_QPT_RC, IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_UD };
	struct ibv_qp_init_attr attr = {
		.send_cq = churn->end.scq, .recv_cq = churn->end.rcq,
		.qp_type = types[dice >> 24 & 3],
		.cap = { 1 + dice % 200, 1 + dice / 256 % 200, 1 + dice % 7, 1, dice % 300 },
	};
	struct rc rc = rc_default();
	struct ibv_qp *qp = ibv_create_qp(pd, &attr);

	rc.type = attr.qp_type;
	if (qp && dice >> 20 & 1)
		qp_init(qp, &rc);
	if (qp && (dice >> 20 & 3) == 3) {
		qp_rtr(qp, &churn->end, &rc, &churn->end.gid, qp->qp_num);
		qp_rts(qp, &rc);
	}
	return qp;
}

static void *churn_srq(struct ibv_pd *pd, uint64_t dice)
{
	struct ibv_srq_init_attr attr = { .attr = { 1 + dice % 200, 1 + dice / 256 % 7, 0 } };

	return ibv_create_srq(pd, &attr);
}

static void *churn_ah(struct churn *churn, struct ibv_pd *pd)
{
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = 1,
		.grh = { .dgid = churn->end.gid, .sgid_index = churn->end.gid_index, .hop_limit = 1 },
	};

	return ibv_create_ah(pd, &attr);
}

static void *churn_mr(struct churn *churn, struct ibv_pd *pd, uint64_t dice)
{
	int access = ALL_ACCESS | IBV_ACCESS_MW_BIND;
	size_t at = dice % LEN, len = 1 + (dice >> 16) % (LEN - at);

	if (dice >> 40 & 1)
		access |= odp_access(churn->end.ctx);
	return ibv_reg_mr(pd, churn->memory + at, len, access);
}

static void *create(struct churn *churn, enum what what, struct ibv_pd *pd, uint64_t dice)
{
	switch (what) {
	case PD:
		return ibv_alloc_pd(churn->end.ctx);
	case CQ:
		return ibv_create_cq(churn->end.ctx, 1 + dice % 1000, NULL,
				     dice >> 20 & 1 ? churn->end.events : NULL, 0);
	case QP:
		return churn_qp(churn, pd, dice);
	case SRQ:
		return churn_srq(pd, dice);
	case AH:
		return churn_ah(churn, pd);
	case MR:
		return churn_mr(churn, pd, dice);
	default:
		return ibv_alloc_mw(pd, dice & 1 ? IBV_MW_TYPE_1 : IBV_MW_TYPE_2);
	}
}

static int destroy(const struct slot *slot)
{
	switch (slot->what) {
	case PD:
		return ibv_dealloc_pd(slot->object);
	case CQ:
		return ibv_destroy_cq(slot->object);
	case QP:
		return ibv_destroy_qp(slot->object);
	case SRQ:
		return ibv_destroy_srq(slot->object);
	case AH:
		return ibv_destroy_ah(slot->object);
	case MR:
		return ibv_dereg_mr(slot->object);
	default:
		return ibv_dealloc_mw(slot->object);
	}
}

static bool pd_is_held(const struct churn *churn, const struct slot *slot)
{
	for (int i = 0; i < SLOTS; i++) {
		if (slot->what == PD && churn->slots[i].pd == slot->object)
			return true;
	}
	return false;
}

/* A protection domain in use cannot be destroyed. */
static void slot_empty(struct churn *churn, struct slot *slot)
{
	if (!slot->what)
		return;
	if (pd_is_held(churn, slot)) {
		assert_int_equal(destroy(slot), EBUSY);
		return;
	}
	assert_int_equal(destroy(slot), 0);
	*slot = (struct slot){};
}

static struct ibv_pd *churn_pd(struct churn *churn, uint64_t dice)
{
	struct slot *slot = &churn->slots[dice % SLOTS];

	return slot->what == PD ? slot->object : churn->end.pd;
}

static void slot_fill(struct churn *churn, struct slot *slot, uint64_t dice)
{
	enum what what = 1 + dice % (WHATS - 1);
	struct ibv_pd *pd = churn_pd(churn, dice >> 8);
	void *object = create(churn, what, pd, dice >> 16);

	if (!object)
		fail_msg("creating %d: %s", what, strerror(errno));
	*slot = (struct slot){ .what = what, .object = object };
	if (what >= QP)
		slot->pd = pd;
}

static void churn_lane(void *arg)
{
	struct lane *lane = arg;
	struct churn *churn = scratch(sizeof(*churn));
	struct rc rc = rc_default();

	*churn = (struct churn){};
	end_open(&churn->end, options.device, &rc);
	churn->memory = map_anon(LEN);
	for (unsigned int i = 0; i < steps(600, 50000); i++) {
		uint64_t r = dice(lane->number, i);
		struct slot *slot = &churn->slots[r % SLOTS];

		slot_empty(churn, slot);
		if (!slot->what)
			slot_fill(churn, slot, r >> 8);
		*lane->done = i + 1;
	}
	/* The remaining objects are freed when the process exits. */
}

static void test_churn(void **state)
{
	unsigned int *done = map_shared(LANES * sizeof(*done));
	struct witness witness;

	(void)state;
	witness = witness_start();
	lanes_run(churn_lane, done, NULL);
	print_message("%u objects came and went, %llu honest messages beside them\n",
		      LANES * steps(600, 50000), (unsigned long long)witness_messages(&witness));
	witness_stop(&witness);
}

/* --- connections up and down ---------------------------------------------------- */

#define AT_ONCE 10

struct exchange {
	struct pair pair;
	struct buf from, to;
};

static void connection_up(struct exchange *x, struct pair *pair, unsigned int i)
{
	struct rc rc = rc_default();

	*pair = x->pair;
	pair->a.qp = end_qp(&pair->a, &rc);
	pair->b.qp = end_qp(&pair->b, &rc);
	rc.psn = mix64(i) & 0xffffff;
	pair->rc = rc;
	pair_connect(pair);
}

static void connection_use(struct exchange *x, struct pair *pair, size_t at, uint64_t seed)
{
	struct ibv_sge list = sge(&x->from, at, PAGE);
	struct ibv_send_wr wr = {
		.wr_id = at, .opcode = IBV_WR_RDMA_WRITE_WITH_IMM, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { (uintptr_t)x->to.p + at, x->to.mr->rkey },
	};

	pattern_fill(x->from.p + at, PAGE, 0, seed);
	post_recv(&pair->b, at, NULL, 0);
	post_send(&pair->a, &wr);
	expect_wc(pair->b.rcq, at, IBV_WC_SUCCESS);
	expect_wc(pair->a.scq, at, IBV_WC_SUCCESS);
	pattern_check(x->to.p + at, PAGE, 0, seed, "a connection's bytes");
}

static void connections(struct exchange *x, unsigned int n)
{
	struct pair pairs[AT_ONCE];

	for (unsigned int i = 0; i < n; i += AT_ONCE) {
		for (unsigned int j = 0; j < AT_ONCE; j++)
			connection_up(x, &pairs[j], i + j);
		for (unsigned int j = 0; j < AT_ONCE; j++)
			connection_use(x, &pairs[j], j * PAGE, i + j);
		for (unsigned int j = 0; j < AT_ONCE; j++) {
			undo(pairs[j].b.qp);
			undo(pairs[j].a.qp);
		}
	}
}

/* The queue pairs of all devices, as restrack counts them. */
static long queue_pairs(void)
{
	FILE *out = popen("rdma resource show qp | grep -c lqpn", "r");
	long n = -1;

	assert_non_null(out);
	assert_int_equal(fscanf(out, "%ld", &n), 1);
	pclose(out);
	return n;
}

/* Returns the KiB of slab, after background freeing has finished. */
static long slab(void)
{
	long least = file_number("/proc/meminfo", "Slab:");

	for (int i = 0; i < 10; i++) {
		long now;

		sleep_ms(50);
		now = file_number("/proc/meminfo", "Slab:");
		least = now < least ? now : least;
	}
	return least;
}

static void test_connections(void **state)
{
	unsigned int n = steps(300, 10000);
	struct exchange *x = scratch(sizeof(*x));
	struct rc rc = rc_default();
	long before, qps = queue_pairs(), grown;

	(void)state;
	x->pair.rc = rc;
	end_open(&x->pair.a, options.device, &rc);
	end_open(&x->pair.b, options.peer, &rc);
	x->from = buf_anon(x->pair.a.pd, AT_ONCE * PAGE, ALL_ACCESS | odp_access(x->pair.a.ctx));
	x->to = buf_anon(x->pair.b.pd, AT_ONCE * PAGE, ALL_ACCESS | odp_access(x->pair.b.ctx));
	connections(x, n / 3);
	before = slab();
	connections(x, n);
	grown = slab() - before;
	print_message("%u connections; slab grown by %ld KiB since the first quarter\n", n + n / 3,
		      grown);
	assert_int_equal(queue_pairs(), qps);
	/* One object of 1 KiB a connection would show. */
	/* A checking kernel keeps freed memory for a while. */
	assert_in_range(grown + 1048576, 0, 1048576 + (n / 2 + 512) * options.slow);
}

/* --- threads at one queue pair ---------------------------------------------------- */

#define THREADS 4
#define MESSAGES 8	/* messages that each thread may have under way */
#define MESSAGE 2000

struct poster {
	struct exchange *x;
	unsigned int number;
	pthread_t thread;
	int error;
};

/* No assertions here: only the main thread may fail the test. */
static void *post_all(void *arg)
{
	struct poster *poster = arg;
	struct exchange *x = poster->x;

	for (unsigned int i = 0; i < MESSAGES; i++) {
		size_t at = (poster->number * MESSAGES + i) * PAGE;
		struct ibv_sge list = sge(&x->from, at, MESSAGE);
		struct ibv_send_wr wr = {
			.wr_id = at, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
			.wr.rdma = { (uintptr_t)x->to.p + at, x->to.mr->rkey },
		}, *bad;
		int ret = ibv_post_send(x->pair.a.qp, &wr, &bad);

		if (ret)
			poster->error = ret;
	}
	return NULL;
}

static void post_by_threads(struct exchange *x)
{
	struct poster posters[THREADS] = {};

	for (unsigned int i = 0; i < THREADS; i++) {
		posters[i].x = x;
		posters[i].number = i;
		assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
		assert_int_equal(posters[i].error, 0);
	}
}

static void test_threads(void **state)
{
	const unsigned int n = THREADS * MESSAGES;
	struct exchange *x = scratch(sizeof(*x));
	struct rc rc = rc_default();

	(void)state;
	pair_open(&x->pair, &rc);
	x->from = buf_anon(x->pair.a.pd, n * PAGE, ALL_ACCESS | odp_access(x->pair.a.ctx));
	x->to = buf_anon(x->pair.b.pd, n * PAGE, ALL_ACCESS | odp_access(x->pair.b.ctx));
	for (unsigned int round = 0; round < steps(100, 3000); round++) {
		uint64_t seen = 0;

		pattern_fill(x->from.p, n * PAGE, 0, round);
		if (round % 8 == 7)
			buf_dontneed(&x->to);
		post_by_threads(x);
		for (unsigned int i = 0; i < n; i++) {
			struct ibv_wc wc = wait_wc(x->pair.a.scq);

			assert_int_equal(wc.status, IBV_WC_SUCCESS);
			assert_false(seen >> wc.wr_id / PAGE & 1);
			seen |= 1ull << wc.wr_id / PAGE;
		}
		sleep_ms(0);
		for (unsigned int i = 0; i < n; i++)
			same_bytes(x->to.p + i * PAGE, x->from.p + i * PAGE, MESSAGE,
				   "a thread's message");
	}
}

#define ENDING(name, kind) { name, test_endings, NULL, NULL, (void *)kind }

static struct CMUnitTest tests[] = {
	ENDING("processes that end in the middle of traffic", HARD_NOT),
	ENDING("processes that end in the middle of traffic: pages of a pager", HARD_PAGED),
	ENDING("processes that end in the middle of traffic: a freezing file system", HARD_FROZEN),
	ENDING("processes that end in the middle of traffic: a full control group", HARD_FULL),
	{ .name = "objects that come and go", .test_func = test_churn },
	{ .name = "connections up and down", .test_func = test_connections },
	{ .name = "threads at one queue pair", .test_func = test_threads },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("storm", tests, ARRAY_SIZE(tests));
}
