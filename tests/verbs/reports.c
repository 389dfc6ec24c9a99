// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/*
 * Defects that others reported in the kernel's rxe, siw and RDMA core, as far as no other program tests them:
 * Documentation/infiniband/public-reports.rst.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "lib/census.h"
#include "lib/dice.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/uverbs.h"
#include "lib/wire.h"

/* --- memory windows and protection domains ------------------------------------------------- */

static struct ibv_pd *another_pd(struct ibv_context *ctx)
{
	struct ibv_pd *pd = ibv_alloc_pd(ctx);

	assert_non_null(pd);
	defer((undo_fn)ibv_dealloc_pd, pd);
	return pd;
}

static struct ibv_mw *window(struct ibv_pd *pd)
{
	struct ibv_mw *mw = ibv_alloc_mw(pd, IBV_MW_TYPE_2);

	assert_non_null(mw);
	defer((undo_fn)ibv_dealloc_mw, mw);
	return mw;
}

static enum ibv_wc_status bind(struct end *end, struct ibv_mw *mw, struct buf *buf)
{
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_BIND_MW,
		.bind_mw = {
			.mw = mw, .rkey = ibv_inc_rkey(mw->rkey),
			.bind_info = {
				.mr = buf->mr, .addr = (uintptr_t)buf->p, .length = buf->len,
				.mw_access_flags = IBV_ACCESS_REMOTE_WRITE,
			},
		},
	};

	post_send(end, &wr);
	return wait_wc(end->scq).status;
}

/* "RDMA/rxe: Check PDs for memory window binds": window, region and queue pair must belong to one domain. */
static void test_window_domains(void **state)
{
	int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND;
	struct rc rc = rc_default();
	struct buf own, foreign;
	struct ibv_pd *other;
	struct pair pair;

	(void)state;
	rc.access |= IBV_ACCESS_MW_BIND;
	pair_open(&pair, &rc);
	other = another_pd(pair.a.ctx);
	own = buf_anon(pair.a.pd, PAGE, access);
	foreign = buf_anon(other, PAGE, access);
	assert_int_equal(bind(&pair.a, window(pair.a.pd), &own), IBV_WC_SUCCESS);
	assert_int_equal(bind(&pair.a, window(pair.a.pd), &foreign), IBV_WC_MW_BIND_ERR);
	pair_connect(&pair);
	assert_int_equal(bind(&pair.a, window(other), &own), IBV_WC_MW_BIND_ERR);
	pair_connect(&pair);
	assert_int_equal(bind(&pair.a, window(other), &foreign), IBV_WC_MW_BIND_ERR);
}

/*
 * "Fix u64 addr+length overflow in rxe_check_bind_mw": a range whose end wraps around lies in no region, neither
 * behind its last byte nor from below its first.
 */
static void test_window_wraps(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;
	struct buf own;

	(void)state;
	rc.access |= IBV_ACCESS_MW_BIND;
	pair_open(&pair, &rc);
	own = buf_anon(pair.a.pd, 4 * PAGE, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND);
	for (size_t i = 0; i < 3; i++) {
		static const struct { long from; uint64_t len; } ranges[] = {
			{ PAGE, UINT64_MAX - PAGE + 2 },	/* ends at the region's second byte */
			{ -(long)PAGE, 2 * PAGE },
			{ 0, UINT64_MAX },
		};
		struct buf part = own;

		part.p += ranges[i].from;
		part.len = ranges[i].len;
		assert_int_equal(bind(&pair.a, window(pair.a.pd), &part), IBV_WC_MW_BIND_ERR);
		pair_connect(&pair);
	}
	assert_int_equal(bind(&pair.a, window(pair.a.pd), &own), IBV_WC_SUCCESS);
}

/* --- lists of pieces ----------------------------------------------------------------------- */

/*
 * "rxe: Fix dma.length computation in wr_set_sge_list" (rdma-core): the library counts the first piece's length
 * once for each piece. A message has the bytes of its pieces, whatever sum stands in the request.
 */
static void test_uneven_pieces(void **state)
{
	static const size_t lens[] = { 100, 3000, 1, 777 };
	struct rc rc = rc_default();
	struct ibv_sge list[4], into;
	struct ibv_qp_ex *ex;
	struct buf from, to;
	struct pair pair;
	size_t sum = 0;

	(void)state;
	rc.sge = 4;
	rc.sq_sig_all = true;
	pair.rc = rc;
	pair_open_ends(&pair, &rc);
	pair.a.qp = end_qp_ex(&pair.a, &rc, IBV_QP_EX_WITH_SEND);
	pair.b.qp = end_qp(&pair.b, &rc);
	pair_connect(&pair);
	from = buf_anon(pair.a.pd, 4 * PAGE, 0);
	to = buf_anon(pair.b.pd, 4 * PAGE, IBV_ACCESS_LOCAL_WRITE);
	pattern_fill(from.p, 4 * PAGE, 0, 7);
	for (int i = 0; i < 4; i++) {
		list[i] = sge(&from, sum, lens[i]);
		sum += lens[i];
	}
	into = sge(&to, 0, 4 * PAGE);
	post_recv(&pair.b, 5, &into, 1);
	ex = ibv_qp_to_qp_ex(pair.a.qp);
	ibv_wr_start(ex);
	ex->wr_id = 6;
	ex->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_send(ex);
	ibv_wr_set_sge_list(ex, 4, list);
	assert_int_equal(ibv_wr_complete(ex), 0);
	expect_wc(pair.a.scq, 6, IBV_WC_SUCCESS);
	assert_int_equal(expect_wc(pair.b.rcq, 5, IBV_WC_SUCCESS).byte_len, sum);
	pattern_check(to.p, sum, 0, 7, "pieces");
}

/* --- reregistration ------------------------------------------------------------------------ */

static int reregister(struct ibv_mr *mr, int access, uint32_t *rkey)
{
	struct ib_uverbs_rereg_mr command = {
		.mr_handle = mr->handle, .flags = IBV_REREG_MR_CHANGE_ACCESS,
		.access_flags = access, .pd_handle = mr->pd->handle,
	};
	struct ib_uverbs_rereg_mr_resp answer = {};
	int ret = uverbs_command(mr->context->cmd_fd, IB_USER_VERBS_CMD_REREG_MR, &command,
				 sizeof(command), &answer, sizeof(answer));

	*rkey = answer.rkey;
	return ret;
}

static enum ibv_wc_status write_into(struct pair *pair, struct buf *from, void *to, uint32_t rkey)
{
	post_rdma(&pair->a, 2, IBV_WR_RDMA_WRITE, sge(from, 0, 100), (uintptr_t)to, rkey);
	return wait_wc(pair->a.scq).status;
}

/*
 * "RDMA: During rereg_mr ensure that REREG_ACCESS is compatible": pages that were pinned for reading do not
 * become writable when the access rights change.
 */
static void test_readonly_stays(void **state)
{
	int write = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
	uint8_t *p = map_anon(PAGE);
	struct rc rc = rc_default();
	struct pair pair;
	struct ibv_mr *mr;
	struct buf from;
	uint32_t rkey;

	(void)state;
	pair_open(&pair, &rc);
	from = buf_anon(pair.a.pd, PAGE, 0);
	memset(from.p, 0xaa, PAGE);
	pattern_fill(p, PAGE, 0, 1);
	assert_int_equal(mprotect(p, PAGE, PROT_READ), 0);
	mr = reg(pair.b.pd, p, PAGE, IBV_ACCESS_REMOTE_READ);
	assert_int_not_equal(reregister(mr, write, &rkey), 0);
	assert_int_not_equal(write_into(&pair, &from, p, mr->rkey), IBV_WC_SUCCESS);
	pair_connect(&pair);
	if (device_has_odp(pair.b.ctx)) {
		mr = reg(pair.b.pd, p, PAGE, IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND);
		if (!reregister(mr, write | IBV_ACCESS_ON_DEMAND, &rkey))
			assert_int_equal(write_into(&pair, &from, p, rkey), IBV_WC_REM_ACCESS_ERR);
	}
	pattern_check(p, PAGE, 0, 1, "memory for reading");
}

/*
 * "Reject IB_ACCESS_ON_DEMAND changes after MR creation": a pinned region stays pinned, and an on-demand
 * region on demand.
 */
static void test_kind_stays(void **state)
{
	int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
	static const int kinds[] = { 0, IBV_ACCESS_ON_DEMAND };
	struct rc rc = rc_default();
	struct buf from, to;
	struct pair pair;
	uint32_t rkey;

	(void)state;
	pair_open(&pair, &rc);
	need_odp(pair.b.ctx);
	from = buf_anon(pair.a.pd, PAGE, 0);
	for (int i = 0; i < 2; i++) {
		to = buf_anon(pair.b.pd, PAGE, access | kinds[i]);
		assert_int_equal(reregister(to.mr, access | kinds[!i], &rkey), EINVAL);
		assert_int_equal(write_into(&pair, &from, to.p, to.mr->rkey), IBV_WC_SUCCESS);
	}
}

/* --- responses that cannot be written ------------------------------------------------------ */

#define UNREADABLE ((void *)64)

static int make_cq(struct end *end, size_t answer)
{
	struct ib_uverbs_create_cq command = { .cqe = 100, .comp_channel = -1 };

	return uverbs_command(end->ctx->cmd_fd, IB_USER_VERBS_CMD_CREATE_CQ, &command,
			      sizeof(command), UNREADABLE, answer);
}

static int make_srq(struct end *end, size_t answer)
{
	struct ib_uverbs_create_srq command = {
		.pd_handle = end->pd->handle, .max_wr = 100, .max_sge = 2,
	};

	return uverbs_command(end->ctx->cmd_fd, IB_USER_VERBS_CMD_CREATE_SRQ, &command,
			      sizeof(command), UNREADABLE, answer);
}

static int make_qp(struct end *end, size_t answer)
{
	struct ib_uverbs_create_qp command = {
		.pd_handle = end->pd->handle, .send_cq_handle = end->scq->handle,
		.recv_cq_handle = end->rcq->handle, .max_send_wr = 100, .max_recv_wr = 100,
		.max_send_sge = 1, .max_recv_sge = 1, .qp_type = IBV_QPT_RC,
	};

	return uverbs_command(end->ctx->cmd_fd, IB_USER_VERBS_CMD_CREATE_QP, &command,
			      sizeof(command), UNREADABLE, answer);
}

/*
 * "Fix slab-use-after-free Read in rxe_queue_cleanup", "Fix double free in rxe_srq_from_init", "Fix trying to
 * register non-static key in rxe_qp_do_cleanup": the clean-up of half-made objects.
 */
static void test_answers(void **state)
{
	struct rc rc = rc_default();
	struct census before;
	struct end end;

	(void)state;
	end_open(&end, options.device, &rc);
	before = census_take();
	for (int i = 0; i < 50; i++) {
		assert_int_equal(make_cq(&end, sizeof(struct ib_uverbs_create_cq_resp) +
					 sizeof(struct rxe_create_cq_resp)), EFAULT);
		assert_int_equal(make_srq(&end, sizeof(struct ib_uverbs_create_srq_resp) +
					  sizeof(struct rxe_create_srq_resp)), EFAULT);
		assert_int_equal(make_qp(&end, sizeof(struct ib_uverbs_create_qp_resp) +
					 sizeof(struct rxe_create_qp_resp)), EFAULT);
		/* And a response buffer without room for the driver's part */
		assert_int_not_equal(make_cq(&end, sizeof(struct ib_uverbs_create_cq_resp)), 0);
		assert_int_not_equal(make_srq(&end, sizeof(struct ib_uverbs_create_srq_resp)), 0);
		assert_int_not_equal(make_qp(&end, sizeof(struct ib_uverbs_create_qp_resp)), 0);
	}
	census_same(&before);
}

/* --- timers -------------------------------------------------------------------------------- */

/*
 * CVE-2026-45910, "Fix race condition in QP timer handlers": timers that expire while their queue pair is
 * destroyed: the retry timer, and the timer of a requester whose receiver is not ready.
 */
static void test_timers(void **state)
{
	struct dice dice = { .seed = options.seed };
	int rounds = options.full ? 3000 : 300;
	struct rc rc = rc_default();
	struct pair pair;
	struct buf buf;

	(void)state;
	rc.timeout = 1;
	rc.rnr_retry = 7;
	rc.retry_cnt = 7;
	rc.min_rnr_timer = 1;
	pair_open_ends(&pair, &rc);
	buf = buf_anon(pair.a.pd, PAGE, IBV_ACCESS_LOCAL_WRITE);
	for (int i = 0; i < rounds; i++) {
		struct ibv_sge list = sge(&buf, 0, 64);
		struct ibv_send_wr wr = {
			.wr_id = 3, .opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
		};
		struct ibv_wc wc;

		pair_open_qps(&pair);
		if (i % 2)
			qp_to(pair.b.qp, IBV_QPS_RESET);
		post_send(&pair.a, &wr);
		usleep(dice_below(&dice, 400));
		undo(pair.a.qp);
		undo(pair.b.qp);
		while (ibv_poll_cq(pair.a.scq, 1, &wc) > 0)
			;
	}
}

/* --- fewer READs and atomics than are under way -------------------------------------------- */

static int limit_atomics(struct ibv_qp *qp, uint8_t n)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTS, .max_dest_rd_atomic = n };

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_MAX_DEST_RD_ATOMIC);
}

static void sqd(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_SQD };

	assert_int_equal(ibv_modify_qp(qp, &attr, IBV_QP_STATE), 0);
}

/*
 * "Fix responder UAF on IB_QP_MAX_DEST_RD_ATOMIC modify_qp", "Fix OOB in free_rd_atomic_resources()": the
 * responder's resources change while its peer goes on sending requests. Each addition is executed once.
 */
static void test_room_changes(void **state)
{
	int rounds = options.full ? 400 : 60;
	struct rc rc = rc_default();
	uint64_t *sum, expected = 0;
	struct pair pair;
	struct buf old, to;

	(void)state;
	rc.rd_atomic = 16;
	rc.send_wr = 32;
	pair_open(&pair, &rc);
	old = buf_anon(pair.a.pd, PAGE, IBV_ACCESS_LOCAL_WRITE);
	to = buf_anon(pair.b.pd, PAGE, ALL_ACCESS);
	sum = (uint64_t *)to.p;
	for (int i = 0; i < rounds; i++) {
		for (int k = 0; k < 16; k++) {
			struct ibv_sge list = sge(&old, 8 * k, 8);
			struct ibv_send_wr wr = {
				.wr_id = 4, .opcode = IBV_WR_ATOMIC_FETCH_AND_ADD,
				.sg_list = &list, .num_sge = 1,
				.wr.atomic = {
					.remote_addr = (uintptr_t)sum, .compare_add = 1,
					.rkey = to.mr->rkey,
				},
			};

			post_send(&pair.a, &wr);
			expected++;
		}
		sqd(pair.b.qp);
		limit_atomics(pair.b.qp, i % 2 ? 16 : 32);
		for (int k = 0; k < 16; k++)
			expect_wc(pair.a.scq, 4, IBV_WC_SUCCESS);
		assert_int_equal(*sum, expected);
	}
}

/* --- packets that outlive their device ----------------------------------------------------- */

static int peer_again(void *unused)
{
	(void)unused;
	shell("ip netns exec peer tc qdisc del dev veth1 root 2>/dev/null;"
	      "[ -e /sys/class/infiniband/rxe1 ] ||"
	      "ip netns exec peer rdma link add rxe1 type rxe netdev veth1;"
	      "udevadm settle 2>/dev/null; [ -e /sys/class/infiniband/rxe1 ]");
	return 0;
}

/* Leaves packets of the device in a queue of the network stack. */
static void child_sends(void *arg)
{
	struct rc rc = rc_default();
	struct pair pair;
	struct ibv_ah *ah;
	struct buf buf;

	(void)arg;
	rc.type = IBV_QPT_UD;
	pair_open(&pair, &rc);
	buf = buf_anon(pair.b.pd, 64 * PAGE, 0);
	ah = end_ah(&pair.b, &pair.a);
	shell("ip netns exec peer tc qdisc add dev veth1 root netem delay 1500ms limit 10000");
	for (int i = 0; i < 64; i++) {
		struct ibv_sge list = sge(&buf, i * PAGE, 2000);
		struct ibv_send_wr wr = {
			.wr_id = i, .opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
			.wr.ud = {
				.ah = ah, .remote_qpn = pair.a.qp->qp_num, .remote_qkey = rc.qkey,
			},
		};

		post_send(&pair.b, &wr);
	}
}

/*
 * "Flush delayed SKBs while releasing RXE resources": the packets are sent when their sender and its socket
 * are gone.
 */
static void test_packets_outlive(void **state)
{
	(void)state;
	need_wire();
	if (strcmp(options.peer, "rxe1"))
		skip_because("the peer is not rxe1");
	defer(peer_again, NULL);
	assert_int_equal(child_wait(child_start(child_sends, NULL)), 0);
	shell("rdma link delete rxe1");
	sleep_ms(2000);
	undo(NULL);
}

/* --- links that several change at once ----------------------------------------------------- */

static void need_links(void)
{
	if (!shell_works("rdma link >/dev/null && [ -e /sys/class/net/veth0 ]"))
		skip_because("no links can be made here");
}

static bool link_there(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s", name);
	return !access(path, F_OK);
}

static void link_goes(const char *name)
{
	uint64_t end = now_ms() + PATIENCE;

	while (link_there(name)) {
		if (now_ms() > end)
			fail_msg("%s is still there", name);
		sleep_ms(5);
	}
}

/* What several processes do at the same time; each waits a little first. */
struct deed {
	const char *command;
	unsigned int us;
};

static void child_acts(void *arg)
{
	struct deed *deed = arg;

	usleep(deed->us);
	shell_works(deed->command);
}

static void child_queries(void *arg)
{
	struct ibv_context *ctx = device_open(arg);
	struct ibv_port_attr port;

	while (link_there(arg) && !ibv_query_port(ctx, 1, &port))
		;
}

static void act_together(struct deed *deeds, int n, struct dice *dice)
{
	int pids[4];

	for (int i = 0; i < n; i++) {
		deeds[i].us = dice_below(dice, 30000);
		pids[i] = child_start(child_acts, &deeds[i]);
	}
	for (int i = 0; i < n; i++)
		assert_int_equal(child_wait(pids[i]), 0);
}

static int twice_away(void *unused)
{
	(void)unused;
	shell("ip link delete twice0 2>/dev/null; true");
	link_goes("rxetwice");
	return 0;
}

/*
 * "Fix Use-After-Free problem in rxe_net_del", "rework per-net tunnel socket lifetime", "Fix use-after-free of netdev in
 * smc_ib_port_event_work": a link is deleted twice while its netdev goes and its port is asked for its speed.
 */
static void test_deleted_twice(void **state)
{
	struct dice dice = { .seed = options.seed };
	int rounds = options.full ? 200 : 12;

	(void)state;
	need_links();
	defer(twice_away, NULL);
	for (int i = 0; i < rounds; i++) {
		struct deed deeds[] = {
			{ "rdma link delete rxetwice 2>/dev/null", 0 },
			{ "rdma link delete rxetwice 2>/dev/null", 0 },
			{ "ip link delete twice0", 0 },
		};
		int pid;

		shell("ip link add twice0 type dummy && ip link set twice0 up &&"
		      "ip address add 192.0.2.77/24 dev twice0 &&"
		      "rdma link add rxetwice type rxe netdev twice0");
		pid = child_start(child_queries, (void *)"rxetwice");
		act_together(deeds, ARRAY_SIZE(deeds), &dice);
		link_goes("rxetwice");
		child_wait(pid);
	}
}

static int moved_away(void *unused)
{
	(void)unused;
	shell("ip link delete moves0 2>/dev/null; ip netns delete farther");
	link_goes("rxemoves");
	return 0;
}

/*
 * "Fix stale RoCE GIDs during netdev events at registration" and syzbot's reports of references that stay: the netdev
 * goes to another namespace while its link is made. No link stays on it.
 */
static void test_moves_meanwhile(void **state)
{
	struct dice dice = { .seed = options.seed };
	int rounds = options.full ? 400 : 40;

	(void)state;
	need_links();
	shell("ip netns add farther");
	defer(moved_away, NULL);
	for (int i = 0; i < rounds; i++) {
		struct deed deeds[] = {
			{ "rdma link add rxemoves type rxe netdev moves0 2>/dev/null", 0 },
			{ "ip link set moves0 netns farther", 0 },
		};

		shell("ip link add moves0 type dummy && ip link set moves0 up");
		act_together(deeds, ARRAY_SIZE(deeds), &dice);
		link_goes("rxemoves");
		shell("ip -n farther link delete moves0");
	}
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_window_domains),
	cmocka_unit_test(test_window_wraps),
	cmocka_unit_test(test_uneven_pieces),
	cmocka_unit_test(test_readonly_stays),
	cmocka_unit_test(test_kind_stays),
	cmocka_unit_test(test_answers),
	cmocka_unit_test(test_timers),
	cmocka_unit_test(test_room_changes),
	cmocka_unit_test(test_packets_outlive),
	cmocka_unit_test(test_deleted_twice),
	cmocka_unit_test(test_moves_meanwhile),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("reports", tests, ARRAY_SIZE(tests));
}
