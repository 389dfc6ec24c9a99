// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/*
 * Every opcode moves exactly the bytes that it should and touches no others: pinned and on-demand memory on
 * either side, lengths from 0 to more than 1 MiB, unaligned offsets, every path MTU, present and missing
 * pages.
 */
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

#define GUARD PAGE
#define GAP 61			/* between the elements of a gather or scatter list */
#define PIECES 3
#define LONGEST (MIB + 3)
#define BUF_LEN (MIB + 5 * PAGE)
#define INLINE 256
#define UNTOUCHED 0xbadull	/* seed of the target's former contents */

enum heat { WARM, DONTNEED, REMAPPED, HEATS };

static const char *const heat_names[] = { "warm", "MADV_DONTNEED", "remapped" };

struct op {
	const char *name;
	enum ibv_wr_opcode opcode;
	bool receive;
	unsigned int flags;
	int pieces;
	size_t max;
};

static const struct op ops[] = {
	{ "send",		IBV_WR_SEND,			true, 0, 1, LONGEST },
	{ "send-gather",	IBV_WR_SEND,			true, 0, PIECES, LONGEST },
	{ "send-inline",	IBV_WR_SEND,			true, IBV_SEND_INLINE, 1, INLINE },
	{ "send-imm",		IBV_WR_SEND_WITH_IMM,		true, 0, 1, LONGEST },
	{ "send-inv",		IBV_WR_SEND_WITH_INV,		true, 0, 1, LONGEST },
	{ "write",		IBV_WR_RDMA_WRITE,		false, 0, 1, LONGEST },
	{ "write-gather",	IBV_WR_RDMA_WRITE,		false, 0, PIECES, LONGEST },
	{ "write-inline",	IBV_WR_RDMA_WRITE,		false, IBV_SEND_INLINE, 1, INLINE },
	{ "write-imm",		IBV_WR_RDMA_WRITE_WITH_IMM,	true, 0, 1, LONGEST },
	{ "read",		IBV_WR_RDMA_READ,		false, 0, 1, LONGEST },
	{ "read-scatter",	IBV_WR_RDMA_READ,		false, 0, PIECES, LONGEST },
};

static const size_t full_lengths[] = {
	0, 1, 3, 7, 8, 63, 64, 255, 256, 257, 1023, 1024, 1025, 4095, 4096, 4097,
	8191, 8192, 8193, 65535, 65536, 65537,
	MIB - 1, MIB, MIB + 1, MIB + 2, MIB + 3,
};

static const size_t short_lengths[] = { 0, 1, 257, 4097, 20001 };

struct offsets {
	size_t src, dst;
};

static const struct offsets full_offsets[] = {
	{ 0, 0 }, { 3, 4093 }, { 4095, 1 },
	{ 0, 5 }, { 1, 0 }, { 8, 4088 }, { 2048, 2047 }, { 4090, 4091 },
};

#define LARGE (128 * 1024)	/* from here on each length uses one of these opcodes in turn */

static const struct offsets short_offsets[] = { { 3, 4093 }, { 4095, 1 } };

struct sweep {
	const size_t *lengths;
	size_t n_lengths;
	const struct offsets *offsets;
	size_t n_offsets;
};

static struct sweep sweep(void)
{
	if (options.full)
		return (struct sweep){ full_lengths, ARRAY_SIZE(full_lengths),
				       full_offsets, ARRAY_SIZE(full_offsets) };
	return (struct sweep){ short_lengths, ARRAY_SIZE(short_lengths),
			       short_offsets, ARRAY_SIZE(short_offsets) };
}

struct variant {
	const struct op *op;
	enum ibv_mtu mtu;
	bool odp_a, odp_b;
};

struct rig {
	const struct variant *variant;
	struct pair pair;
	struct buf src, dst;
	bool src_odp, dst_odp;
	uint8_t *want;		/* expected contents of the target */
	struct ibv_mw *mw;
	uint64_t seed;
};

/* The elements of a message of @len bytes that starts at @start of a buffer. */
struct layout {
	int n;
	struct {
		size_t at, len, offset;
	} piece[PIECES];
	size_t end;
};

static struct layout lay_out(size_t start, size_t len, int n)
{
	struct layout layout = { .n = n, .end = start };
	size_t offset = 0;

	for (int i = 0; i < n; i++) {
		size_t rest = len - offset, part = i == n - 1 ? rest : rest / (n - i);

		layout.piece[i].at = start + offset + i * GAP;
		layout.piece[i].len = part;
		layout.piece[i].offset = offset;
		offset += part;
		layout.end = layout.piece[i].at + part;
	}
	return layout;
}

static void layout_fill(uint8_t *base, const struct layout *layout, uint64_t seed)
{
	for (int i = 0; i < layout->n; i++)
		pattern_fill(base + layout->piece[i].at, layout->piece[i].len,
			     layout->piece[i].offset, seed);
}

static int layout_sges(const struct layout *layout, const struct buf *buf, struct ibv_sge *list)
{
	for (int i = 0; i < layout->n; i++)
		list[i] = sge(buf, layout->piece[i].at, layout->piece[i].len);
	return layout->n;
}

static bool is_read(const struct op *op)
{
	return op->opcode == IBV_WR_RDMA_READ;
}

static bool is_one_sided(const struct op *op)
{
	return is_read(op) || op->opcode == IBV_WR_RDMA_WRITE ||
	       op->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
}

static void make_cold(struct buf *buf, enum heat heat)
{
	if (heat == DONTNEED)
		buf_dontneed(buf);
	else
		buf_remap(buf);
}

/* Fills the source with the message, and the memory around the target with known bytes. */
static void prepare(struct rig *rig, const struct layout *src, const struct layout *dst,
		    enum heat heat)
{
	size_t from = dst->piece[0].at - GUARD, span = dst->end - from + GUARD;

	layout_fill(rig->src.p, src, rig->seed);
	if (heat != WARM && rig->src_odp)
		make_cold(&rig->src, heat);

	if (heat != WARM && rig->dst_odp) {
		make_cold(&rig->dst, heat);
		memset(rig->want + from, 0, span);
	} else {
		pattern_fill(rig->dst.p + from, span, from, UNTOUCHED);
		memcpy(rig->want + from, rig->dst.p + from, span);
	}
	layout_fill(rig->want, dst, rig->seed);
}

/* Binds a memory window to the target's region, for the peer to invalidate. */
static uint32_t bind_window(struct rig *rig)
{
	struct ibv_mw_bind_info info = {
		.mr = rig->dst.mr,
		.addr = (uintptr_t)rig->dst.p,
		.length = rig->dst.len,
		.mw_access_flags = IBV_ACCESS_REMOTE_WRITE,
	};
	struct ibv_send_wr wr = {
		.wr_id = 9,
		.opcode = IBV_WR_BIND_MW,
		.bind_mw = { .mw = rig->mw, .rkey = ibv_inc_rkey(rig->mw->rkey), .bind_info = info },
	};

	post_send(&rig->pair.b, &wr);
	expect_wc(rig->pair.b.scq, 9, IBV_WC_SUCCESS);
	rig->mw->rkey = wr.bind_mw.rkey;
	return wr.bind_mw.rkey;
}

static void post_message(struct rig *rig, const struct layout *src, const struct layout *dst)
{
	const struct op *op = rig->variant->op;
	const struct layout *local = is_read(op) ? dst : src, *remote = is_read(op) ? src : dst;
	const struct buf *remote_buf = is_read(op) ? &rig->src : &rig->dst;
	struct ibv_sge list[PIECES], recv_list[PIECES];
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = op->opcode, .send_flags = op->flags, .sg_list = list,
		.imm_data = htobe32((uint32_t)rig->seed),
		.num_sge = layout_sges(local, is_read(op) ? &rig->dst : &rig->src, list),
	};

	if (op->flags & IBV_SEND_INLINE)
		list[0].lkey = 0xbad;
	if (op->opcode == IBV_WR_SEND_WITH_INV)
		wr.invalidate_rkey = bind_window(rig);
	if (is_one_sided(op)) {
		wr.wr.rdma.remote_addr = (uintptr_t)remote_buf->p + remote->piece[0].at;
		wr.wr.rdma.rkey = remote_buf->mr->rkey;
	}
	if (op->receive)
		post_recv(&rig->pair.b, 2, recv_list,
			  is_one_sided(op) ? 0 : layout_sges(dst, &rig->dst, recv_list));
	post_send(&rig->pair.a, &wr);
}

static void check_received(struct rig *rig, size_t len)
{
	const struct op *op = rig->variant->op;
	struct ibv_wc wc = expect_wc(rig->pair.b.rcq, 2, IBV_WC_SUCCESS);

	assert_int_equal(wc.byte_len, len);
	assert_int_equal(wc.qp_num, rig->pair.b.qp->qp_num);
	assert_int_equal(wc.opcode, is_one_sided(op) ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV);
	if (op->opcode == IBV_WR_SEND_WITH_IMM || op->opcode == IBV_WR_RDMA_WRITE_WITH_IMM) {
		assert_true(wc.wc_flags & IBV_WC_WITH_IMM);
		assert_int_equal(be32toh(wc.imm_data), (uint32_t)rig->seed);
	}
	if (op->opcode == IBV_WR_SEND_WITH_INV) {
		assert_true(wc.wc_flags & IBV_WC_WITH_INV);
		assert_int_equal(wc.invalidated_rkey, rig->mw->rkey);
	}
}

static void transfer(struct rig *rig, size_t len, struct offsets at, enum heat heat)
{
	const struct op *op = rig->variant->op;
	bool scatter = is_read(op) || (op->receive && !is_one_sided(op));
	struct layout src = lay_out(GUARD + at.src, len, is_read(op) ? 1 : op->pieces);
	struct layout dst = lay_out(GUARD + at.dst, len, scatter ? op->pieces : 1);
	size_t from = dst.piece[0].at - GUARD;
	char what[128];

	rig->seed++;
	snprintf(what, sizeof(what), "%zu bytes, source offset %zu, target offset %zu, %s",
		 len, at.src, at.dst, heat_names[heat]);
	prepare(rig, &src, &dst, heat);
	post_message(rig, &src, &dst);
	if (op->receive)
		check_received(rig, len);
	expect_wc(rig->pair.a.scq, 1, IBV_WC_SUCCESS);
	same_bytes(rig->dst.p + from, rig->want + from, dst.end - from + GUARD, what);
}

static void open_window(struct rig *rig)
{
	rig->mw = ibv_alloc_mw(rig->pair.b.pd, IBV_MW_TYPE_2);
	if (!rig->mw)
		skip_because("%s has no type 2 memory windows, the only keys a peer may invalidate",
			     options.device);
	defer((undo_fn)ibv_dealloc_mw, rig->mw);
}

static void rig_open(struct rig *rig, const struct variant *variant)
{
	bool read = is_read(variant->op);
	struct rc rc = rc_default();
	struct end *src, *dst;

	*rig = (struct rig){ .variant = variant, .want = scratch(BUF_LEN) };
	rc.mtu = variant->mtu;
	rc.inline_data = INLINE;
	rc.access |= IBV_ACCESS_MW_BIND;
	pair_open(&rig->pair, &rc);
	if (variant->odp_a || variant->odp_b)
		need_odp(rig->pair.a.ctx);

	src = read ? &rig->pair.b : &rig->pair.a;
	dst = read ? &rig->pair.a : &rig->pair.b;
	rig->src_odp = read ? variant->odp_b : variant->odp_a;
	rig->dst_odp = read ? variant->odp_a : variant->odp_b;
	rig->src = buf_memfd(src->pd, BUF_LEN,
			     IBV_ACCESS_REMOTE_READ | (rig->src_odp ? IBV_ACCESS_ON_DEMAND : 0));
	rig->dst = buf_anon(dst->pd, BUF_LEN, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
			    IBV_ACCESS_MW_BIND | (rig->dst_odp ? IBV_ACCESS_ON_DEMAND : 0));
	if (variant->op->opcode == IBV_WR_SEND_WITH_INV)
		open_window(rig);
}

static void transfer_all(struct rig *rig, const struct sweep *range, size_t l, enum heat heat)
{
	size_t len = range->lengths[l];

	if (len >= LARGE) {
		transfer(rig, len, range->offsets[(l + heat) % range->n_offsets], heat);
		return;
	}
	for (size_t o = 0; o < range->n_offsets; o++)
		transfer(rig, len, range->offsets[o], heat);
}

static void test_opcode(void **state)
{
	const struct variant *variant = *state;
	const struct sweep range = sweep();
	struct rig rig;

	rig_open(&rig, variant);
	for (size_t l = 0; l < range.n_lengths; l++) {
		size_t len = range.lengths[l];

		if (len > variant->op->max || (len && len < (size_t)variant->op->pieces))
			continue;
		for (int heat = WARM; heat < HEATS; heat++) {
			if (heat == WARM || rig.src_odp || rig.dst_odp)
				transfer_all(&rig, &range, l, heat);
		}
	}
}

struct atomic {
	const char *name;
	enum ibv_wr_opcode opcode;
};

static const struct atomic atomics[] = {
	{ "compare-and-swap", IBV_WR_ATOMIC_CMP_AND_SWP },
	{ "fetch-and-add", IBV_WR_ATOMIC_FETCH_AND_ADD },
};

struct atomic_variant {
	const struct atomic *atomic;
	bool odp_a, odp_b;
};

static const uint64_t atomic_values[][3] = {	/* { in memory, swap or add, compare } */
	{ 0, 1, 0 },
	{ 5, 7, 6 },
	{ UINT64_MAX, 1, UINT64_MAX },
	{ 0x0123456789abcdef, 0xfedcba9876543210, 0x0123456789abcdef },
	{ 1ull << 63, 1ull << 63, 1ull << 62 },
};

static const struct offsets atomic_offsets[] = {	/* of the result and of the target */
	{ 0, 0 }, { 1, 8 }, { PAGE - 3, PAGE - 8 }, { 8, PAGE }, { PAGE, 2040 },
};

static uint64_t atomic_result(const struct atomic *atomic, const uint64_t v[3])
{
	if (atomic->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD)
		return v[0] + v[1];
	return v[0] == v[2] ? v[1] : v[0];
}

static void atomic_once(struct pair *pair, const struct atomic *atomic, const uint64_t v[3],
			struct offsets at, struct buf *result, struct buf *target)
{
	struct ibv_sge list = sge(result, GUARD + at.src, 8);
	bool add = atomic->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
	struct ibv_send_wr wr = {
		.wr_id = 3, .opcode = atomic->opcode, .sg_list = &list, .num_sge = 1,
		.wr.atomic = {
			.remote_addr = (uintptr_t)target->p + GUARD + at.dst,
			.rkey = target->mr->rkey,
			.compare_add = add ? v[1] : v[2],
			.swap = v[1],
		},
	};
	uint64_t after = atomic_result(atomic, v);
	uint8_t *want_result = scratch(result->len), *want_target = scratch(target->len);

	memcpy(target->p + GUARD + at.dst, &v[0], 8);
	memcpy(want_target, target->p, target->len);
	memcpy(want_target + GUARD + at.dst, &after, 8);
	memcpy(want_result, result->p, result->len);
	memcpy(want_result + GUARD + at.src, &v[0], 8);

	post_send(&pair->a, &wr);
	expect_wc(pair->a.scq, 3, IBV_WC_SUCCESS);
	same_bytes(result->p, want_result, result->len, "the result");
	same_bytes(target->p, want_target, target->len, "the target");
	undo(want_target);
	undo(want_result);
}

static void test_atomic(void **state)
{
	const struct atomic_variant *variant = *state;
	size_t len = 2 * GUARD + 2 * PAGE;
	struct rc rc = rc_default();
	struct buf result, target;
	struct pair pair;

	pair_open(&pair, &rc);
	if (variant->odp_a || variant->odp_b)
		need_odp(pair.a.ctx);
	result = buf_memfd(pair.a.pd, len,
			   IBV_ACCESS_LOCAL_WRITE | (variant->odp_a ? IBV_ACCESS_ON_DEMAND : 0));
	target = buf_memfd(pair.b.pd, len,
			   ALL_ACCESS | (variant->odp_b ? IBV_ACCESS_ON_DEMAND : 0));
	pattern_fill(result.p, len, 0, UNTOUCHED);
	pattern_fill(target.p, len, 0, UNTOUCHED);

	for (size_t v = 0; v < ARRAY_SIZE(atomic_values); v++) {
		for (size_t o = 0; o < ARRAY_SIZE(atomic_offsets); o++) {
			for (int heat = WARM; heat < HEATS; heat++) {
				if (heat != WARM && variant->odp_a)
					make_cold(&result, heat);
				if (heat != WARM && variant->odp_b)
					make_cold(&target, heat);
				atomic_once(&pair, variant->atomic, atomic_values[v],
					    atomic_offsets[o], &result, &target);
			}
		}
	}
}

/* The short sweep takes the second and the last. */
static const enum ibv_mtu mtus[] = {
	IBV_MTU_256, IBV_MTU_1024, IBV_MTU_512, IBV_MTU_2048, IBV_MTU_4096,
};

#define KINDS 4		/* pinned or on demand, on each side */
#define N_TESTS (ARRAY_SIZE(ops) * KINDS * ARRAY_SIZE(mtus) + ARRAY_SIZE(atomics) * KINDS)

static struct variant variants[N_TESTS];
static struct atomic_variant atomic_variants[ARRAY_SIZE(atomics) * KINDS];
static char names[N_TESTS][64];
static struct CMUnitTest tests[N_TESTS];
static size_t n_tests;

static void add_test(CMUnitTestFunction fn, void *state, const char *name, int kind, int mtu)
{
	snprintf(names[n_tests], sizeof(names[0]), mtu ? "%s %s-to-%s mtu %d" : "%s %s-to-%s",
		 name, kind & 1 ? "odp" : "pinned", kind & 2 ? "odp" : "pinned", mtu);
	tests[n_tests] = (struct CMUnitTest){
		.name = names[n_tests], .test_func = fn, .initial_state = state,
	};
	n_tests++;
}

static void add_opcode(const struct op *op, int kind, enum ibv_mtu mtu)
{
	struct variant *variant = &variants[n_tests];

	*variant = (struct variant){ op, mtu, kind & 1, kind & 2 };
	add_test(test_opcode, variant, op->name, kind, mtu_bytes(mtu));
}

static void add_atomic(const struct atomic *atomic, int kind, struct atomic_variant *variant)
{
	*variant = (struct atomic_variant){ atomic, kind & 1, kind & 2 };
	add_test(test_atomic, variant, atomic->name, kind, 0);
}

int main(int argc, char **argv)
{
	size_t first, step;

	parse_options(argc, argv);
	first = options.full ? 0 : 1;
	step = options.full ? 1 : 3;
	for (size_t op = 0; op < ARRAY_SIZE(ops); op++) {
		for (int kind = 0; kind < KINDS; kind++) {
			for (size_t mtu = first; mtu < ARRAY_SIZE(mtus); mtu += step)
				add_opcode(&ops[op], kind, mtus[mtu]);
		}
	}
	for (size_t a = 0; a < ARRAY_SIZE(atomics); a++) {
		for (int kind = 0; kind < KINDS; kind++)
			add_atomic(&atomics[a], kind, &atomic_variants[a * KINDS + kind]);
	}
	return run_group("bytes", tests, n_tests);
}
