// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire debian:wire */
/*
 * On-demand regions over memory that does not exist or forbids the access: the access fails with an error
 * that names the reason, and succeeds once the memory is there.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/rig.h"
#include "lib/test.h"

#define LEN (8 * PAGE)

/* Makes buffer b, the region under test, over a file in memory. */
static void open_region(struct rig *rig, int access)
{
	struct rc rc = rc_default();

	rig_open_local(rig, &rc, LEN);
	rig->b = buf_memfd(rig->pair.b.pd, LEN, IBV_ACCESS_ON_DEMAND | access);
	pattern_fill(rig->b.p, LEN, 0, 1);
}

static void rdma(struct rig *rig, enum ibv_wr_opcode opcode, enum ibv_wc_status status)
{
	rig_rdma_ends(rig, opcode, 0, LEN, status);
	if (status != IBV_WC_SUCCESS)
		pair_connect(&rig->pair);
}

static void read_works(struct rig *rig, uint64_t seed)
{
	memset(rig->a.p, 0, LEN);
	rdma(rig, IBV_WR_RDMA_READ, IBV_WC_SUCCESS);
	pattern_check(rig->a.p, LEN, 0, seed, "read");
}

static void write_works(struct rig *rig, uint64_t seed)
{
	pattern_fill(rig->a.p, LEN, 0, seed);
	rdma(rig, IBV_WR_RDMA_WRITE, IBV_WC_SUCCESS);
	pattern_check(rig->b.p, LEN, 0, seed, "written");
}

static void protect(struct rig *rig, int protection)
{
	assert_int_equal(mprotect(rig->b.p, LEN, protection), 0);
}

/* Neither the region nor the memory allows writing. */
static void test_read_only_region(void **state)
{
	struct rig rig;

	(void)state;
	open_region(&rig, IBV_ACCESS_REMOTE_READ);
	protect(&rig, PROT_READ);
	read_works(&rig, 1);
	rdma(&rig, IBV_WR_RDMA_WRITE, IBV_WC_REM_ACCESS_ERR);
	read_works(&rig, 1);
}

/* The region allows writing; the memory does not at first, and then does. */
static void test_read_only_memory(void **state)
{
	struct rig rig;

	(void)state;
	open_region(&rig, ALL_ACCESS);
	write_works(&rig, 2);
	protect(&rig, PROT_READ);
	read_works(&rig, 2);
	rdma(&rig, IBV_WR_RDMA_WRITE, IBV_WC_REM_ACCESS_ERR);
	pattern_check(rig.b.p, LEN, 0, 2, "after the refused write");
	read_works(&rig, 2);
	protect(&rig, PROT_READ | PROT_WRITE);
	write_works(&rig, 3);
}

static void test_no_access(void **state)
{
	struct rig rig;

	(void)state;
	open_region(&rig, ALL_ACCESS);
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
	open_region(&rig, ALL_ACCESS);
	write_works(&rig, 2);
	assert_int_equal(munmap(rig.b.p + LEN / 2, LEN / 2), 0);
	rdma(&rig, IBV_WR_RDMA_READ, IBV_WC_REM_ACCESS_ERR);
	rdma(&rig, IBV_WR_RDMA_WRITE, IBV_WC_REM_ACCESS_ERR);
	buf_remap(&rig.b);
	write_works(&rig, 4);
	read_works(&rig, 4);
}

/* Registered over unmapped addresses, and mapped later. */
static void test_mapped_later(void **state)
{
	struct rig rig;

	(void)state;
	open_region(&rig, ALL_ACCESS);
	assert_int_equal(munmap(rig.b.p, LEN), 0);
	rdma(&rig, IBV_WR_RDMA_READ, IBV_WC_REM_ACCESS_ERR);
	buf_remap(&rig.b);
	read_works(&rig, 1);
	write_works(&rig, 5);
}

/* Behind the end of the file the CPU gets SIGBUS and a peer gets an error. */
static void test_truncated(void **state)
{
	struct rig rig;

	(void)state;
	open_region(&rig, ALL_ACCESS);
	write_works(&rig, 2);
	assert_int_equal(ftruncate(rig.b.fd, PAGE), 0);
	rdma(&rig, IBV_WR_RDMA_READ, IBV_WC_REM_ACCESS_ERR);
	rdma(&rig, IBV_WR_RDMA_WRITE, IBV_WC_REM_ACCESS_ERR);
	assert_int_equal(ftruncate(rig.b.fd, LEN), 0);
	write_works(&rig, 6);
	read_works(&rig, 6);
}

/* An error in the requester's own memory: the status is local, and the peer gets no error. */
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

/* An error in the receiver's own memory: both sides get an error. */
static void test_receiver(void **state)
{
	struct ibv_send_wr wr = { .wr_id = 1, .opcode = IBV_WR_SEND, .num_sge = 1 };
	struct ibv_sge list, recv_list;
	struct rig rig;

	(void)state;
	open_region(&rig, ALL_ACCESS);
	list = sge(&rig.a, 0, LEN);
	recv_list = sge(&rig.b, 0, LEN);
	wr.sg_list = &list;
	protect(&rig, PROT_READ);
	post_recv(&rig.pair.b, 2, &recv_list, 1);
	post_send(&rig.pair.a, &wr);
	expect_wc(rig.pair.b.rcq, 2, IBV_WC_LOC_PROT_ERR);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_REM_OP_ERR);
	protect(&rig, PROT_READ | PROT_WRITE);
	pattern_check(rig.b.p, LEN, 0, 1, "after the refused SEND");
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
