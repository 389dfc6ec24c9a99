// SPDX-License-Identifier: GPL-2.0
/* What a command has of the process for which it runs. */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"

static void take_limits(const struct job *job)
{
	const char *value = NULL;

	while ((value = job_next(job, "limit", value))) {
		unsigned long long soft, hard;
		int resource;

		if (sscanf(value, "%d %llu %llu", &resource, &soft, &hard) == 3)
			setrlimit(resource, &(struct rlimit){ soft, hard });
	}
}

static void take_user(const struct job *job)
{
	gid_t groups[1024], gid = job_number(job, "gid", 0);
	uid_t uid = job_number(job, "uid", 0);
	const char *value = NULL;
	size_t n = 0;

	while (n < 1024 && (value = job_next(job, "group", value)))
		groups[n++] = strtoul(value, NULL, 10);
	if (setgroups(n, groups) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		fail("cannot become user %u: %s", uid, strerror(errno));
}

static void take_signals(const struct job *job)
{
	const char *value = NULL;
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	while ((value = job_next(job, "ignored", value)))
		signal(atoi(value), SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void take_stdio(const int stdio[3])
{
	for (int n = 0; n < 3; n++) {
		if (stdio[n] < 0)
			close(n);
		else if (dup2(stdio[n], n) < 0)
			fail("descriptor %d: %s", n, strerror(errno));
	}
}

static bool in_path(const char *name)
{
	char *path = strdup(getenv("PATH") ?: "/bin:/usr/bin"), *dir, file[4400];
	bool found = false;

	while (path && !found && (dir = strsep(&path, ":"))) {
		snprintf(file, sizeof(file), "%s/%s", *dir ? dir : ".", name);
		found = !access(file, F_OK);
	}
	return found;
}

/* execvp() says EACCES as well for a folder in PATH that the user may not enter. */
static int why_not(const char *name, int error)
{
	return error == EACCES && !strchr(name, '/') && !in_path(name) ? ENOENT : error;
}

void take_job(const struct job *job)
{
	char **args = job_list(job, "arg");
	const char *cwd = job_get(job, "cwd", "/");
	int error;

	take_limits(job);
	take_user(job);
	umask(strtoul(job_get(job, "umask", "022"), NULL, 8));
	if (chdir(cwd))
		fail("the working folder %s: %s", cwd, strerror(errno));
	environ = job_list(job, "env");
	say(SAY_STARTED, 0);
	take_signals(job);
	execvp(args[0], args);
	error = why_not(args[0], errno);
	fail_as(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUNNABLE, "%s: %s", args[0], strerror(error));
}
