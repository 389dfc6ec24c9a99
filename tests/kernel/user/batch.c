// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/* How many faults an access takes, and which pages they touch that nobody asked for. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "kit/memory.h"
#include "kit/odp.h"
#include "kit/sys.h"
#include "lib/pattern.h"
#include "lib/test.h"
#include "lib/uffd.h"

#define MIB (1ul << 20)

static uint64_t faults_of(struct region *r)
{
	return region_stats(r).faults;
}

static void test_message_is_one_fault(void **state)
{
	char *memory = anonymous(LEAF), *want = scratch(MIB);
	struct region r;

	(void)state;
	pattern_fill(memory, LEAF, 0, FIRST);
	region_make(&r, odp_open(), memory, LEAF, ODP_TEST_WRITABLE);
	region_holds(&r, 12345, memory + 12345, MIB, "a message of 1 MiB");
	assert_int_equal(faults_of(&r), 1);
	assert_int_equal(region_stats(&r).region_faults, 1);
	assert_in_range(region_stats(&r).region_pages, 257, 512);
	pattern_fill(want, MIB, 0, 2);
	region_takes(&r, 54321, want, MIB);
	assert_int_equal(faults_of(&r), 1);
}

/* A fault goes on for 100 ms (less a tick); then the next fault handles the rest of its leaf. */
enum { FAULT_SHARE_MS = 80 };

static void test_untouched_message_is_a_fault_a_leaf(void **state)
{
	char *memory = anonymous(3 * LEAF), *want = scratch(2 * LEAF);
	uint64_t since, took;
	struct region r;

	(void)state;
	pattern_fill(want, 2 * LEAF, 0, FIRST);
	region_make(&r, odp_open(), memory, 3 * LEAF, ODP_TEST_WRITABLE);
	since = now_ms();
	region_takes(&r, MIB, want, 2 * LEAF);
	took = now_ms() - since;
	assert_in_range(faults_of(&r), 3, 3 + took / FAULT_SHARE_MS);
	assert_memory_equal(memory + MIB, want, 2 * LEAF);
}

/* Pages that the CPU has mapped beside the wanted page cost no fault of their own. */
static void test_neighbours_come_along(void **state)
{
	char *memory = anonymous(LEAF);
	struct region r;

	(void)state;
	for (size_t i = 0; i < 512; i += 2)
		memory[i * PAGE] = 1;
	region_make(&r, odp_open(), memory, LEAF, ODP_TEST_WRITABLE);
	assert_int_equal(region_fault(&r, 100 * PAGE, 1, 0), 1);
	for (size_t i = 0; i < 512; i++)
		assert_int_equal(region_state(&r, i * PAGE) & PRESENT, i % 2 ? 0 : PRESENT);
	assert_int_equal(pages_with(memory, 512, PAGEMAP_PRESENT), 256);
}

/* Random access takes one fault for each page, and touches no other page. */
static void random_access(size_t spread, bool write)
{
	enum { TOUCHES = 64 };
	char *memory = anonymous(TOUCHES * spread);
	struct region r;

	region_make(&r, odp_open(), memory, TOUCHES * spread, ODP_TEST_WRITABLE);
	for (size_t i = 0; i < TOUCHES; i++) {
		uint64_t offset = i * 37 % TOUCHES * spread + 9;

		if (write)
			region_takes(&r, offset, "x", 1);
		else
			region_holds(&r, offset, "", 1, "new memory");
	}
	assert_int_equal(pages_with(memory, TOUCHES * spread / PAGE, PAGEMAP_PRESENT), TOUCHES);
	assert_int_equal(faults_of(&r), TOUCHES);
	region_put(&r);
}

static void test_random_writes_touch_nothing_else(void **state)
{
	(void)state;
	random_access(5 * PAGE, true);
	random_access(LEAF, true);
}

static void test_random_reads_touch_nothing_else(void **state)
{
	(void)state;
	random_access(5 * PAGE, false);
	random_access(LEAF, false);
}

/* Writing one page of memory that others share copies only that page. */
static void test_neighbours_are_not_copied(void **state)
{
	char *memory = anonymous(64 * PAGE);
	uint64_t pfns[64];
	struct region r;

	(void)state;
	pattern_fill(memory, 64 * PAGE, 0, FIRST);
	child_waits();
	for (size_t i = 0; i < 64; i++)
		pfns[i] = pagemap(memory + i * PAGE) & PAGEMAP_PFN;
	region_make(&r, odp_open(), memory, 64 * PAGE, ODP_TEST_WRITABLE);
	region_takes(&r, 20 * PAGE + 5, "x", 1);
	for (size_t i = 0; i < 64; i++) {
		uint64_t pfn = pagemap(memory + i * PAGE) & PAGEMAP_PFN;

		assert_int_equal(pfn == pfns[i], i != 20);
	}
}

/* Look-ahead runs after the answer: the next access of an answered stream finds its pages a moment later. */
static void await_guess(struct region *r, size_t next)
{
	uint64_t end = now_ms() + 200 * options.slow;

	while (!(region_state(r, next) & PRESENT) && now_ms() < end)
		sleep_ms(1);
}

static void stream(size_t length, size_t piece, uint64_t most_faults)
{
	char *memory = anonymous(length), *want = scratch(piece);
	struct region r;
	uint64_t faults;

	region_make(&r, odp_open(), memory, length, ODP_TEST_WRITABLE);
	for (size_t pos = 0; pos < length; pos += piece) {
		uint64_t before = faults_of(&r);

		pattern_fill(want, piece, pos, FIRST);
		region_takes(&r, pos, want, piece);
		if (faults_of(&r) != before && pos + piece < length)
			await_guess(&r, pos + 2 * piece - 1);
	}
	pattern_check(memory, length, 0, FIRST, "a stream");
	faults = faults_of(&r);
	print_message("%zu pieces of %zu bytes: %lu faults\n", length / piece, piece, faults);
	assert_in_range(faults, 1, most_faults);
	region_put(&r);
}

/*
 * 2048 pages in order. Look-ahead runs after the answers, so the number of faults depends on how soon its
 * worker runs: 13 to 53 were measured. Without look-ahead each piece that begins a page has a fault.
 */
static void test_stream_looks_ahead(void **state)
{
	(void)state;
	stream(4 * LEAF, PAGE, 256);
	stream(4 * LEAF, 512, 256);
	stream(4 * LEAF, 64 * 1024, 64);
}

static void huge_is_one_entry(enum trait trait)
{
	struct memory *m = memory_make(&kinds[trait == HUGETLB ? KIND_HUGETLB : KIND_THP]);
	struct odp_test_stats stats;
	struct region r;

	region_make(&r, odp_open(), m->at, m->length, ODP_TEST_WRITABLE);
	assert_int_equal(region_fault(&r, 77 * PAGE, 1, FAULT_WRITE), 1);
	states_are(&r, 0, 512, PRESENT | WRITABLE | HUGE, PRESENT | WRITABLE | HUGE, "huge page");
	assert_int_equal(region_state(&r, LEAF), 0);
	stats = region_stats(&r);
	assert_int_equal(stats.leaves, 1);
	/* A window needs memory for its table; a huge page in it does not. */
	assert_int_equal(region_fault(&r, LEAF, 1, FAULT_WRITE), 1);
	assert_int_equal(region_stats(&r).leaves, 2);
	assert_int_equal(region_stats(&r).table_bytes, stats.table_bytes);
	region_holds(&r, 0, m->want, m->length, "huge pages");
	assert_int_equal(faults_of(&r), 2);
}

static void test_huge_page_is_one_entry(void **state)
{
	(void)state;
	huge_is_one_entry(TRANSPARENT);
}

static void test_hugetlb_page_is_one_entry(void **state)
{
	(void)state;
	huge_is_one_entry(HUGETLB);
}

enum { CROWD = 8, ROUNDS = 100 };

struct crowd {
	struct region r;
	pthread_barrier_t barrier;
	int wrong;
};

static void *crowd_member(void *arg)
{
	struct crowd *crowd = arg;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&crowd->barrier);
		if (region_fault(&crowd->r, 3, 16 * PAGE, FAULT_WRITE) != 16 * PAGE)
			__atomic_fetch_add(&crowd->wrong, 1, __ATOMIC_RELAXED);
		pthread_barrier_wait(&crowd->barrier);
	}
	return NULL;
}

static void crowd_start(struct crowd *crowd, pthread_t *threads, void *(*fn)(void *))
{
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, crowd), 0);
}

static void test_crowd_is_one_fault(void **state)
{
	char *memory = anonymous(32 * PAGE);
	struct crowd crowd = { 0 };
	pthread_t threads[CROWD];

	(void)state;
	region_make(&crowd.r, odp_open(), memory, 32 * PAGE, ODP_TEST_WRITABLE);
	pthread_barrier_init(&crowd.barrier, NULL, CROWD + 1);
	crowd_start(&crowd, threads, crowd_member);
	for (int i = 0; i < ROUNDS; i++) {
		madvise(memory, 32 * PAGE, MADV_DONTNEED);
		pthread_barrier_wait(&crowd.barrier);
		pthread_barrier_wait(&crowd.barrier);
	}
	for (int i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(crowd.wrong, 0);
	assert_int_equal(faults_of(&crowd.r), ROUNDS);
}

static void *crowd_reader(void *arg)
{
	struct crowd *crowd = arg;
	char got[4] = "";

	if (region_read(&crowd->r, 7, got, 4, ODP_TEST_FAULTING).done != 4 ||
	    memcmp(got, "late", 4))
		__atomic_fetch_add(&crowd->wrong, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* A page that arrives late: everyone who wants it waits, for one fault. */
static void test_crowd_waits_for_one_userfault(void **state)
{
	char *memory = anonymous(PAGE), *page = scratch(PAGE);
	struct crowd crowd = { 0 };
	pthread_t threads[CROWD];
	int fd = uffd_open(UFFD_MISSING);

	(void)state;
	uffd_watch(fd, UFFD_MISSING, memory, PAGE);
	memset(page, 0, PAGE);
	memcpy(page + 7, "late", 4);
	region_make(&crowd.r, odp_open(), memory, PAGE, ODP_TEST_WRITABLE);
	crowd_start(&crowd, threads, crowd_reader);
	uffd_wait(fd);
	/* Time for the others to start waiting, too. */
	sleep_ms(200);
	uffd_answer(fd, UFFD_MISSING, memory, PAGE, page);
	for (int i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(crowd.wrong, 0);
	assert_int_equal(faults_of(&crowd.r), 1);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_is_one_fault),
		cmocka_unit_test(test_untouched_message_is_a_fault_a_leaf),
		cmocka_unit_test(test_neighbours_come_along),
		cmocka_unit_test(test_random_writes_touch_nothing_else),
		cmocka_unit_test(test_random_reads_touch_nothing_else),
		cmocka_unit_test(test_neighbours_are_not_copied),
		cmocka_unit_test(test_stream_looks_ahead),
		cmocka_unit_test(test_huge_page_is_one_entry),
		cmocka_unit_test(test_hugetlb_page_is_one_entry),
		cmocka_unit_test(test_crowd_is_one_fault),
		cmocka_unit_test(test_crowd_waits_for_one_userfault),
	};

	parse_options(argc, argv);
	return run_group("batch", tests, ARRAY_SIZE(tests));
}
