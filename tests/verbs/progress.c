// SPDX-License-Identifier: GPL-2.0
/* CI: kasan:wire */
/*
 * Whatever is taken away again meanwhile, a transfer comes to its end that the processor could do by
 * itself: memory of a pager that keeps few pages, memory of a cgroup that is smaller than the message.
 * What has come is used at once, and nobody waits for what nobody has asked for.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cgroup.h"
#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/store.h"
#include "lib/system.h"
#include "lib/test.h"

/* What the memory in question is to the transfer. */
enum role { WRITTEN, READ_FROM, SENT_FROM, READ_INTO, RECEIVED_INTO };

#define SGES 30

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

/* @p: the memory that is scarce. */
static void rig_open_over(struct rig *rig, enum role role, void *p, size_t len, const struct rc *rc)
{
	struct ibv_pd *pd;

	rig->role = role;
	pair_open(&rig->pair, rc);
	need_odp(rig->pair.a.ctx);
	pd = by_peer(role) ? rig->pair.b.pd : rig->pair.a.pd;
	rig->scarce = (struct buf){ .p = p, .len = len, .fd = -1 };
	rig->scarce.mr = reg(pd, p, len, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	rig->other = buf_anon(by_peer(role) ? rig->pair.a.pd : rig->pair.b.pd, len, ALL_ACCESS);
	pattern_fill(rig->other.p, len, 0, 4);
}

static void rig_open(struct rig *rig, enum role role, size_t len, uint8_t rnr_retry)
{
	struct rc rc = rc_default();

	rc.rnr_retry = rnr_retry;
	rig_open_over(rig, role, map_anon(len), len, &rc);
}

/* The memory of either end in @n pieces: @len bytes, and the same again @step bytes behind. */
static void post_pieces(struct rig *rig, size_t offset, size_t len, int n, size_t step)
{
	struct buf *local = by_peer(rig->role) ? &rig->other : &rig->scarce;
	struct buf *remote = by_peer(rig->role) ? &rig->scarce : &rig->other;
	struct ibv_sge list[SGES], into[SGES];
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sg_list = list, .num_sge = n,
		.wr.rdma = { (uintptr_t)remote->p + offset, remote->mr->rkey },
	};

	for (int i = 0; i < n; i++) {
		list[i] = sge(local, offset + i * step, len);
		into[i] = sge(remote, offset + i * step, len);
	}
	if (rig->role == READ_FROM || rig->role == READ_INTO)
		wr.opcode = IBV_WR_RDMA_READ;
	if (rig->role == RECEIVED_INTO || rig->role == SENT_FROM) {
		wr.opcode = IBV_WR_SEND;
		post_recv(&rig->pair.b, 2, into, n);
	}
	post_send(&rig->pair.a, &wr);
}

static void post(struct rig *rig, size_t offset, size_t len)
{
	post_pieces(rig, offset, len, 1, 0);
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

/*
 * One packet from or to more pages than stay: pieces in as many pages, or one that lies in two pages where one
 * stays.
 */
static void test_packet(void **state)
{
	const struct slow *slow = *state;
	struct rig *rig = scratch(sizeof(*rig));
	struct rc rc = rc_default();
	bool pieces = slow->page_us;
	size_t at = PAGE - 64, len = 128, n = pieces ? SGES : 1, step = 2 * PAGE;
	struct store *store;
	struct buf *to;

	rc.mtu = IBV_MTU_4096;
	rc.sge = SGES;
	rig_open_over(rig, slow->role, map_anon(n * step), n * step, &rc);
	store = store_open(&rig->scarce);
	store->resident = pieces ? RESIDENT : 1;
	pattern_fill(store->content, n * step, 0, 3);
	store_start(store);
	post_pieces(rig, at, len, n, step);
	expect(rig);
	print_message("%zu pages, %u stay: %lu faults\n", 2 * n, store->resident, store->asked);
	to = into_scarce(slow->role) ? &rig->scarce : &rig->other;
	for (size_t i = 0; i < n; i++)
		pattern_check(to->p + at + i * step, len, at + i * (slow->role == READ_INTO ? len : step),
			      into_scarce(slow->role) ? 4 : 3, "what has come");
	assert_in_range(store->asked, 2 * n, 8 * n);
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

#define LIMIT (2 * MIB)
#define MESSAGE (4 * MIB)

/* All but the memory in question stays; that is first used, and charged, inside. */
static void stay_but_for(struct buf *buf)
{
	assert_int_equal(mlockall(MCL_CURRENT), 0);
	assert_int_equal(munlock(buf->p, buf->len), 0);
	buf_dontneed(buf);
}

static void test_cgroup(void **state)
{
	const struct slow *slow = *state;
	struct rig *rig = scratch(sizeof(*rig));
	uint64_t start, cpu;
	long in;

	need_swap();
	rig_open(rig, slow->role, MESSAGE, 7);
	stay_but_for(&rig->scarce);
	madvise(rig->scarce.p, MESSAGE, MADV_NOHUGEPAGE);
	cgroup_enter(cgroup_make_small("progress", LIMIT));
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

/* The queue pairs stay charged to the group; what is allocated from now on is not. */
static void leave_full(const struct cgroup *cgroup)
{
	assert_int_equal(write_file("/sys/fs/cgroup/cgroup.procs", "0"), 0);
	cgroup_set(cgroup, "memory.max", "4096");
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
	struct cgroup *cgroup;
	long timeouts;

	cgroup = cgroup_make("progress", "memory");
	/* What the process has allocated inside could not come back from there. */
	cgroup_try(cgroup, "memory.swap.max", "0");
	cgroup_enter(cgroup);
	rig_open(rig, slow->role, FEW * PAGE, 7);
	leave_full(cgroup);
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

/* --- a disk that is slow, in such a cgroup ----------------------------------------------- */

#define BYTES_A_SECOND (4 * MIB)

struct disk {
	enum role role;
	bool private;
	int fd;
};

/* What has been written is on the disk, and nowhere else. */
static void forget(const struct disk *disk, struct buf *buf)
{
	buf_dontneed(buf);
	assert_int_equal(fsync(disk->fd), 0);
	assert_int_equal(posix_fadvise(disk->fd, 0, buf->len, POSIX_FADV_DONTNEED), 0);
}

static void file_make(struct disk *disk, size_t len)
{
	uint8_t *p = scratch(len);
	char path[128];

	snprintf(path, sizeof(path), "%s/slow", need_ext4());
	disk->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(disk->fd >= 0);
	pattern_fill(p, len, 0, 3);
	assert_int_equal(write(disk->fd, p, len), len);
}

/* Its reading is throttled, and it may keep half of the message. */
static void enter_slow_disk(const struct disk *disk)
{
	struct cgroup *cgroup = cgroup_make("progress", "memory io");
	char text[64];
	struct stat st;

	assert_int_equal(fstat(disk->fd, &st), 0);
	snprintf(text, sizeof(text), "%lu", LIMIT);
	cgroup_set(cgroup, "memory.max", text);
	cgroup_throttle(cgroup, st.st_dev, BYTES_A_SECOND);
	cgroup_enter(cgroup);
}

/* What the processor needs for the same. */
static uint64_t by_cpu(const struct disk *disk, struct buf *buf)
{
	uint64_t start = now_ms();
	volatile uint8_t *p = buf->p;
	uint8_t sum = 0;

	for (size_t at = 0; at < buf->len; at += PAGE) {
		if (into_scarce(disk->role))
			p[at] = 1;
		else
			sum += p[at];
	}
	return now_ms() - start;
}

static void test_disk(void **state)
{
	struct disk disk = *(const struct disk *)*state;
	struct rig *rig = scratch(sizeof(*rig));
	struct rc rc = rc_default();
	uint64_t start, cpu, took;
	int wrote;
	void *p;

	need_swap();
	file_make(&disk, MESSAGE);
	p = disk.private ? map_file_copy(disk.fd, MESSAGE) : map_file(disk.fd, MESSAGE);
	rig_open_over(rig, disk.role, p, MESSAGE, &rc);
	stay_but_for(&rig->scarce);
	forget(&disk, &rig->scarce);
	enter_slow_disk(&disk);
	cpu = by_cpu(&disk, &rig->scarce);
	forget(&disk, &rig->scarce);
	assert_true(resident_pages(rig->scarce.p, MESSAGE) < MESSAGE / PAGE / 4);
	start = now_ms();
	post(rig, 0, MESSAGE);
	expect(rig);
	took = now_ms() - start;
	print_message("%lu MiB at %lu MiB/s in a cgroup of %lu: %llu ms (the CPU %llu)\n", MESSAGE / MIB,
		      BYTES_A_SECOND / MIB, LIMIT / MIB, (unsigned long long)took,
		      (unsigned long long)cpu);
	wrote = into_scarce(disk.role) ? 4 : 3;
	pattern_check(rig->scarce.p, MESSAGE, 0, wrote, "the memory");
	pattern_check(rig->other.p, MESSAGE, 0, wrote, "the other end");
	assert_in_range(took, 0, 3 * cpu + 1000 * options.slow);
}

#define WITH(name, test, role, us) { name, test, NULL, NULL, &(struct slow){ role, us } }

#define DISK(name, role, private) { name, test_disk, NULL, NULL, &(struct disk){ role, private, -1 } }

static struct CMUnitTest tests[] = {
	WITH("a slow pager: written", test_pager, WRITTEN, 20000),
	WITH("a slow pager: read", test_pager, READ_FROM, 20000),
	WITH("a slow pager: received into", test_pager, RECEIVED_INTO, 20000),
	WITH("a fast pager: written", test_pager, WRITTEN, 0),
	WITH("a fast pager: read", test_pager, READ_FROM, 0),
	WITH("a fast pager: sent from", test_pager, SENT_FROM, 0),
	WITH("a fast pager: read into", test_pager, READ_INTO, 0),
	WITH("a fast pager: received into", test_pager, RECEIVED_INTO, 0),
	WITH("pieces in many pages: sent from", test_packet, SENT_FROM, 1),
	WITH("pieces in many pages: read into", test_packet, READ_INTO, 1),
	WITH("pieces in many pages: received into", test_packet, RECEIVED_INTO, 1),
	WITH("a packet for two pages: written", test_packet, WRITTEN, 0),
	WITH("a packet for two pages: read", test_packet, READ_FROM, 0),
	WITH("a packet for two pages: sent from", test_packet, SENT_FROM, 0),
	WITH("a packet for two pages: read into", test_packet, READ_INTO, 0),
	WITH("a packet for two pages: received into", test_packet, RECEIVED_INTO, 0),
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
	DISK("a slow disk, shared: written", WRITTEN, false),
	DISK("a slow disk, shared: read", READ_FROM, false),
	DISK("a slow disk, shared: sent from", SENT_FROM, false),
	DISK("a slow disk, private: written", WRITTEN, true),
	DISK("a slow disk, private: read", READ_FROM, true),
	DISK("a slow disk, private: received into", RECEIVED_INTO, true),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("progress", tests, ARRAY_SIZE(tests));
}
