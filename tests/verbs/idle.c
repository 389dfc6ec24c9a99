// SPDX-License-Identifier: GPL-2.0
/* CI: uml:loop */
/* The memory cost of an idle queue pair: no more than with the kernel's own driver. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

/* Queue pairs of one size, and the memory of one with --driver stock, in KiB, on uml (7.3). */
struct size {
	const char *name;
	unsigned int send_wr, recv_wr;
	double stock;
	unsigned int n;
};

static const struct size sizes[] = {
	{ "1/1", 1, 1, 13.3, 2000 },
	{ "127/511", 127, 511, 76.8, 800 },
	{ "128/512", 128, 512, 139.2, 400 },
};

/*
 * Memory that the kernel and this process have allocated. Free memory would not do: the per-CPU lists vary it
 * by megabytes at any time.
 */
static long allocated_kib(void)
{
	static const char *const kinds[] = {
		"Slab:", "VmallocUsed:", "PageTables:", "Percpu:", "AnonPages:",
	};
	long sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		sum += file_number("/proc/meminfo", kinds[i]);
	return sum;
}

/* Reads it once freed objects have been released. */
static long settled_kib(void)
{
	long now, before;

	write_file("/proc/sys/vm/drop_caches", "3");
	now = allocated_kib();
	do {
		before = now;
		sleep_ms(200);
		now = allocated_kib();
	} while (now < before);
	return now;
}

static void make(struct end *end, const struct rc *rc, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		end_qp(end, rc);
}

static double cost(struct end *end, const struct rc *rc, unsigned int n)
{
	long before;

	make(end, rc, n / 4 + 16);	/* fills what is allocated in whole pages */
	before = settled_kib();
	make(end, rc, n);
	return (double)(settled_kib() - before) / n;
}

static void test_idle(void **state)
{
	const struct size *size = *state;
	struct rc rc = rc_default();
	struct end end;
	double kib;

	rc.sge = 1;
	rc.inline_data = 0;
	rc.send_wr = size->send_wr;
	rc.recv_wr = size->recv_wr;
	end_open(&end, options.device, &rc);
	kib = cost(&end, &rc, size->n);
	printf("# %s: %.1f KiB\n", size->name, kib);
	if (kernel_has("kasan_report") || kernel_has("lockdep_init_map_type"))
		skip_because("objects are larger in this debug kernel");
	assert_true(kib < size->stock);
}

#define PAIRS 10000

/*
 * Connected pairs, of which a few are made: 283 MiB with --driver stock. The ABI gives each ring of a queue
 * pair a page, which is 156 MiB of it.
 */
static void test_connected(void **state)
{
	unsigned int n = 1000;
	struct rc rc = rc_default();
	struct pair pair;
	long before;
	double mib;

	(void)state;
	rc.sge = 1;
	rc.inline_data = 0;
	rc.send_wr = rc.recv_wr = 1;
	pair_open(&pair, &rc);
	for (unsigned int i = 0; i < 64; i++)
		pair_open_qps(&pair);
	before = settled_kib();
	for (unsigned int i = 0; i < n; i++)
		pair_open_qps(&pair);
	mib = (double)(settled_kib() - before) / n * PAIRS / 1024;
	printf("# %d pairs: %.0f MiB\n", PAIRS, mib);
	if (kernel_has("kasan_report") || kernel_has("lockdep_init_map_type"))
		skip_because("objects are larger in this debug kernel");
	assert_true(mib < 283);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_connected),
	{ .name = "1/1", .test_func = test_idle, .initial_state = (void *)&sizes[0] },
	{ .name = "127/511", .test_func = test_idle, .initial_state = (void *)&sizes[1] },
	{ .name = "128/512", .test_func = test_idle, .initial_state = (void *)&sizes[2] },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("idle", tests, ARRAY_SIZE(tests));
}
