// SPDX-License-Identifier: GPL-2.0
/*
 * The time. On uml, reading the clock is a system call, which costs as much as the request that
 * it measures. So the processor's time stamp counter is read instead, if its rate is constant.
 */
#include <time.h>

#include "bench.h"

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

#ifdef __x86_64__
#include <cpuid.h>
#include <x86intrin.h>

#define CPUID_POWER 0x80000007
#define CPUID_INVARIANT_TSC (1u << 8)	/* of edx */
#define CALIBRATION_NS 20000000

static bool counter_is_even(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(CPUID_POWER, &a, &b, &c, &d) && d & CPUID_INVARIANT_TSC;
}

/* Nanoseconds per count; 0 if the counter is unusable. */
static double calibrate(void)
{
	uint64_t start, end, counts;

	if (!counter_is_even())
		return 0;
	start = clock_ns();
	counts = __rdtsc();
	do {
		end = clock_ns();
	} while (end - start < CALIBRATION_NS);
	return (double)(end - start) / (__rdtsc() - counts);
}

uint64_t now_ns(void)
{
	static double ns_a_count = -1;

	if (ns_a_count < 0)
		ns_a_count = calibrate();
	return ns_a_count ? __rdtsc() * ns_a_count : clock_ns();
}
#else
uint64_t now_ns(void)
{
	return clock_ns();
}
#endif
