// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/* Regions whose addresses on the wire are not the program's: iova is what the region was given. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

#define LEN (3 * MIB)
#define MESSAGE (70 * 1024 + 5)

struct place {
	const char *name;
	uint64_t iova;
	bool relative;	/* relative to the virtual address */
};

static const struct place places[] = {
	{ "the virtual address", 0, true },
	{ "0", 0, false },
	{ "an odd page", 0x1000, false },
	{ "below the virtual address", -0x7654321000ull, true },
	{ "2 MiB minus one page above", 0x1ff000, true },
	{ "above the addresses of a program", 0xfedcba9876000000, false },
	{ "ends at the last page but one", -(uint64_t)LEN - PAGE, false },
};

struct rig {
	struct pair pair;
	struct buf local;
	uint8_t *memory, *want;
	struct ibv_mr *mr;
	uint64_t iova;
};

static void rig_open(struct rig *rig, const struct place *place, bool odp)
{
	int access = ALL_ACCESS | (odp ? IBV_ACCESS_ON_DEMAND : 0);
	struct rc rc = rc_default();

	pair_open(&rig->pair, &rc);
	if (odp)
		need_odp(rig->pair.a.ctx);
	rig->local = buf_anon(rig->pair.a.pd, MIB, ALL_ACCESS);
	rig->memory = map_anon(LEN);
	rig->want = scratch(LEN);
	pattern_fill(rig->memory, LEN, 0, 7);
	memcpy(rig->want, rig->memory, LEN);
	rig->iova = place->iova + (place->relative ? (uintptr_t)rig->memory : 0);
	rig->mr = ibv_reg_mr_iova(rig->pair.b.pd, rig->memory, LEN, rig->iova, access);
	if (!rig->mr)
		fail_msg("ibv_reg_mr_iova at %#llx: %s", (unsigned long long)rig->iova,
			 strerror(errno));
	defer((undo_fn)ibv_dereg_mr, rig->mr);
}

static void rdma(struct rig *rig, enum ibv_wr_opcode opcode, uint64_t remote,
		 enum ibv_wc_status status)
{
	pair_rdma(&rig->pair, opcode, sge(&rig->local, 3, MESSAGE), remote, rig->mr->rkey, status);
}

static const size_t offsets[] = { 0, 1, 4095, 4096, 2 * MIB - 3, LEN - MESSAGE };

/* As target and source of the peer, and as this side's own buffer. */
static void check_place(const struct place *place, bool odp)
{
	struct rig rig;

	rig_open(&rig, place, odp);
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		size_t offset = offsets[i];
		struct ibv_sge list = { rig.iova + offset, MESSAGE, rig.mr->lkey };

		pattern_fill(rig.local.p + 3, MESSAGE, offset, 100 + i);
		memcpy(rig.want + offset, rig.local.p + 3, MESSAGE);
		rdma(&rig, IBV_WR_RDMA_WRITE, rig.iova + offset, IBV_WC_SUCCESS);
		same_bytes(rig.memory, rig.want, LEN, place->name);

		memset(rig.local.p, 0, rig.local.len);
		rdma(&rig, IBV_WR_RDMA_READ, rig.iova + offset, IBV_WC_SUCCESS);
		same_bytes(rig.local.p + 3, rig.want + offset, MESSAGE, place->name);

		post_recv(&rig.pair.b, 2, &list, 1);
		pattern_fill(rig.local.p + 3, MESSAGE, offset, 200 + i);
		memcpy(rig.want + offset, rig.local.p + 3, MESSAGE);
		rdma(&rig, IBV_WR_SEND, 0, IBV_WC_SUCCESS);
		expect_wc(rig.pair.b.rcq, 2, IBV_WC_SUCCESS);
		same_bytes(rig.memory, rig.want, LEN, place->name);
	}
}

/*
 * The first byte before and the first byte behind the region are out of bounds, whatever lies at the virtual
 * address.
 */
static void check_bounds(const struct place *place, bool odp)
{
	struct rig rig;

	rig_open(&rig, place, odp);
	for (int i = 0; i < 3; i++) {
		const uint64_t outside[] = {
			rig.iova - 1, rig.iova + LEN - MESSAGE + 1, (uintptr_t)rig.memory,
		};

		if (outside[i] >= rig.iova && outside[i] - rig.iova <= LEN - MESSAGE)
			continue;
		rdma(&rig, IBV_WR_RDMA_READ, outside[i], IBV_WC_REM_ACCESS_ERR);
		pair_connect(&rig.pair);
	}
	same_bytes(rig.memory, rig.want, LEN, place->name);
}

static void test_pinned(void **state)
{
	check_place(*state, false);
	check_bounds(*state, false);
}

static void test_odp(void **state)
{
	check_place(*state, true);
	check_bounds(*state, true);
}

/* A region that wraps around the end of the address space is refused. */
static void test_wraps(void **state)
{
	struct rc rc = rc_default();
	struct end end;
	void *p;

	(void)state;
	end_open(&end, options.device, &rc);
	p = map_anon(4 * PAGE);
	for (int odp = 0; odp <= device_has_odp(end.ctx); odp++) {
		int access = ALL_ACCESS | (odp ? IBV_ACCESS_ON_DEMAND : 0);

		assert_null(ibv_reg_mr_iova(end.pd, p, 4 * PAGE, -(uint64_t)PAGE, access));
		assert_null(ibv_reg_mr(end.pd, p, SIZE_MAX - PAGE, access));
	}
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[2 * ARRAY_SIZE(places) + 1];
	static char names[ARRAY_SIZE(tests)][96];
	size_t n = 0;

	parse_options(argc, argv);
	for (; n < 2 * ARRAY_SIZE(places); n++) {
		const struct place *place = &places[n / 2];

		snprintf(names[n], sizeof(names[n]), "%s, iova: %s", n % 2 ? "odp" : "pinned",
			 place->name);
		tests[n] = (struct CMUnitTest){
			.name = names[n], .test_func = n % 2 ? test_odp : test_pinned,
			.initial_state = (void *)place,
		};
	}
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_wraps);
	return run_group("iova", tests, n);
}
