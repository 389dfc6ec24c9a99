// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop ends:loop */
/*
 * Many address spaces behind one device: a process that has exited keeps nothing, and living processes do not
 * make a registration slower.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libodp/odp.h"

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/system.h"
#include "lib/test.h"

static long processes(void)
{
	return options.count ? (long)options.count : options.full ? 2000 : 80;
}

/* Number of mirrors that the core has. */
static long mirrors(void)
{
	char line[512];
	long n = -1;	/* the first line has the column names */
	FILE *file = mirrors_open();

	while (fgets(line, sizeof(line), file))
		n++;
	fclose(file);
	return n;
}

/*
 * A child registers with the inherited context, which keeps the region, and exits. @touch: the region has
 * translations, too.
 */
static int ephemeral(struct ibv_pd *pd, bool touch)
{
	void *p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ibv_mr *mr = ibv_reg_mr(pd, p, 4 * MIB, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
	struct ibv_sge list;

	if (!mr)
		return 1;
	if (!touch)
		return 0;
	list = (struct ibv_sge){ (uintptr_t)p, 8 * PAGE, mr->lkey };
	return odp_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, IBV_ADVISE_MR_FLAG_FLUSH, &list, 1) ?
	       2 : 0;
}

static void run_ephemeral(struct ibv_pd *pd, bool touch)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(ephemeral(pd, touch));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The address space of a killed process may end later than the process. */
static void falls_to(long (*count)(void), long most, const char *what)
{
	uint64_t end = now_ms() + PATIENCE / 2;	/* half of the parent's limit */

	while (count() > most) {
		if (now_ms() > end)
			fail_msg("%s: %ld, not %ld", what, count(), most);
		sleep_ms(10);
	}
}

static long table_bytes(void)
{
	return port_counter(options.device, "odp_table_bytes");
}

/* The device's file keeps the children's regions; the file is closed with the process that opened it. */
static void parent_of_touching(void *unused)
{
	struct rc rc = rc_default();
	long before, known;
	struct end end;

	(void)unused;
	end_open(&end, options.device, &rc);
	before = table_bytes();
	known = mirrors();
	for (long i = 0; i < processes(); i++)
		run_ephemeral(end.pd, true);
	falls_to(table_bytes, before, "bytes of tables of exited processes");
	falls_to(mirrors, known, "mirrors of exited processes");
}

/* Without a fault nothing reports the end of the address space; the next registration finds out. */
static void parent_of_untouching(void *unused)
{
	struct rc rc = rc_default();
	struct end end;
	long known;

	(void)unused;
	end_open(&end, options.device, &rc);
	known = mirrors();
	for (long i = 0; i < processes(); i++)
		run_ephemeral(end.pd, false);
	if (mirrors() > known + processes() / 4)
		fail_msg("%ld mirrors of exited processes", mirrors() - known);
}

/* Runs @fn in a process of its own; mirrors() skips the test if mirrors cannot be counted. */
static void in_a_process(void (*fn)(void *arg))
{
	struct rc rc = rc_default();
	struct end end;

	end_open(&end, options.device, &rc);
	need_odp(end.ctx);
	mirrors();
	assert_int_equal(child_wait(child_start(fn, NULL)), 0);
}

static void test_gone(void **state)
{
	(void)state;
	in_a_process(parent_of_touching);
}

static void test_gone_untouched(void **state)
{
	(void)state;
	in_a_process(parent_of_untouching);
}

/* --- registration among many processes -------------------------------------------------- */

#define ROUNDS 101

/* The median time, in ns, of the first registration in a process. */
static uint64_t register_ns(struct ibv_pd *pd)
{
	uint64_t took[ROUNDS];
	void *p = map_anon(PAGE);

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now_ns();
		struct ibv_mr *mr = ibv_reg_mr(pd, p, PAGE, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);

		took[i] = now_ns() - start;
		assert_non_null(mr);
		assert_int_equal(ibv_dereg_mr(mr), 0);
	}
	return percentile(took, ROUNDS, 500);
}

/* Starts processes that each keep a region of the inherited context; they exit with the caller. */
static void crowd(struct ibv_pd *pd, long n)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	fflush(stdout);
	for (long i = 0; i < n; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (ephemeral(pd, false) || write(ready[1], "", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		assert_int_equal(read(ready[0], &byte, 1), 1);
	}
}

struct figures {
	uint64_t alone, crowded;
};

static void stranger(void *arg)
{
	struct figures *figures = arg;
	struct rc rc = rc_default();
	struct end end, other;

	end_open(&end, options.device, &rc);
	end_open(&other, options.device, &rc);
	figures->alone = register_ns(end.pd);
	crowd(other.pd, processes());
	figures->crowded = register_ns(end.pd);
}

static void test_strangers(void **state)
{
	struct figures *figures = map_shared(sizeof(*figures));
	struct rc rc = rc_default();
	struct end end;

	(void)state;
	end_open(&end, options.device, &rc);
	need_odp(end.ctx);
	assert_int_equal(child_wait(child_start(stranger, figures)), 0);
	print_message("a region: %lu ns; beside %ld other processes' %lu ns\n", figures->alone, processes(),
		      figures->crowded);
	/* A list of 2000 mirrors took twice as long; the machine's other load may cost as much. */
	if (options.full && figures->crowded > figures->alone + figures->alone / 2)
		fail_msg("%lu ns alone, %lu in a crowd", figures->alone, figures->crowded);
}

static struct CMUnitTest tests[] = {
	{ .name = "what exited processes leave behind", .test_func = test_gone },
	{ .name = "what exited processes without a fault leave behind", .test_func = test_gone_untouched },
	{ .name = "a registration in a crowd", .test_func = test_strangers },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("mirrors", tests, ARRAY_SIZE(tests));
}
