// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * A full memory cgroup, filled mostly with translation tables: the tables are freed before anybody is killed,
 * whoever needs the memory.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/cgroup.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

#define LEAF (2 * MIB)		/* covered by one table */
#define WINDOW (512 * MIB)	/* covered by one notifier */

struct rig {
	struct pair pair;
	struct buf into;
	uint8_t *sparse;
	struct ibv_mr *mr;
};

/* Maps @n spans of @step bytes; the CPU has read one byte of each. */
static void rig_open(struct rig *rig, size_t n, size_t step)
{
	struct rc rc = rc_default();
	volatile uint8_t sum = 0;

	pair_open(&rig->pair, &rc);
	rig->into = buf_anon(rig->pair.a.pd, PAGE, ALL_ACCESS);
	rig->sparse = map_reserved(n * step);
	if (!rig->sparse)
		skip_because("the address space has no room");
	madvise(rig->sparse, n * step, MADV_NOHUGEPAGE);
	rig->mr = reg(rig->pair.b.pd, rig->sparse, n * step, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	for (size_t i = 0; i < n; i++)
		sum += rig->sparse[i * step];
}

/* READs 8 bytes of each span, one after the other; the owner polls meanwhile. */
static void read_all(struct rig *rig, size_t n, size_t step)
{
	for (size_t i = 0; i < n; i++)
		pair_rdma(&rig->pair, IBV_WR_RDMA_READ, sge(&rig->into, 0, 8),
			  (uintptr_t)rig->sparse + i * step, rig->mr->rkey, IBV_WC_SUCCESS);
}

/* Runs @fn in a control group of @max bytes. */
static void nobody_is_killed(size_t max, void (*fn)(void *arg), const char *who)
{
	struct cgroup *cgroup = cgroup_make_small("full", max);
	int status;

	cgroup_try(cgroup, "memory.swap.max", "0");
	status = child_wait(child_start(fn, cgroup));

	print_message("%s: %ld times at the limit, %ld killed\n", who,
		      cgroup_number(cgroup, "memory.events", "max "),
		      cgroup_number(cgroup, "memory.events", "oom_kill "));
	assert_int_equal(status, 0);
	assert_int_equal(cgroup_number(cgroup, "memory.events", "oom_kill "), 0);
	assert_true(cgroup_number(cgroup, "memory.events", "max ") > 0);
}

static void need_on_demand(void)
{
	struct rc rc = rc_default();
	struct end end;

	end_open(&end, options.device, &rc);
	need_odp(end.ctx);
}

/* --- memory for a table -------------------------------------------------------------- */

/* 24 MiB of page tables that stay, and 24 MiB of translation tables, in a group of 40 MiB. */
#define LEAVES 6000ul

static void reader(void *cgroup)
{
	struct rig rig;

	cgroup_enter(cgroup);
	rig_open(&rig, LEAVES, LEAF);
	for (int round = 0; round < 2; round++)
		read_all(&rig, LEAVES, LEAF);
}

static void test_tables(void **state)
{
	(void)state;
	need_on_demand();
	nobody_is_killed(40 * MIB, reader, "more tables than fit");
}

/* --- memory for a window -------------------------------------------------------------- */

/* Each has a window and a table of 8 KiB; the page tables of 6 MiB stay; all in a group of 16 MiB. */
#define WINDOWS 1500ul

static void wide_reader(void *cgroup)
{
	struct rig rig;

	cgroup_enter(cgroup);
	rig_open(&rig, WINDOWS, WINDOW);
	read_all(&rig, WINDOWS, WINDOW);
}

static void test_windows(void **state)
{
	(void)state;
	need_on_demand();
	nobody_is_killed(16 * MIB, wide_reader, "more windows than fit");
}

/* --- memory for pages ----------------------------------------------------------------- */

#define IDLE 2500ul
#define PAGES (16 * MIB)

static void writer(void *cgroup)
{
	struct rig rig;
	uint8_t *p;

	cgroup_enter(cgroup);
	rig_open(&rig, IDLE, LEAF);
	read_all(&rig, IDLE, LEAF);
	/* 12 MiB of page tables, 10 MiB of translation tables and these pages, in a group of 34 MiB. */
	p = map_anon(PAGES);
	memset(p, 1, PAGES);
}

static void test_pages(void **state)
{
	(void)state;
	need_on_demand();
	nobody_is_killed(34 * MIB, writer, "more CPU pages than fit");
}

static struct CMUnitTest tests[] = {
	{ .name = "tables are freed for tables", .test_func = test_tables },
	{ .name = "windows are freed for windows", .test_func = test_windows },
	{ .name = "tables are freed for pages", .test_func = test_pages },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("full", tests, ARRAY_SIZE(tests));
}
