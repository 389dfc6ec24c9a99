// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/* The memory that translations take: bounded, given back under pressure, and never missed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

#define LEAF (2 * MIB)		/* covered by one table */
#define TABLE 4096
#define LEAVES 400
#define SPAN (LEAVES * LEAF)

struct rig {
	struct pair pair;
	struct buf local;
	uint8_t *sparse;
	struct ibv_mr *mr;
	long before;		/* bytes of tables at the beginning */
};

static void rig_open(struct rig *rig)
{
	struct rc rc = rc_default();

	pair_open(&rig->pair, &rc);
	need_odp(rig->pair.a.ctx);
	rig->local = buf_anon(rig->pair.a.pd, PAGE, ALL_ACCESS);
	rig->sparse = map_reserved(SPAN);
	if (!rig->sparse)
		skip_because("the address space has no room");
	/* A huge page needs no table. */
	madvise(rig->sparse, SPAN, MADV_NOHUGEPAGE);
	rig->before = port_counter(options.peer, "odp_table_bytes");
	rig->mr = reg(rig->pair.b.pd, rig->sparse, SPAN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

static long tables(const struct rig *rig)
{
	return port_counter(options.peer, "odp_table_bytes") - rig->before;
}

static void write_to(struct rig *rig, uint8_t *at, uint64_t seed)
{
	struct ibv_sge list = sge(&rig->local, 0, 100);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { (uintptr_t)at, rig->mr->rkey },
	};

	pattern_fill(rig->local.p, 100, 0, seed);
	post_send(&rig->pair.a, &wr);
	expect_wc(rig->pair.a.scq, 1, IBV_WC_SUCCESS);
}

/* Returns a page of each leaf. */
static uint8_t *page_of(struct rig *rig, size_t leaf)
{
	return rig->sparse + leaf * LEAF + 5;
}

static void touch_all(struct rig *rig, uint64_t seed)
{
	for (size_t i = 0; i < LEAVES; i++)
		write_to(rig, page_of(rig, i), seed + i);
}

static void check_all(struct rig *rig, uint64_t seed)
{
	for (size_t i = 0; i < LEAVES; i++)
		pattern_check(page_of(rig, i), 100, 0, seed + i, "a page of a leaf");
}

/* Makes the kernel shrink all its caches; recently used entries are spared once. */
static void pressure(void)
{
	for (int i = 0; i < 3; i++)
		if (write_file("/proc/sys/vm/drop_caches", "2"))
			skip_because("no drop_caches");
}

static void tables_fall_to(const struct rig *rig, long most)
{
	for (uint64_t end = now_ms() + PATIENCE; tables(rig) > most; sleep_ms(10))
		if (now_ms() > end)
			fail_msg("%ld bytes of tables", tables(rig));
}

static void test_pressure(void **state)
{
	struct rig rig;
	long waits;

	(void)state;
	rig_open(&rig);
	touch_all(&rig, 1);
	assert_in_range(tables(&rig), LEAVES * TABLE, 2 * LEAVES * TABLE);
	pressure();
	tables_fall_to(&rig, 0);
	check_all(&rig, 1);
	waits = port_counter(options.peer, "page_fault_waits");
	touch_all(&rig, 5000);
	check_all(&rig, 5000);
	assert_int_equal(port_counter(options.peer, "page_fault_waits") - waits, LEAVES);
}

/* Bytes written through a table that is freed are not lost. */
static void test_pressure_keeps_dirty(void **state)
{
	int fd = ext4_open("tables");
	struct ibv_sge list;
	uint8_t got[PAGE];
	struct rig rig;
	char *map;

	(void)state;
	rig_open(&rig);
	assert_int_equal(ftruncate(fd, 16 * PAGE), 0);
	map = map_file(fd, 16 * PAGE);
	rig.mr = reg(rig.pair.b.pd, map, 16 * PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	list = sge(&rig.local, 0, PAGE);
	for (int i = 0; i < 16; i++) {
		pattern_fill(rig.local.p, PAGE, 0, i);
		post_send(&rig.pair.a, &(struct ibv_send_wr){
			.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
			.wr.rdma = { (uintptr_t)map + i * PAGE, rig.mr->rkey },
		});
		expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
	}
	pressure();
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(write_file("/proc/sys/vm/drop_caches", "1"), 0);
	for (int i = 0; i < 16; i++) {
		assert_int_equal(pread(fd, got, PAGE, i * PAGE), PAGE);
		pattern_check(got, PAGE, 0, i, "the file");
	}
}

/* Tables in use under pressure: they are freed and made again, and every byte is right. */
static void test_limit(void **state)
{
	struct rig rig;

	(void)state;
	set_parameter("ib_umem_odp", "table_limit", "1048576");
	rig_open(&rig);
	for (int round = 0; round < 3; round++) {
		touch_all(&rig, 1000 * round);
		check_all(&rig, 1000 * round);
		assert_in_range(tables(&rig), TABLE, MIB + 16 * TABLE);
	}
}

/* Tables in constant use stay when others have to be freed. */
static void test_limit_keeps_used_tables(void **state)
{
	struct rig rig;
	long waits;

	(void)state;
	set_parameter("ib_umem_odp", "table_limit", "1048576");
	rig_open(&rig);
	write_to(&rig, page_of(&rig, 0), 1);
	waits = port_counter(options.peer, "page_fault_waits");
	for (size_t i = 1; i < LEAVES; i++) {
		write_to(&rig, page_of(&rig, i), i);
		write_to(&rig, page_of(&rig, 0), i);
	}
	assert_in_range(port_counter(options.peer, "page_fault_waits") - waits, LEAVES - 1,
			LEAVES + 4);
}

/* Unmapping memory frees its tables. */
static void test_unmap(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	touch_all(&rig, 1);
	assert_int_equal(munmap(rig.sparse, SPAN), 0);
	tables_fall_to(&rig, 0);
	/* The memory is unmapped once more at the end. */
	assert_ptr_equal(mmap(rig.sparse, SPAN, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0),
			 rig.sparse);
}

/* --- the cost of a registration for munmap -------------------------------------------------- */

#define TIB (1024ul * 1024 * MIB)
#define ROUNDS 51

/* Returns the time, in ns, to unmap untouched memory, with a region over it or over other memory. */
static uint64_t unmap_ns(struct rig *rig, size_t len, bool inside)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct ibv_mr *mr;
	uint64_t start;

	if (p == MAP_FAILED)
		skip_because("the address space has no room");
	mr = ibv_reg_mr(rig->pair.b.pd, inside ? p : page_of(rig, 0), inside ? len : PAGE,
			ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	assert_non_null(mr);
	start = now_ns();
	assert_int_equal(munmap(p, len), 0);
	start = now_ns() - start;
	assert_int_equal(ibv_dereg_mr(mr), 0);
	return start;
}

/* Measured in turn, so that other load makes both longer. */
static void test_unmap_cost(void **state)
{
	uint64_t outside[ROUNDS], inside[ROUNDS], alone, registered;
	struct rig rig;

	(void)state;
	rig_open(&rig);
	write_to(&rig, page_of(&rig, 0), 1);
	for (int i = 0; i < ROUNDS; i++) {
		outside[i] = unmap_ns(&rig, TIB, false);
		inside[i] = unmap_ns(&rig, TIB, true);
	}
	alone = percentile(outside, ROUNDS, 500);
	registered = percentile(inside, ROUNDS, 500);
	print_message("munmap of 1 TiB: %lu ns, registered %lu ns\n", alone, registered);
	if (registered > alone + alone / 2)
		fail_msg("munmap of 1 TiB: %lu ns, registered %lu ns", alone, registered);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_pressure),
	cmocka_unit_test(test_pressure_keeps_dirty),
	cmocka_unit_test(test_limit),
	cmocka_unit_test(test_limit_keeps_used_tables),
	cmocka_unit_test(test_unmap),
	cmocka_unit_test(test_unmap_cost),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("tables", tests, ARRAY_SIZE(tests));
}
