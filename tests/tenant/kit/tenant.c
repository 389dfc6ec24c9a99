// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit/tenant.h"
#include "lib/test.h"

struct start {
	const struct cgroup *cgroup;
	bool nobody;
	void (*fn)(void *arg);
	void *arg;
};

/* Opens the device files to everybody, as the udev rules of a distribution do. */
static void devices_for_all(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/dev/infiniband");

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char path[300];

		snprintf(path, sizeof(path), "/dev/infiniband/%s", entry->d_name);
		if (!strncmp(entry->d_name, "uverbs", 6) || !strcmp(entry->d_name, "rdma_cm"))
			assert_int_equal(chmod(path, 0666), 0);
	}
	closedir(dir);
}

void tenant_become_nobody(void)
{
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
	assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
	/*
	 * The change of the user made the process undumpable: its own /proc/self/pagemap and other files
	 * belong to root.
	 */
	prctl(PR_SET_DUMPABLE, 1);
}

static void tenant_main(void *arg)
{
	const struct start *start = arg;

	if (start->cgroup)
		cgroup_enter(start->cgroup);
	if (start->nobody)
		tenant_become_nobody();
	start->fn(start->arg);
}

static int start_child(const struct start *start)
{
	devices_for_all();
	return child_start(tenant_main, (void *)start);
}

int tenant_start(const struct cgroup *cgroup, void (*fn)(void *arg), void *arg)
{
	return start_child(&(struct start){ .cgroup = cgroup, .nobody = true, .fn = fn, .arg = arg });
}

int tenant_start_as_root(const struct cgroup *cgroup, void (*fn)(void *arg), void *arg)
{
	return start_child(&(struct start){ .cgroup = cgroup, .fn = fn, .arg = arg });
}

void tenant_run(const struct cgroup *cgroup, void (*fn)(void *arg), void *arg)
{
	assert_int_equal(child_wait(tenant_start(cgroup, fn, arg)), 0);
}

static bool is_named(const char *pid, const char *prefix)
{
	char path[300], name[64] = "";
	FILE *file;
	bool is;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	is = fgets(name, sizeof(name), file) && !strncmp(name, prefix, strlen(prefix));
	fclose(file);
	return is;
}

int tasks_named(const char *prefix)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		     is_named(entry->d_name, prefix);
	closedir(dir);
	return n;
}
