// SPDX-License-Identifier: GPL-2.0
/* The files that are in this program, copied to memory: nothing is left of them when the processes end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "box.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

static void put(int fd, const void *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("no memory for the kernel: %s", strerror(errno));
		data = (const char *)data + n;
		len -= n;
	}
}

static int memory_file(const char *name, unsigned int flags)
{
	int fd = memfd_create(name, flags);

	/* A kernel before 6.3 does not know MFD_EXEC, and does not need it. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags & ~MFD_EXEC);
	if (fd < 0 && errno == EACCES)
		die("this machine forbids programs in memory: set the sysctl vm.memfd_noexec to 0 or 1");
	if (fd < 0)
		die("cannot make a file in memory: %s", strerror(errno));
	return fd;
}

int image_kernel(void)
{
	int fd = memory_file("rdmabox-kernel", MFD_CLOEXEC | MFD_EXEC);

	put(fd, image_kernel_start, image_kernel_end - image_kernel_start);
	return fd;
}

static void put_header(int fd, const char *name, size_t len, unsigned int mode)
{
	char header[256] = {};
	size_t name_len = strlen(name) + 1;

	snprintf(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 1, mode, 0,
		 0, 1, 0, len, 0, 0, 0, 0, name_len, 0);
	memcpy(header + 110, name, name_len);
	put(fd, header, (110 + name_len + 3) & ~(size_t)3);
}

/* The job is a second archive behind the first one, which the kernel unpacks as well. */
int image_initrd(const struct job *job)
{
	static const char zeros[4];
	size_t len = image_initrd_end - image_initrd_start;
	int fd = memory_file("rdmabox-initrd", 0);

	put(fd, image_initrd_start, len);
	put(fd, zeros, -len & 3);
	put_header(fd, "job", job->len, 0100600);
	put(fd, job->text, job->len);
	put(fd, zeros, -job->len & 3);
	put_header(fd, "TRAILER!!!", 0, 0);
	return fd;
}
