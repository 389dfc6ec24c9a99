// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/*
 * Page faults that another thread of the process answers after two seconds: no connection breaks, however few
 * retries it has, and every byte is right.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/transfer.h"
#include "lib/uffd.h"

#define LEN (5 * PAGE)
#define OFFSET 1234		/* of the message in the memory */
#define BYTES (LEN - 2 * PAGE)
#define DELAY_MS 2000

struct slow {
	enum uffd_kind kind;
	enum role role;
};

/* One connection for each number of retries; all wait for the same page at the same time. */
struct lane {
	struct transfer x;
	uint8_t *content;	/* contents of the slow memory */
};

static const int retries[] = { 0, 1, 7 };
#define LANES ARRAY_SIZE(retries)

struct rig {
	const struct slow *slow;
	struct lane lanes[LANES];
	int fd;
	pthread_t server;
};

/* For a minor fault another mapping of the file has filled the page: it is present but not mapped. */
static void slow_make(struct rig *rig, struct lane *lane, struct ibv_pd *pd)
{
	enum uffd_kind kind = rig->slow->kind;
	int access = ALL_ACCESS | IBV_ACCESS_ON_DEMAND;

	lane->content = scratch(LEN + PAGE);
	lane->content += PAGE - (uintptr_t)lane->content % PAGE;
	pattern_fill(lane->content, LEN, 0, 3);
	if (kind == UFFD_MINOR)
		lane->x.tested = buf_memfd(pd, LEN, access);
	else
		lane->x.tested = buf_anon(pd, LEN, access);
	if (kind != UFFD_MISSING)
		memcpy(lane->x.tested.p, lane->content, LEN);
	if (kind == UFFD_MINOR)
		buf_remap(&lane->x.tested);
	uffd_watch(rig->fd, kind, lane->x.tested.p, LEN);
}

static void lane_open(struct rig *rig, struct lane *lane, int retry_cnt)
{
	struct rc rc = rc_default();

	rc.timeout = options.slow > 1 ? 17 : 15;	/* 537 or 134 ms */
	rc.retry_cnt = retry_cnt;
	transfer_connect(&lane->x, rig->slow->role, &rc);
	slow_make(rig, lane, transfer_pd(&lane->x));
	transfer_make_other(&lane->x, LEN);
}

/* Answers the faults of all lanes after the delay; there may be more than one fault for each lane. */
static void *serve(void *arg)
{
	struct rig *rig = arg;

	uffd_wait(rig->fd);
	sleep_ms(DELAY_MS);
	for (size_t i = 0; i < LANES; i++)
		uffd_answer(rig->fd, rig->slow->kind, rig->lanes[i].x.tested.p, LEN,
			    rig->lanes[i].content);
	return NULL;
}

static void lane_check(struct lane *lane)
{
	uint64_t first = role_is_target(lane->x.role) ? 4 : 3;

	transfer_expect(&lane->x);
	pattern_check(lane->x.tested.p + OFFSET, BYTES, OFFSET, first, "the slow memory");
	pattern_check(lane->x.other.p + OFFSET, BYTES, OFFSET, first, "the other end");
	pattern_check(lane->x.tested.p, OFFSET, 0, 3, "before the message");
	pattern_check(lane->x.tested.p + OFFSET + BYTES, LEN - OFFSET - BYTES, OFFSET + BYTES, 3,
		      "behind the message");
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
		transfer_post(&rig->lanes[i].x, OFFSET, BYTES, 1, 0);
	for (size_t i = 0; i < LANES; i++)
		lane_check(&rig->lanes[i]);
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
