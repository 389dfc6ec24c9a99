// SPDX-License-Identifier: GPL-2.0
/* Memory regions of all nodes' devices, as rdma(8) asks for them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init.h"
#include "regions.h"

/* A socket asks in the network in which it was made. */
static int socket_in(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		fail("--report: %s: %s", path, strerror(errno));
	close(fd);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_RDMA);
	if (fd < 0)
		fail("--report: cannot ask the RDMA core: %s", strerror(errno));
	return fd;
}

typedef void (*attr_act)(const struct nlattr *attr, void *context);

static void attrs_each(const void *from, size_t len, attr_act act, void *context)
{
	while (len >= sizeof(struct nlattr)) {
		const struct nlattr *attr = from;
		size_t whole = (attr->nla_len + 3u) & ~3u;

		if (attr->nla_len < sizeof(*attr) || attr->nla_len > len)
			return;
		act(attr, context);
		if (whole >= len)
			return;
		from = (const char *)from + whole;
		len -= whole;
	}
}

static int type_of(const struct nlattr *attr)
{
	return attr->nla_type & NLA_TYPE_MASK;
}

static void nested_each(const struct nlattr *attr, attr_act act, void *context)
{
	attrs_each(attr + 1, attr->nla_len - sizeof(*attr), act, context);
}

static void dump(int fd, struct request *request, attr_act act, void *context)
{
	static char answer[65536] __attribute__((aligned(4)));
	ssize_t n;

	request->head.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_DUMP;
	if (send(fd, request, request->head.len, 0) < 0)
		return;
	while ((n = recv(fd, answer, sizeof(answer), 0)) > 0) {
		size_t len = n;
		struct nlmsghdr *head = (void *)answer;

		for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
			if (head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR)
				return;
			attrs_each(NLMSG_DATA(head), head->nlmsg_len - NLMSG_HDRLEN, act, context);
		}
	}
}

static void take_index(const struct nlattr *attr, void *context)
{
	if (type_of(attr) == RDMA_NLDEV_ATTR_DEV_INDEX)
		memcpy(context, attr + 1, sizeof(uint32_t));
}

struct region {
	uint64_t len;
	bool on_demand, implicit;
};

static void take_kind(const struct nlattr *attr, void *context)
{
	struct region *region = context;

	if (type_of(attr) == RDMA_NLDEV_ATTR_DRIVER_ENTRY)
		nested_each(attr, take_kind, context);
	if (type_of(attr) != RDMA_NLDEV_ATTR_DRIVER_STRING)
		return;
	region->on_demand |= !strcmp((const char *)(attr + 1), "explicit");
	region->implicit |= !strcmp((const char *)(attr + 1), "implicit");
}

static void take_region_attr(const struct nlattr *attr, void *context)
{
	struct region *region = context;

	if (type_of(attr) == RDMA_NLDEV_ATTR_RES_MRLEN)
		memcpy(&region->len, attr + 1, sizeof(region->len));
	if (type_of(attr) == RDMA_NLDEV_ATTR_DRIVER)
		nested_each(attr, take_kind, context);
}

static void take_region(const struct nlattr *attr, void *context)
{
	struct regions *sum = context;
	struct region region = {};

	if (type_of(attr) == RDMA_NLDEV_ATTR_RES_MR) {
		nested_each(attr, take_region, context);
		return;
	}
	if (type_of(attr) != RDMA_NLDEV_ATTR_RES_MR_ENTRY)
		return;
	nested_each(attr, take_region_attr, &region);
	if (region.implicit)
		sum->implicit++;
	else if (region.on_demand)
		sum->on_demand += region.len;
	else
		sum->pinned += region.len;
}

static int sockets[NODES_MOST + 1];
static uint32_t indices[NODES_MOST + 1];

void regions_open(void)
{
	struct request request;

	for (int i = 0; i < (nodes_count() ?: 1); i++) {
		sockets[i] = socket_in(nodes_process(i + 1));
		request_start(&request, RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_GET), 0, "", 0);
		dump(sockets[i], &request, take_index, &indices[i]);
	}
}

void regions_sum(struct regions *sum)
{
	struct request request;

	*sum = (struct regions){};
	for (int i = 0; i < (nodes_count() ?: 1); i++) {
		request_start(&request, RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_RES_MR_GET), 0, "", 0);
		request_add(&request, RDMA_NLDEV_ATTR_DEV_INDEX, &indices[i], sizeof(indices[i]));
		dump(sockets[i], &request, take_region, sum);
	}
}
