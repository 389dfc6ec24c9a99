// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rc.h"
#include "lib/test.h"

#define PORT 1

struct rc rc_default(void)
{
	return (struct rc){
		.type = IBV_QPT_RC,
		.mtu = IBV_MTU_1024,
		.send_wr = 64, .recv_wr = 64, .sge = 4, .inline_data = 64, .cqe = 256,
		.timeout = options.slow > 1 ? 17 : 14, .retry_cnt = 7, .rnr_retry = 7, .min_rnr_timer = 1,
		.rd_atomic = 16,
		.psn = 0xfffff0, .qkey = 0x11111111,
		.access = ALL_ACCESS,
		.sq_sig_all = true,
	};
}

struct rc rc_impatient(void)
{
	struct rc rc = rc_default();

	rc.timeout = 12;	/* 17 ms */
	rc.retry_cnt = 2;
	rc.rnr_retry = 3;
	return rc;
}

unsigned int mtu_bytes(enum ibv_mtu mtu)
{
	return 128u << mtu;
}

struct ibv_context *device_open(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *ctx = NULL;

	assert_non_null(list);
	for (int i = 0; list[i]; i++) {
		if (!strcmp(ibv_get_device_name(list[i]), name))
			ctx = ibv_open_device(list[i]);
	}
	ibv_free_device_list(list);
	if (!ctx)
		fail_msg("cannot open the RDMA device %s", name);
	defer((undo_fn)ibv_close_device, ctx);
	return ctx;
}

bool device_has_odp(struct ibv_context *ctx)
{
	struct ibv_device_attr_ex attr = {};

	assert_int_equal(ibv_query_device_ex(ctx, NULL, &attr), 0);
	return !options.pinned && (attr.odp_caps.general_caps & IBV_ODP_SUPPORT);
}

int odp_access(struct ibv_context *ctx)
{
	return device_has_odp(ctx) ? IBV_ACCESS_ON_DEMAND : 0;
}

void need_odp(struct ibv_context *ctx)
{
	if (!device_has_odp(ctx))
		skip_because("%s has no on-demand paging", ibv_get_device_name(ctx->device));
}

bool device_can(struct ibv_context *ctx, uint64_t what)
{
	struct ibv_device_attr_ex attr = {};

	assert_int_equal(ibv_query_device_ex(ctx, NULL, &attr), 0);
	return attr.device_cap_flags_ex & what;
}

void need_implicit(struct ibv_context *ctx)
{
	struct ibv_device_attr_ex attr = {};

	need_odp(ctx);
	assert_int_equal(ibv_query_device_ex(ctx, NULL, &attr), 0);
	if (!(attr.odp_caps.general_caps & IBV_ODP_SUPPORT_IMPLICIT))
		skip_because("%s has no implicit on-demand regions", ibv_get_device_name(ctx->device));
}

/* Takes the first RoCE v2 GID with that prefix. */
static bool end_take_gid(struct end *end, const uint8_t *begin, size_t len)
{
	struct ibv_gid_entry entry;

	for (int i = 0; i < 64; i++) {
		if (ibv_query_gid_ex(end->ctx, PORT, i, &entry, 0) ||
		    entry.gid_type != IBV_GID_TYPE_ROCE_V2 || memcmp(entry.gid.raw, begin, len))
			continue;
		end->gid = entry.gid;
		end->gid_index = i;
		return true;
	}
	return false;
}

/* Takes a GID that holds an IPv4 address; every test link has one. */
static void end_gid(struct end *end)
{
	static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!end_take_gid(end, v4_mapped, sizeof(v4_mapped)))
		fail_msg("%s has no GID with an IPv4 address",
			 ibv_get_device_name(end->ctx->device));
}

static struct ibv_cq *end_cq(struct end *end, const struct rc *rc)
{
	struct ibv_cq *cq = ibv_create_cq(end->ctx, rc->cqe, NULL, end->events, 0);

	assert_non_null(cq);
	defer((undo_fn)ibv_destroy_cq, cq);
	return cq;
}

void end_open(struct end *end, const char *device, const struct rc *rc)
{
	end_open_on(end, device_open(device), rc);
}

void end_open_on(struct end *end, struct ibv_context *ctx, const struct rc *rc)
{
	*end = (struct end){ .ctx = ctx };
	end_gid(end);
	end->pd = ibv_alloc_pd(end->ctx);
	assert_non_null(end->pd);
	defer((undo_fn)ibv_dealloc_pd, end->pd);
	end->events = ibv_create_comp_channel(end->ctx);
	assert_non_null(end->events);
	defer((undo_fn)ibv_destroy_comp_channel, end->events);
	end->scq = end_cq(end, rc);
	end->rcq = end_cq(end, rc);
}

static union ibv_gid address_gid(const char *text)
{
	union ibv_gid gid = { .raw = { [10] = 0xff, [11] = 0xff } };

	if (inet_pton(AF_INET, text, gid.raw + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, gid.raw), 1);
	return gid;
}

void end_speak_from(struct end *end, const char *address)
{
	union ibv_gid gid = address_gid(address);
	uint64_t limit = now_ms() + PATIENCE;

	while (!end_take_gid(end, gid.raw, sizeof(gid.raw))) {
		if (now_ms() > limit)
			fail_msg("%s has no GID for %s", ibv_get_device_name(end->ctx->device),
				 address);
		sleep_ms(10);
	}
}

struct ibv_qp_init_attr end_qp_attr(const struct end *end, const struct rc *rc)
{
	return (struct ibv_qp_init_attr){
		.send_cq = end->scq,
		.recv_cq = end->rcq,
		.srq = end->srq,
		.qp_type = rc->type,
		.sq_sig_all = rc->sq_sig_all,
		.cap = {
			.max_send_wr = rc->send_wr, .max_recv_wr = rc->recv_wr,
			.max_send_sge = rc->sge, .max_recv_sge = rc->sge,
			.max_inline_data = rc->inline_data,
		},
	};
}

struct ibv_qp *end_qp(struct end *end, const struct rc *rc)
{
	struct ibv_qp_init_attr attr = end_qp_attr(end, rc);
	struct ibv_qp *qp = ibv_create_qp(end->pd, &attr);

	if (!qp)
		fail_msg("ibv_create_qp: %s", strerror(errno));
	defer((undo_fn)ibv_destroy_qp, qp);
	return qp;
}

struct ibv_qp *end_qp_ex(struct end *end, const struct rc *rc, uint64_t operations)
{
	struct ibv_qp_init_attr_ex attr = {
		.send_cq = end->scq, .recv_cq = end->rcq, .pd = end->pd, .qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.send_ops_flags = operations,
		.cap = { rc->send_wr, rc->recv_wr, rc->sge, rc->sge, rc->inline_data },
	};
	struct ibv_qp *qp = ibv_create_qp_ex(end->ctx, &attr);

	if (!qp)
		fail_msg("ibv_create_qp_ex: %s", strerror(errno));
	defer((undo_fn)ibv_destroy_qp, qp);
	return qp;
}

static void qp_modify(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	int ret = ibv_modify_qp(qp, attr, mask);

	if (ret)
		fail_msg("ibv_modify_qp to state %d: %s", attr->qp_state, strerror(ret));
}

void qp_to(struct ibv_qp *qp, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = { .qp_state = state };

	qp_modify(qp, &attr, IBV_QP_STATE);
}

void qp_init(struct ibv_qp *qp, const struct rc *rc)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = PORT,
		.qp_access_flags = rc->access,
		.qkey = rc->qkey,
	};

	/* A peer of a UC queue pair may at most write. */
	if (rc->type == IBV_QPT_UC)
		attr.qp_access_flags &= ~(IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC);
	qp_modify(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
		  (rc->type == IBV_QPT_UD ? IBV_QP_QKEY : IBV_QP_ACCESS_FLAGS));
}

void qp_rtr(struct ibv_qp *qp, const struct end *end, const struct rc *rc,
	    const union ibv_gid *remote, uint32_t remote_qpn)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = rc->mtu,
		.dest_qp_num = remote_qpn,
		.rq_psn = rc->psn,
		.max_dest_rd_atomic = rc->rd_atomic,
		.min_rnr_timer = rc->min_rnr_timer,
		.ah_attr = {
			.is_global = 1,
			.port_num = PORT,
			.sl = rc->sl,
			.grh = {
				.dgid = *remote, .sgid_index = end->gid_index, .hop_limit = 8,
				.traffic_class = rc->traffic_class,
			},
		},
	};

	int mask = IBV_QP_STATE;

	if (rc->type != IBV_QPT_UD)
		mask |= IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
	if (rc->type == IBV_QPT_RC)
		mask |= IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
	qp_modify(qp, &attr, mask);
}

void qp_rts(struct ibv_qp *qp, const struct rc *rc)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTS,
		.sq_psn = rc->psn,
		.timeout = rc->timeout,
		.retry_cnt = rc->retry_cnt,
		.rnr_retry = rc->rnr_retry,
		.max_rd_atomic = rc->rd_atomic,
	};

	int mask = IBV_QP_STATE | IBV_QP_SQ_PSN;

	if (rc->type == IBV_QPT_RC)
		mask |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			IBV_QP_MAX_QP_RD_ATOMIC;
	qp_modify(qp, &attr, mask);
}

enum ibv_qp_state qp_state(struct ibv_qp *qp)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	assert_int_equal(ibv_query_qp(qp, &attr, IBV_QP_STATE, &init), 0);
	return attr.qp_state;
}

void pair_connect(struct pair *pair)
{
	struct end *ends[] = { &pair->a, &pair->b };

	for (int i = 0; i < 2; i++) {
		qp_to(ends[i]->qp, IBV_QPS_RESET);
		qp_init(ends[i]->qp, &pair->rc);
	}
	for (int i = 0; i < 2; i++)
		qp_rtr(ends[i]->qp, ends[i], &pair->rc, &ends[!i]->gid, ends[!i]->qp->qp_num);
	for (int i = 0; i < 2; i++)
		qp_rts(ends[i]->qp, &pair->rc);
}

void pair_open_ends(struct pair *pair, const struct rc *rc)
{
	pair->rc = *rc;
	end_open(&pair->a, options.device, rc);
	end_open(&pair->b, options.peer, rc);
}

void pair_open_qps(struct pair *pair)
{
	pair->a.qp = end_qp(&pair->a, &pair->rc);
	pair->b.qp = end_qp(&pair->b, &pair->rc);
	pair_connect(pair);
}

void pair_open(struct pair *pair, const struct rc *rc)
{
	pair_open_ends(pair, rc);
	pair_open_qps(pair);
}

void end_srq(struct end *end, unsigned int wr, unsigned int sge)
{
	struct ibv_srq_init_attr attr = { .attr = { .max_wr = wr, .max_sge = sge } };

	end->srq = ibv_create_srq(end->pd, &attr);
	if (!end->srq)
		fail_msg("ibv_create_srq: %s", strerror(errno));
	defer((undo_fn)ibv_destroy_srq, end->srq);
}

struct ibv_ah *end_ah(struct end *from, const struct end *to)
{
	struct ibv_ah_attr attr = {
		.is_global = 1,
		.port_num = PORT,
		.grh = { .dgid = to->gid, .sgid_index = from->gid_index, .hop_limit = 8 },
	};
	struct ibv_ah *ah = ibv_create_ah(from->pd, &attr);

	if (!ah)
		fail_msg("ibv_create_ah: %s", strerror(errno));
	defer((undo_fn)ibv_destroy_ah, ah);
	return ah;
}

void post_send(struct end *end, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad;
	int ret = ibv_post_send(end->qp, wr, &bad);

	if (ret)
		fail_msg("ibv_post_send: %s", strerror(ret));
}

void post_rdma(struct end *end, uint64_t wr_id, enum ibv_wr_opcode opcode, struct ibv_sge local,
	       uint64_t addr, uint32_t rkey)
{
	struct ibv_send_wr wr = {
		.wr_id = wr_id, .opcode = opcode, .sg_list = &local, .num_sge = 1,
		.wr.rdma = { .remote_addr = addr, .rkey = rkey },
	};

	post_send(end, &wr);
}

void post_recv(struct end *end, uint64_t wr_id, struct ibv_sge *sge, int n)
{
	struct ibv_recv_wr wr = { .wr_id = wr_id, .sg_list = sge, .num_sge = n }, *bad;
	int ret = end->srq ? ibv_post_srq_recv(end->srq, &wr, &bad) :
			     ibv_post_recv(end->qp, &wr, &bad);

	if (ret)
		fail_msg("ibv_post_%srecv: %s", end->srq ? "srq_" : "", strerror(ret));
}

/* Polls without a pause at first, because most completions are near; later lets other tasks run. */
static int poll_until(struct ibv_cq *cq, struct ibv_wc *wc, unsigned int ms)
{
	uint64_t end = now_ms() + ms;
	int n;

	for (unsigned int spins = 0;; spins++) {
		n = ibv_poll_cq(cq, 1, wc);
		assert_true(n >= 0);
		if (n) {
			/* On uml a replaced page becomes visible to a process when it enters the kernel. */
			sched_yield();
			return n;
		}
		if (spins < 100)
			sched_yield();
		else if (now_ms() >= end)
			return 0;
		else
			sleep_ms(spins > 1000);
	}
}

struct ibv_wc wait_wc(struct ibv_cq *cq)
{
	struct ibv_wc wc;

	if (!poll_until(cq, &wc, PATIENCE))
		fail_msg("no completion within %d ms", PATIENCE);
	return wc;
}

struct ibv_wc expect_wc(struct ibv_cq *cq, uint64_t wr_id, enum ibv_wc_status status)
{
	struct ibv_wc wc;

	if (!poll_until(cq, &wc, PATIENCE))
		fail_msg("no completion of %#llx within %d ms, expected: %s",
			 (unsigned long long)wr_id, PATIENCE, ibv_wc_status_str(status));
	if (wc.status != status || wc.wr_id != wr_id)
		fail_msg("completion of %#llx: %s; expected %#llx: %s",
			 (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status),
			 (unsigned long long)wr_id, ibv_wc_status_str(status));
	return wc;
}

void pair_rdma(struct pair *pair, enum ibv_wr_opcode opcode, struct ibv_sge local, uint64_t addr,
	       uint32_t rkey, enum ibv_wc_status status)
{
	post_rdma(&pair->a, 1, opcode, local, addr, rkey);
	expect_wc(pair->a.scq, 1, status);
}

void expect_quiet(struct ibv_cq *cq, unsigned int ms)
{
	struct ibv_wc wc;

	if (poll_until(cq, &wc, ms))
		fail_msg("unexpected completion of %#llx: %s",
			 (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status));
}

void expect_state(struct ibv_qp *qp, enum ibv_qp_state state)
{
	uint64_t end = now_ms() + PATIENCE;

	while (qp_state(qp) != state) {
		if (now_ms() > end)
			fail_msg("queue pair in state %d, not %d", qp_state(qp), state);
		sleep_ms(1);
	}
}
