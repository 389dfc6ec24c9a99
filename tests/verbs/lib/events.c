// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/area.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/system.h"
#include "lib/test.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static bool any(const struct kind *kind)
{
	(void)kind;
	return true;
}

static bool is_private(const struct kind *kind)
{
	return kind->backing != ITSELF;
}

static bool is_anonymous(const struct kind *kind)
{
	return kind->backing == ZEROES && !kind->hugetlb;
}

static bool is_shared(const struct kind *kind)
{
	return kind->backing == ITSELF;
}

static bool has_small_pages(const struct kind *kind)
{
	return !kind->huge;
}

static bool is_not_hugetlb(const struct kind *kind)
{
	return !kind->hugetlb;
}

static bool is_thp(const struct kind *kind)
{
	return kind->huge && !kind->hugetlb;
}

static void nothing(struct area *area)
{
	(void)area;
}

static void cpu_write(struct area *area)
{
	area_fill(area, 0xc9c9);
}

static void unmap_and_map(struct area *area)
{
	assert_int_equal(munmap(area->p, area->len), 0);
	area_map_again(area);
	area_want_backing(area);
}

/* Moves the pages to another address, where nobody may write to them any more. */
static void move_away(struct area *area)
{
	assert_ptr_equal(mremap(area->p, area->len, area->len, MREMAP_MAYMOVE | MREMAP_FIXED,
				area->elsewhere), area->elsewhere);
	area_map_again(area);
	if (area->kind->backing == ITSELF)
		return;
	area->moved = area->elsewhere + (area->at - area->p);
	memcpy(area->moved_want, area->want, area->span);
	area_want_backing(area);
}

static void dontneed(struct area *area)
{
	assert_int_equal(madvise(area->p, area->len, MADV_DONTNEED), 0);
	area_want_backing(area);
}

static void dontneed_half(struct area *area)
{
	uint8_t *before = scratch(area->span / 2);

	memcpy(before, area->want, area->span / 2);
	assert_int_equal(madvise(area->p + area->len / 2, area->len / 2, MADV_DONTNEED), 0);
	area_want_backing(area);
	memcpy(area->want, before, area->span / 2);
	undo(before);
}

static void protect_and_back(struct area *area)
{
	assert_int_equal(mprotect(area->p, area->len, PROT_NONE), 0);
	assert_int_equal(mprotect(area->p, area->len, PROT_READ), 0);
	assert_int_equal(mprotect(area->p, area->len, PROT_READ | PROT_WRITE), 0);
}

static void fork_and_keep(struct area *area)
{
	if (!area->child)
		area_fork(area, false);
}

static void fork_and_child_writes(struct area *area)
{
	if (!area->child)
		area_fork(area, true);
}

/* A child that has exited leaves the pages write-protected. */
static void fork_and_end(struct area *area)
{
	struct area copy = *area;

	area_fork(&copy, false);
	area_check_child(&copy);
}

static void truncate_and_extend(struct area *area)
{
	assert_int_equal(ftruncate(area->fd, 0), 0);
	assert_int_equal(ftruncate(area->fd, area->len), 0);
	memset(area->want, 0, area->span);
}

static void punch_hole(struct area *area)
{
	assert_int_equal(fallocate(area->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   area->len / 2), 0);
	memset(area->want, 0, area->span / 2);
}

/* Soft offlining copies the bytes of a page to another page. */
static void migrate(struct area *area)
{
	unsigned int moved = 0;

	for (size_t at = 0; at < area->len; at += PAGE) {
		if (!madvise(area->p + at, PAGE, MADV_SOFT_OFFLINE))
			moved++;
		else if (errno == EINVAL)
			skip_because("this kernel cannot soft-offline a page");
	}
	if (area->kind->pageable && !moved)
		fail_msg("no page could be migrated: %s", strerror(errno));
}

static void compact(struct area *area)
{
	(void)area;
	if (write_file("/proc/sys/vm/compact_memory", "1"))
		skip_because("this kernel has no compaction");
}

static void page_out(struct area *area)
{
	uint64_t end = now_ms() + PATIENCE;
	size_t resident;

	need_swap();
	if (area->fd >= 0)
		fsync(area->fd);
	do {
		assert_int_equal(madvise(area->p, area->len, MADV_PAGEOUT), 0);
		resident = resident_pages(area->p, area->len);
	} while (area->kind->pageable && resident > area->len / PAGE / 2 && now_ms() < end);
	if (area->kind->pageable && resident > area->len / PAGE / 2)
		fail_msg("%zu of %lu pages are still in memory", resident, area->len / PAGE);
}

/* Writeback cleans and write-protects the pages; dropping them then frees the memory. */
static void write_back(struct area *area)
{
	assert_int_equal(msync(area->p, area->len, MS_SYNC), 0);
}

static void write_back_and_forget(struct area *area)
{
	assert_int_equal(msync(area->p, area->len, MS_SYNC), 0);
	assert_int_equal(madvise(area->p, area->len, MADV_DONTNEED), 0);
	posix_fadvise(area->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void clear_soft_dirty(struct area *area)
{
	*(volatile uint8_t *)area->at = area->want[0];
	if (!(pagemap(area->at) & PAGEMAP_SOFT_DIRTY))
		skip_because("this kernel has no soft-dirty bits");
	assert_int_equal(write_file("/proc/self/clear_refs", "4"), 0);
}

static void split(struct area *area)
{
	char text[128];

	snprintf(text, sizeof(text), "%d,%p,%p", getpid(), (void *)area->p,
		 (void *)(area->p + area->len));
	if (write_file("/sys/kernel/debug/split_huge_pages", text))
		skip_because("cannot write to split_huge_pages in debugfs");
}

static void split_mapping(struct area *area)
{
	assert_int_equal(mprotect(area->p + PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(mprotect(area->p + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
}

static void collapse(struct area *area)
{
	split(area);
	if (madvise(area->p, area->len, MADV_COLLAPSE))
		fail_msg("MADV_COLLAPSE: %s", strerror(errno));
}

const struct event events[] = {
	{ "nothing", any, nothing },
	{ "a CPU write", any, cpu_write },
	{ "munmap and mmap", any, unmap_and_map },
	{ "mremap", any, move_away },
	{ "MADV_DONTNEED", any, dontneed },
	{ "MADV_DONTNEED of one half", any, dontneed_half },
	{ "mprotect", any, protect_and_back },
	{ "fork", is_private, fork_and_keep },
	{ "fork and the child writes", is_private, fork_and_child_writes },
	{ "fork and the child ends", is_private, fork_and_end },
	{ "truncate and extend", is_shared, truncate_and_extend },
	{ "a punched hole", is_shared, punch_hole },
	{ "migration", has_small_pages, migrate },
	{ "compaction", any, compact },
	{ "swapped or written out", is_not_hugetlb, page_out },
	{ "writeback", is_shared, write_back },
	{ "writeback, then dropped", is_shared, write_back_and_forget },
	{ "soft-dirty cleared", is_anonymous, clear_soft_dirty },
	{ "THP split", is_thp, split },
	{ "THP mapping split", is_thp, split_mapping },
	{ "THP split and collapsed", is_thp, collapse },
};

const size_t n_events = ARRAY_SIZE(events);
