// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "lib/mover.h"
#include "lib/pattern.h"
#include "lib/test.h"

#define GUARD PAGE
#define GAP 61			/* between elements */
#define BUF_LEN (MOVER_LEN + 4 * GUARD)
#define UNTOUCHED 0xbadull	/* seed of the target's former contents */
#define SEND_ID 1
#define RECV_ID 2

struct piece {
	size_t at, len, offset;
};

/* Lays out @n elements of @len bytes from @at on. */
static size_t lay_out(struct piece *piece, size_t at, size_t len, int n)
{
	size_t offset = 0;

	for (int i = 0; i < n; i++) {
		size_t part = i == n - 1 ? len - offset : (len - offset) / (n - i);

		piece[i] = (struct piece){ GUARD + at + offset + i * GAP, part, offset };
		offset += part;
	}
	return piece[n - 1].at + piece[n - 1].len;
}

static bool is_ud(const struct mover *mover)
{
	return mover->pair.rc.type == IBV_QPT_UD;
}

static bool is_write(const struct message *m)
{
	return m->opcode == IBV_WR_RDMA_WRITE || m->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
}

static bool has_imm(const struct message *m)
{
	return m->opcode == IBV_WR_SEND_WITH_IMM || m->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
}

static size_t head(const struct mover *mover)
{
	return is_ud(mover) ? GRH : 0;
}

void mover_open(struct mover *mover, const struct rc *rc, bool src_odp, bool dst_odp, bool srq)
{
	struct ibv_ah *ah = NULL;
	struct pair pair;

	pair_open_ends(&pair, rc);
	if (src_odp || dst_odp)
		need_odp(pair.a.ctx);
	if (srq)
		end_srq(&pair.b, rc->recv_wr, rc->sge);
	pair_open_qps(&pair);
	if (rc->type == IBV_QPT_UD)
		ah = end_ah(&pair.a, &pair.b);
	mover_take(mover, &pair, ah, src_odp, dst_odp);
}

void mover_take(struct mover *mover, const struct pair *pair, struct ibv_ah *ah, bool src_odp,
		bool dst_odp)
{
	*mover = (struct mover){ .pair = *pair, .ah = ah, .src_odp = src_odp, .dst_odp = dst_odp,
				 .want = scratch(BUF_LEN), .seed = options.seed * 1000 };
	mover->src = buf_memfd(mover->pair.a.pd, BUF_LEN, src_odp ? IBV_ACCESS_ON_DEMAND : 0);
	mover->dst = buf_anon(mover->pair.b.pd, BUF_LEN,
			      IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
			      (dst_odp ? IBV_ACCESS_ON_DEMAND : 0));
}

static void cool(struct buf *buf, enum heat heat)
{
	if (heat == DONTNEED)
		buf_dontneed(buf);
	else if (heat == REMAPPED)
		buf_remap(buf);
}

static int target_pieces(const struct message *m)
{
	return is_write(m) ? 1 : m->pieces;
}

void mover_prepare(struct mover *mover, const struct message *m)
{
	size_t len = head(mover) + m->len;
	struct piece piece[MOVER_PIECES];
	uint8_t *bytes = scratch(len);
	size_t span;

	mover->seed++;
	lay_out(piece, m->src_at, m->len, m->pieces);
	for (int i = 0; i < m->pieces; i++)
		pattern_fill(mover->src.p + piece[i].at, piece[i].len, piece[i].offset, mover->seed);
	if (mover->src_odp)
		cool(&mover->src, m->heat);

	span = lay_out(piece, m->dst_at, len, target_pieces(m)) + GUARD;
	if (m->heat != WARM && mover->dst_odp) {
		cool(&mover->dst, m->heat);
		memset(mover->want, 0, span);
	} else {
		pattern_fill(mover->dst.p, span, 0, UNTOUCHED);
		memcpy(mover->want, mover->dst.p, span);
	}
	pattern_fill(bytes + head(mover), m->len, 0, mover->seed);
	for (int i = 0; i < target_pieces(m); i++)
		memcpy(mover->want + piece[i].at, bytes + piece[i].offset, piece[i].len);
	undo(bytes);
}

static void list_fill(struct ibv_sge *list, const struct buf *buf, const struct piece *piece, int n)
{
	for (int i = 0; i < n; i++)
		list[i] = sge(buf, piece[i].at, piece[i].len);
}

void mover_receive(struct mover *mover, const struct message *m)
{
	struct piece piece[MOVER_PIECES];
	struct ibv_sge list[MOVER_PIECES];

	if (m->opcode == IBV_WR_RDMA_WRITE)
		return;
	lay_out(piece, m->dst_at, head(mover) + m->len, m->pieces);
	list_fill(list, &mover->dst, piece, m->pieces);
	post_recv(&mover->pair.b, RECV_ID, list, is_write(m) ? 0 : m->pieces);
}

void mover_send(struct mover *mover, const struct message *m)
{
	struct piece piece[MOVER_PIECES];
	struct ibv_sge list[MOVER_PIECES];
	struct ibv_send_wr wr = {
		.wr_id = SEND_ID, .opcode = m->opcode, .sg_list = list, .num_sge = m->pieces,
		.send_flags = m->flags, .imm_data = htobe32((uint32_t)mover->seed),
	};

	lay_out(piece, m->src_at, m->len, m->pieces);
	list_fill(list, &mover->src, piece, m->pieces);
	if (is_write(m)) {
		wr.wr.rdma.remote_addr = (uintptr_t)mover->dst.p + GUARD + m->dst_at;
		wr.wr.rdma.rkey = mover->dst.mr->rkey;
	} else if (is_ud(mover)) {
		wr.wr.ud.ah = mover->ah;
		wr.wr.ud.remote_qpn = mover->pair.b.qp->qp_num;
		wr.wr.ud.remote_qkey = mover->pair.rc.qkey;
	}
	post_send(&mover->pair.a, &wr);
}

static struct ibv_wc check_received(struct mover *mover, const struct message *m)
{
	struct ibv_wc wc = expect_wc(mover->pair.b.rcq, RECV_ID, IBV_WC_SUCCESS);

	assert_int_equal(wc.byte_len, head(mover) + m->len);
	assert_int_equal(wc.qp_num, mover->pair.b.qp->qp_num);
	assert_int_equal(wc.src_qp, mover->pair.a.qp->qp_num);
	assert_int_equal(wc.opcode, is_write(m) ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV);
	assert_int_equal(!!(wc.wc_flags & IBV_WC_GRH), is_ud(mover));
	assert_int_equal(!!(wc.wc_flags & IBV_WC_WITH_IMM), has_imm(m));
	if (has_imm(m))
		assert_int_equal(be32toh(wc.imm_data), (uint32_t)mover->seed);
	return wc;
}

/* The GRH of a datagram may hold anything; other tests check it. */
static void skip_head(struct mover *mover, const struct message *m)
{
	struct piece piece[MOVER_PIECES];

	lay_out(piece, m->dst_at, head(mover) + m->len, m->pieces);
	for (int i = 0; i < m->pieces && piece[i].offset < GRH; i++) {
		size_t part = GRH - piece[i].offset;

		if (part > piece[i].len)
			part = piece[i].len;
		memcpy(mover->want + piece[i].at, mover->dst.p + piece[i].at, part);
	}
}

struct ibv_wc mover_check(struct mover *mover, const struct message *m)
{
	struct piece piece[MOVER_PIECES];
	struct ibv_wc wc = {};
	char what[128];
	size_t from, end;

	snprintf(what, sizeof(what), "opcode %d: %zu bytes, source offset %zu, target offset %zu, "
		 "heat %d", m->opcode, m->len, m->src_at, m->dst_at, m->heat);
	if (m->opcode != IBV_WR_RDMA_WRITE)
		wc = check_received(mover, m);
	expect_wc(mover->pair.a.scq, SEND_ID, IBV_WC_SUCCESS);
	if (is_ud(mover))
		skip_head(mover, m);
	end = lay_out(piece, m->dst_at, head(mover) + m->len, target_pieces(m));
	from = piece[0].at - GUARD;
	/* A UC WRITE has no response, so its bytes may arrive after its completion. */
	if (m->opcode == IBV_WR_RDMA_WRITE && mover->pair.rc.type == IBV_QPT_UC)
		wait_same(mover->dst.p + from, mover->want + from, end + GUARD - from);
	same_bytes(mover->dst.p + from, mover->want + from, end + GUARD - from, what);
	return wc;
}

struct ibv_wc mover_move(struct mover *mover, const struct message *m)
{
	mover_prepare(mover, m);
	mover_receive(mover, m);
	mover_send(mover, m);
	return mover_check(mover, m);
}

static const size_t lengths[] = {
	0, 1, 3, 8, 255, 256, 257, 1023, 1024, 1025, 4056, 4057, 4095, 4096, 4097, 8193, 20001,
	65537, 262147,
};

static const size_t short_lengths[] = { 0, 1, 257, 1024, 4056, 4096, 4097, 20001 };

static const size_t offsets[][2] = { { 3, 4093 }, { 4095, 1 }, { 0, 0 }, { 2048, 4056 } };

static const enum ibv_wr_opcode opcodes[] = {
	IBV_WR_SEND, IBV_WR_SEND_WITH_IMM, IBV_WR_RDMA_WRITE, IBV_WR_RDMA_WRITE_WITH_IMM,
};

static void sweep_length(struct mover *mover, struct message *m)
{
	for (size_t o = 0; o < ARRAY_SIZE(offsets); o++) {
		m->src_at = offsets[o][0];
		m->dst_at = offsets[o][1];
		m->pieces = o & 1 && m->len >= MOVER_PIECES ? MOVER_PIECES : 1;
		for (m->heat = WARM; m->heat < HEATS; m->heat++) {
			if (m->heat == WARM || mover->src_odp || mover->dst_odp)
				mover_move(mover, m);
		}
	}
}

void mover_sweep(struct mover *mover, size_t max)
{
	const size_t *list = options.full ? lengths : short_lengths;
	size_t n = options.full ? ARRAY_SIZE(lengths) : ARRAY_SIZE(short_lengths);

	for (size_t op = 0; op < (is_ud(mover) ? 2 : ARRAY_SIZE(opcodes)); op++) {
		for (size_t l = 0; l < n && list[l] <= max; l++) {
			struct message m = { .opcode = opcodes[op], .len = list[l] };

			sweep_length(mover, &m);
		}
	}
}

void mover_sweep_new(const struct rc *rc, bool src_odp, bool dst_odp, bool srq, size_t max)
{
	struct mover mover;

	mover_open(&mover, rc, src_odp, dst_odp, srq);
	mover_sweep(&mover, max);
}
