// SPDX-License-Identifier: GPL-2.0
/*
 * The root of the box is the host's, with the guest's own /proc, /sys and /dev over it. Where the host has no
 * such folder, the box has none either: only what a command cannot do without is an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "init.h"

void mount_on(const char *source, const char *dir, const char *type, unsigned long flags,
	      const char *data)
{
	mkdir(dir, 0755);
	if (mount(source, dir, type, flags, data))
		fail("cannot mount %s on %s: %s", type, dir, strerror(errno));
}

static void mount_maybe(const char *type, const char *dir, unsigned long flags, const char *data)
{
	mkdir(dir, 0755);
	mount(type, dir, type, flags, data);
}

void mount_boot(void)
{
	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mkdir("/dev/box", 0700);
	mount("box", "/dev/box", "boxfs", 0, NULL);
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static void mount_dev(void)
{
	mount_maybe("devpts", "/dev/pts", 0, "gid=5,mode=620,ptmxmode=666");
	mount_maybe("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_maybe("mqueue", "/dev/mqueue", 0, NULL);
	symlink("pts/ptmx", "/dev/ptmx");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
	chmod("/dev/fuse", 0666);
}

/* perftest divides by the clock rate in the host's /proc/cpuinfo, which the guest's kernel does not know. */
static void bind_cpuinfo(const struct job *job)
{
	const char *text = job_get(job, "cpuinfo", NULL);

	if (!text || mount("tmpfs", "/proc/fs", "tmpfs", 0, "mode=755"))
		return;
	write_file("/proc/fs/cpuinfo", text);
	mount("/proc/fs/cpuinfo", "/proc/cpuinfo", NULL, MS_BIND, NULL);
	umount2("/proc/fs", MNT_DETACH);
}

static void mount_system(const struct job *job)
{
	mount_on("proc", "/proc", "proc", 0, NULL);
	mount_maybe("sysfs", "/sys", 0, NULL);
	mount_maybe("cgroup2", "/sys/fs/cgroup", 0, NULL);
	mount_maybe("debugfs", "/sys/kernel/debug", 0, NULL);
	mount_maybe("tracefs", "/sys/kernel/tracing", 0, NULL);
	mount_dev();
	bind_cpuinfo(job);
}

/* File systems that show the network of the process that mounts them, and those that nodes do not share */
void mount_node(void)
{
	mount_maybe("sysfs", "/sys", 0, NULL);
	mount_maybe("cgroup2", "/sys/fs/cgroup", 0, NULL);
	mount_maybe("debugfs", "/sys/kernel/debug", 0, NULL);
	mount_maybe("tracefs", "/sys/kernel/tracing", 0, NULL);
	mount_maybe("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_maybe("mqueue", "/dev/mqueue", 0, NULL);
}

static void mount_overlay(const char *dir)
{
	static int n;
	char upper[64], work[64], options[4400];

	n++;
	snprintf(upper, sizeof(upper), "/dev/.overlay/%d-upper", n);
	snprintf(work, sizeof(work), "/dev/.overlay/%d-work", n);
	mkdir("/dev/.overlay", 0700);
	if (n == 1)
		mount_on("rw", "/dev/.overlay", "tmpfs", 0, NULL);
	mkdir(upper, 0755);
	mkdir(work, 0755);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work);
	if (mount("overlay", dir, "overlay", 0, options))
		fail("--overlay %s: %s", dir, strerror(errno));
}

/* Before the host's root becomes the root: --overlay / must be below all other mounts. */
static void mount_root_overlay(const struct job *job)
{
	const char *dir = NULL;

	while ((dir = job_next(job, "overlay", dir)))
		if (!strcmp(dir, "/")) {
			mount_on("rw", "/rw", "tmpfs", 0, NULL);
			mkdir("/rw/upper", 0755);
			mkdir("/rw/work", 0755);
			mount_on("root", "/root", "overlay", 0,
				 "lowerdir=/root,upperdir=/rw/upper,workdir=/rw/work");
			return;
		}
}

static void mount_options(const struct job *job)
{
	const char *dir;

	for (dir = NULL; (dir = job_next(job, "overlay", dir));)
		if (strcmp(dir, "/"))
			mount_overlay(dir);
	for (dir = NULL; (dir = job_next(job, "tmpfs", dir));)
		if (mount("tmpfs", dir, "tmpfs", 0, "mode=1777"))
			fail("--tmpfs %s: %s", dir, strerror(errno));
}

void mount_root(const struct job *job)
{
	mount_on("none", "/root", "hostfs", 0, "/");
	mount_root_overlay(job);
	if (mount("/dev", "/root/dev", NULL, MS_MOVE, NULL))
		fail("the host's root has no folder /dev: make one");
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		fail("cannot change the root: %s", strerror(errno));
	mount_system(job);
	mount_options(job);
}
