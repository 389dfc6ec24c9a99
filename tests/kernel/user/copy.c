// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/* Copies and atomics, byte by byte: any length, any offset, across pages and leaves. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "kit/memory.h"
#include "kit/odp.h"
#include "kit/sys.h"
#include "lib/pattern.h"
#include "lib/test.h"

/* The region lies inside of the memory, the copy inside of the region: bytes around both are checked. */
#define GUARD 3000
#define AREA (3 * LEAF)

static const uint64_t lengths[] = {
	0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 255, 256, 1023, 4095, 4096, 4097, 8191, 8193, 65537,
	LEAF - 1, LEAF, LEAF + 1, 2 * LEAF + 4097,
};

static const uint64_t offsets[] = { 0, 1, 5, 1095, 1096, 4095, 70001, LEAF - GUARD - 1 };

static char *shared_memory(size_t length)
{
	char *at = place(length);

	assert_ptr_equal(mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			      memfd_make(length), 0), at);
	return at;
}

/* Keeps the bytes, removes the page tables and the translations. */
static void make_cold(char *at)
{
	assert_int_equal(madvise(at, AREA, MADV_DONTNEED), 0);
}

static void copy_case(struct region *r, char *memory, char *want, uint64_t offset, uint64_t len,
		      bool cold)
{
	static uint64_t seed = 100;

	if (cold)
		make_cold(memory);
	region_holds(r, offset, want + GUARD + offset, len, "read");
	pattern_fill(want + GUARD + offset, len, offset, ++seed);
	if (cold)
		make_cold(memory);
	region_takes(r, offset, want + GUARD + offset, len);
	same_bytes(memory + offset, want + offset, len + 2 * GUARD, "the write and the bytes around it");
}

/* The short sweep takes a third of the pairs, including each length and each offset. */
static bool is_due(size_t n)
{
	return options.full || n % 3 == 0;
}

static void sweep(unsigned int flags, bool cold)
{
	char *memory = shared_memory(AREA), *want = scratch(AREA);
	struct region r;

	pattern_fill(want, AREA, 0, FIRST);
	memcpy(memory, want, AREA);
	region_make(&r, odp_open(), memory + GUARD, AREA - 2 * GUARD, ODP_TEST_WRITABLE | flags);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		for (size_t j = 0; j < ARRAY_SIZE(offsets); j++)
			if (offsets[j] + lengths[i] <= r.length && is_due(i + j))
				copy_case(&r, memory, want, offsets[j], lengths[i], cold);
	same_bytes(memory, want, AREA, "all of the memory");
}

static void test_warm(void **state)
{
	(void)state;
	sweep(0, false);
}

static void test_cold(void **state)
{
	(void)state;
	sweep(0, true);
}

static void test_pinned(void **state)
{
	(void)state;
	sweep(ODP_TEST_PINNED, false);
}

/* Without faults a copy ends exactly where the first missing page begins. */
static void test_stops_at_missing_page(void **state)
{
	char *memory = anonymous(8 * PAGE), buffer[3 * PAGE];
	struct region r;

	(void)state;
	memset(buffer, 1, sizeof(buffer));
	region_make(&r, odp_open(), memory + 10, 8 * PAGE - 10, ODP_TEST_WRITABLE);
	assert_int_equal(region_write(&r, 0, buffer, 100, 0).done, 0);
	assert_int_equal(region_fault(&r, 0, 1, FAULT_WRITE), 1);
	assert_int_equal(madvise(memory + PAGE, 7 * PAGE, MADV_DONTNEED), 0);
	assert_int_equal(region_write(&r, 90, buffer, sizeof(buffer), 0).done, PAGE - 100);
	assert_int_equal(region_read(&r, 91, buffer, sizeof(buffer), 0).done, PAGE - 101);
	assert_int_equal(memory[99], 0);
	assert_int_equal(memory[100], 1);
	assert_int_equal(memory[PAGE - 1], 1);
	assert_int_equal(pages_with(memory + PAGE, 7, PAGEMAP_PRESENT), 0);
}

/* A copy that would leave the region is refused as a whole. */
static void test_outside(void **state)
{
	char *memory = anonymous(4 * PAGE), buffer[PAGE] = { 0 };
	struct region r;
	uint64_t old;

	(void)state;
	region_make(&r, odp_open(), memory + 8, PAGE + 16, ODP_TEST_WRITABLE);
	region_takes(&r, 0, buffer, PAGE);
	memset(buffer, 7, sizeof(buffer));
	write_ends(&r, 17, PAGE, 0, -EINVAL);
	write_ends(&r, PAGE + 16, 1, 0, -EINVAL);
	write_ends(&r, -1ull, 1, 0, -EINVAL);
	write_ends(&r, -8ull, 16, 0, -EINVAL);
	read_ends(&r, 1ull << 63, PAGE, 0, -EINVAL);
	assert_int_equal(region_atomic(&r, PAGE + 8, FETCH_ADD, 1, 0, &old, 0), 0);
	assert_int_equal(region_atomic(&r, PAGE + 16, FETCH_ADD, 1, 0, &old, 0), -EINVAL);
	assert_int_equal(region_atomic(&r, -8ull, FETCH_ADD, 1, 0, &old, 0), -EINVAL);
	assert_int_equal(region_atomic(&r, 4, FETCH_ADD, 1, 0, &old, 0), -EINVAL);
	for (size_t i = 0; i < 4 * PAGE; i++)
		assert_int_equal(memory[i], i == PAGE + 16);
}

static void test_read_only_region(void **state)
{
	char *memory = anonymous(2 * PAGE);
	struct region r;
	uint64_t old;

	(void)state;
	pattern_fill(memory, 2 * PAGE, 0, FIRST);
	region_make(&r, odp_open(), memory, 2 * PAGE, 0);
	region_holds(&r, 5, memory + 5, PAGE, "a readable region");
	write_ends(&r, 5, PAGE, 0, -EPERM);
	assert_int_equal(region_atomic(&r, 0, FETCH_ADD, 1, 0, &old, 0), -EPERM);
	pattern_check(memory, 2 * PAGE, 0, FIRST, "the memory");
}

static void test_atomics(void **state)
{
	uint64_t *word = (uint64_t *)anonymous(PAGE) + 3, old = 9;
	struct region r;

	(void)state;
	region_make(&r, odp_open(), word, 16, ODP_TEST_WRITABLE);
	assert_int_equal(region_atomic(&r, 0, FETCH_ADD, 5, 0, &old, 0), -EAGAIN);
	assert_int_equal(region_atomic(&r, 0, FETCH_ADD, 5, 0, &old, ODP_TEST_FAULTING), 0);
	assert_int_equal(old, 0);
	assert_int_equal(region_atomic(&r, 0, FETCH_ADD, -6ull, 0, &old, 0), 0);
	assert_int_equal(old, 5);
	assert_int_equal(*word, -1ull);
	assert_int_equal(region_atomic(&r, 0, CMP_SWAP, 77, 5, &old, 0), 0);
	assert_int_equal(old, -1ull);
	assert_int_equal(*word, -1ull);
	assert_int_equal(region_atomic(&r, 0, CMP_SWAP, 77, -1ull, &old, 0), 0);
	assert_int_equal(old, -1ull);
	assert_int_equal(*word, 77);
	assert_int_equal(region_atomic(&r, 0, SWAP, 1ull << 40, 0, &old, 0), 0);
	assert_int_equal(old, 77);
	assert_int_equal(*word, 1ull << 40);
	assert_int_equal(word[1], 0);
	assert_int_equal(region_state(&r, 0), PRESENT | WRITABLE | DIRTY);
}

#define ADDS 5000

static void *cpu_adds(void *word)
{
	for (int i = 0; i < ADDS; i++)
		__atomic_fetch_add((uint64_t *)word, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void test_atomic_against_cpu(void **state)
{
	uint64_t *word = (uint64_t *)anonymous(PAGE), old;
	pthread_t thread;
	struct region r;

	(void)state;
	region_make(&r, odp_open(), word, 8, ODP_TEST_WRITABLE);
	assert_int_equal(pthread_create(&thread, NULL, cpu_adds, word), 0);
	for (int i = 0; i < ADDS; i++)
		assert_int_equal(region_atomic(&r, 0, FETCH_ADD, 1, 0, &old, ODP_TEST_FAULTING), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(*word, 2 * ADDS);
}

/* Pinned pages stay with the region, whatever happens to the mapping. */
static void test_pinned_stays(void **state)
{
	char *memory = shared_memory(4 * PAGE), *elsewhere;
	struct region r;

	(void)state;
	pattern_fill(memory, 4 * PAGE, 0, FIRST);
	region_make(&r, odp_open(), memory, 4 * PAGE, ODP_TEST_WRITABLE | ODP_TEST_PINNED);
	states_are(&r, 0, 4, PRESENT | WRITABLE, PRESENT | WRITABLE, "pinned");
	elsewhere = place(4 * PAGE);
	assert_ptr_equal(mremap(memory, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				elsewhere), elsewhere);
	region_holds(&r, 0, elsewhere, 4 * PAGE, "pinned and moved");
	region_takes(&r, 100, "moved", 5);
	assert_memory_equal(elsewhere + 100, "moved", 5);
	assert_int_equal(region_fault(&r, 0, PAGE, 0), -EFAULT);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warm),
		cmocka_unit_test(test_cold),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_stops_at_missing_page),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_read_only_region),
		cmocka_unit_test(test_atomics),
		cmocka_unit_test(test_atomic_against_cpu),
		cmocka_unit_test(test_pinned_stays),
	};

	parse_options(argc, argv);
	return run_group("copy", tests, ARRAY_SIZE(tests));
}
