// SPDX-License-Identifier: GPL-2.0
/*
 * The keeper of the command: a process that starts it, with everything that the caller's process has, passes
 * signals and the terminal's size on, and tells the launcher how it ended. It leads the session, so that the
 * command can be stopped and continued as by a shell.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "init.h"

struct keeper {
	const struct job *job;
	int stdio[3];
	int terminal;	/* the pseudo-terminal's other end, or -1 */
	struct pump pump;
	pid_t command;
};

static void resize(int terminal, int rows, int columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	ioctl(terminal, TIOCSWINSZ, &size);
}

static void set_termios(int fd, const char *hex)
{
	struct termios settings;
	unsigned char *byte = (void *)&settings;

	for (size_t i = 0; i < sizeof(settings); i++)
		if (sscanf(hex + 2 * i, "%2hhx", byte + i) != 1)
			return;
	tcsetattr(fd, TCSANOW, &settings);
}

/* The slave becomes the controlling terminal, because the keeper leads a session without one. */
static int open_terminal(struct keeper *keeper)
{
	const char *size = job_get(keeper->job, "size", "24 80");
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave, rows, columns;
	char name[64];

	if (master < 0 || unlockpt(master) || ptsname_r(master, name, sizeof(name)))
		fail("cannot make a pseudo-terminal: %s", strerror(errno));
	slave = open(name, O_RDWR | O_CLOEXEC);
	if (slave < 0)
		fail("%s: %s", name, strerror(errno));
	set_termios(slave, job_get(keeper->job, "termios", ""));
	if (sscanf(size, "%d %d", &rows, &columns) == 2)
		resize(slave, rows, columns);
	if (fchown(slave, job_number(keeper->job, "uid", 0), -1))
		fail("%s: %s", name, strerror(errno));
	pump_start(&keeper->pump, master);
	keeper->terminal = slave;
	return slave;
}

static int open_channel(const struct job *job, int n, int kind)
{
	int flags = kind == STDIO_TTY ? O_RDWR : n ? O_WRONLY : O_RDONLY;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/box/%d", n + 1);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0 || fchown(fd, job_number(job, "uid", 0), job_number(job, "gid", 0)))
		fail("%s: %s", path, strerror(errno));
	return fd;
}

static int open_stdio(struct keeper *keeper, int n, int kind)
{
	switch (kind) {
	case STDIO_CLOSED:
		return -1;
	case STDIO_NULL:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case STDIO_SAME:
		return keeper->stdio[1];
	case STDIO_PTY:
		return keeper->terminal >= 0 ? keeper->terminal : open_terminal(keeper);
	}
	return open_channel(keeper->job, n, kind);
}

static void run(struct keeper *keeper)
{
	setpgid(0, 0);
	if (keeper->terminal >= 0)
		tcsetpgrp(keeper->terminal, getpid());
	take_stdio(keeper->stdio);
	take_job(keeper->job);
}

/*
 * The reader of the command's output must see its end when the command closes it, so the keeper does not
 * hold it.
 */
static void close_stdio(struct keeper *keeper)
{
	for (int n = 0; n < 3; n++)
		if (keeper->stdio[n] >= 0 && keeper->stdio[n] != keeper->terminal)
			close(keeper->stdio[n]);
}

static void ended(struct keeper *keeper, int status)
{
	if (keeper->terminal >= 0)
		pump_finish(&keeper->pump);
	helpers_finish();
	sync();
	say(SAY_ENDED, status);
	for (;;)
		pause();
}

static void look_after(struct keeper *keeper)
{
	int status;

	while (waitpid(keeper->command, &status, WNOHANG | WUNTRACED) > 0) {
		if (!WIFSTOPPED(status))
			ended(keeper, status);
		say(SAY_STOPPED, WSTOPSIG(status));
	}
}

static void listen_to(struct keeper *keeper)
{
	struct box_message message;

	if (read(control, &message, sizeof(message)) != sizeof(message))
		return;
	switch (message.type) {
	case TELL_SIGNAL:
		kill(message.more ? -keeper->command : keeper->command, message.value);
		break;
	case TELL_SIZE:
		if (keeper->terminal >= 0)
			resize(keeper->terminal, message.value, message.more);
		break;
	case TELL_CONTINUE:
		if (keeper->terminal >= 0)
			tcsetpgrp(keeper->terminal, keeper->command);
		kill(-keeper->command, SIGCONT);
		break;
	}
}

void command_keep(const struct job *job)
{
	struct keeper keeper = { .job = job, .terminal = -1 };
	const char *kinds = job_get(job, "stdio", "nnn");
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct signalfd_siginfo info;
	sigset_t all;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int n = 0; n < 3; n++)
		keeper.stdio[n] = open_stdio(&keeper, n, kinds[n]);
	fds[0].fd = control;
	fds[1].fd = signalfd(-1, &all, SFD_CLOEXEC);
	keeper.command = fork();
	if (keeper.command < 0)
		fail("cannot make a process: %s", strerror(errno));
	if (!keeper.command)
		run(&keeper);
	close_stdio(&keeper);
	for (;;) {
		poll(fds, 2, -1);
		if (fds[1].revents && read(fds[1].fd, &info, sizeof(info)) > 0)
			look_after(&keeper);
		if (fds[0].revents)
			listen_to(&keeper);
	}
}
