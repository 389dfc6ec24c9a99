// SPDX-License-Identifier: GPL-2.0
/* CI: kasan:wire debian:wire lockdep:wire */
/*
 * On-demand regions over memory that is not there or not allowed: the access fails with an error
 * that names it, and succeeds once the memory is.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

#define LEN (8 * PAGE)

struct rig {
	struct pair pair;
	struct buf local, memory;
};

static void rig_open(struct rig *rig, int access)
{
	struct rc rc = rc_default();

	pair_open(&rig->pair, &rc);
	need_odp(rig->pair.a.ctx);
	rig->local = buf_anon(rig->pair.a.pd, LEN, ALL_ACCESS);
	rig->memory = buf_memfd(rig->pair.b.pd, LEN, IBV_ACCESS_ON_DEMAND | access);
	pattern_fill(rig->memory.p, LEN, 0, 1);
}

static void rdma(struct rig *rig, enum ibv_wr_opcode opcode, enum ibv_wc_status status)
{
	struct ibv_sge list = sge(&rig->local, 0, LEN);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = opcode, .sg_list = &list, .num_sge = 1,
		.wr.rdma = {
			.remote_addr = (uintptr_t)rig->memory.p, .rkey = rig->memory.mr->rkey,
		},
	};

	post_send(&rig->pair.a, &wr);
	expect_wc(rig->pair.a.scq, 1, status);
	if (status != IBV_WC_SUCCESS)
		pair_connect(&rig->pair);
}

static void read_works(struct rig *rig, uint64_t seed)
{
	memset(rig->local.p, 0, LEN);
	rdma(rig, IBV_WR_RDMA_READ, IBV_WC_SUCCESS);
	pattern_check(rig->local.p, LEN, 0, seed, "read");
}

static void write_works(struct rig *rig, uint64_t seed)
{
	pattern_fill(rig->local.p, LEN, 0, seed);
	rdma(rig, IBV_WR_RDMA_WRITE, IBV_WC_SUCCESS);
	pattern_check(rig->memory.p, LEN, 0, seed, "written");
}

static void protect(struct rig *rig, int protection)
{
	assert_int_equal(mprotect(rig->memory.p, LEN, protection), 0);
}

/* A region without a right to write, over memory without one. */
static void test_read_only_region(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, IBV_ACCESS_REMOTE_READ);
	protect(&rig, PROT_READ);
	read_works(&rig, 1);
	rdma(&rig, IBV_WR_RDMA_WRITE, IBV_WC_REM_ACCESS_ERR);
	read_works(&rig, 1);
}

/* The region has the right, the memory has not, and then it has. */
static void test_read_only_memory(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, ALL_ACCESS);
	write_works(&rig, 2);
	protect(&rig, PROT_READ);
	read_works(&rig, 2);
	rdma(&rig, IBV_WR_RDMA_WRITE, IBV_WC_REM_ACCESS_ERR);
	pattern_check(rig.memory.p, LEN, 0, 2, "after the refusal");
	read_works(&rig, 2);
	protect(&rig, PROT_READ | PROT_WRITE);
	write_works(&rig, 3);
}

static void test_no_access(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, ALL_ACCESS);
	read_works(&rig, 1);
	protect(&rig, PROT_NONE);
	rdma(&rig, IBV_WR_RDMA_READ, IBV_WC_REM_ACCESS_ERR);
	rdma(&rig, IBV_WR_RDMA_WRITE, IBV_WC_REM_ACCESS_ERR);
	protect(&rig, PROT_READ | PROT_WRITE);
	read_works(&rig, 1);
	write_works(&rig, 2);
}

static void test_hole(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, ALL_ACCESS);
	write_works(&rig, 2);
	assert_int_equal(munmap(rig.memory.p + LEN / 2, LEN / 2), 0);
	rdma(&rig, IBV_WR_RDMA_READ, IBV_WC_REM_ACCESS_ERR);
	rdma(&rig, IBV_WR_RDMA_WRITE, IBV_WC_REM_ACCESS_ERR);
	buf_remap(&rig.memory);
	write_works(&rig, 4);
	read_works(&rig, 4);
}

/* Registered over nothing at all, mapped later. */
static void test_mapped_later(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, ALL_ACCESS);
	assert_int_equal(munmap(rig.memory.p, LEN), 0);
	rdma(&rig, IBV_WR_RDMA_READ, IBV_WC_REM_ACCESS_ERR);
	buf_remap(&rig.memory);
	read_works(&rig, 1);
	write_works(&rig, 5);
}

/* Behind the end of the file there is SIGBUS for the CPU and an error for the peer. */
static void test_truncated(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, ALL_ACCESS);
	write_works(&rig, 2);
	assert_int_equal(ftruncate(rig.memory.fd, PAGE), 0);
	rdma(&rig, IBV_WR_RDMA_READ, IBV_WC_REM_ACCESS_ERR);
	rdma(&rig, IBV_WR_RDMA_WRITE, IBV_WC_REM_ACCESS_ERR);
	assert_int_equal(ftruncate(rig.memory.fd, LEN), 0);
	write_works(&rig, 6);
	read_works(&rig, 6);
}

/* This side's own memory: the status is local, and the peer hears nothing. */
static void test_local(void **state)
{
	struct rc rc = rc_default();
	struct buf local, remote;
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	need_odp(pair.a.ctx);
	local = buf_memfd(pair.a.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	remote = buf_anon(pair.b.pd, LEN, ALL_ACCESS);
	for (int read = 0; read < 2; read++) {
		struct ibv_sge list = sge(&local, 0, LEN);
		struct ibv_send_wr wr = {
			.wr_id = 1, .sg_list = &list, .num_sge = 1,
			.opcode = read ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE,
			.wr.rdma = {
				.remote_addr = (uintptr_t)remote.p, .rkey = remote.mr->rkey,
			},
		};

		assert_int_equal(mprotect(local.p, LEN, read ? PROT_READ : PROT_NONE), 0);
		post_send(&pair.a, &wr);
		expect_wc(pair.a.scq, 1, IBV_WC_LOC_PROT_ERR);
		expect_state(pair.a.qp, IBV_QPS_ERR);
		assert_int_equal(qp_state(pair.b.qp), IBV_QPS_RTS);
		assert_int_equal(mprotect(local.p, LEN, PROT_READ | PROT_WRITE), 0);
		pair_connect(&pair);
		post_send(&pair.a, &wr);
		expect_wc(pair.a.scq, 1, IBV_WC_SUCCESS);
	}
}

/* The receiver's own memory: an error for both. */
static void test_receiver(void **state)
{
	struct ibv_send_wr wr = { .wr_id = 1, .opcode = IBV_WR_SEND, .num_sge = 1 };
	struct ibv_sge list, recv_list;
	struct rig rig;

	(void)state;
	rig_open(&rig, ALL_ACCESS);
	list = sge(&rig.local, 0, LEN);
	recv_list = sge(&rig.memory, 0, LEN);
	wr.sg_list = &list;
	protect(&rig, PROT_READ);
	post_recv(&rig.pair.b, 2, &recv_list, 1);
	post_send(&rig.pair.a, &wr);
	expect_wc(rig.pair.b.rcq, 2, IBV_WC_LOC_PROT_ERR);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_REM_OP_ERR);
	protect(&rig, PROT_READ | PROT_WRITE);
	pattern_check(rig.memory.p, LEN, 0, 1, "after the refusal");
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_read_only_region),
	cmocka_unit_test(test_read_only_memory),
	cmocka_unit_test(test_no_access),
	cmocka_unit_test(test_hole),
	cmocka_unit_test(test_mapped_later),
	cmocka_unit_test(test_truncated),
	cmocka_unit_test(test_local),
	cmocka_unit_test(test_receiver),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("access", tests, ARRAY_SIZE(tests));
}
