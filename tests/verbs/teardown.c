// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop ends:loop */
/*
 * The destruction of objects: how long it takes, counted in grace periods of the kernel, and what it
 * promises: no byte is written with a key after the call that ends the key has returned.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/membarrier.h>

#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/wire.h"

/* --- grace periods --------------------------------------------------------------- */

#define RCU_NORMAL "/sys/kernel/rcu_normal"
#define OBJECTS 100

static int rcu_as_before(void *unused)
{
	(void)unused;
	return write_file(RCU_NORMAL, "0");
}

/* As on real-time kernels: no grace period can be expedited. */
static void need_slow_rcu(void)
{
	if (write_file(RCU_NORMAL, "1"))
		skip_because("this kernel has no %s", RCU_NORMAL);
	defer(rcu_as_before, NULL);
}

/* The median of several grace periods. membarrier(2) waits for one. */
static uint64_t grace_period_ns(void)
{
	uint64_t took[9];

	for (size_t i = 0; i < ARRAY_SIZE(took); i++) {
		uint64_t start = now_ns();

		if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
			skip_because("membarrier: %s", strerror(errno));
		took[i] = now_ns() - start;
	}
	return percentile(took, ARRAY_SIZE(took), 500);
}

/* What objects are made of. */
struct site {
	struct pair pair;
	struct buf buf;		/* windows may be bound to its region */
};

struct kind {
	const char *name;
	void *(*make)(struct site *site);
	int (*end)(void *object);
};

static void site_open(struct site *site)
{
	struct rc rc = rc_default();

	rc.access |= IBV_ACCESS_MW_BIND;
	pair_open(&site->pair, &rc);
	site->buf = buf_anon(site->pair.a.pd, 16 * PAGE, ALL_ACCESS | IBV_ACCESS_MW_BIND);
	memset(site->buf.p, 1, site->buf.len);
}

static void *make_pinned(struct site *site)
{
	return ibv_reg_mr(site->pair.a.pd, site->buf.p, site->buf.len, IBV_ACCESS_LOCAL_WRITE);
}

static void *make_odp(struct site *site)
{
	return ibv_reg_mr(site->pair.a.pd, site->buf.p, site->buf.len,
			  IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
}

static void *make_ah(struct site *site)
{
	struct pair *pair = &site->pair;
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = 1,
		.grh = { .dgid = pair->b.gid, .sgid_index = pair->a.gid_index, .hop_limit = 8 },
	};

	return ibv_create_ah(pair->a.pd, &attr);
}

static void *make_mw(struct site *site)
{
	return ibv_alloc_mw(site->pair.a.pd, IBV_MW_TYPE_2);
}

static struct ibv_mw_bind_info whole(const struct buf *buf)
{
	return (struct ibv_mw_bind_info){
		.mr = buf->mr, .addr = (uintptr_t)buf->p, .length = buf->len,
		.mw_access_flags = IBV_ACCESS_REMOTE_WRITE,
	};
}

static void bind_type1(struct end *end, struct ibv_mw *mw, const struct buf *buf)
{
	struct ibv_mw_bind bind = {
		.wr_id = 1, .send_flags = IBV_SEND_SIGNALED, .bind_info = whole(buf),
	};

	assert_int_equal(ibv_bind_mw(end->qp, mw, &bind), 0);
	expect_wc(end->scq, 1, IBV_WC_SUCCESS);
}

static void *make_bound1(struct site *site)
{
	struct ibv_mw *mw = ibv_alloc_mw(site->pair.a.pd, IBV_MW_TYPE_1);

	if (mw)
		bind_type1(&site->pair.a, mw, &site->buf);
	return mw;
}

static void *make_bound2(struct site *site)
{
	struct ibv_mw *mw = make_mw(site);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_BIND_MW,
		.bind_mw = { .mw = mw, .bind_info = whole(&site->buf) },
	};

	if (!mw)
		return NULL;
	wr.bind_mw.rkey = ibv_inc_rkey(mw->rkey);
	post_send(&site->pair.a, &wr);
	expect_wc(site->pair.a.scq, 1, IBV_WC_SUCCESS);
	return mw;
}

static void *make_qp(struct site *site)
{
	struct ibv_qp_init_attr attr = end_qp_attr(&site->pair.a, &site->pair.rc);

	return ibv_create_qp(site->pair.a.pd, &attr);
}

static const struct kind kinds[] = {
	{ "pinned region", make_pinned, (undo_fn)ibv_dereg_mr },
	{ "on-demand region", make_odp, (undo_fn)ibv_dereg_mr },
	{ "address handle", make_ah, (undo_fn)ibv_destroy_ah },
	{ "window", make_mw, (undo_fn)ibv_dealloc_mw },
	{ "bound type 1 window", make_bound1, (undo_fn)ibv_dealloc_mw },
	{ "bound type 2 window", make_bound2, (undo_fn)ibv_dealloc_mw },
	{ "queue pair", make_qp, (undo_fn)ibv_destroy_qp },
};

static uint64_t end_ns(const struct kind *kind, struct site *site)
{
	uint64_t took[OBJECTS];

	for (int i = 0; i < OBJECTS; i++) {
		void *object = kind->make(site);
		uint64_t start = now_ns();

		if (!object)
			fail_msg("a %s: %s", kind->name, strerror(errno));
		assert_int_equal(kind->end(object), 0);
		took[i] = now_ns() - start;
	}
	return percentile(took, OBJECTS, 500);
}

static void test_objects(void **state)
{
	struct site site;
	uint64_t grace;

	(void)state;
	site_open(&site);
	need_slow_rcu();
	grace = grace_period_ns();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		uint64_t took;

		if (kinds[i].make == make_odp && !device_has_odp(site.pair.a.ctx))
			continue;
		took = end_ns(&kinds[i], &site);
		printf("%-20s %8.1f us, a grace period %8.1f us\n", kinds[i].name, took / 1e3,
		       grace / 1e3);
		if (took > grace / 4)
			fail_msg("destroying a %s takes %.1f us, a grace period %.1f us", kinds[i].name,
				 took / 1e3, grace / 1e3);
	}
}

/* --- RTNL ------------------------------------------------------------------------- */

#define DUMMY "dummytd"

/* Keeps RTNL busy: deleting a netdev waits for grace periods with RTNL held. */
static void busy_rtnl(void *unused)
{
	(void)unused;
	execlp("sh", "sh", "-c", "while :; do ip link add " DUMMY " type dummy; ip link del " DUMMY
	       "; done >/dev/null 2>&1", NULL);
	_exit(1);
}

static int remove_dummy(void *unused)
{
	(void)unused;
	shell_works("ip link del " DUMMY " 2>/dev/null");
	return 0;
}

static struct ibv_qp *datagram_qp(struct end *end, struct rc *rc)
{
	struct ibv_qp *qp;

	rc->type = IBV_QPT_UD;
	qp = end_qp(end, rc);
	qp_init(qp, rc);
	return qp;
}

/* Joins and leaves multicast groups, which needs RTNL. */
static void attach_for_ever(void *arg)
{
	atomic_uint *attached = arg;
	struct rc rc = rc_default();
	struct ibv_qp *qp;
	struct end end;

	end_open(&end, options.device, &rc);
	qp = datagram_qp(&end, &rc);
	for (;; ++*attached) {
		union ibv_gid group = {
			.raw = { [10] = 0xff, 0xff, 239, 7, 7, *attached % 200 },
		};

		assert_int_equal(ibv_attach_mcast(qp, &group, 0), 0);
		assert_int_equal(ibv_detach_mcast(qp, &group, 0), 0);
	}
}

/*
 * A task that waits for RTNL, to attach a queue pair, does not delay the destruction of others' queue pairs.
 */
static void test_attach_elsewhere(void **state)
{
	static const struct kind queue_pair = { "queue pair", make_qp, (undo_fn)ibv_destroy_qp };
	atomic_uint *attached = map_shared(sizeof(*attached));
	uint64_t grace, took;
	struct site site;

	(void)state;
	site_open(&site);
	need_slow_rcu();
	grace = grace_period_ns();
	defer(remove_dummy, NULL);
	child_start(busy_rtnl, NULL);
	child_start(attach_for_ever, attached);
	for (uint64_t until = now_ms() + PATIENCE; *attached < 2; sleep_ms(1))
		assert_true(now_ms() < until);
	took = end_ns(&queue_pair, &site);
	printf("destroying a queue pair takes %.1f us while others attach theirs, a grace period %.1f us\n",
	       took / 1e3, grace / 1e3);
	assert_true(took < grace / 4);
}

/* --- a process with many regions ------------------------------------------------- */

#define REGIONS 10000

struct owner {
	atomic_bool ready, go;
	bool odp;
};

/* Exits with all of its regions when told to. */
static void own_regions(void *arg)
{
	struct owner *owner = arg;
	struct rc rc = rc_default();
	struct end end;
	void *p;

	end_open(&end, options.device, &rc);
	p = map_anon(PAGE);
	memset(p, 1, PAGE);
	for (int i = 0; i < REGIONS; i++)
		assert_non_null(ibv_reg_mr(end.pd, p, PAGE, IBV_ACCESS_LOCAL_WRITE |
					   (owner->odp ? IBV_ACCESS_ON_DEMAND : 0)));
	owner->ready = true;
	while (!owner->go)
		sleep_ms(1);
	_exit(0);
}

static void exit_with_regions(bool odp)
{
	struct owner *owner = map_shared(sizeof(*owner));
	struct rc rc = rc_default();
	uint64_t grace, took;
	struct end end;
	int pid;

	end_open(&end, options.device, &rc);
	if (odp)
		need_odp(end.ctx);
	owner->odp = odp;
	pid = child_start(own_regions, owner);
	for (uint64_t until = now_ms() + 4 * PATIENCE; !owner->ready; sleep_ms(10))
		assert_true(now_ms() < until);
	need_slow_rcu();
	grace = grace_period_ns();
	took = now_ns();
	owner->go = true;
	assert_int_equal(child_wait(pid), 0);
	took = now_ns() - took;
	printf("exit of a process with %d regions: %.1f ms, a grace period %.1f ms\n", REGIONS,
	       took / 1e6, grace / 1e6);
	assert_true(took < REGIONS / 10 * grace);
}

static void test_exit_pinned(void **state)
{
	(void)state;
	exit_with_regions(false);
}

static void test_exit_odp(void **state)
{
	(void)state;
	exit_with_regions(true);
}

/* --- no write after the end ------------------------------------------------------- */

#define ROUNDS 60
#define PAGES 16
#define WRITES 16

/* State shared by the owner of the memory and the process that writes to it. */
struct table {
	struct address owner, writer;
	atomic_int round;	/* odd: write; even: the writer waits; negative: stop */
	atomic_int answered;	/* the round that the writer has finished */
};

/* Posts as many WRITEs as the queue has room for, until the peer refuses them. */
static void write_until_refused(struct end *end, const struct buf *buf, const struct table *table)
{
	unsigned int posted = 0, done = 0;

	for (;;) {
		struct ibv_sge list = sge(buf, 0, PAGES * PAGE);
		struct ibv_wc wc;

		while (posted - done < WRITES) {
			post_to(end, IBV_WR_RDMA_WRITE, &list, &table->owner, 0);
			posted++;
		}
		wc = wait_wc(end->scq);
		if (wc.status != IBV_WC_SUCCESS) {
			assert_int_equal(wc.status, IBV_WC_REM_ACCESS_ERR);
			break;
		}
		done++;
	}
	while (++done < posted)
		wait_wc(end->scq);
}

static void write_to_peer(void *arg)
{
	struct table *table = arg;
	struct rc rc = rc_default();
	struct end end;
	struct buf buf;
	int round = 1;

	rc.send_wr = WRITES;
	rc.cqe = 2 * WRITES;
	end_open(&end, options.peer, &rc);
	end.qp = end_qp(&end, &rc);
	buf = buf_anon(end.pd, PAGES * PAGE, ALL_ACCESS);
	memset(buf.p, 0x77, buf.len);
	address_tell(&table->writer, &end, &buf);
	address_wait(&table->owner);
	for (;; round += 2) {
		while (table->round >= 0 && table->round < round)
			sleep_ms(0);
		if (table->round < 0)
			break;
		qp_to(end.qp, IBV_QPS_RESET);
		end_join(&end, &rc, &table->owner);
		write_until_refused(&end, &buf, table);
		table->answered = round;
	}
}

/* The key that the peer may use, and what ends it. */
struct lent {
	struct end *end;
	struct buf *buf;
	struct ibv_mw *mw;
};

static void region_lend(struct lent *lent, int access)
{
	lent->buf->mr = ibv_reg_mr(lent->end->pd, lent->buf->p, lent->buf->len, access);
	assert_non_null(lent->buf->mr);
}

static void lend_region(struct lent *lent)
{
	region_lend(lent, ALL_ACCESS);
}

static void lend_odp(struct lent *lent)
{
	need_odp(lent->end->ctx);
	region_lend(lent, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

static void lend_window(struct lent *lent)
{
	region_lend(lent, ALL_ACCESS | IBV_ACCESS_MW_BIND);
	lent->mw = ibv_alloc_mw(lent->end->pd, IBV_MW_TYPE_1);
	assert_non_null(lent->mw);
	bind_type1(lent->end, lent->mw, lent->buf);
}

static void take_back(struct lent *lent)
{
	if (lent->mw)
		assert_int_equal(ibv_dealloc_mw(lent->mw), 0);
	else
		assert_int_equal(ibv_dereg_mr(lent->buf->mr), 0);
}

static void take_back_rest(struct lent *lent)
{
	if (lent->mw)
		assert_int_equal(ibv_dereg_mr(lent->buf->mr), 0);
	lent->mw = NULL;
	lent->buf->mr = NULL;
}

/* Checks for some time that the memory does not change. */
static void expect_untouched(const struct buf *buf, uint8_t value, int round)
{
	for (uint64_t until = now_ns() + 1000000; now_ns() < until;)
		for (size_t i = 0; i < buf->len; i += 64)
			if (buf->p[i] != value)
				fail_msg("round %d: byte %zu was written after the end", round, i);
}

static void wait_written(const struct buf *buf)
{
	volatile uint8_t *last = buf->p + buf->len - 1;

	for (uint64_t until = now_ms() + PATIENCE; *last != 0x77;)
		assert_true(now_ms() < until);
}

static void nothing_after(void (*lend)(struct lent *lent))
{
	struct table *table = map_shared(sizeof(*table));
	struct rc rc = rc_default();
	struct lent lent = {};
	struct end end;
	struct buf buf;

	rc.send_wr = 4;
	end_open(&end, options.device, &rc);
	end.qp = end_qp(&end, &rc);
	buf = (struct buf){ .p = map_anon(PAGES * PAGE), .len = PAGES * PAGE, .fd = -1 };
	child_start(write_to_peer, table);
	address_wait(&table->writer);
	lent = (struct lent){ .end = &end, .buf = &buf };
	for (int round = 1; round < 2 * ROUNDS; round += 2) {
		memset(buf.p, 0x11, buf.len);
		qp_to(end.qp, IBV_QPS_RESET);
		end_join(&end, &rc, &table->writer);
		lend(&lent);
		address_tell(&table->owner, &end, &buf);
		if (lent.mw)
			table->owner.rkey = lent.mw->rkey;
		table->round = round;
		wait_written(&buf);
		take_back(&lent);
		memset(buf.p, 0x22, buf.len);
		expect_untouched(&buf, 0x22, round);
		for (uint64_t until = now_ms() + PATIENCE; table->answered != round; sleep_ms(0))
			assert_true(now_ms() < until);
		expect_untouched(&buf, 0x22, round);
		take_back_rest(&lent);
	}
	table->round = -1;
}

static void test_nothing_after_pinned(void **state)
{
	(void)state;
	nothing_after(lend_region);
}

static void test_nothing_after_odp(void **state)
{
	(void)state;
	nothing_after(lend_odp);
}

static void test_nothing_after_window(void **state)
{
	(void)state;
	nothing_after(lend_window);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_attach_elsewhere),
		cmocka_unit_test(test_exit_pinned),
		cmocka_unit_test(test_exit_odp),
		cmocka_unit_test(test_nothing_after_pinned),
		cmocka_unit_test(test_nothing_after_odp),
		cmocka_unit_test(test_nothing_after_window),
	};

	parse_options(argc, argv);
	return run_group("teardown", tests, ARRAY_SIZE(tests));
}
