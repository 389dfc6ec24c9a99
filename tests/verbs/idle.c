// SPDX-License-Identifier: GPL-2.0
/* What an idle queue pair costs: no more memory than the kernel's own driver takes for it. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

/* Queue pairs of a size, and what one of the kernel's own driver takes: KiB, of 7.3. */
struct size {
	const char *name;
	unsigned int send_wr, recv_wr, stock, n;
};

static const struct size sizes[] = {
	{ "1/1", 1, 1, 15, 6000 },
	{ "127/511", 127, 511, 130, 2000 },
	{ "128/512", 128, 512, 259, 1000 },
};

/* When what others have given back has come: nothing more does. */
static long free_kib(void)
{
	long now, before;

	write_file("/proc/sys/vm/drop_caches", "3");
	now = file_number("/proc/meminfo", "MemFree:");
	do {
		before = now;
		sleep_ms(200);
		now = file_number("/proc/meminfo", "MemFree:");
	} while (now > before);
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

	make(end, rc, n / 4 + 16);	/* what comes in pages at a time is there then */
	before = free_kib();
	make(end, rc, n);
	return (double)(before - free_kib()) / n;
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
		skip_because("objects are larger in this kernel");
	assert_true(kib < size->stock);
}

#define PAIRS 10000

/*
 * Connected pairs, of which a few are made: 291 MiB with the kernel's own driver. The ABI
 * gives each ring of a queue pair a page, which is 156 MiB of it.
 */
static void test_connected(void **state)
{
	unsigned int n = 2000;
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
	before = free_kib();
	for (unsigned int i = 0; i < n; i++)
		pair_open_qps(&pair);
	mib = (double)(before - free_kib()) / n * PAIRS / 1024;
	printf("# %d pairs: %.0f MiB\n", PAIRS, mib);
	if (kernel_has("kasan_report") || kernel_has("lockdep_init_map_type"))
		skip_because("objects are larger in this kernel");
	assert_true(mib < 250);
}

static struct CMUnitTest tests[] = {
	/* The first, as what others leave free is not seen to be taken again. */
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
