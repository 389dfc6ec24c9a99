// SPDX-License-Identifier: GPL-2.0
/* CI: debug */
/*
 * The owner of the kernel's memory. An unprivileged tenant, in a control group with a limit, makes the kernel
 * keep as much as possible: rings, and packets for waiting queue pairs. The group must have been charged for
 * the memory that the machine lost.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kit/tenant.h"
#include "lib/cgroup.h"
#include "lib/mem.h"
#include "lib/pager.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/system.h"
#include "lib/test.h"

#define DIRECT "/sys/module/rdma_rxe/parameters/direct"

/* The tenant's progress, in memory that both processes see. */
struct stage {
	atomic_bool ready;	/* it is about to begin */
	atomic_bool go;
	atomic_bool done;
};

struct charge_case {
	const char *name;
	void (*run)(struct stage *stage);
	unsigned int settle_ms;	/* time after which the packets are where they stay */
};

static void begin(struct stage *stage)
{
	stage->ready = true;
	while (!stage->go)
		sleep_ms(1);
}

/* KASAN keeps freed objects, which stay charged; lockdep makes objects larger. */
static bool is_checked(void)
{
	return kernel_has("kasan_report") || kernel_has("lockdep_init_map_type");
}

/* The limit of the tenant's control group. */
static long limit_kib(void)
{
	return (is_checked() ? 512 : 96) * 1024l;
}

/* Other allocations in the meantime. KASAN keeps the stack of each allocation. */
static long slack_kib(void)
{
	return (is_checked() ? 64 : 12) * 1024l;
}

/* --- what the tenant does --------------------------------------------------------------- */

/* Makes completion queues of 8 MiB. */
static void make_rings(struct stage *stage)
{
	struct ibv_context *ctx;

	tenant_become_nobody();
	ctx = device_open(options.device);
	begin(stage);
	for (int i = 0; i < 4; i++)
		assert_non_null(ibv_create_cq(ctx, (1 << 17) - 1, NULL, NULL, 0));
}

static struct rc small_rc(void)
{
	struct rc rc = rc_default();

	rc.mtu = IBV_MTU_4096;
	rc.send_wr = rc.recv_wr = rc.sge = 1;
	rc.cqe = 4096;
	rc.inline_data = 0;
	return rc;
}

#define DATAGRAM_QPS 20	/* each of which keeps 4 MiB */
#define DATAGRAMS 1024

static void send_datagrams(struct end *from, const struct buf *buf, struct ibv_ah *ah, uint32_t qpn)
{
	struct ibv_sge list = sge(buf, 0, PAGE);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
		.wr.ud = { ah, qpn, rc_default().qkey },
	}, *bad;
	int posted = 0, done = 0;

	while (done < DATAGRAMS) {
		struct ibv_wc wc[16];

		while (posted < DATAGRAMS && posted - done < 64 && !ibv_post_send(from->qp, &wr, &bad))
			posted++;
		done += ibv_poll_cq(from->scq, 16, wc);
	}
}

/* Datagrams to pages that nobody provides. */
static void park_datagrams(struct stage *stage)
{
	struct rc rc = small_rc();
	int pager = pager_open();
	struct buf from, cold;
	struct end a, b;
	struct ibv_ah *ah;

	tenant_become_nobody();
	rc.type = IBV_QPT_UD;
	rc.sq_sig_all = true;
	end_open(&b, options.peer, &rc);
	rc.send_wr = 127;
	end_open(&a, options.device, &rc);
	need_odp(b.ctx);
	a.qp = end_qp(&a, &rc);
	qp_init(a.qp, &rc);
	qp_rtr(a.qp, &a, &rc, &a.gid, 0);
	qp_rts(a.qp, &rc);
	ah = end_ah(&a, &b);
	from = buf_anon(a.pd, PAGE, ALL_ACCESS);
	memset(from.p, 1, PAGE);
	cold = buf_anon(b.pd, DATAGRAM_QPS * 2 * PAGE, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
	pager_never(pager, cold.p, cold.len);
	begin(stage);
	for (int i = 0; i < DATAGRAM_QPS; i++) {
		struct ibv_sge into = sge(&cold, i * 2 * PAGE, PAGE + 40);

		b.qp = end_qp(&b, &rc);
		qp_init(b.qp, &rc);
		qp_rtr(b.qp, &b, &rc, &b.gid, 0);
		post_recv(&b, i, &into, 1);
		send_datagrams(&a, &from, ah, b.qp->qp_num);
	}
}

#define PAIRS 50
#define MESSAGE (512 * 1024ul)

/* Posts a request of MESSAGE bytes on each of PAIRS connections. */
static void request_on_all(struct stage *stage, struct pair *pair, struct ibv_send_wr *wr,
			   void (*connect)(struct pair *pair))
{
	begin(stage);
	for (int i = 0; i < PAIRS; i++) {
		pair->a.qp = end_qp(&pair->a, &pair->rc);
		pair->b.qp = end_qp(&pair->b, &pair->rc);
		connect(pair);
		post_send(&pair->a, wr);
	}
}

static void open_pair(struct pair *pair)
{
	*pair = (struct pair){ .rc = small_rc() };
	pair->rc.min_rnr_timer = 31;	/* half a second */
	pair->rc.rnr_retry = 7;
	pair->rc.timeout = 0;
	pair_open_ends(pair, &pair->rc);
	need_odp(pair->a.ctx);
}

static void send_without_effect(struct stage *stage, void (*connect)(struct pair *pair))
{
	struct pair pair;
	struct buf from;
	struct ibv_sge list;
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1 };

	tenant_become_nobody();
	open_pair(&pair);
	from = buf_anon(pair.a.pd, MESSAGE, ALL_ACCESS);
	memset(from.p, 1, MESSAGE);
	list = sge(&from, 0, MESSAGE);
	request_on_all(stage, &pair, &wr, connect);
}

/* SENDs that find no receive request. */
static void send_unasked(struct stage *stage)
{
	send_without_effect(stage, pair_connect);
}

/* The peer expects an earlier packet, which never arrives, before all those that do. */
static void connect_ahead(struct pair *pair)
{
	struct rc ahead = pair->rc;

	ahead.psn++;
	qp_init(pair->b.qp, &pair->rc);
	qp_rtr(pair->b.qp, &pair->b, &pair->rc, &pair->a.gid, pair->a.qp->qp_num);
	qp_init(pair->a.qp, &ahead);
	qp_rtr(pair->a.qp, &pair->a, &ahead, &pair->b.gid, pair->b.qp->qp_num);
	qp_rts(pair->a.qp, &ahead);
}

static void send_ahead(struct stage *stage)
{
	send_without_effect(stage, connect_ahead);
}

/* A READ into, or a WRITE to, pages that nobody provides. */
static void park(struct stage *stage, enum ibv_wr_opcode opcode)
{
	int pager = pager_open();
	struct pair pair;
	struct buf warm, cold;
	struct ibv_sge list;
	struct ibv_send_wr wr = { .opcode = opcode, .sg_list = &list, .num_sge = 1 };
	bool read = opcode == IBV_WR_RDMA_READ;

	tenant_become_nobody();
	open_pair(&pair);
	warm = buf_anon(read ? pair.b.pd : pair.a.pd, MESSAGE, ALL_ACCESS);
	memset(warm.p, 1, MESSAGE);
	cold = buf_anon(read ? pair.a.pd : pair.b.pd, MESSAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	pager_never(pager, cold.p, cold.len);
	list = sge(read ? &cold : &warm, 0, MESSAGE);
	wr.wr.rdma.remote_addr = (uintptr_t)(read ? warm.p : cold.p);
	wr.wr.rdma.rkey = read ? warm.mr->rkey : cold.mr->rkey;
	request_on_all(stage, &pair, &wr, pair_connect);
}

static void park_reads(struct stage *stage)
{
	park(stage, IBV_WR_RDMA_READ);
}

static void park_writes(struct stage *stage)
{
	park(stage, IBV_WR_RDMA_WRITE);
}

static const struct charge_case cases[] = {
	{ "rings", make_rings, 0 },
	{ "datagrams for missing pages", park_datagrams, 50 },
	{ "SENDs without a receive request", send_unasked, 50 },
	{ "SENDs before their turn", send_ahead, 50 },
	{ "responses for missing pages", park_reads, 50 },
	{ "WRITEs to missing pages", park_writes, 50 },
};

/* --- the charge ------------------------------------------------------------------------------ */

struct meeting {
	const struct charge_case *c;
	struct stage *stage;
};

static void tenant_main(void *arg)
{
	struct meeting *meeting = arg;

	meeting->c->run(meeting->stage);
	meeting->stage->done = true;
	for (;;)
		pause();
}

static void wait_for(const struct cgroup *cgroup, atomic_bool *what)
{
	uint64_t end = now_ms() + PATIENCE;

	while (!*what) {
		if (now_ms() > end)
			fail_msg("the tenant makes no progress; it has %ld KiB and was killed %ld times",
				 cgroup_number(cgroup, "memory.current", "") / 1024,
				 cgroup_number(cgroup, "memory.events", "oom_kill "));
		sleep_ms(1);
	}
}

static int direct_again(void *unused)
{
	(void)unused;
	return write_file(DIRECT, "Y");
}

static void test_charge(void **state)
{
	struct meeting meeting = { .c = *state, .stage = map_shared(sizeof(struct stage)) };
	struct cgroup *cgroup = cgroup_make_small("charge", limit_kib() * 1024);
	long machine, group;

	cgroup_try(cgroup, "memory.swap.max", "0");
	if (!write_file(DIRECT, "N"))
		defer(direct_again, direct_again);
	tenant_start_as_root(cgroup, tenant_main, &meeting);
	wait_for(cgroup, &meeting.stage->ready);
	machine = file_number("/proc/meminfo", "MemAvailable:");
	group = cgroup_number(cgroup, "memory.current", "");
	meeting.stage->go = true;
	wait_for(cgroup, &meeting.stage->done);
	sleep_ms(meeting.c->settle_ms);
	machine -= file_number("/proc/meminfo", "MemAvailable:");
	group = (cgroup_number(cgroup, "memory.current", "") - group) / 1024;
	print_message("  the machine has %ld KiB less, the tenant was charged %ld KiB\n", machine, group);
	assert_int_equal(cgroup_number(cgroup, "memory.events", "oom_kill "), 0);
	assert_true(machine < group + slack_kib());
	assert_true(group < limit_kib());
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[ARRAY_SIZE(cases)];

	parse_options(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[i] = (struct CMUnitTest){
			.name = cases[i].name, .test_func = test_charge,
			.initial_state = (void *)&cases[i],
		};
	return run_group("kept", tests, ARRAY_SIZE(tests));
}
