// SPDX-License-Identifier: GPL-2.0
/* CI: kasan:loop debian:loop lockdep:loop */
/*
 * Page faults that another thread of the process answers, after two seconds: no connection breaks,
 * however few retries it has, and every byte is right.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/uffd.h"

#define LEN (5 * PAGE)
#define OFFSET 1234		/* of the message in the memory */
#define BYTES (LEN - 2 * PAGE)
#define DELAY_MS 2000

/* What the memory with the faults is to the transfer. */
enum role { WRITTEN, READ_FROM, SENT_FROM, READ_INTO, RECEIVED_INTO };

struct slow {
	enum uffd_kind kind;
	enum role role;
};

/* A connection: one with each number of retries waits for the same page at the same time. */
struct lane {
	struct pair pair;
	struct buf slow, other;
	uint8_t *content;	/* of the slow memory */
};

static const int retries[] = { 0, 1, 7 };
#define LANES ARRAY_SIZE(retries)

struct rig {
	const struct slow *slow;
	struct lane lanes[LANES];
	int fd;
	pthread_t server;
};

static bool by_peer(enum role role)
{
	return role == WRITTEN || role == READ_FROM || role == RECEIVED_INTO;
}

static bool into_slow(enum role role)
{
	return role == WRITTEN || role == READ_INTO || role == RECEIVED_INTO;
}

/* A page that is there but not mapped: another mapping of the file has filled it. */
static void slow_make(struct rig *rig, struct lane *lane, struct ibv_pd *pd)
{
	enum uffd_kind kind = rig->slow->kind;
	int access = ALL_ACCESS | IBV_ACCESS_ON_DEMAND;

	lane->content = scratch(LEN + PAGE);
	lane->content += PAGE - (uintptr_t)lane->content % PAGE;
	pattern_fill(lane->content, LEN, 0, 3);
	if (kind == UFFD_MINOR)
		lane->slow = buf_memfd(pd, LEN, access);
	else
		lane->slow = buf_anon(pd, LEN, access);
	if (kind != UFFD_MISSING)
		memcpy(lane->slow.p, lane->content, LEN);
	if (kind == UFFD_MINOR)
		buf_remap(&lane->slow);
	uffd_watch(rig->fd, kind, lane->slow.p, LEN);
}

static void lane_open(struct rig *rig, struct lane *lane, int retry_cnt)
{
	enum role role = rig->slow->role;
	struct rc rc = rc_default();

	rc.timeout = options.slow > 1 ? 17 : 15;	/* 537 or 134 ms */
	rc.retry_cnt = retry_cnt;
	pair_open(&lane->pair, &rc);
	need_odp(lane->pair.a.ctx);
	slow_make(rig, lane, by_peer(role) ? lane->pair.b.pd : lane->pair.a.pd);
	lane->other = buf_anon(by_peer(role) ? lane->pair.a.pd : lane->pair.b.pd, LEN, ALL_ACCESS);
	pattern_fill(lane->other.p, LEN, 0, 4);
}

/* Answers the faults of all lanes after the delay; more than one may come for a lane. */
static void *serve(void *arg)
{
	struct rig *rig = arg;

	uffd_wait(rig->fd);
	sleep_ms(DELAY_MS);
	for (size_t i = 0; i < LANES; i++)
		uffd_answer(rig->fd, rig->slow->kind, rig->lanes[i].slow.p, LEN,
			    rig->lanes[i].content);
	return NULL;
}

static void lane_post(struct lane *lane, enum role role)
{
	struct buf *local = by_peer(role) ? &lane->other : &lane->slow;
	struct buf *remote = by_peer(role) ? &lane->slow : &lane->other;
	struct ibv_sge list = sge(local, OFFSET, BYTES), into = sge(remote, OFFSET, BYTES);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { (uintptr_t)remote->p + OFFSET, remote->mr->rkey },
	};

	if (role == READ_FROM || role == READ_INTO)
		wr.opcode = IBV_WR_RDMA_READ;
	if (role == RECEIVED_INTO || role == SENT_FROM) {
		wr.opcode = IBV_WR_SEND;
		post_recv(&lane->pair.b, 2, &into, 1);
	}
	post_send(&lane->pair.a, &wr);
}

static void lane_check(struct lane *lane, enum role role)
{
	uint64_t first = into_slow(role) ? 4 : 3;

	expect_wc(lane->pair.a.scq, 1, IBV_WC_SUCCESS);
	if (role == RECEIVED_INTO || role == SENT_FROM)
		expect_wc(lane->pair.b.rcq, 2, IBV_WC_SUCCESS);
	pattern_check(lane->slow.p + OFFSET, BYTES, OFFSET, first, "the slow memory");
	pattern_check(lane->other.p + OFFSET, BYTES, OFFSET, first, "the other end");
	pattern_check(lane->slow.p, OFFSET, 0, 3, "before it");
	pattern_check(lane->slow.p + OFFSET + BYTES, LEN - OFFSET - BYTES, OFFSET + BYTES, 3,
		      "behind it");
}

static int server_join(void *object)
{
	struct rig *rig = object;

	return pthread_join(rig->server, NULL);
}

static void test_slow(void **state)
{
	struct rig *rig = scratch(sizeof(*rig));
	uint64_t start;

	rig->slow = *state;
	rig->fd = uffd_open(rig->slow->kind);
	for (size_t i = 0; i < LANES; i++)
		lane_open(rig, &rig->lanes[i], retries[i]);
	assert_int_equal(pthread_create(&rig->server, NULL, serve, rig), 0);
	defer(server_join, rig);
	start = now_ms();
	for (size_t i = 0; i < LANES; i++)
		lane_post(&rig->lanes[i], rig->slow->role);
	for (size_t i = 0; i < LANES; i++)
		lane_check(&rig->lanes[i], rig->slow->role);
	assert_true(now_ms() - start >= DELAY_MS);
}

#define SLOW(name, kind, role) \
	{ name, test_slow, NULL, NULL, &(struct slow){ kind, role } }

static struct CMUnitTest tests[] = {
	SLOW("missing, written", UFFD_MISSING, WRITTEN),
	SLOW("missing, read", UFFD_MISSING, READ_FROM),
	SLOW("missing, sent", UFFD_MISSING, SENT_FROM),
	SLOW("missing, read into", UFFD_MISSING, READ_INTO),
	SLOW("missing, received into", UFFD_MISSING, RECEIVED_INTO),
	SLOW("minor, written", UFFD_MINOR, WRITTEN),
	SLOW("minor, read", UFFD_MINOR, READ_FROM),
	SLOW("minor, sent", UFFD_MINOR, SENT_FROM),
	SLOW("minor, received into", UFFD_MINOR, RECEIVED_INTO),
	SLOW("write-protected, written", UFFD_WP, WRITTEN),
	SLOW("write-protected, read into", UFFD_WP, READ_INTO),
	SLOW("write-protected, received into", UFFD_WP, RECEIVED_INTO),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("uffd", tests, ARRAY_SIZE(tests));
}
