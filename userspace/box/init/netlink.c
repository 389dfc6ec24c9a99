// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init.h"

static size_t aligned(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

void request_start(struct request *request, int type, int flags, const void *head, size_t len)
{
	memset(request, 0, sizeof(*request));
	request->head.type = type;
	request->head.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	memcpy(request->body, head, len);
	request->head.len = sizeof(request->head) + aligned(len);
}

/* An attribute; for a nest, with no data, request_end() takes what is returned. */
void *request_add(struct request *request, int type, const void *data, size_t len)
{
	struct nlattr *attr = (void *)((char *)request + request->head.len);

	attr->nla_type = type;
	attr->nla_len = sizeof(*attr) + len;
	if (len)
		memcpy(attr + 1, data, len);
	request->head.len += aligned(attr->nla_len);
	return attr;
}

void request_add_string(struct request *request, int type, const char *text)
{
	request_add(request, type, text, strlen(text) + 1);
}

void request_end(struct request *request, const void *nest)
{
	struct nlattr *attr = (void *)nest;

	attr->nla_len = (char *)request + request->head.len - (char *)nest;
}

static int netlink_answer(int fd)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[2000];
	} answer;

	do {
		if (recv(fd, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer.head))
			return errno ?: EIO;
	} while (answer.head.nlmsg_type != NLMSG_ERROR);
	return -answer.error.error;
}

int netlink_call(int protocol, struct request *request)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	int err;

	if (fd < 0)
		return errno;
	if (send(fd, request, request->head.len, 0) < 0)
		err = errno;
	else
		err = netlink_answer(fd);
	close(fd);
	return err;
}
