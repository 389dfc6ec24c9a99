// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/system.h"
#include "lib/test.h"

#define EXT4 "/tmp/odp-ext4"

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = errno;
	close(fd);
	return ret;
}

bool kernel_at_least(int major, int minor)
{
	struct utsname name;
	int have_major, have_minor;

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%d.%d", &have_major, &have_minor), 2);
	return have_major > major || (have_major == major && have_minor >= minor);
}

bool kernel_has(const char *function)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[512], name[128];
	bool has = false;

	while (file && !has && fgets(line, sizeof(line), file))
		has = sscanf(line, "%*x %*c %127s", name) == 1 && !strcmp(name, function);
	if (file)
		fclose(file);
	return has;
}

long file_number(const char *path, const char *label)
{
	FILE *file = fopen(path, "r");
	char line[256];
	long number = -1;

	while (file && number < 0 && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, label, strlen(label)))
			number = strtol(line + strlen(label), NULL, 10);
	}
	if (file)
		fclose(file);
	return number;
}

static bool quiet(const char *command)
{
	return system(command) == 0;
}

void need_swap(void)
{
	if (quiet("grep -q zram /proc/swaps"))
		return;
	if (!quiet("{ [ -e /sys/block/zram0 ] || modprobe zram; } 2>/dev/null"))
		skip_because("this kernel has no zram");
	if (!quiet("echo 256M >/sys/block/zram0/disksize && mkswap -q /dev/zram0 && "
		   "swapon /dev/zram0"))
		fail_msg("cannot swap on zram");
}

static int ext4_end(void *unused)
{
	(void)unused;
	return quiet("umount -l " EXT4) ? 0 : -1;
}

/*
 * Each test has a file system of its own: another one's last writes may have failed with a kernel worker's
 * injected failures, and its processes may still use it.
 */
const char *need_ext4(void)
{
	if (quiet("grep -q " EXT4 " /proc/mounts"))
		return EXT4;
	if (!quiet("grep -qw ext4 /proc/filesystems || modprobe ext4 2>/dev/null"))
		skip_because("this kernel has no ext4");
	if (!quiet("{ [ -e /dev/loop-control ] || modprobe loop; } 2>/dev/null"))
		skip_because("this kernel has no loop device");
	if (!quiet("mkdir -p " EXT4 " && truncate -s 64M " EXT4 ".img && mkfs.ext4 -q " EXT4 ".img && "
		   "mount -o loop " EXT4 ".img " EXT4 " && rm " EXT4 ".img"))
		fail_msg("cannot mount an ext4 image");
	defer(ext4_end, (void *)EXT4);
	return EXT4;
}

int ext4_open(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", need_ext4(), name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		fail_msg("cannot open %s: %s", path, strerror(errno));
	return fd;
}

void need_huge_pages(int n)
{
	char text[16];

	if (access("/proc/sys/vm/nr_hugepages", W_OK))
		skip_because("this kernel has no hugetlb");
	snprintf(text, sizeof(text), "%d", n);
	if (file_number("/proc/sys/vm/nr_hugepages", "") < n)
		write_file("/proc/sys/vm/nr_hugepages", text);
	if (file_number("/proc/meminfo", "HugePages_Free:") < n)
		skip_because("no %d huge pages free", n);
}

size_t resident_pages(void *p, size_t len)
{
	size_t n = len / PAGE, resident = 0;
	unsigned char *map = scratch(n);

	assert_int_equal(mincore(p, len, map), 0);
	for (size_t i = 0; i < n; i++)
		resident += map[i] & 1;
	undo(map);
	return resident;
}

unsigned long long pagemap(void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	unsigned long long word = 0;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &word, sizeof(word), (uintptr_t)p / PAGE * sizeof(word)),
			 sizeof(word));
	close(fd);
	return word;
}
