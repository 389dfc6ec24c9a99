// SPDX-License-Identifier: GPL-2.0
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "lib/late.h"
#include "lib/test.h"

#define EVERY_NS 1000000

struct late {
	atomic_bool stop;
	_Atomic uint64_t worst;
	cpu_set_t before;
	pthread_t thread;
};

static void sleep_until(uint64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *watch(void *arg)
{
	struct late *late = arg;

	while (!late->stop) {
		uint64_t due = now_ns() + EVERY_NS, by;

		sleep_until(due);
		by = now_ns() - due;
		if (by > late->worst)
			late->worst = by;
	}
	return NULL;
}

static int late_end(void *object)
{
	struct late *late = object;

	late->stop = true;
	pthread_join(late->thread, NULL);
	return sched_setaffinity(0, sizeof(late->before), &late->before);
}

struct late *late_start(void)
{
	struct late *late = scratch(sizeof(*late));
	struct sched_param first = { .sched_priority = 50 };
	int cpu = sched_getcpu();
	cpu_set_t here;

	late->stop = false;
	late->worst = 0;
	CPU_ZERO(&here);
	CPU_SET(cpu, &here);
	assert_int_equal(sched_getaffinity(0, sizeof(late->before), &late->before), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
	assert_int_equal(pthread_create(&late->thread, NULL, watch, late), 0);
	defer(late_end, late);
	if (pthread_setschedparam(late->thread, SCHED_FIFO, &first))
		skip_because("this kernel has no real-time threads");
	return late;
}

uint64_t late_worst(struct late *late)
{
	return atomic_exchange(&late->worst, 0);
}
