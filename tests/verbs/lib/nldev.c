// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>

#include "lib/nldev.h"
#include "lib/test.h"

struct message {
	struct nlmsghdr head;
	char payload[512];
};

static int close_socket(void *object)
{
	return close((intptr_t)object);
}

int nldev_open(void)
{
	struct timeval patience = { .tv_sec = PATIENCE / 1000 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_RDMA);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	defer(close_socket, (void *)(intptr_t)fd);
	return fd;
}

static struct message request(int command, int flags)
{
	return (struct message){
		.head = {
			.nlmsg_len = NLMSG_HDRLEN,
			.nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command),
			.nlmsg_flags = NLM_F_REQUEST | flags,
		},
	};
}

static void put(struct message *message, int type, const void *data, size_t len)
{
	struct nlattr *attr = (void *)((char *)message + message->head.nlmsg_len);

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	memcpy((char *)attr + NLA_HDRLEN, data, len);
	message->head.nlmsg_len += NLA_ALIGN(attr->nla_len);
}

static void put_string(struct message *message, int type, const char *text)
{
	put(message, type, text, strlen(text) + 1);
}

static int receive(int fd, char *answer, size_t size)
{
	int len = recv(fd, answer, size, 0);

	if (len < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return len;
}

/* Sends a request whose only answer is an acknowledgment. */
static int order(int fd, struct message *message)
{
	char answer[1024];
	struct nlmsghdr *head = (void *)answer;
	struct nlmsgerr *ack = NLMSG_DATA(head);
	int ret = 0;

	message->head.nlmsg_flags |= NLM_F_ACK;
	if (send(fd, message, message->head.nlmsg_len, 0) < 0)
		ret = -errno;
	if (!ret)
		ret = receive(fd, answer, sizeof(answer));
	if (ret > 0)
		ret = head->nlmsg_type == NLMSG_ERROR ? ack->error : -EPROTO;
	return -ret;
}

int nldev_link_add(int fd, const char *device, const char *netdev)
{
	struct message message = request(RDMA_NLDEV_CMD_NEWLINK, 0);

	put_string(&message, RDMA_NLDEV_ATTR_DEV_NAME, device);
	put_string(&message, RDMA_NLDEV_ATTR_NDEV_NAME, netdev);
	put_string(&message, RDMA_NLDEV_ATTR_LINK_TYPE, "rxe");
	return order(fd, &message);
}

int nldev_link_delete(int fd, int device_index)
{
	uint32_t index = device_index;
	struct message message = request(RDMA_NLDEV_CMD_DELLINK, 0);

	put(&message, RDMA_NLDEV_ATTR_DEV_INDEX, &index, sizeof(index));
	return order(fd, &message);
}

/* --- looking --------------------------------------------------------------- */

static const struct nlattr *next_attr(const struct nlattr *attr)
{
	return (const void *)((const char *)attr + NLA_ALIGN(attr->nla_len));
}

/* Returns the first attribute of @type between @from and @to, or NULL. */
static const struct nlattr *find(const struct nlattr *from, const void *to, int type)
{
	for (; (const void *)from < to; from = next_attr(from)) {
		if ((from->nla_type & NLA_TYPE_MASK) == type)
			return from;
	}
	return NULL;
}

static const void *value(const struct nlattr *attr)
{
	return (const char *)attr + NLA_HDRLEN;
}

static const void *end_of(const struct nlattr *attr)
{
	return (const char *)attr + attr->nla_len;
}

static int index_in(const struct nlmsghdr *head, const char *device)
{
	const void *end = (const char *)head + head->nlmsg_len;
	const struct nlattr *name = find(NLMSG_DATA(head), end, RDMA_NLDEV_ATTR_DEV_NAME);
	const struct nlattr *index = find(NLMSG_DATA(head), end, RDMA_NLDEV_ATTR_DEV_INDEX);
	uint32_t number;

	if (!name || !index || strcmp(value(name), device))
		return -1;
	memcpy(&number, value(index), sizeof(number));
	return number;
}

int nldev_index(int fd, const char *device)
{
	struct message message = request(RDMA_NLDEV_CMD_GET, NLM_F_DUMP);
	char answer[16384];
	int found = -1;
	bool done = false;

	assert_true(send(fd, &message, message.head.nlmsg_len, 0) > 0);
	while (!done) {
		struct nlmsghdr *head = (void *)answer;
		int len = receive(fd, answer, sizeof(answer));

		assert_true(len > 0);
		for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
			done |= head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR;
			if (!done && found < 0)
				found = index_in(head, device);
		}
	}
	return found;
}

static size_t print_entry(const struct nlattr *entry, char *text, size_t size)
{
	const struct nlattr *name = find(value(entry), end_of(entry),
					 RDMA_NLDEV_ATTR_RES_SUMMARY_ENTRY_NAME);
	const struct nlattr *count = find(value(entry), end_of(entry),
					  RDMA_NLDEV_ATTR_RES_SUMMARY_ENTRY_CURR);
	uint64_t number;

	assert_non_null(name);
	assert_non_null(count);
	memcpy(&number, value(count), sizeof(number));
	return snprintf(text, size, "%s %llu ", (const char *)value(name),
			(unsigned long long)number);
}

void nldev_resources(int fd, int device_index, char *text, size_t size)
{
	struct message message = request(RDMA_NLDEV_CMD_RES_GET, 0);
	const struct nlattr *summary, *entry;
	char answer[4096];
	struct nlmsghdr *head = (void *)answer;
	uint32_t index = device_index;
	size_t used = 0;

	put(&message, RDMA_NLDEV_ATTR_DEV_INDEX, &index, sizeof(index));
	assert_true(send(fd, &message, message.head.nlmsg_len, 0) > 0);
	assert_true(receive(fd, answer, sizeof(answer)) > 0);
	summary = find(NLMSG_DATA(head), answer + head->nlmsg_len, RDMA_NLDEV_ATTR_RES_SUMMARY);
	assert_non_null(summary);
	for (entry = value(summary); (const void *)entry < end_of(summary) && used < size;
	     entry = next_attr(entry))
		used += print_entry(entry, text + used, size - used);
}
