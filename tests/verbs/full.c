// SPDX-License-Identifier: GPL-2.0
/* CI: kasan:loop lockdep:loop */
/*
 * A memory cgroup that is full, of tables more than of anything else: they go before anybody is killed,
 * whoever wants the memory.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/cgroup.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

#define LEAF (2 * MIB)		/* what one table is for */
#define WINDOW (512 * MIB)	/* what one notifier is for */

struct rig {
	struct pair pair;
	struct buf into;
	uint8_t *sparse;
	struct ibv_mr *mr;
};

/* @n spans of @step bytes, of each of which the CPU has read a byte. */
static void rig_open(struct rig *rig, size_t n, size_t step)
{
	struct rc rc = rc_default();
	volatile uint8_t sum = 0;

	pair_open(&rig->pair, &rc);
	rig->into = buf_anon(rig->pair.a.pd, PAGE, ALL_ACCESS);
	rig->sparse = map_reserved(n * step);
	if (!rig->sparse)
		skip_because("no room for so many addresses");
	madvise(rig->sparse, n * step, MADV_NOHUGEPAGE);
	rig->mr = reg(rig->pair.b.pd, rig->sparse, n * step, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	for (size_t i = 0; i < n; i++)
		sum += rig->sparse[i * step];
}

/* 8 bytes of each span, one after the other; the owner polls meanwhile. */
static void read_all(struct rig *rig, size_t n, size_t step)
{
	for (size_t i = 0; i < n; i++) {
		struct ibv_sge list = sge(&rig->into, 0, 8);
		struct ibv_send_wr wr = {
			.wr_id = 1, .opcode = IBV_WR_RDMA_READ, .sg_list = &list, .num_sge = 1,
			.wr.rdma = { (uintptr_t)rig->sparse + i * step, rig->mr->rkey },
		};

		post_send(&rig->pair.a, &wr);
		expect_wc(rig->pair.a.scq, 1, IBV_WC_SUCCESS);
	}
}

/* @fn runs in a group of @max bytes. */
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

/* --- who wants a table ---------------------------------------------------------------- */

/* Page tables of 24 MiB that stay, and tables of 24 MiB, in 40. */
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
	nobody_is_killed(40 * MIB, reader, "a table more than fits");
}

/* --- who wants a window --------------------------------------------------------------- */

/* Each has a window and a table of 8 KiB, and page tables of 6 that stay, in 16 MiB. */
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
	nobody_is_killed(16 * MIB, wide_reader, "a window more than fits");
}

/* --- who wants pages ------------------------------------------------------------------ */

#define IDLE 2500ul
#define PAGES (16 * MIB)

static void writer(void *cgroup)
{
	struct rig rig;
	uint8_t *p;

	cgroup_enter(cgroup);
	rig_open(&rig, IDLE, LEAF);
	read_all(&rig, IDLE, LEAF);
	/* 12 MiB of page tables, 10 of tables, and these, in 36. */
	p = map_anon(PAGES);
	memset(p, 1, PAGES);
}

static void test_pages(void **state)
{
	(void)state;
	need_on_demand();
	nobody_is_killed(34 * MIB, writer, "the CPU's pages, more than fit");
}

static struct CMUnitTest tests[] = {
	{ .name = "tables make room for tables", .test_func = test_tables },
	{ .name = "windows make room for windows", .test_func = test_windows },
	{ .name = "tables make room for pages", .test_func = test_pages },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("full", tests, ARRAY_SIZE(tests));
}
