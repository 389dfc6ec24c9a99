// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/* The device can do everything that it reports; anything beyond that is refused with an errno. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

struct rig {
	struct end end;
	struct ibv_device_attr attr;
};

static void rig_open(struct rig *rig)
{
	struct rc rc = rc_default();

	end_open(&rig->end, options.device, &rc);
	assert_int_equal(ibv_query_device(rig->end.ctx, &rig->attr), 0);
}

static int create_qp(struct rig *rig, const struct ibv_qp_cap *cap)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = rig->end.scq, .recv_cq = rig->end.rcq, .qp_type = IBV_QPT_RC,
		.cap = *cap,
	};
	struct ibv_qp *qp = ibv_create_qp(rig->end.pd, &attr);

	if (!qp)
		return errno;
	assert_true(attr.cap.max_send_wr >= cap->max_send_wr);
	assert_true(attr.cap.max_send_sge >= cap->max_send_sge);
	assert_true(attr.cap.max_recv_wr >= cap->max_recv_wr);
	assert_true(attr.cap.max_recv_sge >= cap->max_recv_sge);
	assert_true(attr.cap.max_inline_data >= cap->max_inline_data);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	return 0;
}

static void test_qp_sizes(void **state)
{
	struct ibv_qp_cap cap = { 1, 1, 1, 1, 0 };
	struct rig rig;

	(void)state;
	rig_open(&rig);
	assert_int_equal(create_qp(&rig, &cap), 0);
	cap = (struct ibv_qp_cap){ 8, 8, rig.attr.max_sge, rig.attr.max_sge, 0 };
	assert_int_equal(create_qp(&rig, &cap), 0);
	cap.max_send_sge++;
	assert_int_equal(create_qp(&rig, &cap), EINVAL);
	cap = (struct ibv_qp_cap){ 8, 8, 1, rig.attr.max_sge + 1, 0 };
	assert_int_equal(create_qp(&rig, &cap), EINVAL);
	cap = (struct ibv_qp_cap){ rig.attr.max_qp_wr + 1, 8, 1, 1, 0 };
	assert_int_equal(create_qp(&rig, &cap), EINVAL);
	cap = (struct ibv_qp_cap){ 8, rig.attr.max_qp_wr + 1, 1, 1, 0 };
	assert_int_equal(create_qp(&rig, &cap), EINVAL);
	cap = (struct ibv_qp_cap){ 8, 8, 1, 1, 1 << 20 };
	assert_int_equal(create_qp(&rig, &cap), EINVAL);
}

static void test_region_rights(void **state)
{
	struct rig rig;
	void *p;

	(void)state;
	rig_open(&rig);
	p = map_anon(4 * PAGE);
	assert_null(ibv_reg_mr(rig.end.pd, p, PAGE, IBV_ACCESS_REMOTE_WRITE));
	assert_int_equal(errno, EINVAL);
	assert_null(ibv_reg_mr(rig.end.pd, p, PAGE, IBV_ACCESS_REMOTE_ATOMIC));
	assert_int_equal(errno, EINVAL);
	assert_null(ibv_reg_mr(rig.end.pd, p, PAGE, 1 << 19));
	munmap(p, PAGE);
	assert_null(ibv_reg_mr(rig.end.pd, p, PAGE, ALL_ACCESS));
	assert_int_equal(errno, EFAULT);
	assert_int_equal(mprotect(p + PAGE, PAGE, PROT_READ), 0);
	assert_null(ibv_reg_mr(rig.end.pd, p + PAGE, PAGE, ALL_ACCESS));
	assert_int_equal(errno, EFAULT);
	reg(rig.end.pd, p + PAGE, PAGE, IBV_ACCESS_REMOTE_READ);
}

/* Regions of one byte, of odd sizes, and over the same bytes many times. */
static void test_odd_regions(void **state)
{
	struct rc rc = rc_default();
	struct buf local, memory;
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	local = buf_anon(pair.a.pd, 2 * PAGE, ALL_ACCESS);
	memory = buf_anon(pair.b.pd, 4 * PAGE, ALL_ACCESS);
	for (size_t len = 1; len < 2 * PAGE; len = len * 3 + 1) {
		size_t at = 2 * PAGE - len / 2 - 1;
		struct ibv_mr *mr = reg(pair.b.pd, memory.p + at, len, ALL_ACCESS);
		struct ibv_sge list = sge(&local, 0, len);

		pattern_fill(local.p, len, 0, len);
		pair_rdma(&pair, IBV_WR_RDMA_WRITE, list, (uintptr_t)mr->addr, mr->rkey, IBV_WC_SUCCESS);
		pattern_check(memory.p + at, len, 0, len, "an odd region");
		list.length++;
		pair_rdma(&pair, IBV_WR_RDMA_WRITE, list, (uintptr_t)mr->addr, mr->rkey,
			  IBV_WC_REM_ACCESS_ERR);
		pair_connect(&pair);
	}
}

/* Every key is unique, and the keys of deregistered regions are not reused at once. */
static void test_keys(void **state)
{
	enum { N = 200 };
	uint32_t keys[N], last;
	struct rig rig;
	void *p;

	(void)state;
	rig_open(&rig);
	p = map_anon(PAGE);
	for (int i = 0; i < N; i++) {
		keys[i] = reg(rig.end.pd, p, PAGE, ALL_ACCESS)->rkey;
		for (int k = 0; k < i; k++)
			assert_int_not_equal(keys[i], keys[k]);
	}
	for (int i = 0; i < N; i++) {
		struct ibv_mr *mr = reg(rig.end.pd, p, PAGE, ALL_ACCESS);

		if (i)
			assert_int_not_equal(mr->rkey, last);
		last = mr->rkey;
		undo(mr);
	}
}

/* The longest gather and scatter lists, with empty elements in between. */
static void test_most_pieces(void **state)
{
	struct ibv_device_attr attr;
	struct ibv_sge from[64], to[64];
	struct rc rc = rc_default();
	struct ibv_send_wr wr = { .wr_id = 1, .opcode = IBV_WR_SEND, .sg_list = from };
	struct buf local, memory;
	struct pair pair;
	size_t total = 0;
	struct end probe;
	int n;

	(void)state;
	end_open(&probe, options.device, &rc);
	assert_int_equal(ibv_query_device(probe.ctx, &attr), 0);
	n = attr.max_sge < 64 ? attr.max_sge : 64;
	rc.sge = n;
	pair_open(&pair, &rc);
	local = buf_anon(pair.a.pd, 64 * PAGE, ALL_ACCESS);
	memory = buf_anon(pair.b.pd, 64 * PAGE, ALL_ACCESS);
	for (int i = 0; i < n; i++) {
		size_t len = i % 3 ? 37 * i : 0;

		from[i] = sge(&local, (n - 1 - i) * PAGE + 11, len);
		to[n - 1 - i] = sge(&memory, i * PAGE + 5, len);
		total += len;
	}
	for (size_t i = 0, at = 0; i < (size_t)n; at += from[i++].length)
		pattern_fill((void *)(uintptr_t)from[i].addr, from[i].length, at, 3);
	wr.num_sge = n;
	post_recv(&pair.b, 2, to, n);
	post_send(&pair.a, &wr);
	assert_int_equal(expect_wc(pair.b.rcq, 2, IBV_WC_SUCCESS).byte_len, total);
	expect_wc(pair.a.scq, 1, IBV_WC_SUCCESS);
	for (size_t i = 0, at = 0; i < (size_t)n; at += to[i++].length)
		pattern_check((void *)(uintptr_t)to[i].addr, to[i].length, at, 3, "a piece");
}

/*
 * The queue takes at least as many requests as it was created for, then reports that it is full, and goes on
 * working.
 */
static void test_full_queue(void **state)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND }, *bad;
	struct rc rc = rc_default();
	struct pair pair;
	unsigned int n = 0;

	(void)state;
	rc.send_wr = 10;
	rc.min_rnr_timer = 20;	/* 10 ms: no send completes without a receive request */
	pair_open(&pair, &rc);
	for (; n < 10000; n++) {
		wr.wr_id = n;
		if (ibv_post_send(pair.a.qp, &wr, &bad))
			break;
	}
	assert_true(n >= 10 && n < 10000);
	for (unsigned int i = 0; i < n; i++) {
		post_recv(&pair.b, i, NULL, 0);
		expect_wc(pair.b.rcq, i, IBV_WC_SUCCESS);
	}
	for (unsigned int i = 0; i < n; i++)
		expect_wc(pair.a.scq, i, IBV_WC_SUCCESS);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_qp_sizes),
	cmocka_unit_test(test_region_rights),
	cmocka_unit_test(test_odd_regions),
	cmocka_unit_test(test_keys),
	cmocka_unit_test(test_most_pieces),
	cmocka_unit_test(test_full_queue),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("limits", tests, ARRAY_SIZE(tests));
}
