// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/* Reclaim takes unused pages first; pages that only RDMA uses count as used. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/cgroup.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

#define LIMIT (24 * MIB)
#define HOT (2 * MIB)		/* READ over and over */
#define COLD (64 * MIB)		/* written once by the CPU, one page after the other */
#define STEP (256 * 1024ul)	/* bytes of it between two rounds over the hot pages */

struct rig {
	struct pair pair;
	struct buf into, hot;
};

static void read_hot(struct rig *rig)
{
	struct ibv_sge list = sge(&rig->into, 0, HOT);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_RDMA_READ, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { (uintptr_t)rig->hot.p, rig->hot.mr->rkey },
	};

	post_send(&rig->pair.a, &wr);
	expect_wc(rig->pair.a.scq, 1, IBV_WC_SUCCESS);
}

/*
 * Returns how many pages came back from swap while a stream of pages that are used only once went through
 * memory. (A count of faults would include tables, which reclaim frees before pages.)
 */
static long came_back(struct rig *rig)
{
	uint8_t *cold = map_anon(COLD);
	long in;

	memset(rig->hot.p, 1, HOT);
	for (int i = 0; i < 4; i++)
		read_hot(rig);
	in = file_number("/proc/vmstat", "pswpin ");
	for (size_t at = 0; at < COLD; at += STEP) {
		memset(cold + at, 1, STEP);
		read_hot(rig);
	}
	return file_number("/proc/vmstat", "pswpin ") - in;
}

static void test_spared(void **state)
{
	struct rc rc = rc_default();
	struct rig rig;
	long again;

	(void)state;
	need_swap();
	pair_open(&rig.pair, &rc);
	need_odp(rig.pair.a.ctx);
	cgroup_enter(cgroup_make_small("young", LIMIT));
	rig.into = buf_anon(rig.pair.a.pd, HOT, ALL_ACCESS);
	rig.hot = buf_anon(rig.pair.b.pd, HOT, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	madvise(rig.hot.p, HOT, MADV_NOHUGEPAGE);
	again = came_back(&rig);
	print_message("%lu pages in use: %ld were swapped out and back in while %lu others went by\n",
		      HOT / PAGE, again, COLD / PAGE);
	assert_true(file_number("/proc/vmstat", "pswpout ") > 0);
	assert_in_range(again, 0, HOT / PAGE / 2);
}

static struct CMUnitTest tests[] = {
	{ .name = "pages that RDMA uses stay", .test_func = test_spared },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("young", tests, ARRAY_SIZE(tests));
}
