// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"

/* This program again: process 1 was started from a file system that nobody sees any more. */
static void copy_self(const char *path)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	ssize_t n;

	if (from < 0 || to < 0)
		fail("cannot make %s: %s", path, strerror(errno));
	do {
		n = sendfile(to, from, NULL, 1 << 20);
	} while (n > 0);
	if (n < 0 || fchmod(to, 0755))
		fail("cannot write %s: %s", path, strerror(errno));
	close(from);
	close(to);
}

void place_make(void)
{
	mount_on("rdmabox", PLACE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
	mkdir(PLACE "/bin", 0755);
	copy_self(PLACE "/bin/rdmabox");
	if (symlink("rdmabox", PLACE "/bin/ssh") || symlink("rdmabox", PLACE "/bin/rsh"))
		fail("cannot make " PLACE "/bin/ssh: %s", strerror(errno));
}

/* A host without the file (a bare root folder has none) gets none, but the box's /etc is a copy then. */
static void etc_overlay(void)
{
	mkdir(PLACE "/etc", 0755);
	mkdir(PLACE "/etc-work", 0755);
	mkdir(PLACE "/etc-no", 0755);
	mount_on("etc", "/etc", "overlay", 0,
		 access("/etc", F_OK) ? "lowerdir=" PLACE "/etc-no,upperdir=" PLACE "/etc,workdir=" PLACE "/etc-work" :
					"lowerdir=/etc,upperdir=" PLACE "/etc,workdir=" PLACE "/etc-work");
}

static void append_file(FILE *out, const char *path)
{
	FILE *in = fopen(path, "re");
	char line[4096];

	while (in && fgets(line, sizeof(line), in))
		fputs(line, out);
	if (in)
		fclose(in);
}

/*
 * A name of each kind of address: many servers wait for IPv4 only, and a client that gets both addresses of a
 * name tries IPv6 and no other.
 */
void place_hosts(int nodes)
{
	FILE *out = fopen(PLACE "/hosts", "we");

	if (!out)
		fail(PLACE "/hosts: %s", strerror(errno));
	for (int node = 1; node <= nodes; node++)
		fprintf(out, "192.0.2.%d node%d\n2001:db8::%x node%d-ipv6\n", node, node, node, node);
	if (access("/etc/hosts", F_OK))
		fputs("127.0.0.1 localhost\n", out);
	append_file(out, "/etc/hosts");
	fclose(out);
	if (access("/etc/hosts", F_OK)) {
		etc_overlay();
		write_file("/etc/hosts", "");
	}
	if (mount(PLACE "/hosts", "/etc/hosts", NULL, MS_BIND, NULL))
		fail("/etc/hosts: %s", strerror(errno));
}
