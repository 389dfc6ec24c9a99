// SPDX-License-Identifier: GPL-2.0
/* The host's terminal: every key goes to the box, and the settings come back however rdmabox ends. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include "box.h"

static struct termios saved;
static int raw_fd = -1;
static int guard = -1;

bool terminal_is_ours(int fd)
{
	return tcgetpgrp(fd) == getpgrp();
}

/* Waits in a process of its own until nobody can write to the pipe: rdmabox has died, even by kill -9. */
static void watch(int fd, int pipe)
{
	sigset_t all;
	char byte;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setpgid(0, 0);
	while (read(pipe, &byte, 1) < 0 && errno == EINTR)
		;
	tcsetattr(fd, TCSADRAIN, &saved);
	_exit(0);
}

static void start_guard(int fd)
{
	int ends[2];

	if (guard >= 0 || pipe(ends))
		return;
	if (!fork()) {
		close(ends[1]);
		watch(fd, ends[0]);
	}
	close(ends[0]);
	guard = ends[1];
}

void terminal_raw(int fd)
{
	struct termios raw;

	if (raw_fd >= 0 || tcgetattr(fd, &saved))
		return;
	start_guard(fd);
	raw = saved;
	cfmakeraw(&raw);
	raw.c_cflag = saved.c_cflag;
	if (!tcsetattr(fd, TCSADRAIN, &raw))
		raw_fd = fd;
}

void terminal_restore(void)
{
	if (raw_fd < 0)
		return;
	tcsetattr(raw_fd, TCSADRAIN, &saved);
	raw_fd = -1;
}
