// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * Of every kind of object the device allows exactly as many as it reports: the next one is refused with
 * ENOMEM, and works when one has been destroyed. A size above the reported maximum is refused with EINVAL.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/wire.h"

#define DEVICE "rxequota"
#define MOST 48		/* of each type, in place of a million */
#define KERNEL 8	/* the kernel itself uses some of these */

struct rig {
	struct rc rc;
	struct end end;
	struct ibv_device_attr attr;
	void *memory;
};

/* --- objects ----------------------------------------------------------------------------- */

struct type {
	const char *name;
	void *(*make)(struct rig *rig);
	int (*unmake)(void *object);
	size_t max;	/* offset of the maximum in struct ibv_device_attr */
};

static void *make_pd(struct rig *rig)
{
	return ibv_alloc_pd(rig->end.ctx);
}

static void *make_cq(struct rig *rig)
{
	return ibv_create_cq(rig->end.ctx, 1, NULL, NULL, 0);
}

static void *make_qp(struct rig *rig)
{
	struct ibv_qp_init_attr attr = end_qp_attr(&rig->end, &rig->rc);

	return ibv_create_qp(rig->end.pd, &attr);
}

static void *make_srq(struct rig *rig)
{
	struct ibv_srq_init_attr attr = { .attr = { .max_wr = 1, .max_sge = 1 } };

	return ibv_create_srq(rig->end.pd, &attr);
}

static void *make_mr(struct rig *rig)
{
	return ibv_reg_mr(rig->end.pd, rig->memory, PAGE, ALL_ACCESS);
}

static void *make_mw(struct rig *rig)
{
	return ibv_alloc_mw(rig->end.pd, IBV_MW_TYPE_1);
}

static void *make_ah(struct rig *rig)
{
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = 1,
		.grh = { .dgid = rig->end.gid, .sgid_index = rig->end.gid_index, .hop_limit = 1 },
	};

	return ibv_create_ah(rig->end.pd, &attr);
}

#define TYPE(NAME, destroy)							\
	{ #NAME, make_##NAME, (int (*)(void *))(destroy),			\
	  offsetof(struct ibv_device_attr, max_##NAME) }

static const struct type types[] = {
	TYPE(pd, ibv_dealloc_pd), TYPE(cq, ibv_destroy_cq), TYPE(qp, ibv_destroy_qp),
	TYPE(srq, ibv_destroy_srq), TYPE(mr, ibv_dereg_mr), TYPE(mw, ibv_dealloc_mw),
	TYPE(ah, ibv_destroy_ah),
};

static void make_all(struct rig *rig, const struct type *type)
{
	int max = *(int *)((char *)&rig->attr + type->max), n = 0;
	void *objects[MOST + 1];

	assert_int_equal(max, MOST);
	while (n <= max && (objects[n] = type->make(rig)))
		n++;
	if (n > max || n < max - KERNEL)
		fail_msg("%s: %d were made of %d", type->name, n, max);
	if (errno != ENOMEM)
		fail_msg("%s: refused with %s", type->name, strerror(errno));
	/* A slot is free again at once, and only one. */
	assert_int_equal(type->unmake(objects[--n]), 0);
	objects[n] = type->make(rig);
	assert_non_null(objects[n]);
	assert_null(type->make(rig));
	for (n++; n; n--)
		assert_int_equal(type->unmake(objects[n - 1]), 0);
}

static int link_delete(void *unused)
{
	(void)unused;
	shell("rdma link delete " DEVICE " 2>/dev/null; ip link delete quota0 2>/dev/null; true");
	return 0;
}

/* Opens the device of a link made for this test. */
static void rig_open(struct rig *rig)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", MOST);
	set_parameter("rdma_rxe", "max_objects", number);
	defer(link_delete, rig);
	shell("ip link add quota0 type dummy && ip address add 10.77.0.1/24 dev quota0 &&"
	      "ip link set quota0 up && rdma link add " DEVICE " type rxe netdev quota0");
	rig->rc = rc_default();
	rig->rc.send_wr = rig->rc.recv_wr = 1;
	end_open(&rig->end, DEVICE, &rig->rc);
	assert_int_equal(ibv_query_device(rig->end.ctx, &rig->attr), 0);
	rig->memory = map_anon(PAGE);
}

static void test_objects(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_SIZE(types); i++)
			make_all(&rig, &types[i]);
}

/* A call that fails for another reason has not used up a slot. */
static void test_failures(void **state)
{
	struct ibv_qp_init_attr init;
	struct rig rig;

	(void)state;
	rig_open(&rig);
	for (int i = 0; i < 2 * MOST; i++) {
		init = end_qp_attr(&rig.end, &rig.rc);
		init.cap.max_send_sge = rig.attr.max_sge + 1;
		assert_null(ibv_create_qp(rig.end.pd, &init));
		assert_null(ibv_create_cq(rig.end.ctx, rig.attr.max_cqe + 1, NULL, NULL, 0));
		assert_null(ibv_reg_mr(rig.end.pd, rig.memory, PAGE, IBV_ACCESS_REMOTE_WRITE));
	}
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		make_all(&rig, &types[i]);
}

/* --- multicast ------------------------------------------------------------------------------ */

static union ibv_gid group(uint32_t n)
{
	union ibv_gid gid = { .raw = { [10] = 0xff, [11] = 0xff } };
	uint32_t address = htonl(0xef000001 + n);	/* 239.0.0.1 and so on */

	memcpy(gid.raw + 12, &address, sizeof(address));
	return gid;
}

static struct ibv_qp *datagram_qp(struct end *end, struct rc *rc)
{
	struct ibv_qp *qp;

	rc->type = IBV_QPT_UD;
	rc->send_wr = rc->recv_wr = 1;
	qp = end_qp(end, rc);
	qp_init(qp, rc);
	return qp;
}

static void test_members(void **state)
{
	union ibv_gid gid = group(1);
	struct ibv_device_attr attr;
	struct rc rc = rc_default();
	struct ibv_qp **qps;
	struct end end;
	int n;

	(void)state;
	end_open(&end, options.device, &rc);
	assert_int_equal(ibv_query_device(end.ctx, &attr), 0);
	n = attr.max_mcast_qp_attach;
	qps = scratch((n + 1) * sizeof(*qps));
	for (int i = 0; i <= n; i++) {
		qps[i] = datagram_qp(&end, &rc);
		assert_int_equal(ibv_attach_mcast(qps[i], &gid, 0), i < n ? 0 : ENOMEM);
	}
	/* An attached queue pair cannot be destroyed. */
	for (int i = 0; i < n; i++)
		assert_int_equal(ibv_detach_mcast(qps[i], &gid, 0), 0);
}

static void test_groups(void **state)
{
	struct ibv_device_attr attr;
	struct rc rc = rc_default();
	union ibv_gid gid;
	struct ibv_qp *qp;
	struct end end;

	(void)state;
	end_open(&end, options.device, &rc);
	assert_int_equal(ibv_query_device(end.ctx, &attr), 0);
	qp = datagram_qp(&end, &rc);
	for (int i = 0; i < attr.max_mcast_grp; i++) {
		gid = group(i);
		assert_int_equal(ibv_attach_mcast(qp, &gid, 0), 0);
	}
	gid = group(attr.max_mcast_grp);
	assert_int_equal(ibv_attach_mcast(qp, &gid, 0), ENOMEM);
	for (int i = 0; i < attr.max_mcast_grp; i++) {
		gid = group(i);
		assert_int_equal(ibv_detach_mcast(qp, &gid, 0), 0);
	}
}

/* --- sizes ------------------------------------------------------------------------------------ */

static void test_sizes(void **state)
{
	struct ibv_srq_init_attr srq = { .attr = { .max_sge = 1 } };
	struct ibv_device_attr attr;
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	end_open(&pair.a, options.device, &rc);
	assert_int_equal(ibv_query_device(pair.a.ctx, &attr), 0);
	assert_null(ibv_create_cq(pair.a.ctx, attr.max_cqe + 1, NULL, NULL, 0));
	assert_int_equal(errno, EINVAL);
	srq.attr.max_wr = attr.max_srq_wr + 1;
	assert_null(ibv_create_srq(pair.a.pd, &srq));
	assert_int_equal(errno, EINVAL);
	srq.attr = (struct ibv_srq_attr){ .max_wr = 1, .max_sge = attr.max_srq_sge + 1 };
	assert_null(ibv_create_srq(pair.a.pd, &srq));
	assert_int_equal(errno, EINVAL);
}

/* READs and atomics under way, as requester and as responder. */
static void test_rd_atomic(void **state)
{
	struct ibv_qp_attr change = { .qp_state = IBV_QPS_SQD };
	struct ibv_device_attr attr;
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	assert_int_equal(ibv_query_device(pair.a.ctx, &attr), 0);
	pair.rc.rd_atomic = attr.max_qp_rd_atom;
	pair_connect(&pair);
	qp_to(pair.a.qp, IBV_QPS_SQD);
	change.max_rd_atomic = attr.max_qp_init_rd_atom + 1;
	assert_int_equal(ibv_modify_qp(pair.a.qp, &change, IBV_QP_STATE | IBV_QP_MAX_QP_RD_ATOMIC),
			 EINVAL);
	change.max_dest_rd_atomic = attr.max_qp_rd_atom + 1;
	assert_int_equal(ibv_modify_qp(pair.a.qp, &change, IBV_QP_STATE | IBV_QP_MAX_DEST_RD_ATOMIC),
			 EINVAL);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_objects),
	cmocka_unit_test(test_failures),
	cmocka_unit_test(test_members),
	cmocka_unit_test(test_groups),
	cmocka_unit_test(test_sizes),
	cmocka_unit_test(test_rd_atomic),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("quota", tests, ARRAY_SIZE(tests));
}
