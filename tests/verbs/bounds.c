// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire debian:wire */
/*
 * Every access outside of a region's bounds or rights fails with the status that the IBTA names, touches
 * nothing, puts the queue pair into the error state, and flushes the outstanding requests in order.
 */
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

#define LEN 2100	/* three packets */
#define FOLLOWERS 3	/* work requests behind the invalid one */
#define RECVS 3

/* Side at which the fault lies. */
enum where { LOCAL, REMOTE, RECEIVER };

static const char *const where_names[] = { "local", "remote", "receiver's" };

enum wrong {
	KEY_UNKNOWN, KEY_VARIANT, KEY_ZERO, KEY_DEREGISTERED, KEY_OTHER_PD,
	PAST_END, BEFORE_START, WRAPS, AT_TOP, NO_RIGHT, TOO_LONG, NOT_ENABLED,
};

static const char *const wrong_names[] = {
	"unknown key", "key with another low byte", "key 0", "key of a deregistered region",
	"key of another PD", "past the end", "before the start", "wraps at 2^64", "at the top of 2^64",
	"no right", "longer than the receive buffer", "not enabled in the queue pair",
};

struct op {
	const char *name;
	enum ibv_wr_opcode opcode;
	int right;	/* access right that the remote region must grant */
	bool atomic;
};

static const struct op send_op = { "send", IBV_WR_SEND, 0, false };
static const struct op remote_ops[] = {
	{ "write", IBV_WR_RDMA_WRITE, IBV_ACCESS_REMOTE_WRITE, false },
	{ "write-imm", IBV_WR_RDMA_WRITE_WITH_IMM, IBV_ACCESS_REMOTE_WRITE, false },
	{ "read", IBV_WR_RDMA_READ, IBV_ACCESS_REMOTE_READ, false },
	{ "fetch-and-add", IBV_WR_ATOMIC_FETCH_AND_ADD, IBV_ACCESS_REMOTE_ATOMIC, true },
	{ "compare-and-swap", IBV_WR_ATOMIC_CMP_AND_SWP, IBV_ACCESS_REMOTE_ATOMIC, true },
};

struct bad {
	enum where where;
	enum wrong wrong;
	const struct op *op;
	bool odp;
};

/* A region of one page in the middle of memory that exists before and behind it. */
struct side {
	uint8_t *memory, *before;
	struct ibv_mr *mr;
	uint64_t addr;
	uint32_t len, key;
};

#define MEMORY (3 * PAGE)

struct rig {
	const struct bad *bad;
	struct pair pair;
	struct side a, b, recv;
};

static void side_open(struct side *side, struct end *end, int access)
{
	*side = (struct side){ .memory = map_anon(MEMORY), .before = scratch(MEMORY) };
	pattern_fill(side->memory, MEMORY, 0, (uintptr_t)side);
	memcpy(side->before, side->memory, MEMORY);
	side->mr = reg(end->pd, side->memory + PAGE, PAGE, access);
	side->addr = (uintptr_t)side->memory + PAGE;
}

static uint32_t key_of(struct side *side, bool local)
{
	return local ? side->mr->lkey : side->mr->rkey;
}

static uint32_t foreign_key(struct side *side, struct end *end, int access, bool local)
{
	struct ibv_pd *pd = ibv_alloc_pd(end->ctx);
	struct ibv_mr *mr;

	assert_non_null(pd);
	defer((undo_fn)ibv_dealloc_pd, pd);
	mr = reg(pd, side->memory + PAGE, PAGE, access);
	return local ? mr->lkey : mr->rkey;
}

static void spoil(struct side *side, struct end *end, enum wrong wrong, int access, bool local)
{
	uint64_t end_of_region = side->addr + PAGE;

	switch (wrong) {
	case KEY_UNKNOWN:
		side->key += 0x7fff00;
		break;
	case KEY_VARIANT:
		side->key ^= 0x55;
		break;
	case KEY_ZERO:
		side->key = 0;
		break;
	case KEY_DEREGISTERED:
		undo(side->mr);
		break;
	case KEY_OTHER_PD:
		side->key = foreign_key(side, end, access, local);
		break;
	case PAST_END:
		side->addr = end_of_region - side->len + (side->len == 8 ? 8 : 1);
		break;
	case BEFORE_START:
		side->addr -= side->len == 8 ? 8 : 1;
		break;
	case WRAPS:
		side->addr = side->len == 8 ? UINT64_MAX - 7 : UINT64_MAX - side->len / 2;
		break;
	case AT_TOP:
		side->addr = -(uint64_t)side->len & ~7ull;
		break;
	case TOO_LONG:
		side->len--;
		break;
	case NO_RIGHT:
	case NOT_ENABLED:
		break;
	}
}

static enum ibv_wc_status requester_status(const struct bad *bad)
{
	if (bad->where == LOCAL)
		return IBV_WC_LOC_PROT_ERR;
	if (bad->wrong == TOO_LONG || bad->wrong == NOT_ENABLED)
		return IBV_WC_REM_INV_REQ_ERR;
	return bad->where == RECEIVER ? IBV_WC_REM_OP_ERR : IBV_WC_REM_ACCESS_ERR;
}

/* Expected status of the responder's first receive request. */
static enum ibv_wc_status responder_status(const struct bad *bad)
{
	if (bad->where != RECEIVER)
		return IBV_WC_WR_FLUSH_ERR;
	return bad->wrong == TOO_LONG ? IBV_WC_LOC_LEN_ERR : IBV_WC_LOC_PROT_ERR;
}

static void rig_open(struct rig *rig, const struct bad *bad)
{
	int odp = bad->odp ? IBV_ACCESS_ON_DEMAND : 0;
	bool no_right = bad->wrong == NO_RIGHT, at_remote = bad->where == REMOTE;
	int local = no_right && bad->where == LOCAL ? 0 : IBV_ACCESS_LOCAL_WRITE;
	int remote = no_right && at_remote ? ALL_ACCESS & ~bad->op->right : ALL_ACCESS;
	int receive = no_right && bad->where == RECEIVER ? 0 : IBV_ACCESS_LOCAL_WRITE;
	struct rc rc = rc_default();

	*rig = (struct rig){ .bad = bad };
	if (bad->wrong == NOT_ENABLED)
		rc.access &= ~bad->op->right;
	pair_open(&rig->pair, &rc);
	if (bad->odp)
		need_odp(rig->pair.a.ctx);
	side_open(&rig->a, &rig->pair.a, local | odp);
	side_open(&rig->b, &rig->pair.b, remote | odp);
	side_open(&rig->recv, &rig->pair.b, receive | odp);
	rig->a.key = key_of(&rig->a, true);
	rig->b.key = key_of(&rig->b, false);
	rig->recv.key = key_of(&rig->recv, true);
	rig->a.len = rig->b.len = bad->op->atomic ? 8 : LEN;
	rig->recv.len = LEN;

	if (bad->where == LOCAL)
		spoil(&rig->a, &rig->pair.a, bad->wrong, local | odp, true);
	else if (at_remote)
		spoil(&rig->b, &rig->pair.b, bad->wrong, remote | odp, false);
	else
		spoil(&rig->recv, &rig->pair.b, bad->wrong, receive | odp, true);
}

static struct ibv_sge side_sge(const struct side *side)
{
	return (struct ibv_sge){ .addr = side->addr, .length = side->len, .lkey = side->key };
}

static void post_recvs(struct end *end, struct ibv_sge *first)
{
	for (int i = 0; i < RECVS; i++)
		post_recv(end, 200 + i, first, first ? 1 : 0);
}

/* Posts the invalid work request and harmless ones behind it. */
static void post_bad(struct rig *rig)
{
	const struct op *op = rig->bad->op;
	struct ibv_sge list = side_sge(&rig->a);
	struct ibv_send_wr wr[1 + FOLLOWERS] = {};

	for (int i = 0; i < FOLLOWERS + 1; i++) {
		wr[i] = (struct ibv_send_wr){
			.wr_id = 100 + i, .opcode = IBV_WR_SEND,
			.next = i < FOLLOWERS ? &wr[i + 1] : NULL,
		};
	}
	wr[0].opcode = op->opcode;
	wr[0].sg_list = &list;
	wr[0].num_sge = 1;
	if (op->atomic) {
		wr[0].wr.atomic.remote_addr = rig->b.addr;
		wr[0].wr.atomic.rkey = rig->b.key;
	} else if (op->opcode != IBV_WR_SEND) {
		wr[0].wr.rdma.remote_addr = rig->b.addr;
		wr[0].wr.rdma.rkey = rig->b.key;
	}
	post_send(&rig->pair.a, wr);
}

static void expect_flushed(struct ibv_cq *cq, uint64_t wr_id, int n)
{
	for (int i = 0; i < n; i++)
		expect_wc(cq, wr_id + i, IBV_WC_WR_FLUSH_ERR);
}

static void check_requester(struct rig *rig)
{
	struct end *a = &rig->pair.a;
	struct ibv_send_wr late = { .wr_id = 150, .opcode = IBV_WR_SEND };

	expect_wc(a->scq, 100, requester_status(rig->bad));
	expect_flushed(a->scq, 101, FOLLOWERS);
	expect_flushed(a->rcq, 200, RECVS);
	expect_state(a->qp, IBV_QPS_ERR);
	/* Posting a receive request rings no doorbell; the SEND behind it does. */
	post_recv(a, 250, NULL, 0);
	post_send(a, &late);
	expect_flushed(a->scq, 150, 1);
	expect_flushed(a->rcq, 250, 1);
}

static void check_responder(struct rig *rig)
{
	struct end *b = &rig->pair.b;

	if (rig->bad->where == LOCAL) {
		assert_int_equal(qp_state(b->qp), IBV_QPS_RTS);
		return;
	}
	expect_wc(b->rcq, 200, responder_status(rig->bad));
	expect_flushed(b->rcq, 201, RECVS - 1);
	expect_state(b->qp, IBV_QPS_ERR);
}

/* Returns how much of the region may have changed: the part inside its bounds, before the fault. */
static size_t may_change(const struct rig *rig, const struct side *side)
{
	const struct bad *bad = rig->bad;
	const struct side *faulty = bad->where == LOCAL ? &rig->a :
				    bad->where == REMOTE ? &rig->b : &rig->recv;

	if (bad->where == REMOTE)
		return 0;
	if (side == faulty)
		return bad->wrong == PAST_END ? PAGE : bad->wrong == TOO_LONG ? side->len : 0;
	return bad->where == LOCAL ? side->len : 0;
}

static void check_side(const struct rig *rig, const struct side *side, const char *what)
{
	size_t tail = PAGE + may_change(rig, side);

	same_bytes(side->memory, side->before, PAGE, what);
	same_bytes(side->memory + tail, side->before + tail, MEMORY - tail, what);
}

static void check_untouched(struct rig *rig)
{
	check_side(rig, &rig->a, "the requester's memory");
	check_side(rig, &rig->b, "the responder's memory");
	check_side(rig, &rig->recv, "the receive buffer");
}

static void test_bad(void **state)
{
	struct ibv_sge recv_list;
	struct rig rig;

	rig_open(&rig, *state);
	recv_list = side_sge(&rig.recv);
	post_recvs(&rig.pair.a, NULL);
	post_recvs(&rig.pair.b, &recv_list);
	post_bad(&rig);
	check_requester(&rig);
	check_responder(&rig);
	check_untouched(&rig);
}

/* Nothing is accessed, so nothing is checked: the IBTA demands no key for a message of 0 bytes. */
static void test_zero_length(void **state)
{
	struct rc rc = rc_default();
	struct ibv_send_wr wr = { .wr_id = 1, .opcode = IBV_WR_RDMA_WRITE };
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	for (int read = 0; read < 2; read++) {
		wr.opcode = read ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE;
		wr.wr.rdma.remote_addr = 0x123456;
		wr.wr.rdma.rkey = 0xbad;
		post_send(&pair.a, &wr);
		expect_wc(pair.a.scq, 1, IBV_WC_SUCCESS);
	}
}

/* An access to exactly the whole region is inside its bounds. */
static void test_whole_region(void **state)
{
	struct rc rc = rc_default();
	struct ibv_send_wr wr = { .wr_id = 1 };
	struct ibv_sge list;
	struct side a, b;
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	side_open(&a, &pair.a, ALL_ACCESS);
	side_open(&b, &pair.b, ALL_ACCESS);
	list = (struct ibv_sge){ a.addr, PAGE, a.mr->lkey };
	wr.sg_list = &list;
	wr.num_sge = 1;
	wr.opcode = IBV_WR_RDMA_WRITE;
	wr.wr.rdma.remote_addr = b.addr;
	wr.wr.rdma.rkey = b.mr->rkey;
	post_send(&pair.a, &wr);
	expect_wc(pair.a.scq, 1, IBV_WC_SUCCESS);
	memcpy(b.before + PAGE, a.memory + PAGE, PAGE);
	same_bytes(b.memory, b.before, MEMORY, "the target");
}

/* The last message finds no receive request and is retried @rnr_retry times. */
static void rnr_exhausted(int rnr_retry)
{
	struct ibv_send_wr wr[2] = {
		{ .wr_id = 100, .opcode = IBV_WR_SEND, .next = &wr[1] },
		{ .wr_id = 101, .opcode = IBV_WR_SEND },
	};
	struct rc rc = rc_default();
	struct pair pair;

	rc.rnr_retry = rnr_retry;
	rc.min_rnr_timer = 14;	/* 1 ms */
	pair_open(&pair, &rc);
	post_send(&pair.a, wr);
	expect_wc(pair.a.scq, 100, IBV_WC_RNR_RETRY_EXC_ERR);
	expect_flushed(pair.a.scq, 101, 1);
	expect_state(pair.a.qp, IBV_QPS_ERR);
	assert_int_equal(qp_state(pair.b.qp), IBV_QPS_RTS);
}

static void test_rnr_exhausted(void **state)
{
	(void)state;
	for (int rnr_retry = 0; rnr_retry < 7; rnr_retry += 3)
		rnr_exhausted(rnr_retry);
}

/* The peer asks to invalidate a key that it may not invalidate: the receiver gets an error. */
static void test_invalidate_bad_key(void **state)
{
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_SEND_WITH_INV, .invalidate_rkey = 0xbadbad00,
	};
	struct rc rc = rc_default();
	struct pair pair;
	struct ibv_wc wc;

	(void)state;
	rc.timeout = 8;		/* 1 ms: the IBTA does not say whether the sender gets an error */
	rc.retry_cnt = 2;
	pair_open(&pair, &rc);
	post_recv(&pair.b, 2, NULL, 0);
	post_send(&pair.a, &wr);
	wc = wait_wc(pair.b.rcq);
	assert_int_not_equal(wc.status, IBV_WC_SUCCESS);
	expect_state(pair.b.qp, IBV_QPS_ERR);
	wc = wait_wc(pair.a.scq);
	assert_int_not_equal(wc.status, IBV_WC_SUCCESS);
	expect_state(pair.a.qp, IBV_QPS_ERR);
}

static const enum wrong any_access[] = {
	KEY_UNKNOWN, KEY_VARIANT, KEY_ZERO, KEY_DEREGISTERED, KEY_OTHER_PD,
	PAST_END, BEFORE_START, WRAPS, AT_TOP,
};

#define MAX_TESTS 512

static struct bad bads[MAX_TESTS];
static char names[MAX_TESTS][96];
static struct CMUnitTest tests[MAX_TESTS];
static size_t n_tests;

static void add(enum where where, enum wrong wrong, const struct op *op)
{
	for (int odp = 0; odp < 2; odp++) {
		bads[n_tests] = (struct bad){ where, wrong, op, odp };
		snprintf(names[n_tests], sizeof(names[0]), "%s, %s memory: %s (%s)", op->name,
			 where_names[where], wrong_names[wrong], odp ? "odp" : "pinned");
		tests[n_tests] = (struct CMUnitTest){
			.name = names[n_tests], .test_func = test_bad,
			.initial_state = &bads[n_tests],
		};
		n_tests++;
	}
}

static void add_remote_op(const struct op *op)
{
	bool writes_local = op->opcode == IBV_WR_RDMA_READ || op->atomic;

	for (size_t i = 0; i < ARRAY_SIZE(any_access); i++) {
		if (!op->atomic || any_access[i] != WRAPS)
			add(REMOTE, any_access[i], op);
		add(LOCAL, any_access[i], op);
	}
	add(REMOTE, NO_RIGHT, op);
	add(REMOTE, NOT_ENABLED, op);
	if (writes_local)
		add(LOCAL, NO_RIGHT, op);
}

static void add_send(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(any_access); i++) {
		add(LOCAL, any_access[i], &send_op);
		add(RECEIVER, any_access[i], &send_op);
	}
	add(RECEIVER, NO_RIGHT, &send_op);
	add(RECEIVER, TOO_LONG, &send_op);
}

static void add_plain(const char *name, CMUnitTestFunction fn)
{
	tests[n_tests++] = (struct CMUnitTest){ .name = name, .test_func = fn };
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	add_send();
	for (size_t i = 0; i < ARRAY_SIZE(remote_ops); i++)
		add_remote_op(&remote_ops[i]);
	add_plain("a message of 0 bytes needs no key", test_zero_length);
	add_plain("the whole region is inside", test_whole_region);
	add_plain("no receive request, rnr_retry finite", test_rnr_exhausted);
	add_plain("send with invalidate of a bad key", test_invalidate_bad_key);
	return run_group("bounds", tests, n_tests);
}
