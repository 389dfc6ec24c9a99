// SPDX-License-Identifier: GPL-2.0
/*
 * Records the packets on all wires, at the switch: after what a sender's bad wire has lost or delayed, and
 * after what a receiver's has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "init.h"
#include "pcapng.h"

enum { PACKET_MOST = 1 << 16, BUFFER = 64 << 20, BATCH = 64, WAIT_MS = 20 };

static FILE *file;
static struct pollfd sockets[NODES_MOST];
static uint64_t packets[NODES_MOST];

/* The host's file, whatever --tmpfs and --overlay put over its folder later */
void capture_open(const struct job *job)
{
	const char *path = job_get(job, "capture", NULL);
	char whole[5000];

	if (!path)
		return;
	mkdir("/host", 0700);
	mount_on("none", "/host", "hostfs", 0, "/");
	snprintf(whole, sizeof(whole), "/host%s", path);
	file = fopen(whole, "we");
	if (!file)
		fail("--capture %s: %s", path, strerror(errno));
	setvbuf(file, NULL, _IOFBF, 1 << 20);
	umount2("/host", MNT_DETACH);
}

static int socket_open(const char *port)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(port),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1, size = BUFFER;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    bind(fd, (void *)&address, sizeof(address)))
		fail("--capture: %s: %s", port, strerror(errno));
	return fd;
}

static uint64_t time_of(struct msghdr *message)
{
	struct cmsghdr *part = CMSG_FIRSTHDR(message);
	struct timespec time = {};

	if (part && part->cmsg_type == SCM_TIMESTAMPNS)
		memcpy(&time, CMSG_DATA(part), sizeof(time));
	else
		clock_gettime(CLOCK_REALTIME, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

/* What the switch's port sends goes to the node. */
static bool take_packet(int interface)
{
	static char data[PACKET_MOST];
	char extra[128];
	struct sockaddr_ll from;
	struct iovec part = { data, sizeof(data) };
	struct msghdr message = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = extra, .msg_controllen = sizeof(extra),
	};
	ssize_t n = recvmsg(sockets[interface].fd, &message, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return false;
	pcapng_packet(file, interface, time_of(&message), from.sll_pkttype != PACKET_OUTGOING, data,
		      n < PACKET_MOST ? n : PACKET_MOST, n);
	packets[interface]++;
	return true;
}

static bool take_some(int interface)
{
	for (int n = 0; n < BATCH; n++)
		if (!take_packet(interface))
			return false;
	return true;
}

static void take_all(void)
{
	bool more;

	do {
		more = false;
		for (int i = 0; i < nodes_count(); i++)
			more |= take_some(i);
	} while (more);
}

static void tell_lost(uint64_t lost)
{
	char text[100];

	snprintf(text, sizeof(text), "rdmabox: --capture: %llu packets are missing: they came too fast\n",
		 (unsigned long long)lost);
	if (lost)
		say_report(text, strlen(text));
}

static void finish(void)
{
	struct timespec now;
	uint64_t all_lost = 0;

	take_all();
	clock_gettime(CLOCK_REALTIME, &now);
	for (int i = 0; i < nodes_count(); i++) {
		struct tpacket_stats lost = {};
		socklen_t len = sizeof(lost);

		getsockopt(sockets[i].fd, SOL_PACKET, PACKET_STATISTICS, &lost, &len);
		pcapng_statistics(file, i, now.tv_sec * 1000000000ull + now.tv_nsec,
				  packets[i] + lost.tp_drops, lost.tp_drops);
		all_lost += lost.tp_drops;
	}
	tell_lost(all_lost);
	if (fclose(file))
		fail("--capture: %s", strerror(errno));
}

static void work(const struct job *job)
{
	struct sched_param before_others = { .sched_priority = 1 };

	(void)job;
	sched_setscheduler(0, SCHED_FIFO, &before_others);
	while (!helper_pause(0)) {
		if (poll(sockets, nodes_count(), WAIT_MS) > 0)
			take_all();
	}
	finish();
}

void capture_start(const struct job *job)
{
	if (!file)
		return;
	pcapng_start(file);
	for (int i = 0; i < nodes_count(); i++) {
		char port[16];

		snprintf(port, sizeof(port), "node%d", i + 1);
		pcapng_interface(file, port);
		sockets[i] = (struct pollfd){ .fd = socket_open(port), .events = POLLIN };
	}
	helper_start(work, job);
}
