// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * Queue pairs with every extreme of their capabilities, and every request in every slot: no request has more
 * elements than its slot has room for, and none overwrites another.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/ring.h"
#include "lib/test.h"
#include "lib/uverbs.h"

#define OPCODES 16	/* the opcodes that a ring may hold, and some unknown ones */
#define ATOMIC_WRITE 15	/* not defined by an older rdma-core */
#define MAX_INLINE 512
#define DEEP 1000	/* requests: more than may be under way */

enum { RQ, SQ, RINGS };		/* in the order in which the library makes the rings */

struct rig {
	struct pair pair;
	struct ring rq, sq;	/* of the sending end */
	struct ring peer_rq;
	struct buf memory;	/* at the other end */
};

static void rig_open_ends(struct rig *rig, const struct rc *rc)
{
	rig->pair.rc = *rc;
	end_open(&rig->pair.a, options.device, rc);
	end_open(&rig->pair.b, options.device, rc);
	rig->memory = buf_anon(rig->pair.b.pd, PAGE, ALL_ACCESS);
}

static void rig_open_qps(struct rig *rig)
{
	struct ring rings[RINGS];

	rig->pair.b.qp = end_qp(&rig->pair.b, &rig->pair.rc);
	rings_find(rings, RINGS);
	rig->peer_rq = rings[RQ];
	rig->pair.a.qp = end_qp(&rig->pair.a, &rig->pair.rc);
	rings_find(rings, RINGS);
	rig->rq = rings[RQ];
	rig->sq = rings[SQ];
}

static void rig_close_qps(struct rig *rig)
{
	undo(rig->pair.a.qp);
	undo(rig->pair.b.qp);
}

/* Bytes of a slot for a list or inline data. */
static size_t slot_room(const struct ring *ring, size_t header)
{
	return (1u << ring->shift) - header;
}

static struct rxe_send_wqe *put_request(struct rig *rig, uint32_t i, uint32_t opcode)
{
	struct rxe_send_wqe *wqe = ring_slot(&rig->sq, i);
	size_t room = slot_room(&rig->sq, sizeof(*wqe));

	memset(wqe, 0, sizeof(*wqe));
	memset(wqe->dma.inline_data, 0x5a, room);
	wqe->wr.wr_id = 1000 + i;
	wqe->wr.opcode = opcode;
	wqe->wr.send_flags = IBV_SEND_SIGNALED;
	wqe->wr.wr.atomic.remote_addr = (uintptr_t)rig->memory.p;
	wqe->wr.wr.rdma.rkey = rig->memory.mr->rkey;
	return wqe;
}

static void ring_publish(struct ring *ring, uint32_t n)
{
	uint32_t at = ring->buf->producer_index;

	__atomic_store_n(&ring->buf->producer_index, (at + n) & ring->mask, __ATOMIC_RELEASE);
}

/* --- the word of an ATOMIC WRITE ------------------------------------------------------ */

/*
 * A regression: no capability counts this word. In a slot with room for neither a list nor inline data it
 * overwrote the next request's wr_id; in the last slot, the kernel's memory behind the ring.
 */
static void write_words(struct rig *rig, uint32_t first)
{
	uint64_t *words = (void *)rig->memory.p;
	uint32_t n = rig->sq.mask;

	memset(words, 0, PAGE);
	for (uint32_t i = 0; i < n; i++) {
		struct rxe_send_wqe *wqe = put_request(rig, first + i, ATOMIC_WRITE);
		uint64_t word = 0x1111111111111111 * (i + 1);

		wqe->wr.wr.rdma.remote_addr += i * sizeof(word);
		memcpy(wqe->dma.inline_data, &word, sizeof(word));
	}
	ring_publish(&rig->sq, n);
	assert_int_equal(raw_doorbell(rig->pair.a.qp), 0);
	for (uint32_t i = 0; i < n; i++)
		expect_wc(rig->pair.a.scq, 1000 + first + i, IBV_WC_SUCCESS);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(words[i], 0x1111111111111111 * (i + 1));
}

static void test_atomic_write(void **state)
{
	struct rc rc = rc_default();
	struct rig rig;

	(void)state;
	rc.sge = rc.inline_data = 0;
	rc.send_wr = 15;
	rig_open_ends(&rig, &rc);
	if (!device_can(rig.pair.a.ctx, CAN_ATOMIC_WRITE))
		skip_because("the device has no ATOMIC WRITE");
	rig_open_qps(&rig);
	pair_connect(&rig.pair);
	for (uint32_t round = 0; round < 2 * rig.sq.mask; round++)
		write_words(&rig, round * rig.sq.mask);
}

/* --- every request in every slot ------------------------------------------------------- */

static const uint32_t types[] = { IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_UD };

/*
 * Fills a whole ring with one kind of request; each request completes with its own wr_id, whatever its
 * status.
 */
static void fill_ring(struct rig *rig, uint32_t opcode, uint32_t count, uint32_t flags)
{
	uint32_t n = rig->sq.mask;

	pair_connect(&rig->pair);
	for (uint32_t i = 0; i < n; i++) {
		struct rxe_send_wqe *wqe = put_request(rig, i, opcode);

		wqe->wr.send_flags |= flags;
		wqe->dma.num_sge = count;
		wqe->dma.length = count;
	}
	ring_publish(&rig->sq, n);
	assert_int_equal(raw_doorbell(rig->pair.a.qp), 0);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(wait_wc(rig->pair.a.scq).wr_id, 1000 + i);
}

static void fill_receives(struct rig *rig, uint32_t count)
{
	uint32_t n = rig->peer_rq.mask;

	for (uint32_t i = 0; i < n; i++) {
		struct rxe_recv_wqe *wqe = ring_slot(&rig->peer_rq, i);

		memset(wqe, 0x5a, 1u << rig->peer_rq.shift);
		wqe->wr_id = i;
		wqe->dma.num_sge = count;
	}
	ring_publish(&rig->peer_rq, n);
}

static void requests(struct rig *rig)
{
	uint32_t room = slot_room(&rig->sq, sizeof(struct rxe_send_wqe));
	uint32_t counts[] = { 0, 1, room / sizeof(struct rxe_sge), room, room + 1, ~0u };

	for (uint32_t opcode = 0; opcode < OPCODES; opcode++) {
		for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
			fill_ring(rig, opcode, counts[i], 0);
			fill_ring(rig, opcode, counts[i], IBV_SEND_INLINE);
		}
	}
}

/* Sends one message for each kind of receive request; whether it is received does not matter here. */
static void receives(struct rig *rig)
{
	uint32_t room = slot_room(&rig->peer_rq, sizeof(struct rxe_recv_wqe));
	uint32_t counts[] = { 0, 1, room / sizeof(struct rxe_sge), room, ~0u };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		pair_connect(&rig->pair);
		fill_receives(rig, counts[i]);
		put_request(rig, 0, IBV_WR_SEND);
		ring_publish(&rig->sq, 1);
		assert_int_equal(raw_doorbell(rig->pair.a.qp), 0);
		wait_wc(rig->pair.a.scq);
	}
}

static void drain(struct ibv_cq *cq)
{
	struct ibv_wc wc[16];

	while (ibv_poll_cq(cq, 16, wc) > 0)
		;
}

static void corner(struct rig *rig, uint32_t sge, uint32_t inline_data, uint32_t wr)
{
	rig->pair.rc.sge = sge;
	rig->pair.rc.inline_data = inline_data;
	rig->pair.rc.send_wr = rig->pair.rc.recv_wr = wr;
	rig_open_qps(rig);
	requests(rig);
	if (wr)
		receives(rig);
	rig_close_qps(rig);
	drain(rig->pair.a.rcq);
	drain(rig->pair.b.rcq);
}

static void test_corners(void **state)
{
	static const uint32_t sges[] = { 0, 1, 32 }, inlines[] = { 0, 1, MAX_INLINE };
	static const uint32_t wrs[] = { 0, 1, 7 };
	struct rc rc = rc_default();
	struct rig rig;

	rc.type = *(const uint32_t *)*state;
	rc.rnr_retry = 0;
	rc.timeout = 8;		/* 1 ms */
	rc.retry_cnt = 1;
	rc.cqe = 4096;
	rig_open_ends(&rig, &rc);
	for (size_t i = 0; i < ARRAY_SIZE(sges); i++)
		for (size_t k = 0; k < ARRAY_SIZE(inlines); k++)
			for (size_t m = 0; m < ARRAY_SIZE(wrs); m++)
				corner(&rig, sges[i], inlines[k], wrs[m]);
}

/* --- more than may be under way --------------------------------------------------------- */

/* Rings one doorbell for all of them: each is executed and completed, in order. */
static void post_deep(struct rig *rig, uint32_t opcode, enum ibv_wc_status status)
{
	for (uint32_t i = 0; i < DEEP; i++)
		put_request(rig, i, opcode);
	ring_publish(&rig->sq, DEEP);
	assert_int_equal(raw_doorbell(rig->pair.a.qp), 0);
	for (uint32_t i = 0; i < DEEP; i++)
		expect_wc(rig->pair.a.scq, 1000 + i, status);
}

static void test_deep(void **state)
{
	struct rc rc = rc_default();
	struct rig rig;

	rc.type = *(const uint32_t *)*state;
	rc.send_wr = DEEP;
	rc.cqe = 2 * DEEP;
	rig_open_ends(&rig, &rc);
	rig_open_qps(&rig);
	for (int round = 0; round < 3; round++) {
		pair_connect(&rig.pair);
		post_deep(&rig, IBV_WR_RDMA_WRITE, IBV_WC_SUCCESS);
	}
	/* A queue pair that has not sent anything before, and only flushes. */
	rig_close_qps(&rig);
	rig_open_qps(&rig);
	qp_init(rig.pair.a.qp, &rc);
	qp_to(rig.pair.a.qp, IBV_QPS_ERR);
	post_deep(&rig, IBV_WR_RDMA_WRITE, IBV_WC_WR_FLUSH_ERR);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_atomic_write),
	{ .name = "RC", .test_func = test_corners, .initial_state = (void *)&types[0] },
	{ .name = "UC", .test_func = test_corners, .initial_state = (void *)&types[1] },
	{ .name = "UD", .test_func = test_corners, .initial_state = (void *)&types[2] },
	{ .name = "deep RC", .test_func = test_deep, .initial_state = (void *)&types[0] },
	{ .name = "deep UC", .test_func = test_deep, .initial_state = (void *)&types[1] },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("corners", tests, ARRAY_SIZE(tests));
}
