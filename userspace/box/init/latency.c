// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"
#include "latency.h"

/* An instance of its own: what the command traces is not disturbed. */
#define INSTANCE "/sys/kernel/tracing/instances/rdmabox"

enum { PARTS = 8, BUCKETS = 64 * PARTS };

static int trace = -1;
static uint64_t buckets[BUCKETS], most, count;

void latency_open(void)
{
	mkdir(INSTANCE, 0700);
	write_file(INSTANCE "/events/ib_umem_odp/odp_fault_end/enable", "1");
	trace = open(INSTANCE "/trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static int bucket_of(uint64_t ns)
{
	int power = 63 - __builtin_clzll(ns | 1);

	return power < 3 ? (int)ns : power * PARTS + (int)(ns >> (power - 3) & (PARTS - 1));
}

static uint64_t bucket_end(int bucket)
{
	int power = bucket / PARTS;

	return bucket < PARTS ? (uint64_t)bucket : (uint64_t)(PARTS + bucket % PARTS + 1) << (power - 3);
}

static void add(uint64_t ns)
{
	buckets[bucket_of(ns)]++;
	count++;
	if (ns > most)
		most = ns;
}

static void take_line(const char *line)
{
	const char *ns = strstr(line, " ns=");

	if (ns && strstr(line, "odp_fault_end"))
		add(strtoull(ns + 4, NULL, 10));
}

void latency_take(void)
{
	static char text[65536];
	static size_t len;
	ssize_t n;

	while ((n = read(trace, text + len, sizeof(text) - 1 - len)) > 0) {
		char *line = text, *end;

		len += n;
		text[len] = 0;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			take_line(line);
		}
		len -= line - text;
		memmove(text, line, len);
	}
}

uint64_t latency_part(double part)
{
	uint64_t wanted = part * count, seen = 0;

	for (int i = 0; i < BUCKETS; i++) {
		seen += buckets[i];
		if (seen > wanted)
			return bucket_end(i) < most ? bucket_end(i) : most;
	}
	return most;
}

uint64_t latency_most(void)
{
	return most;
}

uint64_t latency_count(void)
{
	return count;
}
