// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/*
 * A transfer that the CPU could do itself completes, whatever is taken away again meanwhile: memory of a
 * pager that keeps few pages, memory of a cgroup that is smaller than the message. A page that has arrived is
 * used at once, and no access waits for pages that nobody asked for.
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
#include "lib/pager.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/transfer.h"

#define SGES TRANSFER_SGES

/* @p is the scarce memory. */
static void open_over(struct transfer *x, enum role role, void *p, size_t len, const struct rc *rc)
{
	transfer_connect(x, role, rc);
	x->tested = (struct buf){ .p = p, .len = len, .fd = -1 };
	x->tested.mr = reg(transfer_pd(x), p, len, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	transfer_make_other(x, len);
}

static void open_scarce(struct transfer *x, enum role role, size_t len, uint8_t rnr_retry)
{
	struct rc rc = rc_default();

	rc.rnr_retry = rnr_retry;
	open_over(x, role, map_anon(len), len, &rc);
}

static void post(struct transfer *x, size_t offset, size_t len)
{
	transfer_post(x, offset, len, 1, 0);
}

/* Makes a pager for the scarce memory, with a store. */
static struct pager *make_pager(struct transfer *x)
{
	struct pager *pager = pager_make(pager_open(), x->tested.p, x->tested.len);

	pager_keep_content(pager);
	return pager;
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
	struct transfer *x = scratch(sizeof(*x));
	struct pager *pager;
	uint64_t start;

	open_scarce(x, slow->role, PAGES * PAGE, 7);
	pager = make_pager(x);
	pager->resident = RESIDENT;
	pager->page_us = slow->page_us;
	pattern_fill(pager->content, PAGES * PAGE, 0, 3);
	pager_start(pager);
	start = now_ms();
	post(x, 0, PAGES * PAGE);
	transfer_expect(x);
	print_message("%u pages, of which %u stay, %u us each: %llu ms, %lu faults\n", PAGES, RESIDENT,
		      slow->page_us, (unsigned long long)(now_ms() - start), pager->asked);
	/* A page is requested again if a packet was dropped, or if a page beside it was removed. */
	assert_in_range(pager->asked, PAGES, 4 * PAGES);
	pattern_check(x->tested.p, PAGES * PAGE, 0, role_is_target(slow->role) ? 4 : 3, "the pager's memory");
	pattern_check(x->other.p, PAGES * PAGE, 0, role_is_target(slow->role) ? 4 : 3, "the other end");
}

/*
 * One packet from or to more pages than stay: elements in as many pages, or one element that lies in two
 * pages while one stays.
 */
static void test_packet(void **state)
{
	const struct slow *slow = *state;
	struct transfer *x = scratch(sizeof(*x));
	struct rc rc = rc_default();
	bool pieces = slow->page_us;
	size_t at = PAGE - 64, len = 128, n = pieces ? SGES : 1, step = 2 * PAGE;
	struct pager *pager;
	struct buf *to;

	rc.mtu = IBV_MTU_4096;
	rc.sge = SGES;
	open_over(x, slow->role, map_anon(n * step), n * step, &rc);
	pager = make_pager(x);
	pager->resident = pieces ? RESIDENT : 1;
	pattern_fill(pager->content, n * step, 0, 3);
	pager_start(pager);
	transfer_post(x, at, len, n, step);
	transfer_expect(x);
	print_message("%zu pages, %u stay: %lu faults\n", 2 * n, pager->resident, pager->asked);
	to = role_is_target(slow->role) ? &x->tested : &x->other;
	for (size_t i = 0; i < n; i++)
		pattern_check(to->p + at + i * step, len, at + i * (slow->role == READ_INTO ? len : step),
			      role_is_target(slow->role) ? 4 : 3, "the transferred bytes");
	assert_in_range(pager->asked, 2 * n, 8 * n);
}

/* --- a page that does not come -------------------------------------------------------- */

/* Bytes that have arrived are written before the next page is waited for. */
static void test_half(void **state)
{
	struct transfer *x = scratch(sizeof(*x));
	struct pager *pager;
	uint64_t end = now_ms() + PATIENCE;
	size_t ready = 3;

	(void)state;
	open_scarce(x, WRITTEN, 8 * PAGE, 7);
	pager = make_pager(x);
	pager->limit = ready;
	pager_start(pager);
	post(x, 0, 8 * PAGE);
	while (!pager->early) {
		if (now_ms() > end)
			fail_msg("the next page was not requested");
		sleep_ms(1);
	}
	assert_int_equal(pager->asked, ready);
	assert_memory_equal(x->tested.p, x->other.p, ready * PAGE);
	expect_quiet(x->pair.a.scq, 100);
	pager->limit = 8;
	transfer_expect(x);
	pattern_check(x->tested.p, 8 * PAGE, 0, 4, "the pager's memory");
}

/* --- looking ahead --------------------------------------------------------------------- */

#define STREAM 64

/* Page after page forward: a page is provided when it is its turn, and is not requested before. */
static void test_turn(void **state)
{
	struct transfer *x = scratch(sizeof(*x));
	struct pager *pager;
	uint64_t start, took, most = 0;

	(void)state;
	open_scarce(x, WRITTEN, STREAM * PAGE, 3);
	pager = make_pager(x);
	pager->limit = 0;
	pager_start(pager);
	for (size_t i = 0; i < STREAM; i++) {
		pager->limit = i + 1;
		start = now_ms();
		post(x, i * PAGE, PAGE);
		transfer_expect(x);
		took = now_ms() - start;
		most = took > most ? took : most;
	}
	print_message("slowest of %d writes of a page: %llu ms; %lu pages asked for before their turn\n",
		      STREAM, (unsigned long long)most, pager->early);
	assert_int_equal(pager->early, 0);
	assert_int_equal(pager->asked, STREAM);
}

/* The same with 20 ms for each page, and with as few retries as are enough backward. */
static void test_stream(void **state)
{
	struct transfer *x = scratch(sizeof(*x));
	struct pager *pager;

	(void)state;
	open_scarce(x, WRITTEN, STREAM * PAGE, 3);
	pager = make_pager(x);
	pager->page_us = 20000;
	pager_start(pager);
	for (size_t i = 0; i < STREAM; i++) {
		post(x, i * PAGE, PAGE);
		transfer_expect(x);
	}
}

/* Without a pager the pages behind a stream are faulted in before they are needed. */
static void test_ahead(void **state)
{
	struct transfer *x = scratch(sizeof(*x));
	uint64_t end = now_ms() + PATIENCE;
	size_t pages = 512;

	(void)state;
	open_scarce(x, WRITTEN, 2 * pages * PAGE, 7);
	madvise(x->tested.p, x->tested.len, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < 16; i++) {
		post(x, i * PAGE, PAGE);
		transfer_expect(x);
	}
	while (resident_pages(x->tested.p, 32 * PAGE) < 18) {
		if (now_ms() > end)
			fail_msg("nothing was faulted in ahead");
		sleep_ms(10);
	}
}

/* --- a cgroup that is smaller than the message ------------------------------------------ */

#define LIMIT (2 * MIB)
#define MESSAGE (4 * MIB)

/*
 * Locks everything except the memory under test; that memory is first used, and charged, inside the cgroup.
 */
static void stay_but_for(struct buf *buf)
{
	assert_int_equal(mlockall(MCL_CURRENT), 0);
	assert_int_equal(munlock(buf->p, buf->len), 0);
	buf_dontneed(buf);
}

static void test_cgroup(void **state)
{
	const struct slow *slow = *state;
	struct transfer *x = scratch(sizeof(*x));
	uint64_t start, cpu;
	long in;

	need_swap();
	open_scarce(x, slow->role, MESSAGE, 7);
	stay_but_for(&x->tested);
	madvise(x->tested.p, MESSAGE, MADV_NOHUGEPAGE);
	cgroup_enter(cgroup_make_small("progress", LIMIT));
	start = now_ms();
	pattern_fill(x->tested.p, MESSAGE, 0, 3);
	cpu = now_ms() - start;
	in = file_number("/proc/vmstat", "pswpin ");
	start = now_ms();
	post(x, 0, MESSAGE);
	transfer_expect(x);
	in = file_number("/proc/vmstat", "pswpin ") - in;
	print_message("%lu MiB in a cgroup of %lu: %llu ms (the CPU %llu), %ld pages swapped in\n",
		      MESSAGE / MIB, LIMIT / MIB, (unsigned long long)(now_ms() - start),
		      (unsigned long long)cpu, in);
	pattern_check(x->tested.p, MESSAGE, 0, role_is_target(slow->role) ? 4 : 3, "the memory");
	pattern_check(x->other.p, MESSAGE, 0, role_is_target(slow->role) ? 4 : 3, "the other end");
}

/* --- packets that find no room while a page is missing ---------------------------------- */

#define FEW 64

/* The queue pairs stay charged to the group; later allocations are not. */
static void leave_full(const struct cgroup *cgroup)
{
	assert_int_equal(write_file("/sys/fs/cgroup/cgroup.procs", "0"), 0);
	cgroup_set(cgroup, "memory.max", "4096");
}

/*
 * The queue pairs' cgroup has no room for a packet. Then the last packets of a message are dropped, and no
 * later packet reveals that; they are retransmitted without a timeout.
 */
static void test_dropped(void **state)
{
	const struct slow *slow = *state;
	struct transfer *x = scratch(sizeof(*x));
	struct pager *pager;
	struct cgroup *cgroup;
	long timeouts;

	cgroup = cgroup_make("progress", "memory");
	/* Memory that the process allocated inside could not come back from swap there. */
	cgroup_try(cgroup, "memory.swap.max", "0");
	cgroup_enter(cgroup);
	open_scarce(x, slow->role, FEW * PAGE, 7);
	leave_full(cgroup);
	pager = make_pager(x);
	pager->page_us = slow->page_us;
	pattern_fill(pager->content, FEW * PAGE, 0, 3);
	pager_start(pager);
	timeouts = port_counter(options.device, "timeout_retry_err");
	post(x, 0, FEW * PAGE);
	transfer_expect(x);
	/* Without that request there are twenty; a slow machine may cause one or two. */
	assert_in_range(port_counter(options.device, "timeout_retry_err") - timeouts, 0, 3);
	pattern_check(x->tested.p, FEW * PAGE, 0, 4, "the pager's memory");
}

/* --- a disk that is slow, in such a cgroup ----------------------------------------------- */

#define BYTES_A_SECOND (4 * MIB)

struct disk {
	enum role role;
	bool private;
	int fd;
};

/* The written bytes are on the disk, and nowhere else. */
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

/* The group's reads are throttled, and it may keep half of the message in memory. */
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

/* Time that the CPU needs for the same transfer. */
static uint64_t by_cpu(const struct disk *disk, struct buf *buf)
{
	uint64_t start = now_ms();
	volatile uint8_t *p = buf->p;
	uint8_t sum = 0;

	for (size_t at = 0; at < buf->len; at += PAGE) {
		if (role_is_target(disk->role))
			p[at] = 1;
		else
			sum += p[at];
	}
	return now_ms() - start;
}

static void test_disk(void **state)
{
	struct disk disk = *(const struct disk *)*state;
	struct transfer *x = scratch(sizeof(*x));
	struct rc rc = rc_default();
	uint64_t start, cpu, took;
	int wrote;
	void *p;

	need_swap();
	file_make(&disk, MESSAGE);
	p = disk.private ? map_file_copy(disk.fd, MESSAGE) : map_file(disk.fd, MESSAGE);
	open_over(x, disk.role, p, MESSAGE, &rc);
	stay_but_for(&x->tested);
	forget(&disk, &x->tested);
	enter_slow_disk(&disk);
	cpu = by_cpu(&disk, &x->tested);
	forget(&disk, &x->tested);
	assert_true(resident_pages(x->tested.p, MESSAGE) < MESSAGE / PAGE / 4);
	start = now_ms();
	post(x, 0, MESSAGE);
	transfer_expect(x);
	took = now_ms() - start;
	print_message("%lu MiB at %lu MiB/s in a cgroup of %lu: %llu ms (the CPU %llu)\n", MESSAGE / MIB,
		      BYTES_A_SECOND / MIB, LIMIT / MIB, (unsigned long long)took,
		      (unsigned long long)cpu);
	wrote = role_is_target(disk.role) ? 4 : 3;
	pattern_check(x->tested.p, MESSAGE, 0, wrote, "the memory");
	pattern_check(x->other.p, MESSAGE, 0, wrote, "the other end");
	assert_in_range(took, 0, 6 * cpu + 1000 * options.slow);
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
	{ .name = "arrived bytes are written at once", .test_func = test_half },
	{ .name = "a stream: no page before its turn", .test_func = test_turn },
	{ .name = "a stream: needs few retries", .test_func = test_stream },
	{ .name = "a stream: look-ahead without a pager", .test_func = test_ahead },
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
