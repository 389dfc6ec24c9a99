// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <rdma/rdma_netlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "init.h"

void call(int protocol, struct request *request, const char *what)
{
	int err = netlink_call(protocol, request);

	if (err)
		fail("cannot %s: %s", what, strerror(err));
}

void link_up(const char *name)
{
	struct ifinfomsg link = {
		.ifi_index = if_nametoindex(name),
		.ifi_flags = IFF_UP,
		.ifi_change = IFF_UP,
	};
	struct request request;

	request_start(&request, RTM_NEWLINK, 0, &link, sizeof(link));
	call(NETLINK_ROUTE, &request, "set a network device up");
}

/*
 * @netns: a process in the peer's network, or 0 for this one. @single: each packet by itself, and not several
 * in one buffer, which a bad wire would lose together and Wireshark would not take apart
 */
static void link_add_veth(const char *name, const char *peer, uint32_t mtu, uint32_t netns, bool single)
{
	struct ifinfomsg link = {};
	uint32_t segments = 1;
	void *info, *data, *peer_info;
	struct request request;

	request_start(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
	request_add_string(&request, IFLA_IFNAME, name);
	request_add(&request, IFLA_MTU, &mtu, sizeof(mtu));
	if (single)
		request_add(&request, IFLA_GSO_MAX_SEGS, &segments, sizeof(segments));
	info = request_add(&request, IFLA_LINKINFO, NULL, 0);
	request_add_string(&request, IFLA_INFO_KIND, "veth");
	data = request_add(&request, IFLA_INFO_DATA, NULL, 0);
	peer_info = request_add(&request, VETH_INFO_PEER, &link, sizeof(link));
	request_add_string(&request, IFLA_IFNAME, peer);
	request_add(&request, IFLA_MTU, &mtu, sizeof(mtu));
	if (netns)
		request_add(&request, IFLA_NET_NS_PID, &netns, sizeof(netns));
	request_end(&request, peer_info);
	request_end(&request, data);
	request_end(&request, info);
	call(NETLINK_ROUTE, &request, "make a network device");
}

static void address_add(const char *name, int family, const void *address, size_t len, int prefix)
{
	struct ifaddrmsg head = {
		.ifa_family = family,
		.ifa_prefixlen = prefix,
		.ifa_flags = IFA_F_NODAD,
		.ifa_index = if_nametoindex(name),
	};
	struct request request;

	request_start(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	request_add(&request, IFA_LOCAL, address, len);
	request_add(&request, IFA_ADDRESS, address, len);
	call(NETLINK_ROUTE, &request, "add an address");
}

/* The RDMA core enters an address into the device's table at some later time. */
static void wait_for_gid(int index)
{
	static const char nothing[] = "0000:0000:0000:0000:0000:0000:0000:0000";
	char path[80], gid[64];

	snprintf(path, sizeof(path), "/sys/class/infiniband/rxe0/ports/1/gids/%d", index);
	for (int try = 0; try < 20000; try++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, gid, sizeof(gid));

		close(fd);
		if (n >= (ssize_t)sizeof(nothing) - 1 && strncmp(gid, nothing, sizeof(nothing) - 1))
			return;
		usleep(500);
	}
	fail("rxe0 has no address at index %d after 10 seconds: is the machine very busy?", index);
}

/* One after the other, behind the device's own at index 0: index 1 (-g 1) is IPv4's. */
static void addresses_add(const char *name, int node)
{
	uint8_t v4[4] = { 192, 0, 2, node };
	uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = node };

	address_add(name, AF_INET, v4, sizeof(v4), 24);
	wait_for_gid(1);
	address_add(name, AF_INET6, v6, sizeof(v6), 64);
	wait_for_gid(2);
}

static void rxe_add(const char *device, const char *netdev)
{
	struct request request;

	request_start(&request, RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_NEWLINK), 0, "", 0);
	request_add_string(&request, RDMA_NLDEV_ATTR_DEV_NAME, device);
	request_add_string(&request, RDMA_NLDEV_ATTR_LINK_TYPE, "rxe");
	request_add_string(&request, RDMA_NLDEV_ATTR_NDEV_NAME, netdev);
	call(NETLINK_RDMA, &request, "make the RDMA device");
}

void node_up(const struct job *job, int node, const char *port)
{
	/* An address is usable at once: nobody else can have it. */
	write_file("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	link_up("lo");
	link_add_veth("veth0", port ?: "veth1", job_number(job, "mtu", 4200), port ? 1 : 0,
		      job_get(job, "wire", NULL) || job_get(job, "capture", NULL));
	if (!port)
		link_up("veth1");
	link_up("veth0");
	rxe_add("rxe0", "veth0");
	addresses_add("veth0", node);
}
