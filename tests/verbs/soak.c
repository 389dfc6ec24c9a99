// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/*
 * A long run: processes with traffic of every kind from and to on-demand memory of every kind, to which
 * everything happens meanwhile that can happen to memory. Every byte is known at every time.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/lanes.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/upheaval.h"
#include "lib/wire.h"

#define PROCESSES 3		/* 2 in a short run */
#define AREAS 10
#define SMALL_AREA MIB
#define HUGE_AREA (4 * MIB)
#define REPORT_EVERY 300000

/* A process reports its progress here while it runs. */
struct report {
	uint64_t messages, bytes, steps;
	uint64_t happened[HAPPENINGS];
	atomic_bool ready, done;
};

struct shared {
	atomic_ullong until;	/* now_ms() at the end; 0 until all are ready */
	struct report reports[PROCESSES];
};

struct worker {
	unsigned int number;
	struct shared *shared;
	struct area areas[AREAS];
	unsigned int n_areas;
	struct lanes lanes;
	struct upheaval upheaval;
};

static bool is_here(const struct kind *kind)
{
	if (kind->hugetlb)
		return file_number("/proc/meminfo", "HugePages_Free:") >= 8;
	return !kind->huge || !access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK);
}

/* The upheaval uses KSM, so the kind whose preparation needs KSM for itself is left out. */
static bool is_wanted(const struct kind *kind)
{
	return strcmp(kind->name, "KSM-merged") && is_here(kind);
}

/* One half of each area is for traffic of the device with itself, the other for traffic with its peer. */
static void worker_open(struct worker *worker)
{
	for (size_t i = 0; i < n_kinds; i++) {
		struct area *area = &worker->areas[worker->n_areas];
		size_t half;

		if (!is_wanted(&kinds[i]))
			continue;
		assert_true(worker->n_areas < AREAS);
		*area = area_open_all(&kinds[i], kinds[i].huge ? HUGE_AREA : SMALL_AREA);
		half = area->span / 2;
		lanes_add(&worker->lanes, area, 0, half, options.device);
		lanes_add(&worker->lanes, area, half, half, options.peer);
		worker->n_areas++;
	}
}

static void worker_tell(struct worker *worker)
{
	struct report *report = &worker->shared->reports[worker->number];

	report->messages = worker->lanes.messages;
	report->bytes = worker->lanes.bytes;
	report->steps = worker->lanes.steps;
	memcpy(report->happened, worker->upheaval.counts, sizeof(report->happened));
}

static void check_by_cpu(struct worker *worker)
{
	for (unsigned int i = 0; i < worker->n_areas; i++) {
		struct area *area = &worker->areas[i];
		uint8_t *got = scratch(area->span);

		memcpy(got, area->at, area->span);
		same_bytes(got, area->want, area->span, area->kind->name);
		undo(got);
		area_check(area, area->kind->name);
		area_check_child(area);
	}
}

static void worker_child(void *arg)
{
	struct worker *worker = scratch(sizeof(*worker));
	char name[16];

	*worker = *(struct worker *)arg;
	snprintf(name, sizeof(name), "process %u", worker->number);
	worker->lanes.name = name;
	worker->lanes.seed = options.seed * PROCESSES + worker->number;
	worker->upheaval.areas = worker->areas;
	worker->upheaval.dice.seed = ~worker->lanes.seed;
	worker_open(worker);
	worker->upheaval.n_areas = worker->n_areas;
	lanes_check(&worker->lanes);
	lanes_fill(&worker->lanes);
	worker->shared->reports[worker->number].ready = true;
	while (!worker->shared->until)
		sleep_ms(1);
	upheaval_start(&worker->upheaval);
	while (now_ms() < worker->shared->until) {
		lanes_run(&worker->lanes, now_ms() + 1000);
		worker_tell(worker);
	}
	lanes_check(&worker->lanes);
	undo(&worker->upheaval);
	lanes_check(&worker->lanes);
	check_by_cpu(worker);
	worker_tell(worker);
	worker->shared->reports[worker->number].done = true;
}

/* --- the whole run ------------------------------------------------------------------------- */

static struct report sum(const struct shared *shared)
{
	struct report sum = {};

	for (int i = 0; i < PROCESSES; i++) {
		const struct report *report = &shared->reports[i];

		sum.messages += report->messages;
		sum.bytes += report->bytes;
		sum.steps += report->steps;
		for (int k = 0; k < HAPPENINGS; k++)
			sum.happened[k] += report->happened[k];
	}
	return sum;
}

static long count(const char *counter)
{
	long n = port_counter_any(options.device, counter);

	if (n >= 0 && have_wire())
		n += port_counter_any(options.peer, counter);
	return n;
}

struct counts {
	long faults, invalidations;
};

static struct counts counts_now(void)
{
	return (struct counts){ count("page_faults"), count("page_invalidations") };
}

static void say(const struct shared *shared, const struct counts *before)
{
	struct report all = sum(shared);
	struct counts now = counts_now();

	print_message("%llu messages, %llu MiB, %ld page faults",
		      (unsigned long long)all.messages, (unsigned long long)(all.bytes / MIB),
		      now.faults - before->faults);
	if (now.invalidations >= 0)
		print_message(", %ld invalidations", now.invalidations - before->invalidations);
	print_message("\n");
}

static void say_what_happened(const struct shared *shared)
{
	struct report all = sum(shared);

	for (int k = 0; k < HAPPENINGS; k++)
		print_message("%s%llu %s", k ? ", " : "", (unsigned long long)all.happened[k],
			      happening_names[k]);
	print_message("\n");
}

static int processes(void)
{
	return options.count || options.full ? PROCESSES : 2;
}

static uint64_t duration(void)
{
	return 1000 * (options.count ? options.count : options.full ? 3600 : 8);
}

/* Returns how many processes have ended; a process that ended too early fails the test. */
static int ended(const struct shared *shared, const int *pids)
{
	int n = 0;

	for (int i = 0; i < processes(); i++) {
		siginfo_t info = {};

		assert_int_equal(waitid(P_PID, pids[i], &info, WEXITED | WNOHANG | WNOWAIT), 0);
		if (info.si_pid && !shared->reports[i].done)
			fail_msg("seed %llu: process %d ended with %d",
				 (unsigned long long)options.seed, i, info.si_status);
		n += info.si_pid != 0;
	}
	return n;
}

static bool all_ready(const struct shared *shared)
{
	for (int i = 0; i < processes(); i++) {
		if (!shared->reports[i].ready)
			return false;
	}
	return true;
}

/* Runs until the time is over; tests/run has the limit. */
static void run(struct shared *shared, const int *pids, const struct counts *before)
{
	uint64_t next = now_ms() + REPORT_EVERY;

	while (ended(shared, pids) < processes()) {
		if (!shared->until && all_ready(shared))
			shared->until = now_ms() + duration();
		if (now_ms() > next) {
			say(shared, before);
			next += REPORT_EVERY;
		}
		sleep_ms(100);
	}
}

static void need_memory_of_all_kinds(void)
{
	need_swap();
	need_ext4();
	if (!access("/proc/sys/vm/nr_hugepages", W_OK))
		write_file("/proc/sys/vm/nr_hugepages", "64");
	ksm_start();
}

static void test_soak(void **state)
{
	struct shared *shared = map_shared(sizeof(*shared));
	struct counts before = counts_now(), after;
	struct worker workers[PROCESSES];
	int pids[PROCESSES];

	(void)state;
	need_odp(device_open(options.device));
	need_memory_of_all_kinds();
	for (int i = 0; i < processes(); i++) {
		workers[i] = (struct worker){ .number = i, .shared = shared };
		pids[i] = child_start(worker_child, &workers[i]);
	}
	run(shared, pids, &before);
	say(shared, &before);
	say_what_happened(shared);
	after = counts_now();
	assert_true(after.faults > before.faults);
	if (after.invalidations >= 0)
		assert_true(after.invalidations > before.invalidations);
}

static struct CMUnitTest tests[] = {
	{ .name = "all that can happen to memory in use", .test_func = test_soak },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("soak", tests, ARRAY_SIZE(tests));
}
