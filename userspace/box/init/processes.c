// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "init.h"

static bool stat_program(const char *pid, struct stat *program)
{
	char path[300];

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	return !stat(path, program);	/* a kernel thread has none */
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

void processes_each(void (*act)(pid_t pid))
{
	DIR *dir = opendir("/proc");
	struct stat self, tool = {}, program;
	struct dirent *entry;

	if (!dir || !stat_program("self", &self))
		fail("cannot read /proc");
	stat(PLACE "/bin/rdmabox", &tool);
	while ((entry = readdir(dir)))
		if (atoi(entry->d_name) > 1 && stat_program(entry->d_name, &program) &&
		    !same(&program, &self) && !same(&program, &tool))
			act(atoi(entry->d_name));
	closedir(dir);
}
