// SPDX-License-Identifier: GPL-2.0
/*
 * --pressure: trouble for the memory of the command's processes. The kernel reclaims, moves and splits memory
 * at some time under load; these helpers make it do so all the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "init.h"
#include "present.h"

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#endif

enum { LEAST_PAGES = 32 };

/* The settings of the helper in this process */
static long period;
static bool comes_back;

static void must_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("--pressure: %s: %s", path, strerror(errno));
	close(fd);
}

/*
 * So many that a process that needs all of them at once still gets on: a page that comes back from swap takes
 * a quarter of a millisecond here.
 */
static int pages_in(long ms)
{
	int pages = ms * 16 / 5;

	if (pages < LEAST_PAGES)
		return LEAST_PAGES;
	return pages < PRESENT_MOST ? pages : PRESENT_MOST;
}

/* The process may end at any time, and some of its memory cannot be paged out. */
static void page_out(pid_t pid)
{
	static struct present present;
	int fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return;
	present_find(&present, pid, pages_in(period));
	syscall(SYS_process_madvise, fd, present.parts, present.n, MADV_PAGEOUT, 0);
	if (comes_back)
		syscall(SYS_process_madvise, fd, present.parts, present.n, MADV_WILLNEED, 0);
	close(fd);
}

static void page_out_all(const struct job *job, const char *kind)
{
	period = job_number(job, kind, 10);
	while (!helper_pause(period))
		processes_each(page_out);
}

static void work_pageout(const struct job *job)
{
	page_out_all(job, "pageout");
}

/*
 * Compaction moves pages to the end of memory, and then finds nothing to do. By way of swap, a page comes
 * back at another place each time, before the process asks for it.
 */
static void work_moved(const struct job *job)
{
	comes_back = true;
	page_out_all(job, "moved");
}

static void ksm_start(long ms)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", ms);
	must_write("/sys/kernel/mm/ksm/pages_to_scan", "5000");
	must_write("/sys/kernel/mm/ksm/sleep_millisecs", text);
	must_write("/sys/kernel/mm/ksm/run", "1");
}

/* What was merged becomes pages of their own again, all at once. */
static void work_split(const struct job *job)
{
	while (!helper_pause(job_number(job, "split", 10))) {
		must_write("/sys/kernel/mm/ksm/run", "2");
		must_write("/sys/kernel/mm/ksm/run", "1");
	}
}

static bool asked(const struct job *job, const char *kind)
{
	return job_get(job, kind, NULL);
}

void pressure_start(const struct job *job)
{
	if (asked(job, "pageout") || asked(job, "moved"))
		swap_on();
	if (asked(job, "pageout"))
		helper_start(work_pageout, job);
	if (asked(job, "moved"))
		helper_start(work_moved, job);
	if (asked(job, "merged") || asked(job, "split"))
		ksm_start(job_number(job, "merged", 10));
	if (asked(job, "split"))
		helper_start(work_split, job);
	if (asked(job, "slow"))
		must_write("/sys/module/ib_umem_odp/parameters/slow_faults", job_get(job, "slow", ""));
}

/* Processes whose pages merge: this one and all that it starts */
void pressure_take(const struct job *job)
{
	if ((asked(job, "merged") || asked(job, "split")) && prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0))
		fail("--pressure: merged: %s", strerror(errno));
}
