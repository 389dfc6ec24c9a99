// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/fs.h>

#include "lib/cgroup.h"
#include "lib/frozen.h"
#include "lib/hardship.h"
#include "lib/mem.h"
#include "lib/pager.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/uffd.h"

const char *const hardship_names[HARDSHIPS] = {
	[HARD_NOT] = "ordinary memory",
	[HARD_PAGED] = "a user-space pager",
	[HARD_FROZEN] = "a file system that freezes",
	[HARD_FULL] = "a full control group",
};

/* Freezes and thaws the file system until stopped. */
struct weather {
	int fd;
	atomic_bool stop;
	atomic_uint frosts;
	pthread_t thread;
};

static void *weather_run(void *arg)
{
	struct weather *weather = arg;

	while (!weather->stop) {
		if (!ioctl(weather->fd, FIFREEZE, 0)) {
			sleep_ms(15);
			ioctl(weather->fd, FITHAW, 0);
			weather->frosts++;
		}
		sleep_ms(10);
	}
	return NULL;
}

static int weather_end(void *object)
{
	struct weather *weather = object;

	weather->stop = true;
	pthread_join(weather->thread, NULL);
	return close(weather->fd);
}

static struct weather *weather_start(void)
{
	struct weather *weather = scratch(sizeof(*weather));

	*weather = (struct weather){ .fd = open(need_ext4(), O_RDONLY | O_CLOEXEC) };
	assert_true(weather->fd >= 0);
	assert_int_equal(pthread_create(&weather->thread, NULL, weather_run, weather), 0);
	defer(weather_end, weather);
	return weather;
}

struct hardship *hardship_begin(enum hardship_kind kind, const char *name, size_t max)
{
	struct hardship *hardship = scratch(sizeof(*hardship));

	*hardship = (struct hardship){ .kind = kind };
	if (kind == HARD_PAGED)
		need_uffd(UFFD_MISSING);
	if (kind == HARD_FROZEN)
		hardship->weather = weather_start();
	if (kind == HARD_FULL) {
		need_swap();
		hardship->cgroup = cgroup_make_small(name, max);
	}
	return hardship;
}

/* The pager never answers, is slow, keeps few pages, or both of these. */
static void start_some_pager(int fd, void *p, size_t len, unsigned int number)
{
	struct pager *pager;

	if (number == 0) {
		pager_never(fd, p, len);
		return;
	}
	pager = pager_make(fd, p, len);
	pager->page_us = number == 1 ? 2000 : number == 3 ? 1000 : 0;
	pager->resident = number == 2 ? 8 : number == 3 ? 3 : 0;
	pager_start(pager);
}

void *hardship_map(const struct hardship *hardship, size_t len, unsigned int number, uint64_t dice)
{
	char name[32];
	void *p;

	snprintf(name, sizeof(name), "hardship-%u", number);
	if (hardship->kind == HARD_FROZEN)
		return ext4_map(name, len);
	p = map_anon(len);
	if (hardship->kind == HARD_PAGED)
		start_some_pager(pager_open(), p, len, dice % 4);
	return p;
}

void hardship_enter(const struct hardship *hardship)
{
	if (hardship->cgroup)
		cgroup_enter(hardship->cgroup);
}

void hardship_tell(const struct hardship *hardship)
{
	long times;

	if (hardship->weather) {
		times = hardship->weather->frosts;
		print_message("  %ld freezes\n", times);
		assert_true(times > 0);
	}
	if (hardship->cgroup) {
		times = cgroup_number(hardship->cgroup, "memory.events", "max ");
		print_message("  %ld times at the limit\n", times);
		assert_true(times > 0);
	}
}
