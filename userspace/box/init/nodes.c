// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes: namespaces with a network, a host name, a /dev/shm and an RDMA device each, and a server process. A
 * bridge in the box's first network is the switch between them; its port for node 3 is called node3.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <rdma/rdma_netlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "init.h"

static int count;
static pid_t processes[NODES_MOST + 1];

/* Each node sees its own device only. */
static void rdma_exclusive(void)
{
	uint8_t shared = 0;
	struct request request;

	request_start(&request, RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_SYS_SET), 0, "", 0);
	request_add(&request, RDMA_NLDEV_SYS_ATTR_NETNS_MODE, &shared, sizeof(shared));
	call(NETLINK_RDMA, &request, "give each node an RDMA device of its own");
}

static void switch_make(uint32_t mtu)
{
	struct ifinfomsg link = {};
	struct request request;
	void *info;

	request_start(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
	request_add_string(&request, IFLA_IFNAME, "switch");
	request_add(&request, IFLA_MTU, &mtu, sizeof(mtu));
	info = request_add(&request, IFLA_LINKINFO, NULL, 0);
	request_add_string(&request, IFLA_INFO_KIND, "bridge");
	request_end(&request, info);
	call(NETLINK_ROUTE, &request, "make the switch");
	link_up("lo");
	link_up("switch");
}

static void switch_plug(const char *port)
{
	struct ifinfomsg link = { .ifi_index = if_nametoindex(port) };
	uint32_t master = if_nametoindex("switch");
	struct request request;

	request_start(&request, RTM_NEWLINK, 0, &link, sizeof(link));
	request_add(&request, IFLA_MASTER, &master, sizeof(master));
	call(NETLINK_ROUTE, &request, "connect a node to the switch");
	link_up(port);
}

/* Libraries that compare this take two nodes for one machine, and use its memory instead of the network. */
static void boot_id_make(const char *node)
{
	const char *path = "/proc/sys/kernel/random/boot_id";
	char id[40] = "", file[64];
	int fd = open("/proc/sys/kernel/random/uuid", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, id, sizeof(id) - 1) < 0)
		fail("cannot read a random number: %s", strerror(errno));
	close(fd);
	snprintf(file, sizeof(file), PLACE "/boot_id-%s", node);
	write_file(file, id);
	if (mount(file, path, NULL, MS_BIND, NULL))
		fail("%s: %s", path, strerror(errno));
	unlink(file);
}

static void leave(int node)
{
	char name[16];

	snprintf(name, sizeof(name), "node%d", node);
	if (unshare(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || sethostname(name, strlen(name)))
		fail("cannot make %s: %s", name, strerror(errno));
	mount_node();
	boot_id_make(name);
}

static void node_run(const struct job *job, int node, int ready)
{
	char port[16];
	int fd;

	snprintf(port, sizeof(port), "node%d", node);
	leave(node);
	node_up(job, node, port);
	wire_node(job, node);
	fd = serve_open(node);
	if (write(ready, "", 1) != 1)
		fail("cannot start %s: %s", port, strerror(errno));
	close(ready);
	serve(fd);
}

static void node_start(const struct job *job, int node, int ready)
{
	processes[node] = fork();
	if (processes[node] < 0)
		fail("cannot make a process: %s", strerror(errno));
	if (!processes[node])
		node_run(job, node, ready);
}

static void wait_for(int ready)
{
	char byte;

	for (int node = 1; node <= count; node++)
		if (read(ready, &byte, 1) != 1)
			fail("a node did not start");
}

void nodes_up(const struct job *job)
{
	char port[16];
	int ready[2];

	count = job_number(job, "nodes", 0);
	if (!count) {
		node_up(job, 1, NULL);
		return;
	}
	place_make();
	place_hosts(count);
	rdma_exclusive();
	switch_make(job_number(job, "mtu", 4200));
	if (pipe2(ready, O_CLOEXEC))
		fail("cannot make a pipe: %s", strerror(errno));
	for (int node = 1; node <= count; node++)
		node_start(job, node, ready[1]);
	close(ready[1]);
	wait_for(ready[0]);
	close(ready[0]);
	for (int node = 1; node <= count; node++) {
		snprintf(port, sizeof(port), "node%d", node);
		switch_plug(port);
		wire_port(job, node);
	}
}

void nodes_enter(int node)
{
	static const char *const kinds[] = { "net", "uts", "ipc", "mnt" };
	char path[64];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", processes[node], kinds[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, 0))
			fail("cannot enter node%d: %s: %s", node, path, strerror(errno));
		close(fd);
	}
}

int nodes_count(void)
{
	return count;
}

pid_t nodes_process(int node)
{
	return count ? processes[node] : 1;
}
