// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/cgroup.h"
#include "lib/system.h"
#include "lib/test.h"

#define ROOT "/sys/fs/cgroup"

static void file_of(char *path, size_t size, const struct cgroup *cgroup, const char *file)
{
	snprintf(path, size, "%s/%s", cgroup->path, file);
}

static void kill_all(const struct cgroup *cgroup)
{
	char path[160];
	FILE *file;
	int pid;

	file_of(path, sizeof(path), cgroup, "cgroup.procs");
	file = fopen(path, "r");
	while (file && fscanf(file, "%d", &pid) == 1) {
		if (pid != getpid())
			kill(pid, SIGKILL);
	}
	if (file)
		fclose(file);
}

static int cgroup_remove(void *object)
{
	const struct cgroup *cgroup = object;
	uint64_t end = now_ms() + PATIENCE;

	write_file(ROOT "/cgroup.procs", "0");
	while (rmdir(cgroup->path)) {
		if (now_ms() > end)
			return errno;
		kill_all(cgroup);
		sleep_ms(10);
	}
	return 0;
}

static void controllers_enable(const char *controllers)
{
	char words[64], text[32];

	snprintf(words, sizeof(words), "%s", controllers);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
		snprintf(text, sizeof(text), "+%s", word);
		if (write_file(ROOT "/cgroup.subtree_control", text))
			skip_because("no %s cgroups", word);
	}
}

struct cgroup *cgroup_make(const char *name, const char *controllers)
{
	struct cgroup *cgroup = scratch(sizeof(*cgroup));

	controllers_enable(controllers);
	snprintf(cgroup->path, sizeof(cgroup->path), ROOT "/odp-%s", name);
	if (mkdir(cgroup->path, 0755))
		skip_because("no cgroups");
	defer(cgroup_remove, cgroup);
	return cgroup;
}

bool cgroup_try(const struct cgroup *cgroup, const char *file, const char *value)
{
	char path[160];

	file_of(path, sizeof(path), cgroup, file);
	return !write_file(path, value);
}

void cgroup_set(const struct cgroup *cgroup, const char *file, const char *value)
{
	if (!cgroup_try(cgroup, file, value))
		skip_because("%s does not accept %s", file, value);
}

struct cgroup *cgroup_make_small(const char *name, size_t max)
{
	struct cgroup *cgroup = cgroup_make(name, "memory");
	char limit[32];

	snprintf(limit, sizeof(limit), "%zu", max);
	cgroup_set(cgroup, "memory.max", limit);
	return cgroup;
}

void cgroup_throttle(const struct cgroup *cgroup, dev_t device, size_t bytes)
{
	char limit[64];

	if (kernel_has("lockdep_init_map_type"))
		skip_because("lockdep reports that the kernel's own io.max allocates under a disk lock");
	snprintf(limit, sizeof(limit), "%u:%u rbps=%zu", major(device), minor(device), bytes);
	cgroup_set(cgroup, "io.max", limit);
}

void cgroup_enter(const struct cgroup *cgroup)
{
	char path[160];

	file_of(path, sizeof(path), cgroup, "cgroup.procs");
	assert_int_equal(write_file(path, "0"), 0);
}

long cgroup_number(const struct cgroup *cgroup, const char *file, const char *label)
{
	char path[160];

	file_of(path, sizeof(path), cgroup, file);
	return file_number(path, label);
}
