// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/* Copies from region to region: any length, any two offsets, any two kinds of region. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kit/memory.h"
#include "kit/odp.h"
#include "kit/sys.h"
#include "lib/pattern.h"
#include "lib/test.h"

/* The regions lie inside of the memory: the bytes around them are checked. */
#define GUARD 3000
#define AREA (3 * LEAF)
#define ROOM (AREA - 2 * GUARD)

static const uint64_t lengths[] = {
	0, 1, 7, 8, 64, 255, 4095, 4096, 4097, 8193, 65537, LEAF - 1, LEAF + 1, 2 * LEAF + 4097,
};

static const uint64_t offsets[] = { 0, 1, 1095, 1096, 4095, 70001, LEAF - GUARD - 1 };

/* A region with its own memory, and the expected contents. */
struct place {
	struct region region;
	char *memory;
	char *want;
};

static void place_make(struct place *p, int fd, unsigned int flags, uint64_t seed)
{
	p->memory = place(AREA);
	p->want = scratch(AREA);
	assert_ptr_equal(mmap(p->memory, AREA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			      memfd_make(AREA), 0), p->memory);
	pattern_fill(p->want, AREA, 0, seed);
	memcpy(p->memory, p->want, AREA);
	region_make(&p->region, fd, p->memory + GUARD, ROOM, flags);
}

static void move_complete(struct place *to, uint64_t at, struct place *from, uint64_t from_at,
			  uint64_t len)
{
	struct outcome end = region_move(&to->region, at, &from->region, from_at, len,
					 ODP_TEST_FAULTING);

	if (end.error || end.done != len)
		fail_msg("move of %#lx bytes from %#lx to %#lx ended after %#lx: %s", len, from_at,
			 at, end.done, strerror(-end.error));
	memmove(to->want + GUARD + at, from->want + GUARD + from_at, len);
}

/* Keeps the bytes, removes the page tables and the translations. */
static void make_cold(struct place *p)
{
	assert_int_equal(madvise(p->memory, AREA, MADV_DONTNEED), 0);
}

/* The short sweep takes a fifth of the cases, including each length and each offset. */
static bool is_due(size_t n)
{
	return options.full || n % 5 == 0;
}

static void sweep(unsigned int to_flags, unsigned int from_flags, bool cold)
{
	uint64_t seed = FIRST + 1;
	struct place to, from;
	int fd = odp_open();

	place_make(&to, fd, ODP_TEST_WRITABLE | to_flags, FIRST);
	place_make(&from, fd, from_flags, seed);
	for (size_t i = 0; i < ARRAY_SIZE(lengths) * ARRAY_SIZE(offsets) * ARRAY_SIZE(offsets); i++) {
		uint64_t len = lengths[i % ARRAY_SIZE(lengths)];
		uint64_t at = offsets[i / ARRAY_SIZE(lengths) % ARRAY_SIZE(offsets)];
		uint64_t from_at = offsets[i / ARRAY_SIZE(lengths) / ARRAY_SIZE(offsets)];

		if (at + len > ROOM || from_at + len > ROOM || !is_due(i))
			continue;
		if (cold) {
			make_cold(&to);
			make_cold(&from);
		}
		pattern_fill(from.want + GUARD + from_at, len, from_at, ++seed);
		memcpy(from.memory + GUARD + from_at, from.want + GUARD + from_at, len);
		move_complete(&to, at, &from, from_at, len);
		same_bytes(to.memory + at, to.want + at, len + 2 * GUARD, "the copy and the bytes around it");
	}
	same_bytes(to.memory, to.want, AREA, "the target's memory");
	same_bytes(from.memory, from.want, AREA, "the source's memory");
}

static void test_warm(void **state)
{
	(void)state;
	sweep(0, 0, false);
}

static void test_cold(void **state)
{
	(void)state;
	sweep(0, 0, true);
}

static void test_pinned(void **state)
{
	(void)state;
	sweep(ODP_TEST_PINNED, 0, false);
	sweep(0, ODP_TEST_PINNED, true);
}

/* Copies within one region, forward and backward: one leaf, one page, and overlapping ranges of a page. */
static void test_same_region(void **state)
{
	static const struct {
		uint64_t to, from, len;
	} cases[] = {
		{ 0, 100000, 70000 }, { 100000, 0, 70000 }, { LEAF, 5, LEAF - 5 }, { 5, LEAF, LEAF - 5 },
		{ 2 * LEAF + 7, 3, 1000000 }, { 3, 2 * LEAF + 7, 1000000 }, { 1096, 1096 + 2000, 1500 },
		{ 1096 + 2000, 1096, 1500 }, { 1096, 1097, 4000 }, { 1097, 1096, 4000 }, { 9, 9, 500 },
	};
	struct place p;

	(void)state;
	place_make(&p, odp_open(), ODP_TEST_WRITABLE, FIRST);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (i % 2)
			make_cold(&p);
		move_complete(&p, cases[i].to, &p, cases[i].from, cases[i].len);
		same_bytes(p.memory, p.want, AREA, "the region");
	}
}

static void move_ends(struct region *to, uint64_t at, struct region *from, uint64_t from_at,
		      uint64_t len, uint64_t done, int missing)
{
	struct outcome end = region_move(to, at, from, from_at, len, 0);

	if (end.done != done || end.missing != missing)
		fail_msg("move from %#lx to %#lx ended after %#lx bytes at side %d, not after %#lx at %d",
			 from_at, at, end.done, end.missing, done, missing);
}

/* Without faults a copy ends at the first missing page, and returns the side of that page. */
static void test_returns_side_of_missing_page(void **state)
{
	char *a = anonymous(8 * PAGE), *b = anonymous(8 * PAGE);
	struct region to, from;
	int fd = odp_open();

	(void)state;
	pattern_fill(b, 8 * PAGE, 0, FIRST);
	region_make(&to, fd, a, 8 * PAGE, ODP_TEST_WRITABLE);
	region_make(&from, fd, b, 8 * PAGE, 0);
	move_ends(&to, 0, &from, 0, 100, 0, FROM);
	assert_int_equal(region_fault(&from, 0, 3 * PAGE, 0), 3 * PAGE);
	move_ends(&to, 0, &from, 0, 100, 0, TO);
	assert_int_equal(region_fault(&to, 0, 2 * PAGE, FAULT_WRITE), 2 * PAGE);
	assert_int_equal(madvise(b + 3 * PAGE, 5 * PAGE, MADV_DONTNEED), 0);
	move_ends(&to, 10, &from, 20, 4 * PAGE, 2 * PAGE - 10, TO);
	move_ends(&to, 10, &from, 2 * PAGE + 50, 4 * PAGE, PAGE - 50, FROM);
	same_bytes(a + 10, b + 2 * PAGE + 50, PAGE - 50, "the present bytes");
}

/* A read-only page can be the source of a copy, but not the target. */
static void test_read_only_page(void **state)
{
	char *a = anonymous(PAGE), *b = anonymous(PAGE);
	struct region to, from;
	int fd = odp_open();

	(void)state;
	memset(b, 5, PAGE);
	region_make(&to, fd, a, PAGE, ODP_TEST_WRITABLE);
	region_make(&from, fd, b, PAGE, ODP_TEST_WRITABLE);
	assert_int_equal(region_fault(&to, 0, PAGE, 0), PAGE);
	assert_int_equal(region_fault(&from, 0, PAGE, 0), PAGE);
	assert_int_equal(region_state(&to, 0) & (PRESENT | WRITABLE), PRESENT);
	move_ends(&from, 0, &to, 0, PAGE, PAGE, FROM);
	assert_int_equal(b[77], 0);
	memset(b, 6, PAGE);
	move_ends(&to, 0, &from, 0, PAGE, 0, TO);
	assert_int_equal(region_move(&to, 0, &from, 0, PAGE, ODP_TEST_FAULTING).done, PAGE);
	assert_int_equal(a[77], 6);
	assert_int_equal(region_state(&to, 0), PRESENT | WRITABLE | DIRTY);
}

/* A copy that would leave a region is refused as a whole, and so is a copy into a read-only region. */
static void test_refused(void **state)
{
	char *a = anonymous(4 * PAGE), *b = anonymous(4 * PAGE);
	struct region to, from, read_only;
	struct outcome end;
	int fd = odp_open();

	(void)state;
	memset(b, 7, 4 * PAGE);
	region_make(&to, fd, a + 8, PAGE, ODP_TEST_WRITABLE);
	region_make(&from, fd, b + 8, PAGE + 16, 0);
	region_make(&read_only, fd, a + 8, PAGE, 0);
	end = region_move(&to, 1, &from, 0, PAGE, ODP_TEST_FAULTING);
	assert_int_equal(end.error, -EINVAL);
	end = region_move(&to, 0, &from, PAGE, 17, ODP_TEST_FAULTING);
	assert_int_equal(end.error, -EINVAL);
	end = region_move(&to, -1ull, &from, 0, 2, ODP_TEST_FAULTING);
	assert_int_equal(end.error, -EINVAL);
	end = region_move(&read_only, 0, &from, 0, 9, ODP_TEST_FAULTING);
	assert_int_equal(end.error, -EPERM);
	for (size_t i = 0; i < 4 * PAGE; i++)
		assert_int_equal(a[i], 0);
}

struct other {
	int fd;
	char *memory;
	struct region *region;	/* shared with the other process */
};

static void other_registers(void *arg)
{
	struct other *other = arg;

	pattern_fill(other->memory, AREA, 0, FIRST + 1);
	region_make(other->region, other->fd, other->memory, AREA, 0);
	for (;;)
		pause();
}

/* Copies a page of another process; this process has a page of its own at the same address. */
static void test_another_process(void **state)
{
	struct other other = { .fd = odp_open(), .memory = anonymous(AREA) };
	char *want = scratch(AREA);
	struct region to;

	(void)state;
	other.region = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(other.region, MAP_FAILED);
	pattern_fill(other.memory, AREA, 0, FIRST);
	child_start(other_registers, &other);
	for (int i = 0; i < PATIENCE && !*(volatile uint64_t *)&other.region->length; i++)
		sleep_ms(1);
	region_make(&to, other.fd, other.memory, AREA, ODP_TEST_WRITABLE);
	assert_int_equal(region_move(&to, 4097, other.region, 1, LEAF, ODP_TEST_FAULTING).done, LEAF);
	pattern_fill(want, AREA, 0, FIRST);
	pattern_fill(want + 4097, LEAF, 1, FIRST + 1);
	same_bytes(other.memory, want, AREA, "this process's memory");
	assert_int_equal(munmap(other.region, PAGE), 0);
}

struct mover {
	struct place *to, *from;
	int rounds;
};

static void *keep_moving(void *arg)
{
	struct mover *mover = arg;

	for (int i = 0; i < mover->rounds; i++)
		region_move(&mover->to->region, 0, &mover->from->region, 0, 4 * PAGE,
			    ODP_TEST_FAULTING);
	return NULL;
}

/* Two threads that copy the same leaves in opposite directions do not deadlock. */
static void test_opposite_ways(void **state)
{
	struct place a, b;
	struct mover there = { &a, &b, 20000 }, back = { &b, &a, 20000 };
	int fd = odp_open();
	pthread_t thread;

	(void)state;
	place_make(&a, fd, ODP_TEST_WRITABLE, FIRST);
	place_make(&b, fd, ODP_TEST_WRITABLE, FIRST + 1);
	assert_int_equal(pthread_create(&thread, NULL, keep_moving, &there), 0);
	keep_moving(&back);
	assert_int_equal(pthread_join(thread, NULL), 0);
	same_bytes(a.memory + GUARD + 4 * PAGE, a.want + GUARD + 4 * PAGE, ROOM - 4 * PAGE, "the rest");
}

/* Nor do they while a third thread takes pages of either region away. */
static void test_opposite_ways_taken_away(void **state)
{
	struct place a, b;
	struct mover there = { &a, &b, 20000 }, back = { &b, &a, 20000 };
	char *pages[2];
	int fd = odp_open();
	pthread_t threads[2];

	(void)state;
	place_make(&a, fd, ODP_TEST_WRITABLE, FIRST);
	place_make(&b, fd, ODP_TEST_WRITABLE, FIRST + 1);
	pages[0] = a.memory + PAGE;
	pages[1] = b.memory + PAGE;
	assert_int_equal(pthread_create(&threads[0], NULL, keep_moving, &there), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, keep_moving, &back), 0);
	for (int i = 0; i < 4000; i++)
		assert_int_equal(madvise(pages[i % 2], PAGE, MADV_DONTNEED), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	same_bytes(a.memory + GUARD + 4 * PAGE, a.want + GUARD + 4 * PAGE, ROOM - 4 * PAGE, "the rest");
	same_bytes(b.memory + GUARD + 4 * PAGE, b.want + GUARD + 4 * PAGE, ROOM - 4 * PAGE, "the rest");
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warm),
		cmocka_unit_test(test_cold),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_same_region),
		cmocka_unit_test(test_returns_side_of_missing_page),
		cmocka_unit_test(test_read_only_page),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_another_process),
		cmocka_unit_test(test_opposite_ways),
		cmocka_unit_test(test_opposite_ways_taken_away),
	};

	parse_options(argc, argv);
	return run_group("move", tests, ARRAY_SIZE(tests));
}
