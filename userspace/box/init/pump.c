// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

static volatile sig_atomic_t finishing;

static void finish(int sig)
{
	(void)sig;
	finishing = 1;
}

/* The terminal's side never blocks by itself: see pump_out(). */
static bool write_all(int fd, const char *data, ssize_t len)
{
	struct pollfd writable = { .fd = fd, .events = POLLOUT };

	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EAGAIN) {
			poll(&writable, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= n;
	}
	return true;
}

static int channel_open(int flags)
{
	int fd = open("/dev/box/1", flags | O_CLOEXEC);

	if (fd < 0)
		_exit(1);
	return fd;
}

static void pump_in(int master)
{
	int channel = channel_open(O_RDONLY);
	char data[4096];
	ssize_t n;

	while ((n = read(channel, data, sizeof(data))) > 0)
		if (!write_all(master, data, n))
			break;
}

/*
 * Ends with the terminal's last process; or, when it is told to, as soon as nothing is left to read. The
 * signal that tells it comes only while it waits.
 */
static void pump_out(int master)
{
	int channel = channel_open(O_WRONLY);
	static char data[BYTES_MOST];
	struct pollfd readable = { .fd = master, .events = POLLIN };
	sigset_t none;
	ssize_t n;

	sigemptyset(&none);
	fcntl(master, F_SETFL, O_NONBLOCK);
	for (;;) {
		n = read(master, data, sizeof(data));
		if (n > 0 && write_all(channel, data, n))
			continue;
		if (n > 0 || finishing || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
		ppoll(&readable, 1, NULL, &none);
	}
}

/* The caller has blocked all signals. */
static pid_t start(void (*pump)(int), int master)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	signal(SIGTERM, finish);
	pump(master);
	_exit(0);
}

void pump_start(struct pump *pump, int master)
{
	pump->master = master;
	pump->in = start(pump_in, master);
	pump->out = start(pump_out, master);
}

void pump_finish(struct pump *pump)
{
	int status;

	kill(pump->out, SIGTERM);
	while (waitpid(pump->out, &status, 0) < 0 && errno == EINTR)
		;
}
