// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "kit/odp.h"
#include "kit/sys.h"
#include "lib/test.h"

#define SWAP_DEVICE "/dev/zram0"
#define EXT4_IMAGE "/tmp/odp_test.ext4"
#define EXT4_DIR "/tmp/odp_test.d"
#define NR_HUGEPAGES "/proc/sys/vm/nr_hugepages"

int file_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -errno : 0;
}

int64_t file_number(const char *path, const char *key)
{
	FILE *file = fopen(path, "r");
	size_t skip = key ? strlen(key) : 0;
	int64_t number = -1;
	char line[256];

	if (!file)
		return -1;
	while (number < 0 && fgets(line, sizeof(line), file)) {
		if (!key || !strncmp(line, key, skip))
			number = strtoll(line + skip, NULL, 10);
	}
	fclose(file);
	return number;
}

static bool swap_is_on(void)
{
	return file_number("/proc/swaps", SWAP_DEVICE) >= 0;
}

static void swap_off(void)
{
	if (swapoff(SWAP_DEVICE))
		perror("swapoff");
	file_put("/sys/block/zram0/reset", "1");
}

void need_swap(void)
{
	if (swap_is_on())
		return;
	if (access(SWAP_DEVICE, F_OK) && system("modprobe zram >/dev/null 2>&1"))
		skip_because("no zram");
	if (file_put("/sys/block/zram0/disksize", "256M"))
		skip_because("no zram device of our own");
	assert_int_equal(system("mkswap " SWAP_DEVICE " >/dev/null 2>&1"), 0);
	assert_int_equal(swapon(SWAP_DEVICE, 0), 0);
	atexit(swap_off);
}

static void ext4_off(void)
{
	/* A mapping left behind by a failed test keeps it busy. */
	if (umount2(EXT4_DIR, MNT_DETACH))
		perror("umount");
	unlink(EXT4_IMAGE);
}

const char *need_ext4(void)
{
	static bool mounted;

	if (mounted)
		return EXT4_DIR;
	if (system("modprobe -q loop; truncate -s 64M " EXT4_IMAGE " && "
		   "mkfs.ext4 -q -F -O ^has_journal " EXT4_IMAGE " && mkdir -p " EXT4_DIR
		   " && mount -o loop " EXT4_IMAGE " " EXT4_DIR))
		skip_because("no ext4 on a loop device");
	mounted = true;
	atexit(ext4_off);
	return EXT4_DIR;
}

static void hugetlb_off(void)
{
	file_put(NR_HUGEPAGES, "0");
}

void need_hugetlb(unsigned int pages)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", pages);
	if (file_put(NR_HUGEPAGES, text))
		skip_because("this kernel has no hugetlb");
	atexit(hugetlb_off);
	if (file_number(NR_HUGEPAGES, NULL) < (int64_t)pages)
		skip_because("no memory for %u huge pages", pages);
	if (file_number("/proc/meminfo", "Hugepagesize:") != (int64_t)LEAF / 1024)
		skip_because("huge pages are not of 2 MiB");
}

static int cgroup_leave(void *unused)
{
	(void)unused;
	file_put("/sys/fs/cgroup/cgroup.procs", "0");
	return rmdir(CGROUP);
}

void cgroup_enter(void)
{
	file_put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0700) || file_number(CGROUP "/memory.stat", "kernel ") < 0)
		skip_because("no memory cgroups that report the kernel's share");
	defer(cgroup_leave, CGROUP);
	assert_int_equal(file_put(CGROUP "/cgroup.procs", "0"), 0);
}

static int fd_close(void *object)
{
	return close((intptr_t)object - 1);
}

static int fd_sized(int fd, size_t length)
{
	assert_true(fd >= 0);
	defer(fd_close, (void *)(intptr_t)(fd + 1));
	assert_int_equal(ftruncate(fd, length), 0);
	return fd;
}

int file_unnamed(const char *dir, size_t length)
{
	return fd_sized(open(dir, O_TMPFILE | O_RDWR, 0600), length);
}

int memfd_make(size_t length)
{
	return fd_sized(memfd_create("odp_test", 0), length);
}

uint64_t pagemap(const void *at)
{
	static int fd = -1;
	uint64_t entry;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &entry, 8, (uintptr_t)at / PAGE * 8), 8);
	return entry;
}

size_t pages_with(const void *at, size_t pages, uint64_t bits)
{
	size_t n = 0;

	for (size_t i = 0; i < pages; i++)
		n += (pagemap((const char *)at + i * PAGE) & bits) == bits;
	return n;
}

size_t huge_bytes(const void *at)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	uint64_t start, end;
	bool inside = false;
	size_t kib = 0;
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			inside = (uintptr_t)at >= start && (uintptr_t)at < end;
		else if (inside && sscanf(line, "AnonHugePages: %zu", &kib) == 1)
			break;
	}
	fclose(file);
	return kib << 10;
}
