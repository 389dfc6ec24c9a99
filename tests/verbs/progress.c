// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever is taken away again meanwhile, a transfer comes to its end that the processor could do by
 * itself: memory of a pager that keeps few pages, memory of a cgroup that is smaller than the message.
 * What has come is used at once, and nobody waits for what nobody has asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/store.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

/* What the memory in question is to the transfer. */
enum role { WRITTEN, READ_FROM, SENT_FROM, READ_INTO, RECEIVED_INTO };

struct rig {
	enum role role;
	struct pair pair;
	struct buf scarce, other;
};

static bool by_peer(enum role role)
{
	return role == WRITTEN || role == READ_FROM || role == RECEIVED_INTO;
}

static bool into_scarce(enum role role)
{
	return role == WRITTEN || role == READ_INTO || role == RECEIVED_INTO;
}

static void rig_open(struct rig *rig, enum role role, size_t len, uint8_t rnr_retry)
{
	struct rc rc = rc_default();
	int odp = ALL_ACCESS | IBV_ACCESS_ON_DEMAND;

	rc.rnr_retry = rnr_retry;
	rig->role = role;
	pair_open(&rig->pair, &rc);
	need_odp(rig->pair.a.ctx);
	rig->scarce = buf_anon(by_peer(role) ? rig->pair.b.pd : rig->pair.a.pd, len, odp);
	rig->other = buf_anon(by_peer(role) ? rig->pair.a.pd : rig->pair.b.pd, len, ALL_ACCESS);
	pattern_fill(rig->other.p, len, 0, 4);
}

static void post(struct rig *rig, size_t offset, size_t len)
{
	struct buf *local = by_peer(rig->role) ? &rig->other : &rig->scarce;
	struct buf *remote = by_peer(rig->role) ? &rig->scarce : &rig->other;
	struct ibv_sge list = sge(local, offset, len), into = sge(remote, offset, len);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { (uintptr_t)remote->p + offset, remote->mr->rkey },
	};

	if (rig->role == READ_FROM || rig->role == READ_INTO)
		wr.opcode = IBV_WR_RDMA_READ;
	if (rig->role == RECEIVED_INTO || rig->role == SENT_FROM) {
		wr.opcode = IBV_WR_SEND;
		post_recv(&rig->pair.b, 2, &into, 1);
	}
	post_send(&rig->pair.a, &wr);
}

static void expect(struct rig *rig)
{
	expect_wc(rig->pair.a.scq, 1, IBV_WC_SUCCESS);
	if (rig->role == RECEIVED_INTO || rig->role == SENT_FROM)
		expect_wc(rig->pair.b.rcq, 2, IBV_WC_SUCCESS);
}

/* --- a pager that keeps few pages --------------------------------------------------- */

#define RESIDENT 16
#define PAGES 128

struct slow {
	enum role role;
	unsigned int page_us;
};

static void test_pager(void **state)
{
	const struct slow *slow = *state;
	struct rig *rig = scratch(sizeof(*rig));
	struct store *store;
	uint64_t start;

	rig_open(rig, slow->role, PAGES * PAGE, 7);
	store = store_open(&rig->scarce);
	store->resident = RESIDENT;
	store->page_us = slow->page_us;
	pattern_fill(store->content, PAGES * PAGE, 0, 3);
	store_start(store);
	start = now_ms();
	post(rig, 0, PAGES * PAGE);
	expect(rig);
	print_message("%u pages, of which %u stay, %u us each: %llu ms, %lu faults\n", PAGES, RESIDENT,
		      slow->page_us, (unsigned long long)(now_ms() - start), store->asked);
	/* A page is asked for again where a packet has been dropped, or a page beside it has gone. */
	assert_in_range(store->asked, PAGES, 4 * PAGES);
	pattern_check(rig->scarce.p, PAGES * PAGE, 0, into_scarce(slow->role) ? 4 : 3, "the pager's memory");
	pattern_check(rig->other.p, PAGES * PAGE, 0, into_scarce(slow->role) ? 4 : 3, "the other end");
}

/* --- a page that does not come -------------------------------------------------------- */

/* What has come is written before the next page is waited for. */
static void test_half(void **state)
{
	struct rig *rig = scratch(sizeof(*rig));
	struct store *store;
	uint64_t end = now_ms() + PATIENCE;
	size_t ready = 3;

	(void)state;
	rig_open(rig, WRITTEN, 8 * PAGE, 7);
	store = store_open(&rig->scarce);
	store->limit = ready;
	store_start(store);
	post(rig, 0, 8 * PAGE);
	while (!store->early) {
		if (now_ms() > end)
			fail_msg("the page behind has not been asked for");
		sleep_ms(1);
	}
	assert_int_equal(store->asked, ready);
	assert_memory_equal(rig->scarce.p, rig->other.p, ready * PAGE);
	expect_quiet(rig->pair.a.scq, 100);
	store->limit = 8;
	expect(rig);
	pattern_check(rig->scarce.p, 8 * PAGE, 0, 4, "the pager's memory");
}

/* --- looking ahead --------------------------------------------------------------------- */

#define STREAM 64

/* Page after page forward: a page is given when it is its turn, and not asked for before. */
static void test_turn(void **state)
{
	struct rig *rig = scratch(sizeof(*rig));
	struct store *store;
	uint64_t start, took, most = 0;

	(void)state;
	rig_open(rig, WRITTEN, STREAM * PAGE, 3);
	store = store_open(&rig->scarce);
	store->limit = 0;
	store_start(store);
	for (size_t i = 0; i < STREAM; i++) {
		store->limit = i + 1;
		start = now_ms();
		post(rig, i * PAGE, PAGE);
		expect(rig);
		took = now_ms() - start;
		most = took > most ? took : most;
	}
	print_message("slowest of %d writes of a page: %llu ms; %lu pages asked for before their turn\n",
		      STREAM, (unsigned long long)most, store->early);
	assert_int_equal(store->early, 0);
	assert_int_equal(store->asked, STREAM);
}

/* The same, 20 ms a page, with as few retries as backward they are enough. */
static void test_stream(void **state)
{
	struct rig *rig = scratch(sizeof(*rig));
	struct store *store;

	(void)state;
	rig_open(rig, WRITTEN, STREAM * PAGE, 3);
	store = store_open(&rig->scarce);
	store->page_us = 20000;
	store_start(store);
	for (size_t i = 0; i < STREAM; i++) {
		post(rig, i * PAGE, PAGE);
		expect(rig);
	}
}

/* Without a pager the pages behind a stream come before they are asked for. */
static void test_ahead(void **state)
{
	struct rig *rig = scratch(sizeof(*rig));
	uint64_t end = now_ms() + PATIENCE;
	size_t pages = 512;

	(void)state;
	rig_open(rig, WRITTEN, 2 * pages * PAGE, 7);
	madvise(rig->scarce.p, rig->scarce.len, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < 16; i++) {
		post(rig, i * PAGE, PAGE);
		expect(rig);
	}
	while (resident_pages(rig->scarce.p, 32 * PAGE) < 18) {
		if (now_ms() > end)
			fail_msg("nothing has been guessed");
		sleep_ms(10);
	}
}

/* --- a cgroup that is smaller than the message ------------------------------------------ */

#define ROOT "/sys/fs/cgroup"
#define CGROUP ROOT "/odp-progress"
#define LIMIT (2 * MIB)
#define MESSAGE (4 * MIB)

static int cgroup_leave(void *unused)
{
	uint64_t end = now_ms() + PATIENCE;

	(void)unused;
	write_file(ROOT "/cgroup.procs", "0");
	while (rmdir(CGROUP)) {
		if (now_ms() > end)
			return errno;
		sleep_ms(10);
	}
	return 0;
}

static void cgroup_enter(size_t limit)
{
	char text[32];

	write_file(ROOT "/cgroup.subtree_control", "+memory");
	snprintf(text, sizeof(text), "%zu", limit);
	if (mkdir(CGROUP, 0700) || write_file(CGROUP "/memory.max", text))
		skip_because("no memory cgroups");
	defer(cgroup_leave, cgroup_leave);
	assert_int_equal(write_file(CGROUP "/cgroup.procs", "0"), 0);
}

static void test_cgroup(void **state)
{
	const struct slow *slow = *state;
	struct rig *rig = scratch(sizeof(*rig));
	uint64_t start, cpu;
	long in;

	need_swap();
	rig_open(rig, slow->role, MESSAGE, 7);
	/* All but the memory in question stays; that is first used, and charged, inside. */
	assert_int_equal(mlockall(MCL_CURRENT), 0);
	assert_int_equal(munlock(rig->scarce.p, MESSAGE), 0);
	assert_int_equal(madvise(rig->scarce.p, MESSAGE, MADV_DONTNEED), 0);
	madvise(rig->scarce.p, MESSAGE, MADV_NOHUGEPAGE);
	cgroup_enter(LIMIT);
	start = now_ms();
	pattern_fill(rig->scarce.p, MESSAGE, 0, 3);
	cpu = now_ms() - start;
	in = file_number("/proc/vmstat", "pswpin ");
	start = now_ms();
	post(rig, 0, MESSAGE);
	expect(rig);
	in = file_number("/proc/vmstat", "pswpin ") - in;
	print_message("%lu MiB in a cgroup of %lu: %llu ms (the CPU %llu), %ld pages swapped in\n",
		      MESSAGE / MIB, LIMIT / MIB, (unsigned long long)(now_ms() - start),
		      (unsigned long long)cpu, in);
	pattern_check(rig->scarce.p, MESSAGE, 0, into_scarce(slow->role) ? 4 : 3, "the memory");
	pattern_check(rig->other.p, MESSAGE, 0, into_scarce(slow->role) ? 4 : 3, "the other end");
}

/* --- packets that find no room while a page is missing ---------------------------------- */

#define FEW 64

static void no_room_left(void)
{
	assert_int_equal(write_file(ROOT "/cgroup.procs", "0"), 0);
	assert_int_equal(write_file(CGROUP "/memory.max", "4096"), 0);
}

/*
 * The queue pairs' cgroup has no room for a packet. The last packets of a message are dropped then, and
 * nothing comes after them that would show it; they are sent again without a timeout.
 */
static void test_dropped(void **state)
{
	const struct slow *slow = *state;
	struct rig *rig = scratch(sizeof(*rig));
	struct store *store;
	long timeouts;

	cgroup_enter(64 * MIB);
	rig_open(rig, slow->role, FEW * PAGE, 7);
	no_room_left();
	store = store_open(&rig->scarce);
	store->page_us = slow->page_us;
	pattern_fill(store->content, FEW * PAGE, 0, 3);
	store_start(store);
	timeouts = port_counter(options.device, "timeout_retry_err");
	post(rig, 0, FEW * PAGE);
	expect(rig);
	assert_int_equal(port_counter(options.device, "timeout_retry_err"), timeouts);
	pattern_check(rig->scarce.p, FEW * PAGE, 0, 4, "the pager's memory");
}

#define WITH(name, test, role, us) { name, test, NULL, NULL, &(struct slow){ role, us } }

static struct CMUnitTest tests[] = {
	WITH("a slow pager: written", test_pager, WRITTEN, 20000),
	WITH("a slow pager: read", test_pager, READ_FROM, 20000),
	WITH("a slow pager: received into", test_pager, RECEIVED_INTO, 20000),
	WITH("a fast pager: written", test_pager, WRITTEN, 0),
	WITH("a fast pager: read", test_pager, READ_FROM, 0),
	WITH("a fast pager: sent from", test_pager, SENT_FROM, 0),
	WITH("a fast pager: read into", test_pager, READ_INTO, 0),
	WITH("a fast pager: received into", test_pager, RECEIVED_INTO, 0),
	{ .name = "what has come is written at once", .test_func = test_half },
	{ .name = "a stream: no page before its turn", .test_func = test_turn },
	{ .name = "a stream: few retries are enough", .test_func = test_stream },
	{ .name = "a stream: guessed without a pager", .test_func = test_ahead },
	WITH("no room for packets: written", test_dropped, WRITTEN, 4000),
	WITH("no room for packets: read into", test_dropped, READ_INTO, 4000),
	WITH("no room for packets: received into", test_dropped, RECEIVED_INTO, 4000),
	WITH("a small cgroup: written", test_cgroup, WRITTEN, 0),
	WITH("a small cgroup: read", test_cgroup, READ_FROM, 0),
	WITH("a small cgroup: sent from", test_cgroup, SENT_FROM, 0),
	WITH("a small cgroup: read into", test_cgroup, READ_INTO, 0),
	WITH("a small cgroup: received into", test_cgroup, RECEIVED_INTO, 0),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("progress", tests, ARRAY_SIZE(tests));
}
