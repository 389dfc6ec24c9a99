// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/test.h"
#include "lib/uffd.h"

static int uffd_close(void *fd_plus_one)
{
	return close((intptr_t)fd_plus_one - 1);
}

static uint64_t features(enum uffd_kind kind)
{
	switch (kind) {
	case UFFD_WP:
		return UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	case UFFD_MINOR:
		return UFFD_FEATURE_MINOR_SHMEM;
	default:
		return 0;
	}
}

int uffd_open(enum uffd_kind kind)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features(kind) };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		skip_because("this kernel has no userfaultfd");
	defer(uffd_close, (void *)(intptr_t)(fd + 1));
	if (ioctl(fd, UFFDIO_API, &api))
		skip_because("this kernel's userfaultfd does not support this kind of fault");
	return fd;
}

void need_uffd(enum uffd_kind kind)
{
	undo((void *)(intptr_t)(uffd_open(kind) + 1));
}

void uffd_watch(int fd, enum uffd_kind kind, void *p, size_t len)
{
	struct uffdio_register reg = { .range = { (uintptr_t)p, len }, .mode = kind };
	struct uffdio_writeprotect protect = {
		.range = { (uintptr_t)p, len }, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	assert_int_equal(ioctl(fd, UFFDIO_REGISTER, &reg), 0);
	if (kind == UFFD_WP)
		assert_int_equal(ioctl(fd, UFFDIO_WRITEPROTECT, &protect), 0);
}

uint64_t uffd_wait(int fd)
{
	struct pollfd fault = { .fd = fd, .events = POLLIN };
	struct uffd_msg msg;

	assert_int_equal(poll(&fault, 1, PATIENCE), 1);
	assert_int_equal(read(fd, &msg, sizeof(msg)), sizeof(msg));
	assert_int_equal(msg.event, UFFD_EVENT_PAGEFAULT);
	return msg.arg.pagefault.address;
}

static int answer_missing(int fd, struct uffdio_range range, const void *content)
{
	struct uffdio_zeropage zero = { .range = range };
	struct uffdio_copy copy = {
		.dst = range.start, .src = (uintptr_t)content, .len = range.len,
	};

	return content ? ioctl(fd, UFFDIO_COPY, &copy) : ioctl(fd, UFFDIO_ZEROPAGE, &zero);
}

void uffd_answer(int fd, enum uffd_kind kind, void *p, size_t len, const void *content)
{
	struct uffdio_range range = { (uintptr_t)p, len };
	struct uffdio_writeprotect protect = { .range = range };
	struct uffdio_continue go_on = { .range = range };
	int ret;

	switch (kind) {
	case UFFD_WP:
		ret = ioctl(fd, UFFDIO_WRITEPROTECT, &protect);
		break;
	case UFFD_MINOR:
		ret = ioctl(fd, UFFDIO_CONTINUE, &go_on);
		break;
	default:
		ret = answer_missing(fd, range, content);
		break;
	}
	assert_int_equal(ret, 0);
}
