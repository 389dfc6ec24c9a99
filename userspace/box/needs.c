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
#define PROCESSES_LEAST	16
#define PROCESSES_MOST	(PROCESSES_LEAST + CPUS_MOST + 4 * NODES_MOST)
#define FILES_LEAST	256

static void __attribute__((noreturn)) die_of_processes(int got, int need)
{
	die("too few processes: %d more are allowed here, and a box needs %d: raise the limit, which is ulimit -u, "
	    "or --pids-limit of Docker and podman", got, need);
}

/* Whether a process of its own, which runs @probe, exits with 0 */
static bool probe(int (*probe)(void))
{
	int status = 1;
	pid_t pid = fork();

	if (pid < 0)
		die_of_processes(0, PROCESSES_LEAST);
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

struct memory {
	unsigned long long bytes;
	const char *advice;
};

static void memory_least(struct memory *memory, unsigned long long bytes, const char *advice)
{
	if (bytes < memory->bytes)
		*memory = (struct memory){ bytes, advice };
}

/* The memory that a container may still take. Cached files count as free, because the kernel drops them. */
static void memory_of_cgroup(struct memory *memory, const char *folder, const char *limit_name,
			     const char *used_name, const char *const cached[2])
{
	unsigned long long limit, used, files;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, limit_name);
	limit = file_number(path, "");
	snprintf(path, sizeof(path), "%s/%s", folder, used_name);
	used = file_number(path, "");
	if (limit == NONE || used == NONE)
		return;
	snprintf(path, sizeof(path), "%s/memory.stat", folder);
	for (int i = 0; i < 2; i++) {
		files = file_number(path, cached[i]);
		if (files != NONE)
			used -= files < used ? files : used;
	}
	memory_least(memory, limit > used ? limit - used : 0,
		     "raise the limit, which is --memory of Docker and podman");
}

static struct memory memory_available(void)
{
	static const char *const v1[] = { "\ntotal_inactive_file", "\ntotal_active_file" };
	static const char *const v2[] = { "\ninactive_file", "\nactive_file" };
	unsigned long long kib = file_number("/proc/meminfo", "MemAvailable:");
	struct memory memory = { NONE, NULL };
	struct rlimit limit;

	memory_least(&memory, kib == NONE ? kib : kib << 10, "end other programs, or use a larger machine");
	memory_of_cgroup(&memory, "/sys/fs/cgroup", "memory.max", "memory.current", v2);
	memory_of_cgroup(&memory, "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", v1);
	if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY)
		memory_least(&memory, limit.rlim_cur, "raise ulimit -v");
	return memory;
}

static void need_memory(struct options *options)
{
	struct memory memory = memory_available();

	if (memory.bytes < MEMORY_LEAST + MEMORY_BESIDE)
		die("too little memory: %llu MiB are free here, and a box needs %llu: %s", memory.bytes >> 20,
		    (MEMORY_LEAST + MEMORY_BESIDE) >> 20, memory.advice);
	memory.bytes -= MEMORY_BESIDE + (memory.bytes - MEMORY_BESIDE - MEMORY_LEAST) / 8;
	if (!options->memory)
		options->memory = memory.bytes < MEMORY_MOST ? memory.bytes : MEMORY_MOST;
}

static void __attribute__((noreturn)) wait_for_death(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(0);
}

/* A box that finds later that it may have no process cannot say so well. */
static void need_processes(const struct options *options)
{
	int need = PROCESSES_LEAST + options->cpus + 4 * options->nodes, got;
	pid_t pids[PROCESSES_MOST], us = getpid();

	for (got = 0; got < need; got++) {
		pids[got] = fork();
		if (pids[got] < 0)
			break;
		if (!pids[got])
			wait_for_death(us);
	}
	for (int i = 0; i < got; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	if (got < need)
		die_of_processes(got, need);
}

static void raise_limits(void)
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
}

static void need_file_size(const struct options *options)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < options->memory)
		die("the limit of a file's size is less than the box's memory: raise it (ulimit -H -f)");
}

/* One for each process and for each file that a process has open, and some */
static void need_files(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < FILES_LEAST)
		die("too few open files: %llu are allowed here, and a box needs %d: raise the limit, which is "
		    "ulimit -H -n, or --ulimit nofile=1024 of Docker and podman",
		    (unsigned long long)limit.rlim_cur, FILES_LEAST);
}

void needs_check(struct options *options)
{
	cpu_set_t set;

	raise_limits();
	need_memory(options);
	need_file_size(options);
	need_files();
	if (!options->cpus)
		options->cpus = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
	if (options->cpus > CPUS_MOST)
		options->cpus = CPUS_MOST;
	need_processes(options);
	if (needs_seccomp())
		return;
	if (!probe(try_ptrace))
		die("neither seccomp nor ptrace work here: allow one of them, with Docker and podman by "
		    "--security-opt seccomp=unconfined or --cap-add SYS_PTRACE");
	options->cpus = 1;	/* a kernel that traces has one processor */
}
