// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/inject.h"
#include "lib/system.h"
#include "lib/test.h"

#define SLAB "/sys/kernel/debug/failslab/"
#define PAGES "/sys/kernel/debug/fail_page_alloc/"
#define CACHES "/sys/kernel/slab/"
#define MANY 1000000000ul
#define MANY_TEXT "1000000000"
#define MOST_WORKERS 256

static int nth_fd = -1;
static int worker_fds[MOST_WORKERS];
static size_t n_workers;
static char failing_cache[64];
static bool workers_fail, this_fails, some_spared;

static void set(const char *path, const char *text)
{
	int err = write_file(path, text);

	if (err)
		fail_msg("%s to %s: %s", text, path, strerror(err));
}

/* Sets an attribute of both kinds of allocation. */
static void set_both(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), SLAB "%s", file);
	set(path, text);
	snprintf(path, sizeof(path), PAGES "%s", file);
	set(path, text);
}

static int stop(void *unused)
{
	(void)unused;
	inject_stop();
	return 0;
}

void need_inject(void)
{
	if (access("/proc/self/fail-nth", W_OK) || access(SLAB "times", W_OK) ||
	    access(PAGES "times", W_OK))
		skip_because("this kernel cannot make allocations fail (CONFIG_FAULT_INJECTION)");
	set_both("verbose", "0");
	set_both("interval", "1");
	set_both("ignore-gfp-wait", "N");
	set(PAGES "ignore-gfp-highmem", "N");
	set(PAGES "min-order", "0");
	defer(stop, &failing_cache);
}

/* --- one ------------------------------------------------------------------- */

static int open_nth(const char *task)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/fail-nth", task);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Returns false for a task that is gone. */
static bool write_nth(int fd, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	return pwrite(fd, text, len, 0) == len;
}

/* Returns how many allocations remain before the one that fails, or -1 for a task that is gone. */
static int read_nth(int fd)
{
	char text[16] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : -1;
}

void inject_nth(unsigned int n)
{
	nth_fd = open_nth("thread-self");
	assert_true(nth_fd >= 0);
	assert_true(write_nth(nth_fd, n));
}

unsigned int inject_left(void)
{
	int left = read_nth(nth_fd);

	assert_true(left >= 0);
	assert_true(write_nth(nth_fd, 0));
	close(nth_fd);
	return left;
}

bool inject_end(void)
{
	return inject_left() == 0;
}

/* --- of some caches only ------------------------------------------------------- */

static void set_caches(const char *flag)
{
	DIR *dir = opendir(CACHES);
	struct dirent *entry;
	char path[320];

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), CACHES "%s/failslab", entry->d_name);
		if (entry->d_name[0] != '.')
			set(path, flag);
	}
	closedir(dir);
}

void inject_spare(const char *const *caches)
{
	char path[320];

	some_spared = true;
	set_caches("1");
	for (; *caches; caches++) {
		snprintf(path, sizeof(path), CACHES "%s/failslab", *caches);
		if (!access(path, F_OK))
			set(path, "0");
	}
	set(SLAB "cache-filter", "Y");
}

static void spare_none(void)
{
	set(SLAB "cache-filter", "N");
	set_caches("0");
	some_spared = false;
}

/* --- of the workers -------------------------------------------------------- */

static bool is_worker(const char *pid)
{
	char path[64], comm[64] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, comm, sizeof(comm) - 1) < 0)
		comm[0] = 0;
	close(fd);
	return !strncmp(comm, "kworker/u", strlen("kworker/u"));
}

static void for_each_worker(void (*fn)(const char *pid, const char *arg), const char *arg)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_worker(entry->d_name))
			fn(entry->d_name, arg);
	}
	closedir(dir);
}

static void worker_nth(const char *pid, const char *unused)
{
	int fd = open_nth(pid);

	(void)unused;
	if (fd >= 0 && n_workers < MOST_WORKERS)
		worker_fds[n_workers++] = fd;
}

void inject_workers_nth(unsigned int n)
{
	for_each_worker(worker_nth, NULL);
	for (size_t i = 0; i < n_workers; i++)
		write_nth(worker_fds[i], n);
}

bool inject_workers_end(void)
{
	bool failed = false;

	for (size_t i = 0; i < n_workers; i++) {
		failed |= read_nth(worker_fds[i]) == 0;
		write_nth(worker_fds[i], 0);
		close(worker_fds[i]);
	}
	n_workers = 0;
	return failed;
}

/* --- many ------------------------------------------------------------------ */

static void start(unsigned int percent, bool pages)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", percent);
	set_both("times", MANY_TEXT);
	set(SLAB "probability", text);
	if (pages)
		set(PAGES "probability", text);
}

static void cache_fails(const char *flag)
{
	char path[128];

	snprintf(path, sizeof(path), CACHES "%s/failslab", failing_cache);
	set(path, flag);
	set(SLAB "cache-filter", *flag == '1' ? "Y" : "N");
}

static void start_cache(const char *cache, unsigned int percent)
{
	snprintf(failing_cache, sizeof(failing_cache), "%s", cache);
	cache_fails("1");
	start(percent, false);
}

void inject_cache(const char *cache, unsigned int percent)
{
	set_both("task-filter", "N");
	start_cache(cache, percent);
}

void inject_own_cache(const char *cache, unsigned int percent)
{
	this_fails = true;
	set("/proc/thread-self/make-it-fail", "1");
	set_both("task-filter", "Y");
	start_cache(cache, percent);
}

static void worker_fails(const char *pid, const char *flag)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.16s/make-it-fail", pid);
	write_file(path, flag);
}

void inject_workers(unsigned int percent)
{
	workers_fail = true;
	for_each_worker(worker_fails, "1");
	set_both("task-filter", "Y");
	start(percent, !some_spared);
}

unsigned long inject_stop(void)
{
	inject_workers_end();
	set_both("probability", "0");
	if (failing_cache[0])
		cache_fails("0");
	if (some_spared)
		spare_none();
	if (workers_fail)
		for_each_worker(worker_fails, "0");
	if (this_fails)
		set("/proc/thread-self/make-it-fail", "0");
	failing_cache[0] = 0;
	workers_fail = false;
	this_fails = false;
	return 2 * MANY - file_number(SLAB "times", "") - file_number(PAGES "times", "");
}
