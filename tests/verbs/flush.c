// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/* FLUSH: which ranges of which regions a peer may have flushed. */
#include <string.h>

#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/test.h"

#define LEN (4 * PAGE)

struct rig {
	struct pair pair;
	struct buf memory;
};

static void need_flush(struct ibv_context *ctx)
{
	if (!HAVE_FLUSH || !device_can(ctx, CAN_FLUSH))
		skip_because("this kernel or this rdma-core has no FLUSH");
}

static void rig_open(struct rig *rig, int qp_access, int access)
{
	struct rc rc = rc_default();

	rc.access = qp_access;
	pair_open_ends(&rig->pair, &rc);
	need_flush(rig->pair.a.ctx);
	if (access & IBV_ACCESS_ON_DEMAND)
		need_odp(rig->pair.a.ctx);
	rig->pair.a.qp = end_qp_ex(&rig->pair.a, &rc, IBV_QP_EX_WITH_FLUSH);
	rig->pair.b.qp = end_qp(&rig->pair.b, &rc);
	pair_connect(&rig->pair);
	rig->memory = buf_anon(rig->pair.b.pd, LEN, access);
}

static void flush(struct rig *rig, int64_t offset, size_t len, uint8_t level,
		  enum ibv_wc_status status)
{
	struct ibv_qp_ex *ex = ibv_qp_to_qp_ex(rig->pair.a.qp);

	ibv_wr_start(ex);
	ex->wr_id = len;
	ex->wr_flags = 0;
	ibv_wr_flush(ex, rig->memory.mr->rkey, (uintptr_t)rig->memory.p + offset, len,
		     IBV_FLUSH_GLOBAL, level);
	assert_int_equal(ibv_wr_complete(ex), 0);
	expect_wc(rig->pair.a.scq, len, status);
	if (status != IBV_WC_SUCCESS)
		pair_connect(&rig->pair);
}

#define MAY_FLUSH (ALL_ACCESS | IBV_ACCESS_FLUSH_GLOBAL)
#define RANGE 0
#define WHOLE_REGION 1

static void ranges(int access)
{
	struct rig rig;

	rig_open(&rig, MAY_FLUSH, MAY_FLUSH | access);
	flush(&rig, 0, LEN, RANGE, IBV_WC_SUCCESS);
	flush(&rig, 5, 1, RANGE, IBV_WC_SUCCESS);
	flush(&rig, LEN - 1, 1, RANGE, IBV_WC_SUCCESS);
	flush(&rig, LEN, 1, RANGE, IBV_WC_REM_ACCESS_ERR);
	flush(&rig, 0, LEN + 1, RANGE, IBV_WC_REM_ACCESS_ERR);
	flush(&rig, -1, 2, RANGE, IBV_WC_REM_ACCESS_ERR);
	flush(&rig, 1, LEN, RANGE, IBV_WC_REM_ACCESS_ERR);
	/* A flush of a whole region ignores the range. */
	flush(&rig, LEN, LEN, WHOLE_REGION, IBV_WC_SUCCESS);
}

static void test_pinned(void **state)
{
	(void)state;
	ranges(0);
}

static void test_on_demand(void **state)
{
	(void)state;
	ranges(IBV_ACCESS_ON_DEMAND);
}

static void test_region_without_right(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, MAY_FLUSH, ALL_ACCESS);
	flush(&rig, 0, 8, RANGE, IBV_WC_REM_ACCESS_ERR);
	flush(&rig, 0, 8, WHOLE_REGION, IBV_WC_REM_ACCESS_ERR);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_on_demand),
		cmocka_unit_test(test_region_without_right),
	};

	parse_options(argc, argv);
	return run_group("flush", tests, ARRAY_SIZE(tests));
}
