// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/fs.h>

#include "lib/frozen.h"
#include "lib/mem.h"
#include "lib/system.h"
#include "lib/test.h"

static int frozen_fd = -1;

void *ext4_map(const char *name, size_t len)
{
	int fd = ext4_open(name);

	assert_int_equal(ftruncate(fd, len), 0);
	return map_file(fd, len);
}

static int thaw(void *unused)
{
	(void)unused;
	if (frozen_fd >= 0) {
		ioctl(frozen_fd, FITHAW, 0);
		close(frozen_fd);
	}
	frozen_fd = -1;
	return 0;
}

void ext4_freeze(void)
{
	frozen_fd = open(need_ext4(), O_RDONLY | O_CLOEXEC);
	assert_true(frozen_fd >= 0);
	assert_int_equal(ioctl(frozen_fd, FIFREEZE, 0), 0);
	defer(thaw, &frozen_fd);
}

void ext4_thaw(void)
{
	undo(&frozen_fd);
}
