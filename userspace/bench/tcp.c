// SPDX-License-Identifier: GPL-2.0
/* What a program without RDMA achieves over the same netdevs. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define BULK (64 * KIB)
#define SAMPLES 200000

static void enter_netns(void)
{
	char path[128];
	int fd;

	if (!options.netns)
		return;
	snprintf(path, sizeof(path), "/run/netns/%s", options.netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(errno, "cannot enter the network namespace %s", options.netns);
	close(fd);
}

static void no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The client's first byte chooses: with 'e' the server echoes all bytes, otherwise it sends none. */
static void serve(int listener)
{
	int fd = accept(listener, NULL, NULL);
	char *buffer = malloc(BULK), how;
	ssize_t n;

	if (fd < 0 || !buffer || read(fd, &how, 1) != 1)
		die(errno, "cannot accept a connection");
	no_delay(fd);
	while ((n = read(fd, buffer, BULK)) > 0) {
		if (how == 'e' && write(fd, buffer, n) != n)
			die(errno, "cannot send a reply");
	}
	free(buffer);
	close(fd);
}

/* A process that serves two clients, one after the other. */
static int server_start(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int pipes[2], pid;

	if (pipe(pipes))
		die(errno, "cannot use a pipe");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die(errno, "cannot create a process");
	if (!pid) {
		int fd;

		enter_netns();
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (bind(fd, (struct sockaddr *)addr, len) || listen(fd, 1) ||
		    getsockname(fd, (struct sockaddr *)addr, &len))
			die(errno, "cannot listen at %s", options.address);
		if (write(pipes[1], &addr->sin_port, sizeof(addr->sin_port)) != sizeof(addr->sin_port))
			die(errno, "cannot use a pipe");
		serve(fd);
		serve(fd);
		_exit(0);
	}
	close(pipes[1]);
	if (read(pipes[0], &addr->sin_port, sizeof(addr->sin_port)) != sizeof(addr->sin_port))
		die(0, "the TCP server did not start");
	close(pipes[0]);
	return pid;
}

static int client(const struct sockaddr_in *addr, char how)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		die(errno, "cannot connect to %s", options.address);
	no_delay(fd);
	if (write(fd, &how, 1) != 1)
		die(errno, "cannot send");
	return fd;
}

static void read_all(int fd, void *p, size_t len)
{
	for (ssize_t n; len; len -= n, p = (char *)p + n) {
		n = read(fd, p, len);
		if (n <= 0)
			die(errno, "cannot receive");
	}
}

static void latency(const struct sockaddr_in *addr)
{
	uint64_t end = now_ns() + options.ms * 500000ull, start, value = 0;
	struct samples samples;
	int fd = client(addr, 'e');

	samples_open(&samples, SAMPLES);
	while ((start = now_ns()) < end) {
		if (write(fd, &value, sizeof(value)) != sizeof(value))
			die(errno, "cannot send");
		read_all(fd, &value, sizeof(value));
		samples_add(&samples, now_ns() - start);
	}
	close(fd);
	row_begin("tcp latency");
	row_number("bytes", sizeof(value), 0);
	row_number("p50_us", samples_at(&samples, 500) / 1e3, 2);
	row_number("p99_us", samples_at(&samples, 990) / 1e3, 2);
	row_end();
	samples_close(&samples);
}

static void bandwidth(const struct sockaddr_in *addr, int server)
{
	uint64_t start, end, sent = 0;
	struct cpu_time cpu = cpu_now();
	char *buffer = calloc(1, BULK);
	int fd = client(addr, 's');

	if (!buffer)
		die(errno, "no memory for %lu bytes", BULK);
	start = now_ns();
	end = start + options.ms * 1000000ull;
	while (now_ns() < end) {
		if (write(fd, buffer, BULK) != (ssize_t)BULK)
			die(errno, "cannot send");
		sent += BULK;
	}
	close(fd);
	waitpid(server, NULL, 0);
	end = now_ns();
	cpu = cpu_since(cpu);
	row_begin("tcp bandwidth");
	row_number("bytes", BULK, 0);
	row_number("mib_s", (double)sent / MIB * 1e9 / (end - start), 1);
	row_number("user_us_mib", cpu.user * 1e6 * MIB / sent, 1);
	row_number("system_us_mib", cpu.system * 1e6 * MIB / sent, 1);
	row_number("softirq_us_mib", cpu.softirq * 1e6 * MIB / sent, 1);
	row_end();
	free(buffer);
}

void bench_tcp(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int server;

	if (inet_pton(AF_INET, options.address, &addr.sin_addr) != 1)
		die(0, "%s is not an IPv4 address", options.address);
	server = server_start(&addr);
	latency(&addr);
	bandwidth(&addr, server);
}
