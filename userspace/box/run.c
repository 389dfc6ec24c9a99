// SPDX-License-Identifier: GPL-2.0
/* The launcher while the box runs: passes bytes, signals and the terminal's size, until the command ends. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "box.h"

#define START_SECONDS	60
#define STREAMS		3

struct running {
	struct kernel *kernel;
	const struct job *job;
	struct stream streams[STREAMS];
	int n_streams;
	bool terminal;		/* the command has a pseudo-terminal */
	bool started, ended;
	time_t deadline;
	int result;
	char *report;
	size_t report_len;
};

static void tell(struct running *box, int type, int value, int more)
{
	struct box_message message = { .type = type, .value = value, .more = more };

	send(box->kernel->channels[CHANNEL_CONTROL], &message, sizeof(message), MSG_NOSIGNAL);
}

static void open_streams(struct running *box)
{
	const char *kinds = job_get(box->job, "stdio", "nnn");

	for (int fd = 0; fd < 3; fd++) {
		int channel = box->kernel->channels[fd + 1];
		struct stream *stream = &box->streams[box->n_streams];

		if (kinds[fd] == STDIO_PTY && box->terminal)
			continue;
		if (kinds[fd] == STDIO_PTY)
			stream_open(stream, box->kernel->channels[CHANNEL_IN], 0, 1);
		else if (kinds[fd] == STDIO_TTY)
			stream_open(stream, channel, fd, fd);
		else if (kinds[fd] == STDIO_PIPE)
			stream_open(stream, channel, fd ? -1 : fd, fd ? fd : -1);
		else
			continue;
		box->terminal |= kinds[fd] == STDIO_PTY;
		box->n_streams++;
	}
}

static void tell_size(struct running *box)
{
	struct winsize size;

	if (box->terminal && !ioctl(0, TIOCGWINSZ, &size))
		tell(box, TELL_SIZE, size.ws_row, size.ws_col);
}

static void take_terminal(struct running *box)
{
	if (box->terminal && box->started && terminal_is_ours(0))
		terminal_raw(0);
}

/* The caller's shell sees us stop, as it would see the command. */
static void stop(struct running *box)
{
	terminal_restore();
	kill(getpid(), SIGSTOP);
	take_terminal(box);
	tell_size(box);
	tell(box, TELL_CONTINUE, 0, 0);
}

static void end(struct running *box, int result)
{
	box->ended = true;
	box->result = result;
}

/* It is printed at the end, when the terminal is the caller's again. */
static void add_report(struct running *box, const char *text)
{
	size_t len = strlen(text);

	box->report = realloc(box->report, box->report_len + len + 1);
	if (!box->report)
		die("no memory");
	memcpy(box->report + box->report_len, text, len + 1);
	box->report_len += len;
}

static void hear(struct running *box)
{
	struct box_message message;

	if (recv(box->kernel->channels[CHANNEL_CONTROL], &message, sizeof(message), MSG_DONTWAIT) !=
	    sizeof(message))
		return;
	message.text[sizeof(message.text) - 1] = 0;
	switch (message.type) {
	case SAY_STARTED:
		box->started = true;
		take_terminal(box);
		break;
	case SAY_ENDED:
		end(box, WIFSIGNALED(message.value) ? -WTERMSIG(message.value) :
						      WEXITSTATUS(message.value));
		break;
	case SAY_REPORT:
		add_report(box, message.text);
		break;
	case SAY_STOPPED:
		stop(box);
		break;
	case SAY_FAILED:
		terminal_restore();
		say("%s", message.text);
		end(box, message.value);
		break;
	}
}

/* A signal that the terminal makes is for all processes of the command, as it would be without a box. */
static void pass_signal(struct running *box, const struct signalfd_siginfo *info)
{
	int sig = info->ssi_signo;

	if (!box->started && sig != SIGUSR1 && sig != SIGUSR2)
		end(box, -sig);
	else
		tell(box, TELL_SIGNAL, sig, info->ssi_code == SI_KERNEL);
}

static void hear_signal(struct running *box, int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGWINCH:
		tell_size(box);
		break;
	case SIGCONT:
		take_terminal(box);
		break;
	case SIGCHLD:
		break;
	default:
		pass_signal(box, &info);
	}
}

static int open_signals(const struct job *job)
{
	static const int passed[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGWINCH,
				      SIGCONT, SIGCHLD };
	const char *ignored = NULL;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++)
		sigaddset(&set, passed[i]);
	while ((ignored = job_next(job, "ignored", ignored)))
		if (atoi(ignored) != SIGCHLD)
			sigdelset(&set, atoi(ignored));
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		die("cannot wait for signals: %s", strerror(errno));
	return fd;
}

static void kernel_died(struct running *box, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		say("the kernel of the box was killed: if the machine or the container has run out of memory, "
		    "raise its limit or give the box less with --mem");
	} else {
		say(box->started ? "the kernel of the box died:" : "the box did not start:");
		log_tail(box->kernel->log);
	}
	end(box, box->started ? EXIT_KERNEL : EXIT_TOOL);
}

static void look_at_kernel(struct running *box)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != box->kernel->pid || box->ended)
			continue;
		hear(box);
		if (box->ended)
			return;
		terminal_restore();
		kernel_died(box, status);
	}
}

static void look_at_clock(struct running *box)
{
	if (box->started || box->ended || time(NULL) < box->deadline)
		return;
	say("the box did not start in %d seconds: is the machine very busy, or short of memory? The kernel said:",
	    START_SECONDS);
	log_tail(box->kernel->log);
	end(box, EXIT_TOOL);
}

static void step(struct running *box, int signals)
{
	struct pollfd polls[2 + 3 * STREAMS] = {
		{ .fd = box->kernel->channels[CHANNEL_CONTROL], .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	bool may_read = !box->terminal || terminal_is_ours(0);
	int n = 2;

	for (int i = 0; i < box->n_streams; i++)
		n += stream_polls(&box->streams[i], polls + n, may_read);
	/* A background job that comes to the foreground gets no signal. */
	if (poll(polls, n, box->started && may_read ? -1 : 500) < 0 && errno != EINTR)
		die("poll: %s", strerror(errno));
	for (int i = 0; i < box->n_streams; i++)
		stream_step(&box->streams[i], polls + 2 + 3 * i);
	if (polls[0].revents)
		hear(box);
	if (polls[1].revents)
		hear_signal(box, signals);
	if (!may_read)
		take_terminal(box);
	look_at_kernel(box);
	look_at_clock(box);
}

int run(struct kernel *kernel, const struct job *job)
{
	struct running box = { .kernel = kernel, .job = job, .deadline = time(NULL) + START_SECONDS };
	int signals = open_signals(job);

	open_streams(&box);
	while (!box.ended)
		step(&box, signals);
	for (int i = 0; i < box.n_streams; i++)
		stream_drain(&box.streams[i]);
	terminal_restore();
	if (box.report && write(2, box.report, box.report_len) < 0)
		say("the report: %s", strerror(errno));
	return box.result;
}
