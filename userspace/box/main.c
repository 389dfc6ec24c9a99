// SPDX-License-Identifier: GPL-2.0
/* rdmabox: runs a command in a box, a kernel of its own with an RDMA device. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "box.h"
#include "die_by.h"

/* Files of ours must not get the numbers of descriptors that the caller has closed. */
static void fill_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options options;
	struct kernel kernel;
	struct job job = {};
	int result;

	options_read(&options, &job, argc, argv);
	caller_add_limits(&job);
	needs_check(&options);
	caller_add(&job, &options);
	fill_stdio();
	kernel_start(&kernel, &options, &job);
	result = run(&kernel, &job);
	kernel_kill(&kernel);
	if (log_complains(kernel.log))
		return EXIT_KERNEL;
	if (result < 0)
		die_by(-result);
	return result;
}
