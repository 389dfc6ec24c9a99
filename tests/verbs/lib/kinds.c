// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/area.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/system.h"
#include "lib/test.h"

#define SMALL (16 * PAGE)
#define HUGE (2 * MIB)
#define FILE_SEED 0xf11e

static int close_fd(void *object)
{
	return close((intptr_t)object);
}

/*
 * Reserves room at 2 MiB alignment, because an area may consist of huge pages, and the same again behind it.
 */
static void area_map(struct area *area, int flags, int fd)
{
	size_t len = 2 * area->len + HUGE;
	void *room;

	area->map_flags = flags;
	area->fd = fd;
	if (fd >= 0)
		defer(close_fd, (void *)(intptr_t)fd);
	room = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(room, MAP_FAILED);
	defer_unmap(room, len);
	area->p = (void *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	area->elsewhere = area->p + area->len;
	area->at = area->p + (area->len - area->span) / 2;
	area_map_again(area);
}

void area_map_again(struct area *area)
{
	void *p = mmap(area->p, area->len, PROT_READ | PROT_WRITE, area->map_flags | MAP_FIXED,
		       area->fd, 0);

	if (p != area->p)
		fail_msg("mmap: %s", strerror(errno));
	if (area->kind->huge && !area->kind->hugetlb)
		assert_int_equal(madvise(p, area->len, MADV_HUGEPAGE), 0);
}

static void map_private(struct area *area)
{
	area_map(area, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void map_thp(struct area *area)
{
	if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK))
		skip_because("this kernel has no transparent huge pages");
	write_file("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	area->len = 2 * HUGE;
	map_private(area);
}

static void map_hugetlb(struct area *area)
{
	/* the mapped pages, their copies on write, and the moved pages */
	need_huge_pages(8);
	area->len = 2 * HUGE;
	area_map(area, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
}

static void map_hugetlb_shared(struct area *area)
{
	int fd;

	need_huge_pages(8);
	fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	assert_true(fd >= 0);
	area->len = 2 * HUGE;
	assert_int_equal(ftruncate(fd, area->len), 0);
	area_map(area, MAP_SHARED, fd);
}

static void map_memfd_area(struct area *area)
{
	int fd = memfd_create("area", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, area->len), 0);
	area_map(area, MAP_SHARED, fd);
}

/* An unnamed file on a disk that holds a pattern. */
static int open_file(struct area *area)
{
	int fd = open(need_ext4(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	pattern_fill(area->file, area->span, 0, FILE_SEED);
	assert_int_equal(pwrite(fd, area->file, area->span, 0), area->span);
	assert_int_equal(fsync(fd), 0);
	return fd;
}

static void map_private_file(struct area *area)
{
	area_map(area, MAP_PRIVATE, open_file(area));
}

static void map_shared_file(struct area *area)
{
	area_map(area, MAP_SHARED, open_file(area));
}

static void prepare_written(struct area *area)
{
	area_fill(area, 1);
}

static void prepare_thp(struct area *area)
{
	area_fill(area, 1);
	if (file_number("/proc/self/smaps_rollup", "AnonHugePages:") <= 0)
		skip_because("the kernel gave no transparent huge page");
}

/* Read first, so that every page is the zero page. */
static void prepare_zero(struct area *area)
{
	memset(area->want, 0, area->span);
	same_bytes(area->at, area->want, area->span, "never written");
}

/* Contents of the file; not read before. */
static void prepare_untouched(struct area *area)
{
	memcpy(area->want, area->file, area->span);
}

static void prepare_cow(struct area *area)
{
	area_fill(area, 1);
	area_fork(area, false);
}

static void prepare_ksm(struct area *area)
{
	uint64_t end = now_ms() + PATIENCE;
	long full_scans;

	if (madvise(area->p, area->len, MADV_MERGEABLE))
		skip_because("this kernel has no KSM");
	for (size_t at = 0; at < area->len; at += PAGE)
		pattern_fill(area->p + at, PAGE, 0, 77);
	memcpy(area->want, area->p, area->span);
	write_file("/sys/kernel/mm/ksm/pages_to_scan", "10000");
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "1");
	write_file("/sys/kernel/mm/ksm/run", "1");
	full_scans = file_number("/sys/kernel/mm/ksm/full_scans", "");
	while (file_number("/proc/self/ksm_merging_pages", "") < (long)(area->len / PAGE) - 1) {
		if (now_ms() > end)
			fail_msg("KSM merged only %ld pages in %ld scans",
				 file_number("/proc/self/ksm_merging_pages", ""),
				 file_number("/sys/kernel/mm/ksm/full_scans", "") - full_scans);
		sleep_ms(5);
	}
	write_file("/sys/kernel/mm/ksm/run", "0");
}

const struct kind kinds[] = {
	{ "anonymous", ZEROES, .pageable = true, .map = map_private, .prepare = prepare_written },
	{ "zero page", ZEROES, .map = map_private, .prepare = prepare_zero },
	{ "THP", ZEROES, .huge = true, .map = map_thp, .prepare = prepare_thp },
	{ "hugetlb", ZEROES, .huge = true, .hugetlb = true,
	  .map = map_hugetlb, .prepare = prepare_written },
	{ "shared hugetlb", ITSELF, .huge = true, .hugetlb = true,
	  .map = map_hugetlb_shared, .prepare = prepare_written },
	{ "private file", ITS_FILE, .map = map_private_file, .prepare = prepare_untouched },
	{ "shared file", ITSELF, .pageable = true,
	  .map = map_shared_file, .prepare = prepare_untouched },
	{ "memfd", ITSELF, .pageable = true, .map = map_memfd_area, .prepare = prepare_written },
	{ "COW after fork", ZEROES, .map = map_private, .prepare = prepare_cow },
	{ "KSM-merged", ZEROES, .map = map_private, .prepare = prepare_ksm },
};

const size_t n_kinds = ARRAY_SIZE(kinds);

struct area area_open(const struct kind *kind)
{
	return area_open_all(kind, SMALL);
}

struct area area_open_all(const struct kind *kind, size_t len)
{
	struct area area = { .kind = kind, .fd = -1, .len = len, .span = len };

	area.want = scratch(area.span);
	area.file = scratch(area.span);
	area.moved_want = scratch(area.span);
	kind->map(&area);
	kind->prepare(&area);
	return area;
}

void area_fill(struct area *area, uint64_t seed)
{
	pattern_fill(area->at, area->span, 0, seed);
	memcpy(area->want, area->at, area->span);
}

void area_want_backing(struct area *area)
{
	if (area->kind->backing == ZEROES)
		memset(area->want, 0, area->span);
	else if (area->kind->backing == ITS_FILE)
		memcpy(area->want, area->file, area->span);
}

static void area_check_file(struct area *area, const char *when)
{
	const uint8_t *want = area->kind->backing == ITSELF ? area->want : area->file;
	uint8_t *got;

	if (area->fd < 0 || area->kind->hugetlb)
		return;
	got = scratch(area->span);
	assert_int_equal(pread(area->fd, got, area->span, area->at - area->p), area->span);
	same_bytes(got, want, area->span, when);
	undo(got);
}

void area_check(struct area *area, const char *when)
{
	same_bytes(area->at, area->want, area->span, when);
	area_check_file(area, when);
	if (area->moved)
		same_bytes(area->moved, area->moved_want, area->span, when);
}

void area_fork(struct area *area, bool scribble)
{
	int tell[2], done[2];
	char byte = 0;

	assert_int_equal(pipe(tell), 0);
	assert_int_equal(pipe(done), 0);
	area->child = fork();
	assert_true(area->child >= 0);
	if (!area->child) {
		close(tell[1]);
		if (scribble)
			pattern_fill(area->at, area->span, 0, 0xc41d);
		if (write(done[1], &byte, 1) != 1 || read(tell[0], &byte, 1) != 1)
			_exit(2);
		_exit(!scribble && memcmp(area->at, area->want, area->span));
	}
	close(tell[0]);
	close(done[1]);
	area->tell_child = tell[1];
	defer(close_fd, (void *)(intptr_t)tell[1]);
	assert_int_equal(read(done[0], &byte, 1), 1);
	close(done[0]);
}

void area_check_child(struct area *area)
{
	char byte = 0;
	int status;

	if (!area->child)
		return;
	assert_int_equal(write(area->tell_child, &byte, 1), 1);
	status = child_wait(area->child);
	if (status)
		fail_msg("the child's copy changed, or the child died: status %#x", status);
}
