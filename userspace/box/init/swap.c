// SPDX-License-Identifier: GPL-2.0
/* Swap on compressed memory: where else should pages go that are paged out? */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "init.h"

enum { PAGE = 4096 };

/* The first page of a swap device: a version, the last page's number, and a word at the end */
static void write_head(const char *path, uint32_t pages)
{
	char page[PAGE] = {};
	uint32_t head[3] = { 1, pages - 1, 0 };
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	memcpy(page + 1024, head, sizeof(head));
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	if (fd < 0 || write(fd, page, PAGE) != PAGE || fsync(fd))
		fail("%s: %s", path, strerror(errno));
	close(fd);
}

void swap_on(void)
{
	struct sysinfo info;
	uint32_t pages;
	char size[32];

	sysinfo(&info);
	pages = (unsigned long long)info.totalram * info.mem_unit / PAGE;
	snprintf(size, sizeof(size), "%llu", (unsigned long long)pages * PAGE);
	write_file("/sys/block/zram0/disksize", size);
	write_head("/dev/zram0", pages);
	if (swapon("/dev/zram0", 0))
		fail("cannot swap on /dev/zram0: %s", strerror(errno));
}
