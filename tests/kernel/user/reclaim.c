// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/*
 * Bytes that a region has written are not lost when the kernel takes the page away. The pages are clean
 * before: if the region did not mark them dirty, the kernel would discard them.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kit/memory.h"
#include "kit/odp.h"
#include "kit/sys.h"
#include "lib/pattern.h"
#include "lib/test.h"

#define PAGES 256
#define LENGTH (PAGES * PAGE)

/*
 * Takes nearly all of the pages away from the CPU; some may be in use at the moment, or on a CPU's list of
 * pages to be added to the LRU (up to 31 each).
 */
static void reclaim(char *memory)
{
	size_t left = PAGES;

	for (int i = 0; i < 10 && left > PAGES / 16; i++) {
		assert_int_equal(madvise(memory, LENGTH, MADV_PAGEOUT), 0);
		left = pages_with(memory, PAGES, PAGEMAP_PRESENT);
	}
	assert_in_range(left, 0, PAGES / 4);
}

/* Writes all of the memory through the region, from @want. */
static void write_by(struct region *r, char *want, uint64_t seed)
{
	pattern_fill(want, LENGTH, 0, seed);
	region_takes(r, 0, want, LENGTH);
}

static void atomics_by(struct region *r, char *want)
{
	uint64_t old;

	for (size_t i = 0; i < PAGES; i++) {
		assert_int_equal(region_atomic(r, i * PAGE + 8, CMP_SWAP, i + 1, 0, &old,
					       ODP_TEST_FAULTING), 0);
		assert_int_equal(old, 0);
		memcpy(want + i * PAGE + 8, &(uint64_t){ i + 1 }, 8);
	}
}

static char *file_mapping(int fd)
{
	char *memory = place(LENGTH);

	assert_ptr_equal(mmap(memory, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			      0), memory);
	return memory;
}

static void region_on(struct region *r, char *memory)
{
	region_make(r, odp_open(), memory, LENGTH, ODP_TEST_WRITABLE);
}

static void test_freed_then_written(void **state)
{
	char *memory = anonymous(LENGTH), *want = scratch(LENGTH);
	struct region r;

	(void)state;
	need_swap();
	memset(memory, 1, LENGTH);
	region_on(&r, memory);
	assert_int_equal(madvise(memory, LENGTH, MADV_FREE), 0);
	write_by(&r, want, 5);
	reclaim(memory);
	same_bytes(memory, want, LENGTH, "written after MADV_FREE");
}

/* Shows that the test above can fail. */
static void test_freed_is_discarded(void **state)
{
	char *memory = anonymous(LENGTH), *got = scratch(LENGTH);
	struct region r;
	size_t lost = 0;

	(void)state;
	need_swap();
	memset(memory, 1, LENGTH);
	region_on(&r, memory);
	assert_int_equal(madvise(memory, LENGTH, MADV_FREE), 0);
	region_holds(&r, 0, memory, LENGTH, "freed, not yet discarded");
	reclaim(memory);
	assert_int_equal(region_read(&r, 0, got, LENGTH, ODP_TEST_FAULTING).done, LENGTH);
	for (size_t i = 0; i < PAGES; i++)
		lost += !got[i * PAGE];
	assert_in_range(lost, PAGES / 2, PAGES);
}

/* A page that was swapped out and in again equals its copy in the swap device until it is written. */
static void swapped(char *memory, bool atomics)
{
	char *want = scratch(LENGTH);
	struct region r;

	need_swap();
	pattern_fill(want, LENGTH, 0, FIRST);
	if (atomics)
		memset(want, 0, LENGTH);
	memcpy(memory, want, LENGTH);
	reclaim(memory);
	same_bytes(memory, want, LENGTH, "swapped in");
	region_on(&r, memory);
	region_holds(&r, 0, want, LENGTH, "swapped in, by the region");
	if (atomics)
		atomics_by(&r, want);
	else
		write_by(&r, want, 6);
	reclaim(memory);
	same_bytes(memory, want, LENGTH, "written and swapped out");
	region_holds(&r, 0, want, LENGTH, "written and swapped out, by the region");
}

static void test_anonymous(void **state)
{
	(void)state;
	swapped(anonymous(LENGTH), false);
}

static void test_anonymous_atomics(void **state)
{
	(void)state;
	swapped(anonymous(LENGTH), true);
}

static void test_memfd(void **state)
{
	(void)state;
	swapped(file_mapping(memfd_make(LENGTH)), false);
}

static void test_memfd_atomics(void **state)
{
	(void)state;
	swapped(file_mapping(memfd_make(LENGTH)), true);
}

static void drop_caches(void)
{
	assert_int_equal(file_put("/proc/sys/vm/drop_caches", "1"), 0);
}

/* The disk has the bytes once they are written back and the page cache is dropped. */
static void disk_has(int fd, const char *want)
{
	char *got = scratch(LENGTH);

	assert_int_equal(fsync(fd), 0);
	drop_caches();
	assert_int_equal(pread(fd, got, LENGTH, 0), LENGTH);
	same_bytes(got, want, LENGTH, "the file on disk");
}

static void test_file(void **state)
{
	int fd = file_unnamed(need_ext4(), LENGTH);
	char *memory = file_mapping(fd), *want = scratch(LENGTH);
	struct region r;

	(void)state;
	pattern_fill(want, LENGTH, 0, FIRST);
	assert_int_equal(pwrite(fd, want, LENGTH, 0), LENGTH);
	assert_int_equal(fsync(fd), 0);
	region_on(&r, memory);
	region_holds(&r, 0, want, LENGTH, "a clean file");
	write_by(&r, want, 6);
	assert_int_equal(munmap(memory, LENGTH), 0);
	disk_has(fd, want);
}

/* Written, written back, and written again through the same region. */
static void test_file_twice(void **state)
{
	int fd = file_unnamed(need_ext4(), LENGTH);
	char *memory = file_mapping(fd), *want = scratch(LENGTH);
	struct region r;

	(void)state;
	region_on(&r, memory);
	for (uint64_t seed = 1; seed <= 5; seed++) {
		write_by(&r, want, seed);
		assert_int_equal(fsync(fd), 0);
	}
	write_by(&r, want, 6);
	region_put(&r);
	assert_int_equal(munmap(memory, LENGTH), 0);
	disk_has(fd, want);
}

/* Deregistration is the last chance to mark the pages dirty. */
static void test_deregistration_marks_dirty(void **state)
{
	char *memory = anonymous(LENGTH), *want = scratch(LENGTH);
	struct region r;

	(void)state;
	need_swap();
	memset(memory, 1, LENGTH);
	assert_int_equal(madvise(memory, LENGTH, MADV_FREE), 0);
	region_on(&r, memory);
	write_by(&r, want, 5);
	region_put(&r);
	reclaim(memory);
	same_bytes(memory, want, LENGTH, "written, then deregistered");
}

static void test_deregistration_marks_file_dirty(void **state)
{
	int fd = file_unnamed(need_ext4(), LENGTH);
	char *memory = file_mapping(fd), *want = scratch(LENGTH);
	struct region r;

	(void)state;
	region_on(&r, memory);
	write_by(&r, want, 5);
	region_put(&r);
	disk_has(fd, want);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freed_is_discarded),
		cmocka_unit_test(test_freed_then_written),
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_anonymous_atomics),
		cmocka_unit_test(test_memfd),
		cmocka_unit_test(test_memfd_atomics),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_file_twice),
		cmocka_unit_test(test_deregistration_marks_dirty),
		cmocka_unit_test(test_deregistration_marks_file_dirty),
	};

	parse_options(argc, argv);
	return run_group("reclaim", tests, ARRAY_SIZE(tests));
}
