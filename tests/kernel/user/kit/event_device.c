// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that move into the memory of another device, where the CPU cannot access them, and back when they are
 * needed. The device is the kernel's own test of HMM (CONFIG_TEST_HMM: debug kernels).
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kit/scene.h"
#include "kit/sys.h"
#include "lib/test.h"

#define DEVICE "/dev/hmm_dmirror0"

/* As in the kernel's lib/test_hmm_uapi.h, which no package installs. */
struct dmirror {
	uint64_t addr, buffer, pages, copied, faults;
};

#define MIGRATE_TO_DEVICE _IOWR('H', 0x02, struct dmirror)

static int device_close(void *fd_plus_one)
{
	return close((intptr_t)fd_plus_one - 1);
}

static int device_open(void)
{
	int fd;

	if (access(DEVICE, F_OK) && system("modprobe -q test_hmm && udevadm settle"))
		skip_because("this kernel has no device with private memory");
	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		skip_because("there is no " DEVICE);
	defer(device_close, (void *)(intptr_t)(fd + 1));
	return fd;
}

static void run_device(struct scene *s)
{
	struct dmirror args = {
		.addr = (uintptr_t)s->m->at + s->lo,
		.buffer = (uintptr_t)scratch(s->hi - s->lo),
		.pages = (s->hi - s->lo) / PAGE,
	};
	int fd = device_open();

	if (s->m->traits & WRITE)
		scene_writes(s, s->lo, s->hi, 2);
	assert_int_equal(ioctl(fd, MIGRATE_TO_DEVICE, &args), 0);
	if (!args.copied)
		skip_because("the device took none of the pages");
	assert_int_equal(args.copied, args.pages);
	scene_states(s, s->lo, s->hi, 0xff, 0, "a page in device memory");
	scene_reads(s, 0, s->m->length, "read back from the device");
	scene_states(s, s->lo, s->hi, PRESENT, PRESENT, "a page that came back");
	assert_int_equal(ioctl(fd, MIGRATE_TO_DEVICE, &args), 0);
	scene_writes(s, s->lo, s->hi, 3);
}

const struct event device_events[] = {
	{ .name = "device memory", .run = run_device, .need = WRITE | ANONYMOUS | FILLED,
	  .refuse = HUGETLB | TRANSPARENT | TWINS },
	{ 0 }
};
