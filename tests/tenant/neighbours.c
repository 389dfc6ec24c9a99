// SPDX-License-Identifier: GPL-2.0
/* CI: debug */
/*
 * A hostile tenant beside a victim. The tenant, without privileges and in a control group with limits, runs
 * one attack after the other that might delay others or take their memory; the victim's times, memory and
 * bytes must bear it. A new attack is a function and a row.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/tenant.h"
#include "kit/victim.h"
#include "libodp/odp.h"
#include "lib/cgroup.h"
#include "lib/mem.h"
#include "lib/pager.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/ring.h"
#include "lib/slowlink.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/uverbs.h"

#define MEMORY_KIB (96 * 1024l)	/* of the tenant's control group */
#define PROCESSES "64"

/* The tenant's progress, in memory that both processes see. */
struct stage {
	atomic_uint done;	/* steps of the attack */
};

struct attack {
	const char *name;
	void (*run)(struct stage *stage);
	unsigned int steps;	/* after so many steps the attack is in full swing */
	void (*prepare)(void);	/* what the administrator has made before, or NULL */
};

static void wait_forever(void)
{
	for (;;)
		pause();
}

/* Memory whose pages nobody provides. */
static struct buf stuck_memory(int pager, struct ibv_pd *pd, size_t len)
{
	struct buf buf = buf_anon(pd, len, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);

	pager_never(pager, buf.p, len);
	return buf;
}

/* --- attacks ---------------------------------------------------------------------------- */

#define LANES 100

/* Queue pairs that wait for pages that never come. */
static void attack_stuck_faults(struct stage *stage)
{
	struct rc rc = rc_default();
	int pager = pager_open();
	struct buf warm, cold;
	struct pair pair;

	tenant_become_nobody();
	rc.send_wr = rc.recv_wr = rc.sge = 1;
	rc.inline_data = 0;
	end_open(&pair.a, options.device, &rc);
	end_open(&pair.b, options.device, &rc);
	warm = buf_anon(pair.a.pd, PAGE, ALL_ACCESS);
	cold = stuck_memory(pager, pair.b.pd, LANES * PAGE);
	for (unsigned int i = 0; i < LANES; i++) {
		struct ibv_sge list = sge(&warm, 0, 8);
		struct ibv_send_wr wr = {
			.opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
			.wr.rdma = { (uintptr_t)cold.p + i * PAGE, cold.mr->rkey },
		};

		pair.rc = rc;
		pair_open_qps(&pair);
		post_send(&pair.a, &wr);
		stage->done++;
	}
	wait_forever();
}

static void stuck_prefetch(struct stage *stage)
{
	struct rc rc = rc_default();
	int pager = pager_open();
	struct ibv_sge list;
	struct end end;
	struct buf cold;

	tenant_become_nobody();
	end_open(&end, options.device, &rc);
	cold = stuck_memory(pager, end.pd, 2 * PAGE);
	list = sge(&cold, 0, 2 * PAGE);
	assert_int_equal(odp_advise_mr(end.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0, &list, 1), 0);
	stage->done++;
	wait_forever();
}

/* Processes whose prefetches never end. */
static void attack_stuck_prefetches(struct stage *stage)
{
	for (unsigned int i = 0; i < 24; i++) {
		if (!fork())
			stuck_prefetch(stage);
	}
	wait_forever();
}

/* Children that register with the context they inherit, and exit. */
static void attack_dead_children(struct stage *stage)
{
	struct rc rc = rc_default();
	struct end end;
	uint8_t *p;

	tenant_become_nobody();
	end_open(&end, options.device, &rc);
	p = map_anon(PAGE);
	for (;;) {
		int status;

		if (!fork())
			_exit(!ibv_reg_mr(end.pd, p, PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND));
		wait(&status);
		stage->done += !status;
	}
}

/* Thousands of regions over one page, which is removed and comes back. */
static void attack_regions(struct stage *stage)
{
	struct rc rc = rc_default();
	struct pair pair;
	struct buf buf, from;

	tenant_become_nobody();
	pair_open(&pair, &rc);
	from = buf_anon(pair.a.pd, PAGE, ALL_ACCESS);
	buf = buf_anon(pair.b.pd, PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	for (unsigned int i = 0;; i++) {
		struct ibv_sge list = sge(&from, 0, 8);
		struct ibv_send_wr wr = {
			.wr_id = i, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
			.wr.rdma = { (uintptr_t)buf.p, buf.mr->rkey },
		};

		if (i < 20000 &&
		    !ibv_reg_mr(pair.b.pd, buf.p, PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND) && errno != ENOMEM)
			break;
		if (i % 100)
			continue;
		post_send(&pair.a, &wr);
		expect_wc(pair.a.scq, i, IBV_WC_SUCCESS);
		buf_dontneed(&buf);
		stage->done += i <= 20000 ? 100 : 0;
	}
}

#define DEPTH 65536u

/* Tens of thousands of requests behind one doorbell, for a queue pair that then goes to the error state. */
static void attack_doorbells(struct stage *stage)
{
	struct ibv_send_wr *wrs, *bad;
	struct rc rc = rc_default();
	struct pair pair;

	tenant_become_nobody();
	rc.send_wr = DEPTH;
	rc.sge = 1;
	rc.inline_data = 0;
	wrs = scratch(DEPTH * sizeof(*wrs));
	memset(wrs, 0, DEPTH * sizeof(*wrs));
	for (unsigned int i = 0; i < DEPTH; i++) {
		wrs[i].opcode = IBV_WR_RDMA_WRITE;
		wrs[i].next = i + 1 < DEPTH ? &wrs[i + 1] : NULL;
	}
	pair_open(&pair, &rc);
	for (;;) {
		ibv_post_send(pair.a.qp, wrs, &bad);
		qp_to(pair.a.qp, IBV_QPS_ERR);
		pair_connect(&pair);
		stage->done++;
	}
}

/* A table for each 2 MiB of a large region. */
static void attack_tables(struct stage *stage)
{
	const size_t leaves = 16384;
	struct rc rc = rc_default();
	struct pair pair;
	struct ibv_mr *mr;
	struct buf into;
	uint8_t *p;

	tenant_become_nobody();
	pair_open(&pair, &rc);
	into = buf_anon(pair.a.pd, PAGE, ALL_ACCESS);
	p = map_reserved(leaves * 2 * MIB);
	assert_non_null(p);
	madvise(p, leaves * 2 * MIB, MADV_NOHUGEPAGE);
	mr = reg(pair.b.pd, p, leaves * 2 * MIB, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	for (size_t i = 0;; i++) {
		struct ibv_sge list = sge(&into, 0, 8);
		struct ibv_send_wr wr = {
			.wr_id = i, .opcode = IBV_WR_RDMA_READ, .sg_list = &list, .num_sge = 1,
			.wr.rdma = { (uintptr_t)p + i % leaves * 2 * MIB, mr->rkey },
		};

		post_send(&pair.a, &wr);
		if (wait_wc(pair.a.scq).status)
			pair_connect(&pair);
		stage->done++;
	}
}

/* Regions beyond what the tenant has mapped: one that is granted ends the attack, and the test. */
static void attack_wide_keys(struct stage *stage)
{
	static const int lent[] = {
		IBV_ACCESS_REMOTE_READ, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE, IBV_ACCESS_MW_BIND,
	};
	struct rc rc = rc_default();
	uint8_t *hole = map_anon(3 * PAGE);
	struct end end;

	tenant_become_nobody();
	end_open(&end, options.device, &rc);
	assert_int_equal(munmap(hole + PAGE, PAGE), 0);
	for (unsigned int i = 0;; i++) {
		const struct { void *p; size_t len; } wide[] = {
			{ NULL, SIZE_MAX }, { (void *)PAGE, 1ul << 46 }, { hole, 3 * PAGE },
		};
		int access = lent[i / ARRAY_SIZE(wide) % ARRAY_SIZE(lent)] | IBV_ACCESS_ON_DEMAND;

		assert_null(ibv_reg_mr(end.pd, wide[i % ARRAY_SIZE(wide)].p, wide[i % ARRAY_SIZE(wide)].len,
				       access));
		assert_int_equal(errno, EPERM);
		stage->done++;
	}
}

#define ATOMIC_WRITE 15		/* not defined by an older rdma-core */

/* Requests with a word of their own in every slot of a ring, past the library. */
static void fill_slots(const struct end *end, const struct ring *ring)
{
	for (uint32_t i = 0; i < ring->mask; i++) {
		struct rxe_send_wqe *wqe = ring_slot(ring, i);

		memset(wqe, 0x5a, 1u << ring->shift);
		wqe->wr.opcode = ATOMIC_WRITE;
		wqe->wr.send_flags = IBV_SEND_SIGNALED | (i % 2 ? IBV_SEND_INLINE : 0);
		wqe->dma.num_sge = i % 3 ? 0 : ~0u;
	}
	__atomic_store_n(&ring->buf->producer_index, ring->mask, __ATOMIC_RELEASE);
	raw_doorbell(end->qp);
}

/* Queue pairs with the extremes of their capabilities. */
static void attack_corners(struct stage *stage)
{
	static const uint32_t wrs[] = { 0, 1, 4095 }, sges[] = { 0, 1, 32 }, inlines[] = { 0, 1, 512 };
	struct rc rc = rc_default();
	struct pair pair;

	tenant_become_nobody();
	pair_open_ends(&pair, &rc);
	for (unsigned int i = 0;; i++) {
		struct ring ring;

		pair.rc.send_wr = pair.rc.recv_wr = wrs[i % 3];
		pair.rc.sge = sges[i / 3 % 3];
		pair.rc.inline_data = inlines[i / 9 % 3];
		pair.rc.type = i / 27 % 3 == 0 ? IBV_QPT_RC : i / 27 % 3 == 1 ? IBV_QPT_UC : IBV_QPT_UD;
		pair_open_qps(&pair);
		rings_find(&ring, 1);
		fill_slots(&pair.b, &ring);
		undo(pair.b.qp);
		undo(pair.a.qp);
		stage->done++;
	}
}

/* As many datagrams as a slow network's queue takes. */
static void attack_slow_link(struct stage *stage)
{
	struct sender senders[4];

	tenant_become_nobody();
	for (size_t i = 0; i < ARRAY_SIZE(senders); i++)
		sender_open(&senders[i], IBV_QPT_UD, SLOW_LINK, SLOW_ADDRESS);
	for (;; stage->done++)
		sender_run(&senders[stage->done % ARRAY_SIZE(senders)], 50);
}

#define GROUPS 8192u

/* As many multicast groups as the device has, and messages to them. */
static void attack_groups(struct stage *stage)
{
	union ibv_gid group = { .raw = { [10] = 0xff, 0xff, 239, 9 } };
	struct rc rc = rc_default();
	struct pair pair;
	struct buf buf;

	tenant_become_nobody();
	rc.type = IBV_QPT_UD;
	pair_open(&pair, &rc);
	buf = buf_anon(pair.a.pd, PAGE, ALL_ACCESS);
	for (unsigned int i = 0;; i++) {
		struct ibv_sge list = sge(&buf, 0, 8);
		struct ibv_send_wr wr = {
			.wr_id = i, .opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
			.wr.ud = { .remote_qpn = 0xffffff, .remote_qkey = rc.qkey },
		};
		struct end to = pair.a;

		group.raw[14] = i % GROUPS >> 8;
		group.raw[15] = i;
		if (i / GROUPS % 2)
			ibv_detach_mcast(pair.b.qp, &group, 0);
		else
			assert_int_equal(ibv_attach_mcast(pair.b.qp, &group, 0), 0);
		to.gid = group;
		wr.wr.ud.ah = end_ah(&pair.a, &to);
		post_send(&pair.a, &wr);
		expect_wc(pair.a.scq, i, IBV_WC_SUCCESS);
		undo(wr.wr.ud.ah);
		stage->done++;
	}
}

static const struct attack attacks[] = {
	{ "faults that never end", attack_stuck_faults, LANES, NULL },
	{ "prefetches that never end", attack_stuck_prefetches, 24, NULL },
	{ "children that register and end", attack_dead_children, 300, NULL },
	{ "regions by the thousand over one page", attack_regions, 5000, NULL },
	{ "doorbells for full rings, and flushes", attack_doorbells, 2, NULL },
	{ "a table for each access", attack_tables, 2000, NULL },
	{ "keys that reach too much", attack_wide_keys, 1000, NULL },
	{ "queue pairs of extreme sizes", attack_corners, 81, NULL },
	{ "datagrams to a slow network", attack_slow_link, 20, slowlink_make },
	{ "groups by the thousand", attack_groups, 4000, NULL },
};

/* --- the meeting ---------------------------------------------------------------------------- */

struct meeting {
	const struct attack *attack;
	struct stage *stage;
};

static void tenant_main(void *arg)
{
	struct meeting *meeting = arg;

	meeting->attack->run(meeting->stage);
}

/* The tenant may be killed meanwhile for the memory that it takes; then the attack is over as well. */
static void wait_for_attack(const struct meeting *meeting, int pid)
{
	uint64_t end = now_ms() + PATIENCE;
	siginfo_t info = {};

	while (meeting->stage->done < meeting->attack->steps && now_ms() < end) {
		assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
		if (info.si_pid)
			fail_msg("the tenant has ended after %u steps", meeting->stage->done);
		sleep_ms(5);
	}
	print_message("  the tenant: %u steps\n", meeting->stage->done);
	assert_true(meeting->stage->done > 0);
}

static void test_attack(void **state)
{
	struct meeting meeting = { .attack = *state, .stage = map_shared(sizeof(struct stage)) };
	struct cgroup *cgroup = cgroup_make("tenant", "memory pids");
	struct victim_figures alone, beside;
	struct victim *victim;
	int pid;

	if (meeting.attack->prepare)
		meeting.attack->prepare();
	cgroup_set(cgroup, "memory.max", "100663296");
	cgroup_try(cgroup, "memory.swap.max", "0");
	cgroup_set(cgroup, "pids.max", PROCESSES);
	victim = victim_start();
	print_message("  alone:\n");
	alone = victim_watch(victim, 1000);
	pid = tenant_start_as_root(cgroup, tenant_main, &meeting);
	wait_for_attack(&meeting, pid);
	print_message("  beside the tenant:\n");
	beside = victim_watch(victim, 2000);
	victim_bears(&alone, &beside, 10, 2000);
	victim_has_memory(&alone, &beside, MEMORY_KIB + 16 * 1024);
	undo(cgroup);
	victim_stop(victim);
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[ARRAY_SIZE(attacks)];

	parse_options(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++)
		tests[i] = (struct CMUnitTest){
			.name = attacks[i].name, .test_func = test_attack,
			.initial_state = (void *)&attacks[i],
		};
	return run_group("neighbours", tests, ARRAY_SIZE(tests));
}
