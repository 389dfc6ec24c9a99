// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"

#define ARGS	32

struct args {
	char *list[ARGS + 1];
	int n;
};

static void __attribute__((format(printf, 2, 3))) arg(struct args *args, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	if (args->n == ARGS || vasprintf(&args->list[args->n++], format, values) < 0)
		abort();
	va_end(values);
}

static int log_open(const char *path)
{
	int fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666) :
			memfd_create("rdmabox-log", MFD_CLOEXEC);

	if (fd < 0)
		die("%s: %s", path ? path : "a log in memory", strerror(errno));
	if (!path)
		fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

static void channels_open(struct kernel *kernel, int theirs[CHANNELS])
{
	for (int n = 0; n < CHANNELS; n++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
			die("cannot make a socket: %s", strerror(errno));
		kernel->channels[n] = ends[0];
		theirs[n] = ends[1];
	}
}

static void channels_arg(struct args *args, const int theirs[CHANNELS], const struct job *job)
{
	const char *stdio = job_get(job, "stdio", "ppp");
	char text[128];
	int len = snprintf(text, sizeof(text), "%d:c", theirs[0]);

	for (int n = 1; n < CHANNELS; n++)
		len += snprintf(text + len, sizeof(text) - len, ",%d:%c", theirs[n],
				stdio[n - 1] == STDIO_TTY ? 't' : 'p');
	arg(args, "box.channels=%s", text);
}

static void args_make(struct args *args, const struct options *options, const struct job *job,
		      const int theirs[CHANNELS], int initrd)
{
	arg(args, "rdmabox-kernel");
	arg(args, "mem=%lluK", options->memory >> 10);
	arg(args, "ncpus=%d", options->cpus);
	arg(args, "seccomp=%s", needs_seccomp() ? "on" : "off");
	arg(args, "initrd=/proc/self/fd/%d", initrd);
	channels_arg(args, theirs, job);
	arg(args, "root=/dev/root");
	arg(args, "console=box");
	arg(args, "con=null");
	arg(args, "uml_dir=none");
	arg(args, "loglevel=7");
	arg(args, "lpj=20000000");	/* measuring it takes 90 ms */
	/* On a busy machine, our processors may get no time for half a minute. */
	arg(args, "watchdog_thresh=60");
	arg(args, "rcupdate.rcu_cpu_stall_timeout=120");
	arg(args, "panic=-1");
	arg(args, "noreboot");
	arg(args, "rcupdate.rcu_expedited=1");
	arg(args, "dummy.numdummies=0");
}

static void signals_reset(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become_kernel(struct args *args, pid_t launcher, int image, int log, const int theirs[CHANNELS])
{
	static char *const environment[] = { "HOME=/", "PATH=/", NULL };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != launcher)
		_exit(1);
	signals_reset();
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	umask(0);
	/* The kernel would start itself again for this, from a path that it has not. */
	personality(PER_LINUX | ADDR_NO_RANDOMIZE);
	for (int n = 0; n < CHANNELS; n++)
		fcntl(theirs[n], F_SETFD, 0);
	if (dup2(open("/dev/null", O_RDONLY), 0) || dup2(log, 1) != 1 || dup2(log, 2) != 2 || chdir("/"))
		_exit(1);
	syscall(SYS_execveat, image, "", args->list, environment, AT_EMPTY_PATH);
	dprintf(2, "rdmabox: cannot start the kernel: %s\n", strerror(errno));
	_exit(1);
}

void kernel_start(struct kernel *kernel, const struct options *options, const struct job *job)
{
	int theirs[CHANNELS], image = image_kernel(), initrd = image_initrd(job);
	pid_t launcher = getpid();
	struct args args = {};

	kernel->log = log_open(options->kernel_log);
	channels_open(kernel, theirs);
	args_make(&args, options, job, theirs, initrd);
	/* Become the parent of the processes that outlive the kernel, to wait for them. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	kernel->pid = fork();
	if (kernel->pid < 0)
		die("cannot make a process: %s", strerror(errno));
	if (!kernel->pid)
		become_kernel(&args, launcher, image, kernel->log, theirs);
	for (int n = 0; n < CHANNELS; n++)
		close(theirs[n]);
	close(image);
	close(initrd);
}

void kernel_kill(struct kernel *kernel)
{
	kill(kernel->pid, SIGKILL);
	while (waitpid(kernel->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
