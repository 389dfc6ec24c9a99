// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

enum { HELPERS_MOST = 8 };

static pid_t helpers[HELPERS_MOST];
static int count;

static sigset_t finish_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	return set;
}

/* The signal waits until the helper asks for it. */
void helper_start(void (*work)(const struct job *job), const struct job *job)
{
	sigset_t set = finish_set();
	pid_t pid;

	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = fork();
	if (pid < 0 || count == HELPERS_MOST)
		fail("cannot make a process: %s", strerror(errno));
	if (!pid) {
		work(job);
		_exit(0);
	}
	helpers[count++] = pid;
}

void helper_wait(void)
{
	while (!helper_pause(1000000))
		;
}

bool helper_pause(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
	sigset_t set = finish_set();

	return sigtimedwait(&set, NULL, &time) == SIGTERM;
}

/* In the order in which they were started: the later ones may look at what the earlier ones did. */
void helpers_finish(void)
{
	for (int i = 0; i < count; i++) {
		struct pollfd ended = { .events = POLLIN };

		ended.fd = syscall(SYS_pidfd_open, helpers[i], 0);
		if (ended.fd < 0)
			continue;
		kill(helpers[i], SIGTERM);
		while (poll(&ended, 1, -1) < 0 && errno == EINTR)
			;
		close(ended.fd);
	}
}
