// SPDX-License-Identifier: GPL-2.0
#include "lib/pattern.h"
#include "lib/stream.h"
#include "lib/test.h"

#define DEPTH 16
#define SLOT (8 * 1024)

void streams_open(struct rig *rig)
{
	struct rc rc = rc_default();

	rc.timeout = options.slow > 1 ? 15 : 12;	/* 134 or 17 ms */
	rc.send_wr = rc.recv_wr = 2 * DEPTH;
	pair_open(&rig->pair, &rc);
	rig->a = buf_anon(rig->pair.a.pd, 2 * DEPTH * SLOT, ALL_ACCESS);
	rig->b = buf_anon(rig->pair.b.pd, 2 * DEPTH * SLOT, ALL_ACCESS | odp_access(rig->pair.a.ctx));
}

static size_t slot(unsigned int i)
{
	return (size_t)(i % DEPTH) * SLOT;
}

/* Length of message @i: none, one byte, or up to five packets of 1024. */
static size_t message_len(unsigned int i)
{
	return i % 7 ? mix64(i) % 5000 : i % 3;
}

/* One end of a stream of numbered SENDs, with its memory to send from and receive into. */
struct half {
	struct end *end;
	struct buf *buf;
	uint64_t seed;
};

static void half_post_recv(struct half *half, unsigned int i)
{
	struct ibv_sge list = sge(half->buf, DEPTH * SLOT + slot(i), SLOT);

	post_recv(half->end, i, &list, 1);
}

static void half_post_send(struct half *half, unsigned int i)
{
	struct ibv_sge list = sge(half->buf, slot(i), message_len(i));
	struct ibv_send_wr wr = {
		.wr_id = i, .opcode = IBV_WR_SEND_WITH_IMM, .imm_data = i,
		.sg_list = &list, .num_sge = 1,
	};

	pattern_fill(half->buf->p + slot(i), list.length, 0, half->seed + i);
	post_send(half->end, &wr);
}

static void half_check_recv(struct half *half, const struct half *other, unsigned int i)
{
	struct ibv_wc wc = expect_wc(half->end->rcq, i, IBV_WC_SUCCESS);

	assert_int_equal(wc.imm_data, i);
	assert_int_equal(wc.byte_len, message_len(i));
	pattern_check(half->buf->p + DEPTH * SLOT + slot(i), wc.byte_len, 0, other->seed + i,
		      "a message");
}

/* Runs streams in both directions at once, with DEPTH messages under way in each. */
static void sends(struct rig *rig, unsigned int n)
{
	struct half a = { .end = &rig->pair.a, .buf = &rig->a, .seed = 1000 };
	struct half b = { .end = &rig->pair.b, .buf = &rig->b, .seed = 500000 };

	for (unsigned int i = 0; i < DEPTH; i++) {
		half_post_recv(&a, i);
		half_post_recv(&b, i);
	}
	for (unsigned int i = 0; i < n + DEPTH; i++) {
		if (i >= DEPTH) {
			half_check_recv(&b, &a, i - DEPTH);
			half_check_recv(&a, &b, i - DEPTH);
			expect_wc(a.end->scq, i - DEPTH, IBV_WC_SUCCESS);
			expect_wc(b.end->scq, i - DEPTH, IBV_WC_SUCCESS);
			half_post_recv(&a, i);
			half_post_recv(&b, i);
		}
		if (i < n) {
			half_post_send(&a, i);
			half_post_send(&b, i);
		}
	}
	expect_quiet(a.end->rcq, 50);
	expect_quiet(b.end->rcq, 50);
}

static void post_numbered(struct rig *rig, enum ibv_wr_opcode opcode, unsigned int i, size_t local,
			  size_t remote, size_t len)
{
	struct ibv_sge list = sge(&rig->a, local, len);
	struct ibv_send_wr wr = {
		.wr_id = i, .opcode = opcode, .imm_data = i, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { .remote_addr = (uintptr_t)rig->b.p + remote, .rkey = rig->b.mr->rkey },
	};

	post_send(&rig->pair.a, &wr);
}

/* Writes, then reads back without waiting in between. */
static void write_read(struct rig *rig, unsigned int n)
{
	for (unsigned int i = 0; i < n; i += DEPTH) {
		for (unsigned int k = i; k < i + DEPTH; k++) {
			pattern_fill(rig->a.p + slot(k), SLOT, 0, k);
			post_numbered(rig, IBV_WR_RDMA_WRITE, k, slot(k), slot(k), SLOT);
			post_numbered(rig, IBV_WR_RDMA_READ, k, DEPTH * SLOT + slot(k), slot(k), SLOT);
		}
		for (unsigned int k = i; k < i + DEPTH; k++) {
			expect_wc(rig->pair.a.scq, k, IBV_WC_SUCCESS);
			expect_wc(rig->pair.a.scq, k, IBV_WC_SUCCESS);
			pattern_check(rig->b.p + slot(k), SLOT, 0, k, "written");
			pattern_check(rig->a.p + DEPTH * SLOT + slot(k), SLOT, 0, k, "read back");
		}
	}
}

/* The data must be present when the immediate arrives. */
static void write_imm(struct rig *rig, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct ibv_wc wc;

		post_recv(&rig->pair.b, i, NULL, 0);
		pattern_fill(rig->a.p + slot(i), SLOT, 0, i);
		post_numbered(rig, IBV_WR_RDMA_WRITE_WITH_IMM, i, slot(i), slot(i), SLOT);
		wc = expect_wc(rig->pair.b.rcq, i, IBV_WC_SUCCESS);
		assert_int_equal(wc.imm_data, i);
		pattern_check(rig->b.p + slot(i), SLOT, 0, i, "written");
		expect_wc(rig->pair.a.scq, i, IBV_WC_SUCCESS);
	}
}

static void post_atomic(struct rig *rig, bool add, unsigned int i)
{
	struct ibv_sge list = sge(&rig->a, slot(i), 8);
	struct ibv_send_wr wr = {
		.wr_id = i, .sg_list = &list, .num_sge = 1,
		.opcode = add ? IBV_WR_ATOMIC_FETCH_AND_ADD : IBV_WR_ATOMIC_CMP_AND_SWP,
		.wr.atomic = {
			.remote_addr = (uintptr_t)rig->b.p, .rkey = rig->b.mr->rkey,
			.compare_add = add ? 1 : i, .swap = i + 1,
		},
	};

	post_send(&rig->pair.a, &wr);
}

/* Each of @n operations, DEPTH of them under way, adds one to a counter. */
static void count_up(struct rig *rig, bool add, unsigned int n)
{
	uint64_t *counter = (uint64_t *)rig->b.p;

	*counter = 0;
	for (unsigned int i = 0; i < n + DEPTH; i++) {
		if (i >= DEPTH) {
			expect_wc(rig->pair.a.scq, i - DEPTH, IBV_WC_SUCCESS);
			assert_int_equal(*(uint64_t *)(rig->a.p + slot(i)), i - DEPTH);
		}
		if (i < n)
			post_atomic(rig, add, i);
	}
	assert_int_equal(*counter, n);
}

static void fetch_add(struct rig *rig, unsigned int n)
{
	count_up(rig, true, 2 * n);
}

static void compare_swap(struct rig *rig, unsigned int n)
{
	count_up(rig, false, 2 * n);
}

const struct stream streams[] = {
	{ "numbered sends both ways", sends, true },
	{ "write and read back", write_read, true },
	{ "write with immediate", write_imm, true },
	{ "fetch-and-add counts", fetch_add, false },
	{ "compare-and-swap counts", compare_swap, false },
};

const size_t n_streams = ARRAY_SIZE(streams);
