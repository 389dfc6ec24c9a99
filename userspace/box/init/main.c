// SPDX-License-Identifier: GPL-2.0
/* Process 1 of a box: makes the box, starts the keeper of the command and reaps what others leave. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <dirent.h>
#include <unistd.h>

#include "init.h"

/* Without a channel to the launcher: the reason goes to the kernel's log, which the launcher shows. */
static void die(const char *what)
{
	int fd = open("/dev/kmsg", O_WRONLY);

	if (fd >= 0)
		dprintf(fd, "rdmabox: %s: %s\n", what, strerror(errno));
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void job_read(struct job *job)
{
	int fd = open("/job", O_RDONLY);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat))
		die("/job");
	job->len = stat.st_size;
	job->text = malloc(job->len);
	if (!job->text || read(fd, job->text, job->len) != (ssize_t)job->len)
		die("/job");
	close(fd);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The modules of a folder, whose names begin with their number in the order of dependence. */
static void load_modules(const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, visible, alphasort);

	for (int i = 0; i < n; i++) {
		char path[512];
		int fd;

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			die(path);
		close(fd);
	}
}

static void load_driver(const struct job *job)
{
	char folder[64];

	snprintf(folder, sizeof(folder), "/modules/%s", job_get(job, "driver", "ours"));
	load_modules(folder);
}

static void open_for_everybody(void)
{
	DIR *dir = opendir("/dev/infiniband");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (visible(entry))
			fchmodat(dirfd(dir), entry->d_name, 0666, 0);
	if (dir)
		closedir(dir);
}

/* The kernel had no console to give. */
static void open_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < 2);
}

int main(int argc, char **argv)
{
	struct job job = {};

	if (getpid() != 1)
		return tool(argc, argv);
	job_read(&job);
	mount_boot();
	open_stdio();
	control = open("/dev/box/0", O_RDWR | O_CLOEXEC);
	if (control < 0)
		die("/dev/box/0");
	load_driver(&job);
	capture_open(&job);
	mount_root(&job);
	sethostname(job_get(&job, "host", "box"), strlen(job_get(&job, "host", "box")));
	pressure_take(&job);
	nodes_up(&job);
	open_for_everybody();
	capture_start(&job);
	pressure_start(&job);
	report_start(&job);
	if (!fork()) {
		if (nodes_count())
			nodes_enter(1);
		command_keep(&job);
	}
	for (;;)
		wait(NULL);
}
