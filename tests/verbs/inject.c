// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * Every allocation of a verb fails once. The verb then reports that there is no memory and leaves nothing
 * behind, and the same verb works at once afterwards. What frees something does so without memory. Another
 * process's traffic goes on meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <rdma/ib_user_verbs.h>

#include "lib/inject.h"
#include "lib/mem.h"
#include "lib/nldev.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/witness.h"

#define GIB (1024 * MIB)
#define REGION (16 * PAGE)
/* More allocations than any verb makes. */
#define ENDLESS 2000

struct scene {
	struct witness witness;
	struct pair pair;
	int nldev, device;
	uint8_t *memory;	/* REGION bytes on both sides of a window boundary */
	struct buf sink;	/* of pair.b */
	struct ibv_qp *qp;	/* not connected */
	struct ibv_cq *cq;
	struct ibv_srq *srq;
	struct ibv_mr *mr;
};

/* The core has one window for half a GiB, so a region across a boundary needs two of everything. */
static void map_across_border(struct scene *s)
{
	uintptr_t room = (uintptr_t)map_reserved(2 * GIB);
	uintptr_t border = (room + GIB) & ~(GIB - 1);

	s->memory = (uint8_t *)border - REGION / 2;
	memset(s->memory, 1, REGION);
}

static void scene_open(struct scene *s)
{
	struct rc rc = rc_default();

	need_inject();
	s->witness = witness_start();
	pair_open(&s->pair, &rc);
	need_odp(s->pair.a.ctx);
	map_across_border(s);
	s->sink = buf_anon(s->pair.b.pd, REGION, ALL_ACCESS);
	s->qp = end_qp(&s->pair.a, &rc);
	s->cq = ibv_create_cq(s->pair.a.ctx, 16, NULL, NULL, 0);
	assert_non_null(s->cq);
	defer((undo_fn)ibv_destroy_cq, s->cq);
	s->srq = ibv_create_srq(s->pair.a.pd, &(struct ibv_srq_init_attr){
					.attr = { .max_wr = 16, .max_sge = 1 } });
	assert_non_null(s->srq);
	defer((undo_fn)ibv_destroy_srq, s->srq);
	s->mr = reg(s->pair.a.pd, s->memory, REGION, ALL_ACCESS | IBV_ACCESS_MW_BIND);
	s->nldev = nldev_open();
	s->device = nldev_index(s->nldev, options.device);
	assert_true(s->device >= 0);
}

/* --- objects that are made and destroyed ----------------------------------- */

struct thing {
	const char *name;
	void *(*make)(struct scene *s);
	undo_fn destroy;
	void (*before)(struct scene *s);
	bool numbered;		/* its number comes from one of the driver's tables */
	int other_errno;	/* another errno that also reports a lack of memory */
};

static void *make_context(struct scene *s)
{
	return ibv_open_device(s->pair.a.ctx->device);
}

static void *make_pd(struct scene *s)
{
	return ibv_alloc_pd(s->pair.a.ctx);
}

static void *make_channel(struct scene *s)
{
	return ibv_create_comp_channel(s->pair.a.ctx);
}

static void *make_cq(struct scene *s)
{
	return ibv_create_cq(s->pair.a.ctx, 16, NULL, NULL, 0);
}

static void *make_cq_with_channel(struct scene *s)
{
	return ibv_create_cq(s->pair.a.ctx, 1024, NULL, s->pair.a.events, 0);
}

static void *make_cq_ex(struct scene *s)
{
	struct ibv_cq_init_attr_ex attr = { .cqe = 16 };

	return ibv_create_cq_ex(s->pair.a.ctx, &attr);
}

static int destroy_cq_ex(void *object)
{
	return ibv_destroy_cq(ibv_cq_ex_to_cq(object));
}

static void untouch(struct scene *s)
{
	assert_int_equal(madvise(s->memory, REGION, MADV_DONTNEED), 0);
}

static void *make_pinned(struct scene *s)
{
	return ibv_reg_mr(s->pair.a.pd, s->memory, REGION, ALL_ACCESS);
}

static void *make_on_demand(struct scene *s)
{
	return ibv_reg_mr(s->pair.a.pd, s->memory, REGION, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

static void write_from(struct scene *s, struct ibv_mr *mr)
{
	struct ibv_sge list = { (uintptr_t)s->memory, REGION, mr->lkey };

	pair_rdma(&s->pair, IBV_WR_RDMA_WRITE, list, (uintptr_t)s->sink.p, s->sink.mr->rkey, IBV_WC_SUCCESS);
}

/* A region with translations, so that there is something to free. */
static void *make_used(struct scene *s)
{
	struct ibv_mr *mr = make_on_demand(s);

	if (mr)
		write_from(s, mr);
	return mr;
}

static void *make_ah(struct scene *s)
{
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = 1,
		.grh = { .dgid = s->pair.b.gid, .sgid_index = s->pair.a.gid_index, .hop_limit = 8 },
	};

	return ibv_create_ah(s->pair.a.pd, &attr);
}

static void *make_mw1(struct scene *s)
{
	return ibv_alloc_mw(s->pair.a.pd, IBV_MW_TYPE_1);
}

static void *make_mw2(struct scene *s)
{
	return ibv_alloc_mw(s->pair.a.pd, IBV_MW_TYPE_2);
}

static void *make_sized_qp(struct scene *s, unsigned int wrs, unsigned int sges)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = s->pair.a.scq, .recv_cq = s->pair.a.rcq, .qp_type = IBV_QPT_RC,
		.cap = {
			.max_send_wr = wrs, .max_recv_wr = wrs,
			.max_send_sge = sges, .max_recv_sge = sges,
		},
	};

	return ibv_create_qp(s->pair.a.pd, &attr);
}

static void *make_ud_qp(struct scene *s)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = s->pair.a.scq, .recv_cq = s->pair.a.rcq, .qp_type = IBV_QPT_UD,
		.cap = { .max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1 },
	};

	return ibv_create_qp(s->pair.a.pd, &attr);
}

static void *make_srq(struct scene *s)
{
	struct ibv_srq_init_attr attr = { .attr = { .max_wr = 100, .max_sge = 4 } };

	return ibv_create_srq(s->pair.a.pd, &attr);
}

static void *make_small_qp(struct scene *s)
{
	return make_sized_qp(s, 1, 1);
}

static void *make_large_qp(struct scene *s)
{
	return make_sized_qp(s, 200, 16);
}

static void *make_qp_ex(struct scene *s)
{
	struct ibv_qp_init_attr_ex attr = {
		.send_cq = s->pair.a.scq, .recv_cq = s->pair.a.rcq, .qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1 },
		.pd = s->pair.a.pd,
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.send_ops_flags = IBV_QP_EX_WITH_RDMA_WRITE,
	};

	return ibv_create_qp_ex(s->pair.a.ctx, &attr);
}

/*
 * The library tries a device file of another name when it cannot open the first one, and the kernel's routing
 * reports ENOBUFS.
 */
static const struct thing things[] = {
	{ "context", make_context, (undo_fn)ibv_close_device, NULL, false, ENOENT },
	{ "protection domain", make_pd, (undo_fn)ibv_dealloc_pd, NULL, false, 0 },
	{ "event channel", make_channel, (undo_fn)ibv_destroy_comp_channel, NULL, false, 0 },
	{ "completion queue", make_cq, (undo_fn)ibv_destroy_cq, NULL, false, 0 },
	{ "completion queue with events", make_cq_with_channel, (undo_fn)ibv_destroy_cq, NULL, false, 0 },
	{ "extended completion queue", make_cq_ex, destroy_cq_ex, NULL, false, 0 },
	{ "pinned region", make_pinned, (undo_fn)ibv_dereg_mr, NULL, false, 0 },
	{ "pinned region, pages missing", make_pinned, (undo_fn)ibv_dereg_mr, untouch, false, 0 },
	{ "on-demand region", make_on_demand, (undo_fn)ibv_dereg_mr, NULL, true, 0 },
	{ "address handle", make_ah, (undo_fn)ibv_destroy_ah, NULL, true, ENOBUFS },
	{ "memory window 1", make_mw1, (undo_fn)ibv_dealloc_mw, NULL, true, 0 },
	{ "memory window 2", make_mw2, (undo_fn)ibv_dealloc_mw, NULL, false, 0 },
	{ "queue pair", make_small_qp, (undo_fn)ibv_destroy_qp, NULL, true, 0 },
	{ "large queue pair", make_large_qp, (undo_fn)ibv_destroy_qp, NULL, false, 0 },
	{ "queue pair for datagrams", make_ud_qp, (undo_fn)ibv_destroy_qp, NULL, false, 0 },
	{ "shared receive queue", make_srq, (undo_fn)ibv_destroy_srq, NULL, false, 0 },
	{ "extended queue pair", make_qp_ex, (undo_fn)ibv_destroy_qp, NULL, false, 0 },
};

static const struct thing used_region = {
	"on-demand region in use", make_used, (undo_fn)ibv_dereg_mr, untouch, false, 0,
};

/* --- calls ----------------------------------------------------------------- */

struct deed {
	const char *name;
	int (*call)(struct scene *s);		/* returns 0 or an errno */
	void (*before)(struct scene *s);
	int other_errno;
};

static int to_errno(int ret)
{
	return ret < 0 ? errno : ret;
}

static int query_device(struct scene *s)
{
	struct ibv_device_attr attr;

	return to_errno(ibv_query_device(s->pair.a.ctx, &attr));
}

static int query_device_ex(struct scene *s)
{
	struct ibv_device_attr_ex attr;

	return to_errno(ibv_query_device_ex(s->pair.a.ctx, NULL, &attr));
}

static int query_port(struct scene *s)
{
	struct ibv_port_attr attr;

	return to_errno(ibv_query_port(s->pair.a.ctx, 1, &attr));
}

static int query_gid(struct scene *s)
{
	struct ibv_gid_entry entry;

	return to_errno(ibv_query_gid_ex(s->pair.a.ctx, 1, s->pair.a.gid_index, &entry, 0));
}

static int query_pkey(struct scene *s)
{
	__be16 pkey;

	return to_errno(ibv_query_pkey(s->pair.a.ctx, 1, 0, &pkey));
}

static int query_qp(struct scene *s)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	return to_errno(ibv_query_qp(s->qp, &attr, IBV_QP_STATE, &init));
}

static int notify_cq(struct scene *s)
{
	return to_errno(ibv_req_notify_cq(s->cq, 0));
}

static int resize_cq(struct scene *s)
{
	return to_errno(ibv_resize_cq(s->cq, s->cq->cqe == 63 ? 16 : 63));
}

static int resize_srq(struct scene *s)
{
	struct ibv_srq_attr attr;

	assert_int_equal(ibv_query_srq(s->srq, &attr), 0);
	attr.max_wr = attr.max_wr < 64 ? 200 : 16;
	return to_errno(ibv_modify_srq(s->srq, &attr, IBV_SRQ_MAX_WR));
}

/* The library does not support this call for this driver; the kernel does. */
static int reregister(struct scene *s, int flags, int access)
{
	struct ib_uverbs_rereg_mr_resp answer;
	struct {
		struct ib_uverbs_cmd_hdr head;
		struct ib_uverbs_rereg_mr body;
	} command = {
		.head = {
			.command = IB_USER_VERBS_CMD_REREG_MR,
			.in_words = sizeof(command) / 4, .out_words = sizeof(answer) / 4,
		},
		.body = {
			.response = (uintptr_t)&answer, .mr_handle = s->mr->handle, .flags = flags,
			.start = (uintptr_t)s->memory, .length = REGION,
			.hca_va = (uintptr_t)s->memory, .access_flags = access,
			.pd_handle = s->pair.a.pd->handle,
		},
	};

	return write(s->pair.a.ctx->cmd_fd, &command, sizeof(command)) < 0 ? errno : 0;
}

static int rereg_memory(struct scene *s)
{
	return reregister(s, IBV_REREG_MR_CHANGE_TRANSLATION, 0);
}

static int rereg_access(struct scene *s)
{
	return reregister(s, IBV_REREG_MR_CHANGE_ACCESS, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND);
}

static int to_reset(struct scene *s)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RESET };

	return to_errno(ibv_modify_qp(s->qp, &attr, IBV_QP_STATE));
}

static int to_init(struct scene *s)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT, .port_num = 1 };

	return to_errno(ibv_modify_qp(s->qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				      IBV_QP_ACCESS_FLAGS));
}

static int to_rtr(struct scene *s)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_1024,
		.dest_qp_num = s->pair.b.qp->qp_num, .min_rnr_timer = 1,
		.ah_attr = {
			.is_global = 1, .port_num = 1,
			.grh = { .dgid = s->pair.b.gid, .sgid_index = s->pair.a.gid_index,
				 .hop_limit = 8 },
		},
	};

	return to_errno(ibv_modify_qp(s->qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
				      IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				      IBV_QP_MIN_RNR_TIMER));
}

static int to_rts(struct scene *s)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTS, .timeout = 14, .retry_cnt = 7 };

	return to_errno(ibv_modify_qp(s->qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT |
				      IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC));
}

static int to_sqd(struct scene *s)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_SQD };

	return to_errno(ibv_modify_qp(s->qp, &attr, IBV_QP_STATE));
}

static int to_error(struct scene *s)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };

	return to_errno(ibv_modify_qp(s->qp, &attr, IBV_QP_STATE));
}

static void be_reset(struct scene *s)
{
	assert_int_equal(to_reset(s), 0);
}

static void be_init(struct scene *s)
{
	be_reset(s);
	assert_int_equal(to_init(s), 0);
}

static void be_rtr(struct scene *s)
{
	be_init(s);
	assert_int_equal(to_rtr(s), 0);
}

static void be_rts(struct scene *s)
{
	be_rtr(s);
	assert_int_equal(to_rts(s), 0);
}

static const struct deed deeds[] = {
	{ "query_device", query_device, NULL, 0 },
	{ "query_device_ex", query_device_ex, NULL, 0 },
	{ "query_port", query_port, NULL, 0 },
	{ "query_gid", query_gid, NULL, 0 },
	{ "query_pkey", query_pkey, NULL, 0 },
	{ "query_qp", query_qp, NULL, 0 },
	{ "req_notify_cq", notify_cq, NULL, 0 },
	{ "resize_cq", resize_cq, NULL, 0 },
	{ "modify_srq", resize_srq, NULL, 0 },
	{ "rereg_mr, memory", rereg_memory, NULL, 0 },
	{ "rereg_mr, access", rereg_access, NULL, 0 },
	{ "modify_qp to RESET", to_reset, be_rts, 0 },
	{ "modify_qp to INIT", to_init, be_reset, 0 },
	{ "modify_qp to RTR", to_rtr, be_init, ENOBUFS },
	{ "modify_qp to RTS", to_rts, be_rtr, 0 },
	{ "modify_qp to SQD", to_sqd, be_rts, 0 },
	{ "modify_qp to ERR", to_error, be_rts, 0 },
};

/* --- sweeps ---------------------------------------------------------------- */

struct held {
	char text[256];
};

static struct held held(const struct scene *s)
{
	struct held held;

	nldev_resources(s->nldev, s->device, held.text, sizeof(held.text));
	return held;
}

/* @name has failed with @err because its allocation @n failed: everything is as before the call. */
static void check_failure(const struct scene *s, const char *name, unsigned int n, int err,
			  int other_errno, const struct held *before)
{
	struct held after = held(s);

	if (err != ENOMEM && err != other_errno)
		fail_msg("%s, allocation %u: %s", name, n, strerror(err));
	if (strcmp(before->text, after.text))
		fail_msg("%s, allocation %u, leaves behind: %s; before: %s", name, n, after.text,
			 before->text);
}

/* Makes the next allocation fail; @failed is false if there was none. */
static void *make_failing(struct scene *s, const struct thing *thing, unsigned int n, bool *failed)
{
	struct held before = held(s);
	void *object;
	int err;

	if (thing->before)
		thing->before(s);
	inject_nth(n);
	object = thing->make(s);
	err = errno;
	*failed = inject_end();
	if (!object) {
		check_failure(s, thing->name, n, err, thing->other_errno, &before);
		object = thing->make(s);
	}
	if (!object)
		fail_msg("%s, after the failure of allocation %u: %s", thing->name, n,
			 strerror(errno));
	return object;
}

static bool destroy_failing(const struct thing *thing, void *object, unsigned int n)
{
	bool failed;
	int err;

	inject_nth(n);
	err = to_errno(thing->destroy(object));
	failed = inject_end();
	if (err)
		fail_msg("the end of %s, allocation %u: %s", thing->name, n, strerror(err));
	return failed;
}

static void told(struct scene *s, const char *name, unsigned int n)
{
	printf("# %s: %u allocations failed in turn\n", name, n - 1);
	assert_true(n < ENDLESS);
	witness_stop(&s->witness);
}

static void test_make(void **state)
{
	const struct thing *thing = *state;
	bool failed = true;
	struct scene s;
	unsigned int n;

	scene_open(&s);
	for (n = 0; failed && n < ENDLESS;)
		assert_int_equal(thing->destroy(make_failing(&s, thing, ++n, &failed)), 0);
	told(&s, thing->name, n);
}

static void test_destroy(void **state)
{
	const struct thing *thing = *state;
	bool failed = true;
	struct scene s;
	unsigned int n;

	scene_open(&s);
	for (n = 0; failed && n < ENDLESS;) {
		if (thing->before)
			thing->before(&s);
		failed = destroy_failing(thing, thing->make(&s), ++n);
	}
	told(&s, thing->name, n);
}

static bool do_failing(struct scene *s, const struct deed *deed, unsigned int n)
{
	struct held before;
	bool failed;
	int err;

	if (deed->before)
		deed->before(s);
	before = held(s);
	inject_nth(n);
	err = deed->call(s);
	failed = inject_end();
	if (err) {
		check_failure(s, deed->name, n, err, deed->other_errno, &before);
		err = deed->call(s);
	}
	if (err)
		fail_msg("%s, after the failure of allocation %u: %s", deed->name, n, strerror(err));
	return failed;
}

static void test_do(void **state)
{
	const struct deed *deed = *state;
	struct scene s;
	unsigned int n;

	scene_open(&s);
	for (n = 1; n < ENDLESS && do_failing(&s, deed, n); n++)
		;
	told(&s, deed->name, n);
}

static int bind_window(struct scene *s, struct ibv_mw *mw)
{
	struct ibv_mw_bind bind = {
		.wr_id = 1,
		.bind_info = {
			.mr = s->mr, .addr = (uintptr_t)s->memory, .length = PAGE,
			.mw_access_flags = IBV_ACCESS_REMOTE_READ,
		},
	};

	return to_errno(ibv_bind_mw(s->pair.a.qp, mw, &bind));
}

/*
 * A request binds a window. The kernel's uverbs needs memory for a doorbell; if there is none, it reports
 * that although the request is in the ring already. The next doorbell covers that request, too.
 */
static bool bind_failing(struct scene *s, unsigned int n)
{
	struct ibv_mw *mw = make_mw1(s);
	bool failed;
	int err;

	assert_non_null(mw);
	inject_nth(n);
	err = bind_window(s, mw);
	failed = inject_end();
	if (err) {
		assert_int_equal(err, ENOMEM);
		post_send(&s->pair.a, &(struct ibv_send_wr){ .opcode = IBV_WR_RDMA_WRITE });
	}
	expect_wc(s->pair.a.scq, 1, IBV_WC_SUCCESS);
	if (err)
		expect_wc(s->pair.a.scq, 0, IBV_WC_SUCCESS);
	assert_int_equal(ibv_dealloc_mw(mw), 0);
	return failed;
}

static void test_bind(void **state)
{
	struct scene s;
	unsigned int n;

	(void)state;
	scene_open(&s);
	for (n = 1; n < ENDLESS && bind_failing(&s, n); n++)
		;
	told(&s, "bind_mw", n);
}

/*
 * Objects have numbers. The table of a kind's numbers grows when the numbers have advanced far enough. The
 * numbers of the kernel's own tables do not advance while each object is destroyed before the next one is
 * made. If the table cannot grow, the numbers start again in the existing part, if there is one.
 */
static void test_number(void **state)
{
	const struct thing *thing = *state;
	struct scene s;
	void *object;

	scene_open(&s);
	inject_own_cache("radix_tree_node", 100);
	for (int i = 0; i < 200; i++) {
		errno = 0;
		object = thing->make(&s);
		assert_int_equal(object ? thing->destroy(object) : errno, object ? 0 : ENOMEM);
	}
	assert_true(inject_stop() > 0);
	object = thing->make(&s);
	assert_non_null(object);
	assert_int_equal(thing->destroy(object), 0);
	witness_stop(&s.witness);
}

#define N_TESTS (3 * ARRAY_SIZE(things) + ARRAY_SIZE(deeds) + 2)

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[N_TESTS];
	static char names[N_TESTS][64];
	size_t n = 0;

	parse_options(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(things); i++, n++) {
		snprintf(names[n], sizeof(names[n]), "making a %s", things[i].name);
		tests[n].test_func = test_make;
		tests[n].initial_state = (void *)&things[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(things); i++, n++) {
		snprintf(names[n], sizeof(names[n]), "the end of a %s", things[i].name);
		tests[n].test_func = test_destroy;
		tests[n].initial_state = (void *)&things[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(things); i++) {
		if (!things[i].numbered)
			continue;
		snprintf(names[n], sizeof(names[n]), "the number of a %s", things[i].name);
		tests[n].test_func = test_number;
		tests[n++].initial_state = (void *)&things[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++, n++) {
		snprintf(names[n], sizeof(names[n]), "%s", deeds[i].name);
		tests[n].test_func = test_do;
		tests[n].initial_state = (void *)&deeds[i];
	}
	snprintf(names[n], sizeof(names[n]), "the end of a %s", used_region.name);
	tests[n].test_func = test_destroy;
	tests[n++].initial_state = (void *)&used_region;
	snprintf(names[n], sizeof(names[n]), "bind_mw");
	tests[n++].test_func = test_bind;
	for (size_t i = 0; i < n; i++)
		tests[i].name = names[i];
	return run_group("inject", tests, n);
}
