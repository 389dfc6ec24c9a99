// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/* When translations and their tables are freed: with the mapping, the region, or the process. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/memory.h"
#include "kit/odp.h"
#include "lib/pattern.h"
#include "lib/test.h"

#define LEAVES 64
#define AREA (LEAVES * LEAF)

/* The CPU and the region touch one page in each leaf. */
static char *touched(struct region *r)
{
	char *memory = anonymous(AREA);

	region_make(r, odp_open(), memory, AREA, ODP_TEST_WRITABLE);
	for (size_t i = 0; i < LEAVES; i++) {
		memory[i * LEAF + 5 * PAGE] = 1;
		assert_int_equal(region_fault(r, i * LEAF + 5 * PAGE, 1, FAULT_WRITE), 1);
	}
	assert_int_equal(region_stats(r).leaves, LEAVES);
	assert_in_range(region_stats(r).table_bytes, LEAVES * PAGE, 2 * LEAVES * PAGE);
	return memory;
}

/* A worker takes windows down, because no callback may remove its own notifier. */
static void windows_go(struct region *r)
{
	uint64_t end = now_ms() + PATIENCE;

	while (region_stats(r).windows && now_ms() < end)
		sleep_ms(5);
	assert_int_equal(region_stats(r).windows, 0);
	assert_int_equal(region_stats(r).table_bytes, 0);
}

static void test_unmapping_frees_tables(void **state)
{
	struct region r;
	char *memory = touched(&r);
	uint64_t bytes = region_stats(&r).table_bytes;

	(void)state;
	assert_int_equal(munmap(memory, AREA / 2), 0);
	assert_int_equal(region_stats(&r).leaves, LEAVES / 2);
	assert_in_range(region_stats(&r).table_bytes, 1, bytes - LEAVES / 2 * PAGE);
	assert_int_equal(region_state(&r, AREA / 2 + 5 * PAGE), PRESENT | WRITABLE);
	assert_int_equal(munmap(memory + AREA / 2, AREA / 2), 0);
	assert_int_equal(region_stats(&r).leaves, 0);
	windows_go(&r);
	anonymous_at(memory, AREA);
	region_takes(&r, 12345, "again", 5);
	assert_memory_equal(memory + 12345, "again", 5);
}

static void test_moving_frees_tables(void **state)
{
	struct region r;
	char *memory = touched(&r), *to = place(AREA);

	(void)state;
	assert_ptr_equal(mremap(memory, AREA, AREA, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	assert_int_equal(region_stats(&r).leaves, 0);
	windows_go(&r);
}

/* Memory that is only discarded keeps its tables: it is likely to be used again. */
static void test_discarding_keeps_tables(void **state)
{
	struct region r;
	char *memory = touched(&r);
	uint64_t bytes = region_stats(&r).table_bytes;

	(void)state;
	assert_int_equal(madvise(memory, AREA, MADV_DONTNEED), 0);
	assert_int_equal(region_stats(&r).table_bytes, bytes);
	for (size_t i = 0; i < LEAVES; i++)
		assert_int_equal(region_state(&r, i * LEAF + 5 * PAGE), 0);
}

static void test_last_region_takes_all(void **state)
{
	struct region r, other;
	struct odp_test_stats stats;

	(void)state;
	touched(&r);
	region_make(&other, r.fd, &other, 1, 0);
	region_put(&r);
	assert_int_equal(region_stats(&other).leaves, LEAVES);
	region_put(&other);
	region_make(&other, r.fd, &other, 1, 0);
	stats = region_stats(&other);
	assert_int_equal(stats.windows, 0);
	assert_int_equal(stats.table_bytes, 0);
	assert_int_equal(stats.faults, 0);
}

/* Windows are made and freed under a region again and again, while others use it. */
static void test_windows_come_and_go(void **state)
{
	struct region r;
	char *memory = anonymous(LEAF);

	(void)state;
	region_make(&r, odp_open(), memory, LEAF, ODP_TEST_WRITABLE);
	for (int i = 0; i < 300; i++) {
		char word[8];

		pattern_fill(word, 8, i * 8, FIRST);
		region_takes(&r, 100, word, 8);
		assert_memory_equal(memory + 100, word, 8);
		assert_int_equal(munmap(memory, LEAF), 0);
		if (i % 3 == 0)
			windows_go(&r);
		assert_int_equal(region_read(&r, 100, word, 8, 0).done, 0);
		anonymous_at(memory, LEAF);
	}
}

/* A child's accesses to the regions that it inherited. */
static void use_parents_region(void *arg)
{
	struct region *r = arg;

	if (region_write(r, 10, "from the child", 14, ODP_TEST_FAULTING).done != 14 ||
	    r->at[10])
		_exit(1);
}

/* A region covers the memory of the process that made it, whoever holds the file. */
static void test_region_belongs_to_its_maker(void **state)
{
	struct region r;
	char *memory = anonymous(PAGE);

	(void)state;
	memset(memory, 0, PAGE);
	region_make(&r, odp_open(), memory, PAGE, ODP_TEST_WRITABLE);
	assert_int_equal(child_wait(child_start(use_parents_region, &r)), 0);
	assert_memory_equal(memory + 10, "from the child", 14);
}

struct victim {
	struct region r;
	int tell;
};

static void access_until_killed(void *arg)
{
	struct victim *victim = arg;
	struct region *r = &victim->r;
	char bytes[2 * PAGE];

	memset(bytes, 1, sizeof(bytes));
	if (region_try(r, r->fd, (uintptr_t)r->at, r->length, ODP_TEST_WRITABLE) ||
	    write(victim->tell, r, sizeof(*r)) < 0)
		return;
	for (uint64_t offset = 0;; offset = (offset + 3 * PAGE) % (r->length - 2 * PAGE)) {
		region_write(r, offset, bytes, sizeof(bytes), ODP_TEST_FAULTING);
		madvise(r->at, r->length, MADV_DONTNEED);
	}
}

/* The owner dies in the middle of its faults; the region still exists, but without memory. */
static void killed_while_busy(int fd, char *memory, int ms)
{
	struct victim victim = { .r = { .fd = fd, .at = memory, .length = 64 * PAGE } };
	int child = child_start_with_region(access_until_killed, &victim, &victim.tell, &victim.r);

	sleep_ms(ms);
	kill(child, SIGKILL);
	assert_true(WIFSIGNALED(child_wait(child)));
	assert_int_equal(region_stats(&victim.r).leaves, 0);
	assert_int_equal(region_fault(&victim.r, 0, PAGE, 0), -ESRCH);
	region_put(&victim.r);
}

static void test_owner_killed_while_busy(void **state)
{
	char *memory = anonymous(64 * PAGE);
	int fd = odp_open();

	(void)state;
	for (int i = 0; i < 20; i++)
		killed_while_busy(fd, memory, i % 10);
}

/* No caller puts the regions: the last close does. */
static void test_close_puts_regions(void **state)
{
	char *memory = anonymous(PAGE);
	struct region r;
	int fd = odp_open();

	(void)state;
	for (int i = 0; i < 1000; i++)
		region_make(&r, fd, memory, PAGE, ODP_TEST_WRITABLE);
	region_takes(&r, 0, "closed", 6);
	odp_close(fd);
	assert_memory_equal(memory, "closed", 6);
	region_make(&r, odp_open(), memory, PAGE, ODP_TEST_WRITABLE);
	assert_int_equal(region_stats(&r).windows, 0);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unmapping_frees_tables),
		cmocka_unit_test(test_moving_frees_tables),
		cmocka_unit_test(test_discarding_keeps_tables),
		cmocka_unit_test(test_last_region_takes_all),
		cmocka_unit_test(test_windows_come_and_go),
		cmocka_unit_test(test_region_belongs_to_its_maker),
		cmocka_unit_test(test_owner_killed_while_busy),
		cmocka_unit_test(test_close_puts_regions),
	};

	parse_options(argc, argv);
	return run_group("lifetime", tests, ARRAY_SIZE(tests));
}
