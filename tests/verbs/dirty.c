// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/* A page that RDMA wrote is dirty: reclaim must not lose the written bytes. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/rig.h"
#include "lib/system.h"
#include "lib/test.h"

#define LEN (256 * PAGE)

static void open_connection(struct rig *rig)
{
	struct rc rc = rc_default();

	rc.mtu = IBV_MTU_4096;
	rig_open_local(rig, &rc, LEN);
}

static void rdma(struct rig *rig, enum ibv_wr_opcode opcode)
{
	rig_rdma(rig, opcode, 0, LEN);
}

static void rdma_write(struct rig *rig, uint64_t seed)
{
	pattern_fill(rig->a.p, LEN, 0, seed);
	rdma(rig, IBV_WR_RDMA_WRITE);
}

static void read_all(struct rig *rig)
{
	volatile uint8_t *p = rig->b.p;

	for (size_t at = 0; at < LEN; at += PAGE)
		(void)p[at];
}

/* MADV_PAGEOUT only inspects, the first time, a page that was given up by MADV_FREE and written since. */
static void page_out(struct rig *rig)
{
	size_t resident = LEN / PAGE;

	for (int i = 0; i < 3 && resident > LEN / PAGE / 2; i++) {
		assert_int_equal(madvise(rig->b.p, LEN, MADV_PAGEOUT), 0);
		resident = resident_pages(rig->b.p, LEN);
	}
	if (resident > LEN / PAGE / 2)
		fail_msg("%zu of %lu pages are still in memory", resident, LEN / PAGE);
}

/* A page that was freed by MADV_FREE and written before it is reclaimed keeps its bytes. */
static void test_lazily_freed(void **state)
{
	struct rig rig;

	(void)state;
	need_swap();
	open_connection(&rig);
	rig.b = buf_anon(rig.pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	for (int round = 1; round <= 3; round++) {
		pattern_fill(rig.b.p, LEN, 0, 50 + round);
		rdma(&rig, IBV_WR_RDMA_READ);
		assert_int_equal(madvise(rig.b.p, LEN, MADV_FREE), 0);
		rdma_write(&rig, round);
		page_out(&rig);
		pattern_check(rig.b.p, LEN, 0, round, "after the reclaim");
	}
}

/* Without a write of the peer the page is reclaimed: this shows that the test before can fail. */
static void test_lazily_freed_is_reclaimed(void **state)
{
	size_t taken = 0;
	struct rig rig;

	(void)state;
	need_swap();
	open_connection(&rig);
	rig.b = buf_anon(rig.pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	pattern_fill(rig.b.p, LEN, 0, 1);
	rdma(&rig, IBV_WR_RDMA_READ);
	assert_int_equal(madvise(rig.b.p, LEN, MADV_FREE), 0);
	page_out(&rig);
	memset(rig.a.p, 0xff, LEN);
	rdma(&rig, IBV_WR_RDMA_READ);
	same_bytes(rig.a.p, rig.b.p, LEN, "the peer's view and the CPU's");
	for (size_t page = 0; page < LEN / PAGE; page++)
		taken += *(uint64_t *)(rig.b.p + page * PAGE) == 0;
	assert_true(taken > LEN / PAGE / 2);
}

/* Pages of a file that the CPU has only read. */
static void shared_file(struct rig *rig, int fd)
{
	rig->b = (struct buf){ .len = LEN, .fd = fd };
	assert_int_equal(ftruncate(fd, LEN), 0);
	rig->b.p = map_file(fd, LEN);
	rig->b.mr = reg(rig->pair.b.pd, rig->b.p, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

static void test_shared_memory(void **state)
{
	struct rig rig;

	(void)state;
	need_swap();
	open_connection(&rig);
	shared_file(&rig, memfd_create("dirty", MFD_CLOEXEC));
	for (int round = 1; round <= 3; round++) {
		read_all(&rig);
		rdma(&rig, IBV_WR_RDMA_READ);
		rdma_write(&rig, round);
		page_out(&rig);
		pattern_check(rig.b.p, LEN, 0, round, "after the reclaim");
	}
}

/* The bytes reach the disk, also when they are written again after writeback has cleaned the pages. */
static void test_file(void **state)
{
	uint8_t *disk = scratch(LEN);
	struct rig rig;

	(void)state;
	open_connection(&rig);
	shared_file(&rig, open(need_ext4(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	for (int round = 1; round <= 4; round++) {
		rdma_write(&rig, round);
		if (round % 2)
			assert_int_equal(fsync(rig.b.fd), 0);
		rdma_write(&rig, 10 + round);
		assert_int_equal(fsync(rig.b.fd), 0);
		assert_int_equal(madvise(rig.b.p, LEN, MADV_DONTNEED), 0);
		assert_int_equal(posix_fadvise(rig.b.fd, 0, 0, POSIX_FADV_DONTNEED), 0);
		assert_int_equal(resident_pages(rig.b.p, LEN), 0);
		assert_int_equal(pread(rig.b.fd, disk, LEN, 0), LEN);
		pattern_check(disk, LEN, 0, 10 + round, "on the disk");
	}
}

/* Opens memory that was written, on a kernel with soft-dirty bits. */
static void tracked_open(struct rig *rig)
{
	open_connection(rig);
	rig->b = buf_anon(rig->pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	rdma_write(rig, 1);
	if (!(pagemap(rig->b.p) & PAGEMAP_SOFT_DIRTY))
		skip_because("this kernel has no soft-dirty bits");
}

/* A reader of the soft-dirty bits sees what the peer wrote, and only that. */
static void test_soft_dirty(void **state)
{
	struct ibv_send_wr wr = { .wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .num_sge = 1 };
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	tracked_open(&rig);
	wr.sg_list = &list;
	wr.wr.rdma.rkey = rig.b.mr->rkey;
	for (int page = 1; page < 20; page += 3) {
		assert_int_equal(write_file("/proc/self/clear_refs", "4"), 0);
		rdma(&rig, IBV_WR_RDMA_READ);
		assert_false(pagemap(rig.b.p + page * PAGE) & PAGEMAP_SOFT_DIRTY);
		list = sge(&rig.a, 0, 100);
		wr.wr.rdma.remote_addr = (uintptr_t)rig.b.p + page * PAGE + 50;
		post_send(&rig.pair.a, &wr);
		expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
		assert_true(pagemap(rig.b.p + page * PAGE) & PAGEMAP_SOFT_DIRTY);
		assert_false(pagemap(rig.b.p + (page + 1) * PAGE) & PAGEMAP_SOFT_DIRTY);
	}
}

/* --- write-protection leaves the right to read ----------------------------------------------- */

static long waits_of(struct rig *rig, enum ibv_wr_opcode opcode)
{
	long before = port_counter(options.peer, "page_fault_waits");

	rdma(rig, opcode);
	return port_counter(options.peer, "page_fault_waits") - before;
}

static void reading_goes_on(struct rig *rig)
{
	assert_int_equal(waits_of(rig, IBV_WR_RDMA_READ), 0);
	assert_true(waits_of(rig, IBV_WR_RDMA_WRITE) > 0);
	assert_int_equal(waits_of(rig, IBV_WR_RDMA_WRITE), 0);
}

static void test_writeback_faults_writes_only(void **state)
{
	struct rig rig;

	(void)state;
	open_connection(&rig);
	shared_file(&rig, open(need_ext4(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	for (int round = 0; round < 3; round++) {
		rdma_write(&rig, round);
		assert_int_equal(fsync(rig.b.fd), 0);
		reading_goes_on(&rig);
	}
}

static void test_tracking_faults_writes_only(void **state)
{
	struct rig rig;

	(void)state;
	tracked_open(&rig);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(write_file("/proc/self/clear_refs", "4"), 0);
		reading_goes_on(&rig);
	}
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_lazily_freed),
	cmocka_unit_test(test_lazily_freed_is_reclaimed),
	cmocka_unit_test(test_shared_memory),
	cmocka_unit_test(test_file),
	cmocka_unit_test(test_soft_dirty),
	cmocka_unit_test(test_writeback_faults_writes_only),
	cmocka_unit_test(test_tracking_faults_writes_only),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("dirty", tests, ARRAY_SIZE(tests));
}
