// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's process 1, static, in the initial RAM disk: loads the modules that the root
 * needs, mounts it and the run folder, starts /run/vm/guest-init.sh on the terminal, reaps
 * orphans, and powers off when the script ends. The kernel's command line gives vm_root
 * (ext4 or hostfs), vm_rootdir, vm_run and vm_tty.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void die(const char *what)
{
	dprintf(1, "vm: init: %s: %s\n", what, strerror(errno));
	power_off();
}

static void mount_on(const char *source, const char *dir, const char *type,
		     unsigned long flags, const char *data)
{
	mkdir(dir, 0755);
	if (mount(source, dir, type, flags, data))
		die(dir);
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The names begin with their number in the order of dependence. */
static void load_modules(void)
{
	struct dirent **names;
	int n = scandir("/modules", &names, not_hidden, alphasort);

	for (int i = 0; i < n; i++) {
		char path[512];
		int fd;

		snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			die(path);
		close(fd);
	}
}

static void wait_for(const char *path)
{
	for (int i = 0; access(path, F_OK); i++) {
		if (i == 1000)
			die(path);
		usleep(10000);
	}
}

/* Guests share the folder, so each writes into a memory of its own over it. */
static void mount_hostfs_root(void)
{
	mount_on("none", "/lower", "hostfs", MS_RDONLY, getenv("vm_rootdir"));
	mount_on("rw", "/rw", "tmpfs", 0, NULL);
	mkdir("/rw/upper", 0755);
	mkdir("/rw/work", 0755);
	mount_on("root", "/root", "overlay", 0,
		 "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work");
}

static void mount_root(void)
{
	if (!strcmp(getenv("vm_root"), "hostfs")) {
		mount_hostfs_root();
		mount_on("run", "/root/run", "tmpfs", 0, NULL);
		mount_on("none", "/root/run/vm", "hostfs", 0, getenv("vm_run"));
		return;
	}
	wait_for("/dev/vda");
	mount_on("/dev/vda", "/root", "ext4", MS_NOATIME, NULL);
	mount_on("run", "/root/run", "tmpfs", 0, NULL);
	mount_on(getenv("vm_run"), "/root/run/vm", "9p", 0,
		 "trans=virtio,version=9p2000.L,msize=262144");
}

static void switch_root(void)
{
	if (mount("/dev", "/root/dev", NULL, MS_MOVE, NULL) || chdir("/root") ||
	    mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		die("switch root");
}

static void mount_system(void)
{
	mount_on("proc", "/proc", "proc", 0, NULL);
	mount_on("sys", "/sys", "sysfs", 0, NULL);
	mount_on("cgroup", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	mount_on("debug", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount_on("trace", "/sys/kernel/tracing", "tracefs", 0, NULL);
	mount_on("tmp", "/tmp", "tmpfs", 0, NULL);
	mount_on("pts", "/dev/pts", "devpts", 0, "gid=5,mode=620,ptmxmode=666");
	mount_on("shm", "/dev/shm", "tmpfs", 0, NULL);
	mount_on("mqueue", "/dev/mqueue", "mqueue", 0, NULL);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

static void start_script(void)
{
	int fd;

	setsid();
	fd = open(getenv("vm_tty"), O_RDWR);
	if (fd < 0)
		die(getenv("vm_tty"));
	ioctl(fd, TIOCSCTTY, 1);
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	execl("/bin/bash", "bash", "/run/vm/guest-init.sh", NULL);
	die("bash");
}

int main(void)
{
	pid_t script;

	mount_on("dev", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	if (getenv("vm_probe")) {
		puts("vm: probe: init was reached");
		power_off();
	}
	mount_root();
	switch_root();
	mount_system();

	script = fork();
	if (!script)
		start_script();
	while (wait(NULL) != script)
		;
	power_off();
}
