// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "box.h"

static void add_user(struct job *job, bool root)
{
	gid_t groups[NGROUPS_MAX];
	int n = getgroups(NGROUPS_MAX, groups);

	job_addf(job, "uid", "%u", root ? 0 : geteuid());
	job_addf(job, "gid", "%u", root ? 0 : getegid());
	for (int i = 0; i < n; i++)
		job_addf(job, "group", "%u", groups[i]);
}

static void add_rlimits(struct job *job)
{
	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		struct rlimit limit;

		if (!getrlimit(resource, &limit))
			job_addf(job, "limit", "%d %llu %llu", resource, (unsigned long long)limit.rlim_cur,
				 (unsigned long long)limit.rlim_max);
	}
}

/* Passes on the signals that the caller ignores, as a command under nohup ignores SIGHUP. */
static void add_ignored(struct job *job)
{
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction action;

		if (!sigaction(sig, NULL, &action) && action.sa_handler == SIG_IGN)
			job_addf(job, "ignored", "%d", sig);
	}
}

void caller_add_limits(struct job *job)
{
	add_rlimits(job);
	add_ignored(job);
}

static void add_terminal(struct job *job, int fd)
{
	char hex[2 * sizeof(struct termios) + 1];
	struct termios settings;
	struct winsize size;

	if (tcgetattr(fd, &settings) || ioctl(fd, TIOCGWINSZ, &size))
		return;
	for (size_t i = 0; i < sizeof(settings); i++)
		sprintf(hex + 2 * i, "%02x", ((unsigned char *)&settings)[i]);
	job_add(job, "termios", hex);
	job_addf(job, "size", "%d %d", size.ws_row, size.ws_col);
}

static int kind_of(int fd)
{
	struct stat file;

	if (fstat(fd, &file))
		return STDIO_CLOSED;
	if (S_ISCHR(file.st_mode) && file.st_rdev == makedev(1, 3))
		return STDIO_NULL;
	return isatty(fd) ? STDIO_TTY : STDIO_PIPE;
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	return !fstat(a, &one) && !fstat(b, &other) && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino && one.st_rdev == other.st_rdev;
}

/*
 * Where somebody sits at input and output, the command gets a pseudo-terminal, and the host's terminal passes
 * every key on. A terminal at one of them alone stays the host's, with its line editing and its Ctrl-C:
 * another program may be using the other half.
 */
static void add_stdio(struct job *job)
{
	char kinds[4] = {};

	for (int fd = 0; fd < 3; fd++)
		kinds[fd] = kind_of(fd);
	if (kinds[0] == STDIO_TTY && kinds[1] == STDIO_TTY) {
		for (int fd = 0; fd < 3; fd++)
			if (kinds[fd] == STDIO_TTY)
				kinds[fd] = STDIO_PTY;
		add_terminal(job, 0);
	} else if (kinds[2] == kinds[1] && same_file(1, 2) && kinds[2] != STDIO_CLOSED) {
		kinds[2] = STDIO_SAME;
	}
	job_add(job, "stdio", kinds);
}

/* The host's text about one processor, for each processor of the box */
static void add_cpuinfo(struct job *job, int cpus)
{
	char text[8192] = "", *all = NULL, *rest;
	size_t len = 0;
	FILE *file = fopen("/proc/cpuinfo", "r"), *out;

	if (!file)
		return;
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = 0;
	rest = strstr(text, "\n\n");
	if (rest)
		rest[1] = 0;
	rest = strchr(text, '\n');
	if (!rest || strncmp(text, "processor", 9))
		return;
	out = open_memstream(&all, &len);
	for (int cpu = 0; out && cpu < cpus; cpu++)
		fprintf(out, "processor\t: %d%s\n", cpu, rest);
	if (out && !fclose(out))
		job_add(job, "cpuinfo", all);
	free(all);
}

/* Nodes have a folder of the box's in front of the others: rdmabox on, and ssh as mpirun wants it. */
static void add_environment(struct job *job, bool nodes)
{
	bool path = false;

	for (char **env = environ; *env; env++) {
		bool is_path = !strncmp(*env, "PATH=", 5);

		if (nodes && is_path)
			job_addf(job, "env", "PATH=%s/bin:%s", BOX_PLACE, *env + 5);
		else
			job_add(job, "env", *env);
		path |= is_path;
	}
	if (nodes && !path)
		job_addf(job, "env", "PATH=%s/bin:/usr/local/bin:/usr/bin:/bin", BOX_PLACE);
}

void caller_add(struct job *job, const struct options *options)
{
	char name[HOST_NAME_MAX + 1] = "box", cwd[PATH_MAX];
	mode_t mask = umask(0);

	if (!getcwd(cwd, sizeof(cwd)))
		die("the working folder: %s; change to another folder", strerror(errno));
	for (char **arg = options->command; *arg; arg++)
		job_add(job, "arg", *arg);
	add_environment(job, options->nodes);
	gethostname(name, sizeof(name) - 1);
	job_add(job, "host", name);
	job_add(job, "cwd", cwd);
	job_addf(job, "umask", "%03o", mask);
	add_user(job, options->root);
	add_stdio(job);
	add_cpuinfo(job, options->cpus);
	job_add(job, "driver", options->driver);
	job_addf(job, "mtu", "%d", options->mtu);
	umask(mask);
}
