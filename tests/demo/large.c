// SPDX-License-Identifier: GPL-2.0
/*
 * Registers 8 GiB at once, on demand or (-n) pinned, writes to places of it by RDMA, and tells
 * what that took from the system.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "fact.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

#define GIB (1024 * MIB)
#define LEN (8 * GIB)
#define MESSAGE (20 * 1024 + 7)

static const size_t places[] = { 0, 2 * MIB - 100, GIB - 5, LEN / 2 + 3, LEN - MESSAGE };

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* Tells how long it took as @name; NULL where it is refused. */
static struct ibv_mr *register_timed(struct pair *pair, void *p, size_t len, const char *name)
{
	int access = ALL_ACCESS | (options.pinned ? 0 : IBV_ACCESS_ON_DEMAND);
	double start = now_us();
	struct ibv_mr *mr = ibv_reg_mr(pair->b.pd, p, len, access);
	double took = now_us() - start;

	if (!mr)
		return NULL;
	fact(name, "%.0f", took);
	defer((undo_fn)ibv_dereg_mr, mr);
	return mr;
}

static void write_to(struct pair *pair, struct buf *local, const struct ibv_mr *mr, size_t place)
{
	uint8_t *at = (uint8_t *)mr->addr + place;
	struct ibv_sge list = sge(local, 0, MESSAGE);
	struct ibv_send_wr wr = {
		.wr_id = place, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { .remote_addr = (uintptr_t)at, .rkey = mr->rkey },
	};

	pattern_fill(local->p, MESSAGE, 0, place);
	post_send(&pair->a, &wr);
	expect_wc(pair->a.scq, place, IBV_WC_SUCCESS);
	pattern_check(at, MESSAGE, 0, place, "written far away");
}

static void tell_memory(void)
{
	fact("VmPin", "%ld", file_number("/proc/self/status", "VmPin:"));
	fact("VmLck", "%ld", file_number("/proc/self/status", "VmLck:"));
	fact("VmRSS", "%ld", file_number("/proc/self/status", "VmRSS:"));
}

static void test_large(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;
	struct buf local;
	struct ibv_mr *mr;
	void *p;

	(void)state;
	pair_open(&pair, &rc);
	p = map_reserved(LEN);
	assert_non_null(p);
	assert_non_null(register_timed(&pair, p, PAGE, "us_page"));
	mr = register_timed(&pair, p, LEN, "us");
	if (!mr) {
		fact("errno", "%s", strerrorname_np(errno));
		return;
	}
	local = buf_anon(pair.a.pd, MESSAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		write_to(&pair, &local, mr, places[i]);
	fact("places", "%zu", ARRAY_SIZE(places));
	tell_memory();
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = { cmocka_unit_test(test_large) };

	parse_options(argc, argv);
	return run_group("large", tests, ARRAY_SIZE(tests));
}
