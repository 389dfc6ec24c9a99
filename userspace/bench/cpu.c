// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

/* The first line of /proc/stat: ticks of all processors and processes. */
struct cpu_time cpu_now(void)
{
	unsigned long user, nice, system, idle, iowait, irq, softirq;
	double tick = sysconf(_SC_CLK_TCK);
	FILE *file = fopen("/proc/stat", "re");

	if (!file || fscanf(file, "cpu %lu %lu %lu %lu %lu %lu %lu", &user, &nice, &system, &idle,
			    &iowait, &irq, &softirq) != 7)
		die(errno, "/proc/stat");
	fclose(file);
	return (struct cpu_time){ (user + nice) / tick, (system + irq) / tick, softirq / tick };
}

struct cpu_time cpu_since(struct cpu_time then)
{
	struct cpu_time now = cpu_now();

	return (struct cpu_time){
		now.user - then.user, now.system - then.system, now.softirq - then.softirq,
	};
}

static void bind_to(const cpu_set_t *cpus)
{
	if (sched_setaffinity(0, sizeof(*cpus), cpus))
		die(errno, "cannot set the thread's processors");
}

static cpu_set_t allowed;

void cpu_stay(void)
{
	cpu_set_t here;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		die(errno, "cannot read the thread's processors");
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	bind_to(&here);
}

void cpu_roam(void)
{
	bind_to(&allowed);
}
