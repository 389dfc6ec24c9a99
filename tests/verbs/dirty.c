// SPDX-License-Identifier: GPL-2.0
/* CI: kasan:loop debian:loop lockdep:loop */
/* A page that RDMA wrote is dirty: nothing that gives memory back may lose what was written. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

#define LEN (256 * PAGE)

struct rig {
	struct pair pair;
	struct buf local, memory;
};

static void rig_open(struct rig *rig)
{
	struct rc rc = rc_default();

	rc.mtu = IBV_MTU_4096;
	pair_open(&rig->pair, &rc);
	need_odp(rig->pair.a.ctx);
	rig->local = buf_anon(rig->pair.a.pd, LEN, ALL_ACCESS);
}

static void rdma(struct rig *rig, enum ibv_wr_opcode opcode)
{
	struct ibv_sge list = sge(&rig->local, 0, LEN);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = opcode, .sg_list = &list, .num_sge = 1,
		.wr.rdma = {
			.remote_addr = (uintptr_t)rig->memory.p, .rkey = rig->memory.mr->rkey,
		},
	};

	post_send(&rig->pair.a, &wr);
	expect_wc(rig->pair.a.scq, 1, IBV_WC_SUCCESS);
}

static void rdma_write(struct rig *rig, uint64_t seed)
{
	pattern_fill(rig->local.p, LEN, 0, seed);
	rdma(rig, IBV_WR_RDMA_WRITE);
}

static void read_all(struct rig *rig)
{
	volatile uint8_t *p = rig->memory.p;

	for (size_t at = 0; at < LEN; at += PAGE)
		(void)p[at];
}

/* A page that MADV_FREE gave up and that was written since is only looked at the first time. */
static void page_out(struct rig *rig)
{
	size_t resident = LEN / PAGE;

	for (int i = 0; i < 3 && resident > LEN / PAGE / 2; i++) {
		assert_int_equal(madvise(rig->memory.p, LEN, MADV_PAGEOUT), 0);
		resident = resident_pages(rig->memory.p, LEN);
	}
	if (resident > LEN / PAGE / 2)
		fail_msg("%zu of %lu pages are still in memory", resident, LEN / PAGE);
}

/* Memory given up by MADV_FREE that is written before it is taken is not given up. */
static void test_lazily_freed(void **state)
{
	struct rig rig;

	(void)state;
	need_swap();
	rig_open(&rig);
	rig.memory = buf_anon(rig.pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	for (int round = 1; round <= 3; round++) {
		pattern_fill(rig.memory.p, LEN, 0, 50 + round);
		rdma(&rig, IBV_WR_RDMA_READ);
		assert_int_equal(madvise(rig.memory.p, LEN, MADV_FREE), 0);
		rdma_write(&rig, round);
		page_out(&rig);
		pattern_check(rig.memory.p, LEN, 0, round, "after the reclaim");
	}
}

/* Without a write of the peer it is taken: that the other test can fail. */
static void test_lazily_freed_and_taken(void **state)
{
	size_t taken = 0;
	struct rig rig;

	(void)state;
	need_swap();
	rig_open(&rig);
	rig.memory = buf_anon(rig.pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	pattern_fill(rig.memory.p, LEN, 0, 1);
	rdma(&rig, IBV_WR_RDMA_READ);
	assert_int_equal(madvise(rig.memory.p, LEN, MADV_FREE), 0);
	page_out(&rig);
	memset(rig.local.p, 0xff, LEN);
	rdma(&rig, IBV_WR_RDMA_READ);
	same_bytes(rig.local.p, rig.memory.p, LEN, "the peer's view and the CPU's");
	for (size_t page = 0; page < LEN / PAGE; page++)
		taken += *(uint64_t *)(rig.memory.p + page * PAGE) == 0;
	assert_true(taken > LEN / PAGE / 2);
}

/* Pages of a file that the CPU has only read. */
static void shared_file(struct rig *rig, int fd)
{
	rig->memory = (struct buf){ .len = LEN, .fd = fd };
	assert_int_equal(ftruncate(fd, LEN), 0);
	rig->memory.p = map_file(fd, LEN);
	rig->memory.mr = reg(rig->pair.b.pd, rig->memory.p, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

static void test_shared_memory(void **state)
{
	struct rig rig;

	(void)state;
	need_swap();
	rig_open(&rig);
	shared_file(&rig, memfd_create("dirty", MFD_CLOEXEC));
	for (int round = 1; round <= 3; round++) {
		read_all(&rig);
		rdma(&rig, IBV_WR_RDMA_READ);
		rdma_write(&rig, round);
		page_out(&rig);
		pattern_check(rig.memory.p, LEN, 0, round, "after the reclaim");
	}
}

/* Down to the disk, and once more after writeback has made the pages clean. */
static void test_file(void **state)
{
	uint8_t *disk = scratch(LEN);
	struct rig rig;

	(void)state;
	rig_open(&rig);
	shared_file(&rig, open(need_ext4(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	for (int round = 1; round <= 4; round++) {
		rdma_write(&rig, round);
		if (round % 2)
			assert_int_equal(fsync(rig.memory.fd), 0);
		rdma_write(&rig, 10 + round);
		assert_int_equal(fsync(rig.memory.fd), 0);
		assert_int_equal(madvise(rig.memory.p, LEN, MADV_DONTNEED), 0);
		assert_int_equal(posix_fadvise(rig.memory.fd, 0, 0, POSIX_FADV_DONTNEED), 0);
		assert_int_equal(resident_pages(rig.memory.p, LEN), 0);
		assert_int_equal(pread(rig.memory.fd, disk, LEN, 0), LEN);
		pattern_check(disk, LEN, 0, 10 + round, "on the disk");
	}
}

/* Who follows the soft-dirty bits sees what the peer wrote, and only that. */
/* Memory that was written, on a kernel that tracks it. */
static void tracked_open(struct rig *rig)
{
	rig_open(rig);
	rig->memory = buf_anon(rig->pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	rdma_write(rig, 1);
	if (!(pagemap(rig->memory.p) & PAGEMAP_SOFT_DIRTY))
		skip_because("this kernel has no soft-dirty bits");
}

static void test_soft_dirty(void **state)
{
	struct ibv_send_wr wr = { .wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .num_sge = 1 };
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	tracked_open(&rig);
	wr.sg_list = &list;
	wr.wr.rdma.rkey = rig.memory.mr->rkey;
	for (int page = 1; page < 20; page += 3) {
		assert_int_equal(write_file("/proc/self/clear_refs", "4"), 0);
		rdma(&rig, IBV_WR_RDMA_READ);
		assert_false(pagemap(rig.memory.p + page * PAGE) & PAGEMAP_SOFT_DIRTY);
		list = sge(&rig.local, 0, 100);
		wr.wr.rdma.remote_addr = (uintptr_t)rig.memory.p + page * PAGE + 50;
		post_send(&rig.pair.a, &wr);
		expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
		assert_true(pagemap(rig.memory.p + page * PAGE) & PAGEMAP_SOFT_DIRTY);
		assert_false(pagemap(rig.memory.p + (page + 1) * PAGE) & PAGEMAP_SOFT_DIRTY);
	}
}

/* --- what takes away the right to write leaves the right to read ----------------------------- */

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
	rig_open(&rig);
	shared_file(&rig, open(need_ext4(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	for (int round = 0; round < 3; round++) {
		rdma_write(&rig, round);
		assert_int_equal(fsync(rig.memory.fd), 0);
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
	cmocka_unit_test(test_lazily_freed_and_taken),
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
