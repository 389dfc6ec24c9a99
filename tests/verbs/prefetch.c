// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/* ibv_advise_mr(): a prefetched page needs no fault, and nothing else changes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libodp/odp.h"

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/rig.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/uffd.h"

#define PAGES 40
#define LEN (PAGES * PAGE)
#define FLUSH IBV_ADVISE_MR_FLAG_FLUSH

#define READABLE IBV_ADVISE_MR_ADVICE_PREFETCH
#define WRITABLE IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE
#define NO_FAULT IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT

static int advise(struct buf *buf, enum ibv_advise_mr_advice advice, uint32_t flags, size_t offset,
		  size_t len)
{
	struct ibv_sge list = sge(buf, offset, len);

	return odp_advise_mr(buf->mr->pd, advice, flags, &list, 1);
}

static long waits(void)
{
	return port_counter(options.peer, "page_fault_waits");
}

static long prefetched(void)
{
	return port_counter(options.peer, "page_prefetch");
}

/* Returns how many times a queue pair waited for a page during one request. */
static long waits_of(struct rig *rig, enum ibv_wr_opcode opcode, size_t offset, size_t len)
{
	long before = waits();

	rig_rdma(rig, opcode, offset, len);
	return waits() - before;
}

static void test_write(void **state)
{
	struct rig rig;
	long before;

	(void)state;
	rig_open_cold(&rig, LEN);
	pattern_fill(rig.a.p, LEN, 0, 1);
	before = prefetched();
	assert_int_equal(advise(&rig.b, WRITABLE, FLUSH, 100, LEN - 200), 0);
	assert_int_equal(prefetched() - before, PAGES);
	assert_int_equal(resident_pages(rig.b.p, LEN), PAGES);
	assert_int_equal(waits_of(&rig, IBV_WR_RDMA_WRITE, 0, LEN), 0);
	pattern_check(rig.b.p, LEN, 0, 1, "written without a wait");
}

/* Pages that are prefetched for reading are the zero page, which cannot be written. */
static void test_read(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	assert_int_equal(advise(&rig.b, READABLE, FLUSH, 0, LEN), 0);
	assert_int_equal(waits_of(&rig, IBV_WR_RDMA_READ, 5, LEN - 5), 0);
	assert_true(waits_of(&rig, IBV_WR_RDMA_WRITE, 5, 100) > 0);
}

/* Prefetches only a part; the rest stays untouched. */
static void test_part(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	assert_int_equal(advise(&rig.b, WRITABLE, FLUSH, 10 * PAGE + 4000, 2 * PAGE), 0);
	assert_int_equal(resident_pages(rig.b.p, LEN), 3);
	assert_int_equal(waits_of(&rig, IBV_WR_RDMA_WRITE, 10 * PAGE, 3 * PAGE), 0);
}

/* IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT takes only the pages that the CPU has: here two islands. */
static void test_no_fault(void **state)
{
	struct rig rig;
	long before;

	(void)state;
	rig_open_cold(&rig, LEN);
	memset(rig.b.p + 3 * PAGE, 7, 2 * PAGE);
	memset(rig.b.p + 20 * PAGE, 7, 3 * PAGE);
	before = prefetched();
	assert_int_equal(advise(&rig.b, NO_FAULT, FLUSH, 0, LEN), 0);
	assert_int_equal(prefetched() - before, 5);
	assert_int_equal(resident_pages(rig.b.p, LEN), 5);
	assert_int_equal(waits_of(&rig, IBV_WR_RDMA_WRITE, 3 * PAGE, 2 * PAGE), 0);
	assert_int_equal(waits_of(&rig, IBV_WR_RDMA_WRITE, 20 * PAGE, 3 * PAGE), 0);
	assert_true(waits_of(&rig, IBV_WR_RDMA_WRITE, 10 * PAGE, 10) > 0);
}

/* Islands in two adjacent mappings. */
static void test_no_fault_over_mappings(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	assert_int_equal(mprotect(rig.b.p + 10 * PAGE, 10 * PAGE, PROT_READ), 0);
	memset(rig.b.p + 30 * PAGE, 7, PAGE);
	assert_int_equal(advise(&rig.b, NO_FAULT, FLUSH, 0, LEN), 0);
	assert_int_equal(waits_of(&rig, IBV_WR_RDMA_WRITE, 30 * PAGE, PAGE), 0);
}

/* Taking a page away also removes its prefetched translation. */
static void test_invalidated(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	assert_int_equal(advise(&rig.b, WRITABLE, FLUSH, 0, LEN), 0);
	buf_dontneed(&rig.b);
	pattern_fill(rig.a.p, LEN, 0, 2);
	assert_true(waits_of(&rig, IBV_WR_RDMA_WRITE, 0, LEN) > 0);
	pattern_check(rig.b.p, LEN, 0, 2, "written after the pages were taken away");
}

static void test_lists(void **state)
{
	struct ibv_mr *everything;
	struct ibv_sge list[3];
	struct rig rig;
	struct buf other;
	uint8_t *loose;
	long before;

	(void)state;
	rig_open_cold(&rig, LEN);
	other = buf_anon(rig.pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	loose = map_anon(LEN);
	everything = reg(rig.pair.b.pd, NULL, SIZE_MAX, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	list[0] = sge(&rig.b, 2 * PAGE, 2 * PAGE);
	list[1] = sge(&other, 5 * PAGE, 4 * PAGE);
	list[2] = (struct ibv_sge){ (uintptr_t)loose + 6 * PAGE, 8 * PAGE, everything->lkey };
	before = prefetched();
	assert_int_equal(odp_advise_mr(rig.pair.b.pd, WRITABLE, FLUSH, list, 3), 0);
	assert_int_equal(prefetched() - before, 14);
	assert_int_equal(resident_pages(rig.b.p, LEN), 2);
	assert_int_equal(resident_pages(other.p, LEN), 4);
	assert_int_equal(resident_pages(loose, LEN), 8);
}

static void until_resident(void *p, size_t len, size_t pages)
{
	for (uint64_t end = now_ms() + PATIENCE; resident_pages(p, len) < pages; sleep_ms(1))
		if (now_ms() > end)
			fail_msg("%zu of %zu pages", resident_pages(p, len), pages);
}

static void test_async(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	pattern_fill(rig.a.p, LEN, 0, 3);
	assert_int_equal(advise(&rig.b, WRITABLE, 0, 0, LEN), 0);
	until_resident(rig.b.p, LEN, PAGES);
	/* The last page is in the page table shortly before its translation is in ours. */
	sleep_ms(50 * options.slow);
	assert_int_equal(waits_of(&rig, IBV_WR_RDMA_WRITE, 0, LEN), 0);
	pattern_check(rig.b.p, LEN, 0, 3, "written without a wait");
}

/* Prefetches run in order; each begins when the one before it has ended. */
static void test_many_async(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(advise(&rig.b, READABLE, 0, 0, LEN), 0);
	assert_int_equal(advise(&rig.b, WRITABLE, 0, 0, LEN), 0);
	until_resident(rig.b.p, LEN, PAGES);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(advise(&rig.b, READABLE, 0, 0, LEN), 0);
	undo(rig.b.mr);
}

/* --- what is refused ---------------------------------------------------------------------- */

static void test_refused(void **state)
{
	struct buf readonly, pinned;
	struct ibv_sge list[2];
	struct ibv_pd *other;
	struct ibv_mw *mw;
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	other = ibv_alloc_pd(rig.pair.b.ctx);
	readonly = buf_anon(rig.pair.b.pd, LEN, IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND);
	pinned = buf_anon(rig.pair.b.pd, LEN, ALL_ACCESS);
	for (uint32_t flags = 0; flags <= FLUSH; flags += FLUSH) {
		assert_int_equal(advise(&rig.b, READABLE, flags, 1, LEN), EFAULT);
		assert_int_equal(advise(&rig.b, READABLE, flags, LEN, 1), EFAULT);
		assert_int_equal(advise(&rig.b, READABLE, flags, -PAGE, PAGE), EFAULT);
		assert_int_equal(advise(&rig.b, READABLE, flags, -PAGE, 2 * PAGE), EFAULT);
		assert_int_equal(advise(&readonly, WRITABLE, flags, 0, LEN), EPERM);
		assert_int_equal(advise(&readonly, READABLE, flags, 0, LEN), 0);
		assert_int_equal(advise(&pinned, READABLE, flags, 0, LEN), EINVAL);
		list[0] = sge(&rig.b, 0, LEN);
		assert_int_equal(odp_advise_mr(other, READABLE, flags, list, 1), EPERM);
		list[1] = list[0];
		list[1].lkey ^= 0x5a;
		assert_int_equal(odp_advise_mr(rig.pair.b.pd, READABLE, flags, list, 2), ENOENT);
		list[1].lkey = 0;
		assert_int_equal(odp_advise_mr(rig.pair.b.pd, READABLE, flags, list, 2), ENOENT);
		mw = ibv_alloc_mw(rig.pair.b.pd, IBV_MW_TYPE_1);
		assert_non_null(mw);
		list[1].lkey = mw->rkey;
		assert_int_equal(odp_advise_mr(rig.pair.b.pd, READABLE, flags, list, 2), EINVAL);
		assert_int_equal(ibv_dealloc_mw(mw), 0);
		assert_int_equal(advise(&rig.b, 77, flags, 0, LEN), EOPNOTSUPP);
	}
	assert_true(advise(&rig.b, READABLE, 0x10, 0, LEN));
	assert_int_equal(resident_pages(rig.b.p, LEN), 0);
	ibv_dealloc_pd(other);
}

/* The pages before the error are prefetched; only a synchronous caller gets the error. */
static void test_error_after_some_pages(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	assert_int_equal(mprotect(rig.b.p + 20 * PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(advise(&rig.b, WRITABLE, FLUSH, 0, LEN), EPERM);
	assert_int_equal(resident_pages(rig.b.p, LEN), 20);
	assert_int_equal(munmap(rig.b.p + 10 * PAGE, PAGE), 0);
	assert_int_equal(advise(&rig.b, READABLE, FLUSH, 0, LEN), EFAULT);
	assert_int_equal(advise(&rig.b, READABLE, 0, 0, LEN), 0);
}

/* --- pages that do not come ---------------------------------------------------------------- */

static void stuck_open(struct rig *rig)
{
	int fd = uffd_open(UFFD_MISSING);

	rig_open_cold(rig, LEN);
	uffd_watch(fd, UFFD_MISSING, rig->b.p, PAGE);
	assert_int_equal(advise(&rig->b, WRITABLE, 0, 0, PAGE), 0);
	uffd_wait(fd);
}

static void test_deregistered(void **state)
{
	uint64_t start;
	struct rig rig;

	(void)state;
	stuck_open(&rig);
	for (int i = 0; i < 100; i++)
		assert_int_equal(advise(&rig.b, WRITABLE, 0, 0, PAGE), 0);
	start = now_ms();
	undo(rig.b.mr);
	assert_true(now_ms() - start < 500u * options.slow);
}

/* A fault does not wait for prefetches under way. */
static void test_faults_go_on(void **state)
{
	struct rig rig;

	(void)state;
	stuck_open(&rig);
	pattern_fill(rig.a.p, LEN, 0, 6);
	for (int i = 1; i < PAGES; i++)
		rig_rdma(&rig, IBV_WR_RDMA_WRITE, i * PAGE, PAGE);
	pattern_check(rig.b.p + PAGE, LEN - PAGE, PAGE, 6, "beside a page that does not come");
}

static void exiting_child(void *arg)
{
	struct rig rig;

	(void)arg;
	stuck_open(&rig);
}

static void test_exit(void **state)
{
	uint64_t start;

	(void)state;
	need_uffd(UFFD_MISSING);
	need_odp(device_open(options.device));
	start = now_ms();
	assert_int_equal(child_wait(child_start(exiting_child, NULL)), 0);
	assert_true(now_ms() - start < (uint64_t)PATIENCE / 3);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_write),
	cmocka_unit_test(test_read),
	cmocka_unit_test(test_part),
	cmocka_unit_test(test_no_fault),
	cmocka_unit_test(test_no_fault_over_mappings),
	cmocka_unit_test(test_invalidated),
	cmocka_unit_test(test_lists),
	cmocka_unit_test(test_async),
	cmocka_unit_test(test_many_async),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_error_after_some_pages),
	cmocka_unit_test(test_deregistered),
	cmocka_unit_test(test_faults_go_on),
	cmocka_unit_test(test_exit),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("prefetch", tests, ARRAY_SIZE(tests));
}
