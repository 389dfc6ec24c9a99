// SPDX-License-Identifier: GPL-2.0
/*
 * A node's server. The client is a process of the same kernel, so it passes its own descriptors, and the
 * server asks the kernel for the client's user and limits. The rest of the job (arg, env, cwd, umask) comes
 * as text.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

enum { TEXT_MOST = 8 << 20 };

int serve_open(int node)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), PLACE "/node%d", node);
	if (fd < 0 || bind(fd, (void *)&address, sizeof(address)) || listen(fd, 100) ||
	    chmod(address.sun_path, 0666))
		fail("%s: %s", address.sun_path, strerror(errno));
	return fd;
}

/* The length of the text, and the caller's three descriptors */
static uint32_t get_head(int fd, int stdio[3])
{
	union {
		char bytes[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} extra;
	uint32_t len = 0;
	struct iovec part = { &len, sizeof(len) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &extra, .msg_controllen = sizeof(extra)
	};
	struct cmsghdr *rights;

	if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL) != sizeof(len) || len > TEXT_MOST)
		_exit(1);
	rights = CMSG_FIRSTHDR(&message);
	if (!rights || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(3 * sizeof(int)))
		_exit(1);
	memcpy(stdio, CMSG_DATA(rights), 3 * sizeof(int));
	return len;
}

static void get_text(int fd, struct job *text, size_t len)
{
	text->text = malloc(len + 1);
	if (!text->text)
		_exit(1);
	while (text->len < len) {
		ssize_t n = read(fd, text->text + text->len, len - text->len);

		if (n <= 0)
			_exit(1);
		text->len += n;
	}
	text->text[len] = 0;
}

static void add_peer(struct job *job, int fd)
{
	struct ucred peer = {};
	socklen_t len = sizeof(peer);
	gid_t groups[1024];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		_exit(1);
	job_addf(job, "uid", "%u", peer.uid);
	job_addf(job, "gid", "%u", peer.gid);
	len = sizeof(groups);
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		for (size_t i = 0; i < len / sizeof(*groups); i++)
			job_addf(job, "group", "%u", groups[i]);
	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		struct rlimit limit;

		if (!prlimit(peer.pid, resource, NULL, &limit))
			job_addf(job, "limit", "%d %llu %llu", resource, (unsigned long long)limit.rlim_cur,
				 (unsigned long long)limit.rlim_max);
	}
}

static void add_asked(struct job *job, const struct job *text)
{
	static const char *const keys[] = { "arg", "env", "cwd", "umask" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		for (const char *value = NULL; (value = job_next(text, keys[i], value));)
			job_add(job, keys[i], value);
}

static void listen_to(int fd, pid_t command)
{
	struct box_message message;

	/* The client has gone: treat it as a terminal whose line is cut. */
	if (recv(fd, &message, sizeof(message), MSG_WAITALL) != sizeof(message)) {
		kill(-command, SIGHUP);
		_exit(0);
	}
	if (message.type == TELL_SIGNAL)
		kill(-command, message.value);
}

static void look_after(int fd, pid_t command)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .events = POLLIN } };
	struct signalfd_siginfo info;
	sigset_t children;
	int status;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	fds[1].fd = signalfd(-1, &children, SFD_CLOEXEC);
	while (waitpid(command, &status, WNOHANG) != command) {
		poll(fds, 2, -1);
		if (fds[0].revents)
			listen_to(fd, command);
		if (fds[1].revents && read(fds[1].fd, &info, sizeof(info)) < 0)
			_exit(1);
	}
	say(SAY_ENDED, status);
}

static void handle(int fd)
{
	struct job job = {}, text = {};
	int stdio[3];
	pid_t command;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGCHLD, SIG_DFL);
	control = fd;
	fail_exits = true;
	get_text(fd, &text, get_head(fd, stdio));
	add_peer(&job, fd);
	add_asked(&job, &text);
	command = fork();
	if (command < 0)
		fail("cannot make a process: %s", strerror(errno));
	if (!command) {
		setsid();
		take_stdio(stdio);
		take_job(&job);
	}
	for (int n = 0; n < 3; n++)
		close(stdio[n]);
	look_after(fd, command);
	_exit(0);
}

void serve(int fd)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (peer < 0)
			continue;
		if (!fork())
			handle(peer);
		close(peer);
	}
}
