// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/upheaval.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/*
 * Some pages of an area. Does not assert success: the area may be remapped at the moment, or be of a kind
 * that the call rejects.
 */
struct range {
	const struct area *area;
	uint8_t *p;
	size_t len;
	uint64_t dice;
};

static int page_out(const struct range *r)
{
	return madvise(r->p, r->len, MADV_PAGEOUT);
}

static int cold(const struct range *r)
{
	return madvise(r->p, r->len, MADV_COLD);
}

/* As NUMA balancing does; the rights of the mapping stay. */
static int protect(const struct range *r)
{
	return mprotect(r->p, r->len, PROT_READ | PROT_WRITE | (r->dice & 1 ? PROT_EXEC : 0));
}

static int merge(const struct range *r)
{
	return madvise(r->p, r->len, MADV_MERGEABLE);
}

static int unmerge(const struct range *r)
{
	return madvise(r->p, r->len, MADV_UNMERGEABLE);
}

static int collapse(const struct range *r)
{
	madvise(r->p, r->len, r->dice & 7 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return madvise(r->p, r->len, MADV_COLLAPSE);
}

static int split(const struct range *r)
{
	char text[96];

	snprintf(text, sizeof(text), "%d,%p,%p", getpid(), (void *)r->p, (void *)(r->p + r->len));
	return write_file("/sys/kernel/debug/split_huge_pages", text);
}

static int compact(const struct range *r)
{
	(void)r;
	return write_file("/proc/sys/vm/compact_memory", "1");
}

static int drop_caches(const struct range *r)
{
	(void)r;
	return write_file("/proc/sys/vm/drop_caches", "1");
}

static int write_back(const struct range *r)
{
	return msync(r->p, r->len, MS_SYNC);
}

static int clear_soft_dirty(const struct range *r)
{
	(void)r;
	return write_file("/proc/self/clear_refs", "4");
}

static int clear_referenced(const struct range *r)
{
	(void)r;
	return write_file("/proc/self/clear_refs", "1");
}

/* The fork shares the pages; the parent's writes copy pages, and so do the child's. */
static int copy_on_write(const struct range *r)
{
	bool scribbles = r->area->kind->backing != ITSELF && !r->area->kind->hugetlb;
	int status, pid = fork();

	if (!pid) {
		/* The owning lane may have protected the pages at the moment. */
		mprotect(r->p, r->len, PROT_READ | PROT_WRITE);
		for (size_t at = 0; scribbles && at < r->len; at += 2 * PAGE)
			*(volatile uint8_t *)(r->p + at) = 0xee;
		_exit(0);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status ? -1 : 0;
}

static const struct {
	int (*fn)(const struct range *r);
	unsigned int one_in;	/* how rarely, for costly happenings */
} happenings[HAPPENINGS] = {
	{ page_out, 1 },
	{ cold, 1 },
	{ protect, 1 },
	{ merge, 2 },
	{ unmerge, 4 },
	{ collapse, 2 },
	{ split, 2 },
	{ compact, 8 },
	{ drop_caches, 16 },
	{ write_back, 4 },
	{ clear_soft_dirty, 8 },
	{ clear_referenced, 8 },
	{ copy_on_write, 8 },
};

const char *const happening_names[HAPPENINGS] = {
	"paged out", "made cold", "protected", "mergeable", "unmerged", "collapsed", "split",
	"compaction", "caches dropped", "written back", "soft-dirty cleared", "references cleared",
	"forks",
};

static struct range some_pages(struct upheaval *upheaval)
{
	const struct area *area = &upheaval->areas[dice_below(&upheaval->dice, upheaval->n_areas)];
	size_t pages = area->len / PAGE, first = dice_below(&upheaval->dice, pages);
	size_t most = pages - first < 256 ? pages - first : 256;

	if (area->kind->huge && dice_one_in(&upheaval->dice, 2))
		return (struct range){ area, area->p, area->len, dice_roll(&upheaval->dice) };
	return (struct range){ area, area->p + first * PAGE,
			       PAGE * (1 + dice_below(&upheaval->dice, most)),
			       dice_roll(&upheaval->dice) };
}

static void *upheaval_run(void *arg)
{
	struct upheaval *upheaval = arg;

	while (!upheaval->stop) {
		unsigned int i = dice_below(&upheaval->dice, HAPPENINGS);
		struct range r = some_pages(upheaval);

		if (!dice_one_in(&upheaval->dice, happenings[i].one_in))
			continue;
		if (!happenings[i].fn(&r))
			upheaval->counts[i]++;
		sleep_ms(1);
	}
	return NULL;
}

static int upheaval_end(void *object)
{
	struct upheaval *upheaval = object;

	upheaval->stop = true;
	return pthread_join(upheaval->thread, NULL);
}

void upheaval_start(struct upheaval *upheaval)
{
	assert_int_equal(pthread_create(&upheaval->thread, NULL, upheaval_run, upheaval), 0);
	defer(upheaval_end, upheaval);
}

static int ksm_stop(void *unused)
{
	(void)unused;
	return write_file("/sys/kernel/mm/ksm/run", "2");
}

/* Makes KSM scan as fast as the upheaval makes mergeable pages. */
void ksm_start(void)
{
	if (write_file("/sys/kernel/mm/ksm/pages_to_scan", "1000"))
		return;
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "20");
	assert_int_equal(write_file("/sys/kernel/mm/ksm/run", "1"), 0);
	defer(ksm_stop, ksm_stop);
}
