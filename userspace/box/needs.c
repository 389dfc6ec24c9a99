// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"

#define MEMORY_MOST	(2ull << 30)

/* Whether a process of its own, which runs @probe, exits with 0 */
static bool probe(int (*probe)(void))
{
	int status = 1;
	pid_t pid = fork();

	if (!pid)
		_exit(probe());
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static int try_seccomp(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { .len = 1, .filter = &allow };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

static int try_ptrace(void)
{
	int status = 1;
	pid_t pid = fork();

	if (!pid)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0);
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

bool needs_seccomp(void)
{
	return probe(try_seccomp);
}

#define NONE	(~0ull)

/* The number behind a word in a file, or at its start */
static unsigned long long file_number(const char *path, const char *word)
{
	char text[4096] = "", *at;
	FILE *file = fopen(path, "re");

	if (!file)
		return NONE;
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	at = strstr(text, word);
	if (!at)
		return NONE;
	at += strlen(word);
	at += strspn(at, " ");
	return isdigit((unsigned char)*at) ? strtoull(at, NULL, 10) : NONE;
}

/* What a container may still take, with either version of cgroups */
static unsigned long long memory_left(const char *limit_path, const char *used_path)
{
	unsigned long long limit = file_number(limit_path, ""), used = file_number(used_path, "");

	if (limit == NONE || used == NONE)
		return NONE;
	return limit > used ? limit - used : 0;
}

static unsigned long long memory_available(void)
{
	unsigned long long kib = file_number("/proc/meminfo", "MemAvailable:");
	unsigned long long left[] = {
		kib == NONE ? kib : kib << 10,
		memory_left("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
		memory_left("/sys/fs/cgroup/memory/memory.limit_in_bytes",
			    "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
	};
	unsigned long long least = NONE;

	for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
		if (left[i] < least)
			least = left[i];
	return least;
}

static void need_memory(struct options *options)
{
	unsigned long long available = memory_available();

	if (available < MEMORY_LEAST)
		die("too little memory: %llu MiB are free here, and a box needs %llu", available >> 20,
		    MEMORY_LEAST >> 20);
	/* The rest is for the kernel's program and its processes. */
	available -= available / 8;
	if (!options->memory)
		options->memory = available < MEMORY_MOST ? available : MEMORY_MOST;
}

void needs_limits(const struct options *options)
{
	static const int resources[] = { RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_NOFILE,
					 RLIMIT_NPROC };
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < sizeof(resources) / sizeof(*resources); i++)
		if (!getrlimit(resources[i], &limit)) {
			limit.rlim_cur = limit.rlim_max;
			setrlimit(resources[i], &limit);
		}
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < options->memory)
		die("the limit of a file's size is less than the box's memory: raise it (ulimit -H -f)");
}

void needs_check(struct options *options)
{
	cpu_set_t set;

	need_memory(options);
	if (!options->cpus)
		options->cpus = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
	if (options->cpus > CPUS_MOST)
		options->cpus = CPUS_MOST;
	if (needs_seccomp())
		return;
	if (!probe(try_ptrace))
		die("neither seccomp nor ptrace work here: allow one of them, with Docker and podman by "
		    "--security-opt seccomp=unconfined or --cap-add SYS_PTRACE");
	options->cpus = 1;	/* a kernel that traces has one processor */
}
