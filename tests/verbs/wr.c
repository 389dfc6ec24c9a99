// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/* The other way to post, ibv_wr_start and its kin: every opcode, and what the first way refuses. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

#define LEN (9 * 1024 + 3)

struct rig {
	struct pair pair;
	struct ibv_qp_ex *qp;
	struct buf a, b;
};

static struct ibv_qp *qp_create_ex(struct end *end, const struct rc *rc)
{
	struct ibv_qp_init_attr_ex attr = {
		.send_cq = end->scq, .recv_cq = end->rcq, .pd = end->pd, .qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM |
			IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM |
			IBV_QP_EX_WITH_RDMA_READ | IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP |
			IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD,
		.cap = {
			.max_send_wr = rc->send_wr, .max_recv_wr = rc->recv_wr,
			.max_send_sge = rc->sge, .max_recv_sge = rc->sge,
			.max_inline_data = rc->inline_data,
		},
	};
	struct ibv_qp *qp = ibv_create_qp_ex(end->ctx, &attr);

	if (!qp)
		fail_msg("ibv_create_qp_ex: %s", strerror(errno));
	defer((undo_fn)ibv_destroy_qp, qp);
	return qp;
}

static void rig_open(struct rig *rig)
{
	struct rc rc = rc_default();
	int odp;

	rig->pair.rc = rc;
	end_open(&rig->pair.a, options.device, &rc);
	end_open(&rig->pair.b, options.peer, &rc);
	rig->pair.a.qp = qp_create_ex(&rig->pair.a, &rc);
	rig->pair.b.qp = end_qp(&rig->pair.b, &rc);
	rig->qp = ibv_qp_to_qp_ex(rig->pair.a.qp);
	pair_connect(&rig->pair);
	odp = odp_access(rig->pair.a.ctx);
	rig->a = buf_anon(rig->pair.a.pd, 2 * LEN, ALL_ACCESS | odp);
	rig->b = buf_anon(rig->pair.b.pd, 2 * LEN, ALL_ACCESS | odp);
	ibv_wr_start(rig->qp);
}

static void finish(struct rig *rig, uint64_t wr_id, enum ibv_wc_status status)
{
	assert_int_equal(ibv_wr_complete(rig->qp), 0);
	expect_wc(rig->pair.a.scq, wr_id, status);
}

static void set_local(struct rig *rig, size_t offset, size_t len)
{
	ibv_wr_set_sge(rig->qp, rig->a.mr->lkey, (uintptr_t)rig->a.p + offset, len);
}

static uint64_t target(struct rig *rig, size_t offset)
{
	return (uintptr_t)rig->b.p + offset;
}

static void test_send(void **state)
{
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	rig_open(&rig);
	list = sge(&rig.b, 5, LEN);
	post_recv(&rig.pair.b, 2, &list, 1);
	pattern_fill(rig.a.p + 3, LEN, 0, 1);
	rig.qp->wr_id = 1;
	ibv_wr_send_imm(rig.qp, 0x11223344);
	set_local(&rig, 3, LEN);
	finish(&rig, 1, IBV_WC_SUCCESS);
	assert_int_equal(expect_wc(rig.pair.b.rcq, 2, IBV_WC_SUCCESS).imm_data, 0x11223344);
	pattern_check(rig.b.p + 5, LEN, 0, 1, "sent");
}

static void test_write(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	post_recv(&rig.pair.b, 2, NULL, 0);
	pattern_fill(rig.a.p, LEN, 0, 1);
	rig.qp->wr_id = 1;
	ibv_wr_rdma_write_imm(rig.qp, rig.b.mr->rkey, target(&rig, 9), 77);
	set_local(&rig, 0, LEN);
	finish(&rig, 1, IBV_WC_SUCCESS);
	assert_int_equal(expect_wc(rig.pair.b.rcq, 2, IBV_WC_SUCCESS).imm_data, 77);
	pattern_check(rig.b.p + 9, LEN, 0, 1, "written");
}

static void test_write_inline(void **state)
{
	uint8_t bytes[50];
	struct rig rig;

	(void)state;
	rig_open(&rig);
	pattern_fill(bytes, sizeof(bytes), 0, 2);
	rig.qp->wr_id = 1;
	rig.qp->wr_flags = IBV_SEND_INLINE;	/* librxe does not set it by itself */
	ibv_wr_rdma_write(rig.qp, rig.b.mr->rkey, target(&rig, PAGE - 20));
	ibv_wr_set_inline_data(rig.qp, bytes, sizeof(bytes));
	finish(&rig, 1, IBV_WC_SUCCESS);
	pattern_check(rig.b.p + PAGE - 20, sizeof(bytes), 0, 2, "written");
}

/* Several requests with one doorbell. */
static void test_batch(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	pattern_fill(rig.a.p, LEN, 0, 3);
	for (int i = 0; i < 10; i++) {
		rig.qp->wr_id = i;
		ibv_wr_rdma_write(rig.qp, rig.b.mr->rkey, target(&rig, 100 * i));
		set_local(&rig, 100 * i, 100);
	}
	rig.qp->wr_id = 10;
	ibv_wr_rdma_read(rig.qp, rig.b.mr->rkey, target(&rig, 0));
	set_local(&rig, LEN, 1000);
	assert_int_equal(ibv_wr_complete(rig.qp), 0);
	for (int i = 0; i <= 10; i++)
		expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
	pattern_check(rig.a.p + LEN, 1000, 0, 3, "written and read back");
}

static void test_atomics(void **state)
{
	uint64_t *counter, *result;
	struct rig rig;

	(void)state;
	rig_open(&rig);
	counter = (uint64_t *)rig.b.p;
	result = (uint64_t *)rig.a.p;
	*counter = 40;
	rig.qp->wr_id = 1;
	ibv_wr_atomic_fetch_add(rig.qp, rig.b.mr->rkey, target(&rig, 0), 2);
	set_local(&rig, 0, 8);
	rig.qp->wr_id = 2;
	ibv_wr_atomic_cmp_swp(rig.qp, rig.b.mr->rkey, target(&rig, 0), 42, 1000);
	set_local(&rig, 8, 8);
	assert_int_equal(ibv_wr_complete(rig.qp), 0);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
	expect_wc(rig.pair.a.scq, 2, IBV_WC_SUCCESS);
	assert_int_equal(result[0], 40);
	assert_int_equal(result[1], 42);
	assert_int_equal(*counter, 1000);
}

/* The target of an atomic must be aligned to its 8 bytes; otherwise the request is invalid. */
static void test_misaligned_atomic(void **state)
{
	(void)state;
	for (int swap = 0; swap < 2; swap++) {
		struct rig rig;

		rig_open(&rig);
		pattern_fill(rig.b.p, 64, 0, 5);
		rig.qp->wr_id = 1;
		if (swap)
			ibv_wr_atomic_cmp_swp(rig.qp, rig.b.mr->rkey, target(&rig, 4), 0, 1);
		else
			ibv_wr_atomic_fetch_add(rig.qp, rig.b.mr->rkey, target(&rig, 4), 1);
		set_local(&rig, 0, 8);
		finish(&rig, 1, IBV_WC_REM_INV_REQ_ERR);
		expect_state(rig.pair.a.qp, IBV_QPS_ERR);
		expect_state(rig.pair.b.qp, IBV_QPS_ERR);
		pattern_check(rig.b.p, 64, 0, 5, "the target");
	}
}

/* Requests that were begun and aborted are never posted. */
static void test_abort(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	rig.qp->wr_id = 1;
	ibv_wr_rdma_write(rig.qp, rig.b.mr->rkey, target(&rig, 0));
	set_local(&rig, 0, LEN);
	ibv_wr_abort(rig.qp);
	expect_quiet(rig.pair.a.scq, 10);
	ibv_wr_start(rig.qp);
	pattern_fill(rig.a.p, LEN, 0, 6);
	rig.qp->wr_id = 2;
	ibv_wr_rdma_write(rig.qp, rig.b.mr->rkey, target(&rig, 0));
	set_local(&rig, 0, LEN);
	finish(&rig, 2, IBV_WC_SUCCESS);
	pattern_check(rig.b.p, LEN, 0, 6, "written");
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_send),
	cmocka_unit_test(test_write),
	cmocka_unit_test(test_write_inline),
	cmocka_unit_test(test_batch),
	cmocka_unit_test(test_atomics),
	cmocka_unit_test(test_misaligned_atomic),
	cmocka_unit_test(test_abort),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("wr", tests, ARRAY_SIZE(tests));
}
