// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/*
 * Every kind of memory and every event that can happen to it, seen through on-demand regions: RDMA reads the
 * current bytes, and what RDMA writes reaches the CPU and the file, and nobody else.
 */
#include <stdio.h>
#include <string.h>

#include "lib/area.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

#define EDGE 100	/* bytes at both ends that a write leaves alone */
#define ROUNDS 2

struct rig {
	struct pair pair;
	struct buf staging;
	struct area area;
	struct ibv_mr *mr;
};

struct cell {
	const struct kind *kind;
	const struct event *event;
	int access;
};

static void rig_open(struct rig *rig, const struct cell *cell)
{
	struct rc rc = rc_default();

	rc.mtu = IBV_MTU_4096;
	pair_open(&rig->pair, &rc);
	need_odp(rig->pair.a.ctx);
	rig->area = area_open(cell->kind);
	rig->staging = buf_anon(rig->pair.a.pd, rig->area.span, ALL_ACCESS);
	rig->mr = reg(rig->pair.b.pd, rig->area.p, rig->area.len,
		      ALL_ACCESS | IBV_ACCESS_ON_DEMAND | cell->access);
}

static void rdma(struct rig *rig, enum ibv_wr_opcode opcode, size_t offset, size_t len)
{
	pair_rdma(&rig->pair, opcode, sge(&rig->staging, offset, len), (uintptr_t)rig->area.at + offset,
		  rig->mr->rkey, IBV_WC_SUCCESS);
}

static void rdma_write(struct rig *rig, uint64_t seed)
{
	size_t len = rig->area.span - 2 * EDGE;

	pattern_fill(rig->staging.p + EDGE, len, 0, seed);
	memcpy(rig->area.want + EDGE, rig->staging.p + EDGE, len);
	rdma(rig, IBV_WR_RDMA_WRITE, EDGE, len);
}

static void rdma_read(struct rig *rig, const char *when)
{
	memset(rig->staging.p, 0x5a, rig->area.span);
	rdma(rig, IBV_WR_RDMA_READ, 0, rig->area.span);
	same_bytes(rig->staging.p, rig->area.want, rig->area.span, when);
}

/* RDMA accesses the memory first, so that RDMA takes the fault. */
static void test_cell(void **state)
{
	const struct cell *cell = *state;
	struct rig rig;

	rig_open(&rig, cell);
	rdma_read(&rig, "RDMA read before the event");
	for (int round = 0; round < ROUNDS; round++) {
		cell->event->apply(&rig.area);
		rdma_read(&rig, "RDMA read after the event");
		area_check(&rig.area, "the CPU's view after the event");
		rdma_write(&rig, 100 + round);
		area_check(&rig.area, "the CPU's view of an RDMA write");

		cell->event->apply(&rig.area);
		rdma_write(&rig, 200 + round);
		rdma_read(&rig, "RDMA read of an RDMA write");
		area_check(&rig.area, "the CPU's view of an RDMA write after the event");
	}
	area_check_child(&rig.area);
}

#define MAX_TESTS 512

static struct cell cells[MAX_TESTS];
static char names[MAX_TESTS][96];
static struct CMUnitTest tests[MAX_TESTS];
static size_t n_tests;

static void add(const struct kind *kind, const struct event *event, int access)
{
	if (!event->fits(kind))
		return;
	cells[n_tests] = (struct cell){ kind, event, access };
	snprintf(names[n_tests], sizeof(names[0]), "%s%s: %s", kind->name,
		 access ? ", registered as huge" : "", event->name);
	tests[n_tests] = (struct CMUnitTest){
		.name = names[n_tests], .test_func = test_cell, .initial_state = &cells[n_tests],
	};
	n_tests++;
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	for (size_t k = 0; k < n_kinds; k++) {
		for (size_t e = 0; e < n_events; e++) {
			add(&kinds[k], &events[e], 0);
			if (kinds[k].hugetlb)
				add(&kinds[k], &events[e], IBV_ACCESS_HUGETLB);
		}
	}
	return run_group("memory", tests, n_tests);
}
