// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/* Registration: costs nothing, refuses addresses that no process has, shares the mirror. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "kit/memory.h"
#include "kit/odp.h"
#include "kit/sys.h"
#include "lib/pattern.h"
#include "lib/test.h"

#define TIB (1ul << 40)
#define ROUNDS 200

/* Returns the shortest time of many: other load only makes it longer. */
static uint64_t register_ns(int fd, void *at, uint64_t length)
{
	uint64_t best = -1ull;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now_ns(), took;
		struct region r;

		region_make(&r, fd, at, length, ODP_TEST_WRITABLE);
		took = now_ns() - start;
		region_put(&r);
		if (took < best)
			best = took;
	}
	return best;
}

static void costs_no_table(int fd, void *at, uint64_t length)
{
	struct odp_test_stats stats;
	struct region r;

	region_make(&r, fd, at, length, ODP_TEST_WRITABLE);
	stats = region_stats(&r);
	assert_int_equal(stats.table_bytes, 0);
	assert_int_equal(stats.windows, 0);
	region_put(&r);
}

static void test_any_length_costs_the_same(void **state)
{
	static const uint64_t lengths[] = { PAGE, 64ul << 30, 16 * TIB };
	uint64_t took[ARRAY_SIZE(lengths)];
	int fd = odp_open();
	struct region other;
	char *at;

	(void)state;
	/* Keeps the mirror, so that only the region is made and put. */
	region_make(&other, fd, &other, 1, 0);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		at = mmap(NULL, lengths[i], PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		assert_ptr_not_equal(at, MAP_FAILED);
		costs_no_table(fd, at, lengths[i]);
		took[i] = register_ns(fd, at, lengths[i]);
		assert_int_equal(munmap(at, lengths[i]), 0);
	}
	print_message("4 KiB: %lu ns, 64 GiB: %lu ns, 16 TiB: %lu ns\n", took[0], took[1], took[2]);
	assert_true(took[1] < 20 * took[0]);
	assert_true(took[2] < 20 * took[0]);
}

static void test_huge_reservation_works(void **state)
{
	static const uint64_t offsets[] = { 5, TIB - 3, 5 * TIB + 12345, 16 * TIB - 9 };
	struct region r;
	char *at;

	(void)state;
	at = mmap(NULL, 16 * TIB, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(madvise(at, 16 * TIB, MADV_NOHUGEPAGE) && errno != EINVAL, 0);
	region_make(&r, odp_open(), at, 16 * TIB, ODP_TEST_WRITABLE);
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		region_takes(&r, offsets[i], "16 TiB!", 7);
		assert_memory_equal(at + offsets[i], "16 TiB!", 7);
	}
	assert_in_range(region_stats(&r).table_bytes, 1, 1 << 20);
	assert_int_equal(munmap(at, 16 * TIB), 0);
}

/* Returns the end of the user addresses. */
static uint64_t address_limit(int fd)
{
	uint64_t limit = 0;

	for (uint64_t step = 1ull << 62; step; step /= 2) {
		struct region r;

		if (region_try(&r, fd, 0, limit + step, 0))
			continue;
		region_put(&r);
		limit += step;
	}
	return limit;
}

static void test_wraps(void **state)
{
	int fd = odp_open();
	uint64_t limit = address_limit(fd);
	const struct { uint64_t address, length; } refused[] = {
		{ 0, 0 }, { PAGE, 0 }, { limit, 1 }, { limit, 0 }, { limit - PAGE, PAGE + 1 },
		{ 1, limit }, { limit + PAGE, PAGE }, { PAGE, -PAGE }, { PAGE, 1 - PAGE },
		{ PAGE, -1ull }, { 1, -1ull }, { -1ull, 1 }, { -1ull, -1ull }, { -PAGE, PAGE },
		{ -PAGE, 2 * PAGE }, { -1ull, PAGE }, { 1ull << 63, 1ull << 63 },
		{ 1ull << 63, PAGE },
	};
	struct region r;

	(void)state;
	assert_true(limit >= 1ull << 46 && limit < 1ull << 63);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		if (region_try(&r, fd, refused[i].address, refused[i].length, 0) != -EINVAL)
			fail_msg("%#lx + %#lx is not refused", refused[i].address,
				 refused[i].length);
		assert_true(region_try(&r, fd, refused[i].address, refused[i].length,
				       ODP_TEST_PINNED) < 0);
	}
	assert_int_equal(region_try(&r, fd, limit - PAGE, PAGE, 0), 0);
}

/* One region over all addresses. */
static void everywhere(uint64_t length)
{
	int fd = odp_open();
	char *memory = anonymous(3 * PAGE), on_stack[] = "on the stack";
	struct region r;

	region_make(&r, fd, NULL, length, ODP_TEST_WRITABLE);
	pattern_fill(memory, 3 * PAGE, 0, FIRST);
	region_holds(&r, (uintptr_t)memory + 7, memory + 7, 2 * PAGE, "a mapping");
	region_takes(&r, (uintptr_t)on_stack + 7, "Stack", 5);
	assert_string_equal(on_stack, "on the Stack");
	read_ends(&r, 0, PAGE, 0, -EFAULT);
	read_ends(&r, (uintptr_t)memory + 2 * PAGE, 2 * PAGE, PAGE, -EFAULT);
}

static void test_whole_address_space(void **state)
{
	(void)state;
	everywhere(address_limit(odp_open()));
}

static void test_implicit(void **state)
{
	(void)state;
	everywhere(-1ull);
}

static void test_regions_share_translations(void **state)
{
	char *memory = anonymous(64 * PAGE);
	int fd = odp_open(), other_fd = odp_open();
	struct region first, second, third;
	uint64_t faults;

	(void)state;
	pattern_fill(memory, 64 * PAGE, 0, FIRST);
	region_make(&first, fd, memory, 64 * PAGE, ODP_TEST_WRITABLE);
	region_make(&second, fd, memory + 100, 32 * PAGE, 0);
	region_make(&third, other_fd, memory + PAGE, 9 * PAGE, ODP_TEST_WRITABLE);
	region_takes(&first, 0, memory, 64 * PAGE);
	faults = region_stats(&first).faults;
	region_holds(&second, 0, memory + 100, 32 * PAGE, "the second region");
	region_takes(&third, 5, memory + PAGE + 5, PAGE);
	assert_int_equal(region_stats(&third).faults, faults);
	assert_int_equal(region_stats(&third).region_faults, 0);
	write_ends(&second, 0, 10, 0, -EPERM);
	region_put(&first);
	region_holds(&third, 0, memory + PAGE, 9 * PAGE, "the remaining region of the mirror");
	assert_int_equal(region_stats(&third).faults, faults);
}

static void test_kernel_thread(void **state)
{
	struct region r;
	int fd = odp_open();

	(void)state;
	assert_int_equal(region_try(&r, fd, 1ul << 20, PAGE, ODP_TEST_BY_THREAD), -ESRCH);
	assert_int_equal(region_try(&r, fd, 1ul << 20, PAGE, ODP_TEST_BY_THREAD | ODP_TEST_PINNED),
			 -ESRCH);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_thread),
		cmocka_unit_test(test_any_length_costs_the_same),
		cmocka_unit_test(test_huge_reservation_works),
		cmocka_unit_test(test_wraps),
		cmocka_unit_test(test_whole_address_space),
		cmocka_unit_test(test_implicit),
		cmocka_unit_test(test_regions_share_translations),
	};

	parse_options(argc, argv);
	return run_group("register", tests, ARRAY_SIZE(tests));
}
