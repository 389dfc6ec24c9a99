// SPDX-License-Identifier: GPL-2.0
/* rdmabox on NODE...: asks nodes' servers to run a command, and ends as the command does. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../die_by.h"
#include "init.h"

static const char usage[] =
"rdmabox on NODE... -- COMMAND [ARGUMENT]...   runs the command on nodes of this box\n"
"rdmabox on --all -- COMMAND [ARGUMENT]...     runs it on every node\n"
"On several nodes, each line has the name of its node in front, and the input is empty.\n"
"Exit status: the command's; of several, the first that is not 0, in the order of the nodes.\n";

static void refuse(const char *format, const char *word)
{
	fprintf(stderr, "rdmabox: ");
	fprintf(stderr, format, word);
	fputc('\n', stderr);
	exit(EXIT_TOOL);
}

int on_nodes(void)
{
	char path[64];
	int n = 0;

	do {
		snprintf(path, sizeof(path), PLACE "/node%d", ++n);
	} while (!access(path, F_OK));
	return n - 1;
}

static int number_behind(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);
	char *end;
	long n;

	if (strncmp(name, prefix, len) || name[len] < '1' || name[len] > '9')
		return 0;
	n = strtol(name + len, &end, 10);
	return *end || n > on_nodes() ? 0 : n;
}

int on_node(const char *name)
{
	char self[64] = "";

	if (!strcmp(name, "localhost") && !gethostname(self, sizeof(self) - 1))
		name = self;
	return number_behind(name, "node") ?: number_behind(name, "192.0.2.");
}

static int server_connect(int node)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), PLACE "/node%d", node);
	if (fd < 0 || connect(fd, (void *)&address, sizeof(address)))
		refuse("cannot reach the node's server: %s", strerror(errno));
	return fd;
}

static void job_make(struct job *job, char **args, const char *cwd)
{
	mode_t mask = umask(0);

	for (; *args; args++)
		job_add(job, "arg", *args);
	for (char **env = environ; *env; env++)
		job_add(job, "env", *env);
	job_add(job, "cwd", cwd);
	job_addf(job, "umask", "%03o", mask);
	umask(mask);
}

static void send_job(int fd, const struct job *job, const int stdio[3])
{
	union {
		char bytes[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} extra = {};
	uint32_t len = job->len;
	struct iovec part = { &len, sizeof(len) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &extra, .msg_controllen = sizeof(extra)
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(3 * sizeof(int));
	memcpy(CMSG_DATA(rights), stdio, 3 * sizeof(int));
	if (sendmsg(fd, &message, MSG_NOSIGNAL) != sizeof(len))
		refuse("cannot ask the node's server: %s", strerror(errno));
	for (size_t done = 0; done < job->len;) {
		ssize_t n = send(fd, job->text + done, job->len - done, MSG_NOSIGNAL);

		if (n < 0)
			refuse("cannot ask the node's server: %s", strerror(errno));
		done += n;
	}
}

static int open_signals(void)
{
	static const int passed[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++)
		sigaddset(&set, passed[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void pass_signal(int fd, int signals)
{
	struct box_message message = { .type = TELL_SIGNAL };
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	message.value = info.ssi_signo;
	send(fd, &message, sizeof(message), MSG_NOSIGNAL);
}

/* True when the answer is the last one, which @result gets: a status, or a signal's negative number */
static bool hear(int fd, int *result)
{
	struct box_message message;

	if (recv(fd, &message, sizeof(message), MSG_WAITALL) != sizeof(message)) {
		fprintf(stderr, "rdmabox: the node's server is gone\n");
		*result = EXIT_TOOL;
		return true;
	}
	if (message.type == SAY_ENDED)
		*result = WIFSIGNALED(message.value) ? -WTERMSIG(message.value) : WEXITSTATUS(message.value);
	if (message.type == SAY_FAILED) {
		fprintf(stderr, "rdmabox: %.*s\n", (int)sizeof(message.text), message.text);
		*result = message.value;
	}
	return message.type != SAY_STARTED;
}

int on_run(int node, char **args, const char *cwd, const int stdio[3])
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct job job = {};
	int result = 0;

	fds[0].fd = server_connect(node);
	fds[1].fd = open_signals();
	job_make(&job, args, cwd);
	send_job(fds[0].fd, &job, stdio);
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			pass_signal(fds[0].fd, fds[1].fd);
		if (fds[0].revents && hear(fds[0].fd, &result))
			return result;
	}
}

/* --- several nodes ---------------------------------------------------------- */

struct line {
	FILE *to;
	int from;
	const char *name;
	char text[4096];
	size_t len;
};

static void line_put(struct line *line, size_t len)
{
	fprintf(line->to, "%s: %.*s\n", line->name, (int)len, line->text);
	fflush(line->to);
}

static void line_take(struct line *line, size_t len, size_t end)
{
	line_put(line, len);
	line->len -= end;
	memmove(line->text, line->text + end, line->len);
}

/* False at the end */
static bool line_read(struct line *line)
{
	ssize_t n = read(line->from, line->text + line->len, sizeof(line->text) - line->len);
	char *end;

	if (n > 0)
		line->len += n;
	while ((end = memchr(line->text, '\n', line->len)))
		line_take(line, end - line->text, end - line->text + 1);
	if (line->len && (n <= 0 || line->len == sizeof(line->text)))
		line_take(line, line->len, line->len);
	return n > 0;
}

static void copy_lines(const char *name, int out, int err)
{
	struct line lines[2] = { { .to = stdout, .from = out, .name = name },
				 { .to = stderr, .from = err, .name = name } };
	struct pollfd fds[2] = { { out, POLLIN, 0 }, { err, POLLIN, 0 } };

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		poll(fds, 2, -1);
		for (int i = 0; i < 2; i++)
			if (fds[i].revents && !line_read(&lines[i]))
				fds[i].fd = -1;
	}
}

/* The process of one node: a child asks the server, and this one puts the name in front of its lines. */
static void prefix_run(int node, char **args, const char *cwd)
{
	int out[2], err[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC), status;
	char name[16];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		refuse("cannot make a pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		const int stdio[3] = { null, out[1], err[1] };
		int result;

		result = on_run(node, args, cwd, stdio);
		_exit(result < 0 ? 128 - result : result);
	}
	/* The child gets the signals, and its command decides. */
	open_signals();
	close(out[1]);
	close(err[1]);
	snprintf(name, sizeof(name), "node%d", node);
	copy_lines(name, out[0], err[0]);
	waitpid(pid, &status, 0);
	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static int several_run(const int *nodes, int n, char **args, const char *cwd)
{
	pid_t pids[NODES_MOST];
	int result = 0;

	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			refuse("cannot make a process: %s", strerror(errno));
		if (!pids[i])
			prefix_run(nodes[i], args, cwd);
	}
	for (int i = 0; i < n; i++) {
		int status = 0;

		while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
			;
		if (!result)
			result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	return result;
}

/* The nodes in front of "--"; returns how many */
static int nodes_read(char ***args, int nodes[NODES_MOST], bool *all)
{
	int n = 0;

	for (; **args && strcmp(**args, "--"); (*args)++) {
		if (!strcmp(**args, "--all")) {
			*all = true;
			for (n = 0; n < on_nodes() && n < NODES_MOST; n++)
				nodes[n] = n + 1;
			continue;
		}
		if (n == NODES_MOST || !on_node(**args))
			refuse("%s is no node of this box: see /etc/hosts, and give -- before the command", **args);
		nodes[n++] = on_node(**args);
	}
	return n;
}

int on_main(int argc, char **argv)
{
	static const int stdio[3] = { 0, 1, 2 };
	int nodes[NODES_MOST], n, result;
	char cwd[PATH_MAX], **args = argv + 1;
	bool all = false;

	if (argc > 1 && !strcmp(argv[1], "--help"))
		return fputs(usage, stdout) < 0;
	n = nodes_read(&args, nodes, &all);
	if (!n || !*args || !args[1])
		refuse("%s: see rdmabox on --help", n ? "no command is given (after --)" : "no node is given");
	if (!getcwd(cwd, sizeof(cwd)))
		refuse("the working folder: %s", strerror(errno));
	if (n > 1 || all)
		return several_run(nodes, n, args + 1, cwd);
	result = on_run(nodes[0], args + 1, cwd, stdio);
	if (result < 0)
		die_by(-result);
	return result;
}
