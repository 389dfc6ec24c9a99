// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/* Many regions over the same page: taking the page away does not take time for each of them. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/falloc.h>

#include "libodp/odp.h"

#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/test.h"

#define LEN (4 * MIB)
#define HOLES 21

static long most(void)
{
	return options.count ? (long)options.count : options.full ? 200000 : 20000;
}

struct rig {
	struct end end;
	uint8_t *p;
	int fd;
	struct ibv_mr **mrs;
	long n;
};

static void rig_open(struct rig *rig)
{
	struct rc rc = rc_default();

	*rig = (struct rig){};
	end_open(&rig->end, options.device, &rc);
	need_odp(rig->end.ctx);
	rig->p = map_memfd(LEN, &rig->fd);
	rig->mrs = scratch(most() * sizeof(*rig->mrs));
}

/* Registers regions over the whole file; at most as many as the device allows. */
static void register_up_to(struct rig *rig, long n)
{
	for (; rig->n < n; rig->n++) {
		struct ibv_mr *mr = ibv_reg_mr(rig->end.pd, rig->p, LEN,
					       IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);

		if (!mr)
			break;
		rig->mrs[rig->n] = mr;
	}
}

/* Prefetches the region's translations, so that there is something to take away. */
static void prefetch(struct rig *rig)
{
	struct ibv_sge list = { (uintptr_t)rig->p, LEN, rig->mrs[0]->lkey };

	memset(rig->p, 1, LEN);
	assert_int_equal(odp_advise_mr(rig->end.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				       IBV_ADVISE_MR_FLAG_FLUSH, &list, 1), 0);
}

/* The median time, in ns, to punch a hole of one page into the file. */
static uint64_t hole_ns(struct rig *rig)
{
	uint64_t took[HOLES];

	prefetch(rig);
	for (int i = 0; i < HOLES; i++) {
		uint64_t start = now_ns();

		assert_int_equal(fallocate(rig->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					   (17 + 2 * i) * PAGE, PAGE), 0);
		took[i] = now_ns() - start;
	}
	return percentile(took, HOLES, 500);
}

static void test_hole(void **state)
{
	uint64_t one, many;
	struct rig rig;

	(void)state;
	rig_open(&rig);
	register_up_to(&rig, 1);
	assert_int_equal(rig.n, 1);
	one = hole_ns(&rig);
	register_up_to(&rig, most());
	many = hole_ns(&rig);
	print_message("punching a one-page hole: with 1 region %lu ns, beside %ld regions %lu ns\n", one, rig.n, many);
	for (long i = 0; i < rig.n; i++)
		assert_int_equal(ibv_dereg_mr(rig.mrs[i]), 0);
	/* It once was 100 ns for each region. */
	if (many > one + 100000ul * options.slow)
		fail_msg("beside 1 region %lu ns, beside %ld %lu ns", one, rig.n, many);
}

static struct CMUnitTest tests[] = {
	{ .name = "a hole under many regions", .test_func = test_hole },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("regions", tests, ARRAY_SIZE(tests));
}
