// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <sys/wait.h>

#include "lib/witness.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/test.h"

#define LEN (24 * 1024)
#define WORD LEN		/* place of the atomics' word */

struct witness_shared {
	uint32_t qpn[2];
	volatile uint32_t psn;		/* of the message under way, or of the next one */
	volatile bool stop;
	volatile uint64_t messages;
};

struct stream {
	struct witness_shared *shared;
	struct pair pair;
	struct buf a, b;
	uint64_t round, word;
};

static void stream_open(struct stream *stream)
{
	struct rc rc = rc_default();
	int odp = 0;

	rc.timeout = 18;	/* 1 s: the other processes of the test use up the CPUs */
	pair_open(&stream->pair, &rc);
	stream->shared->psn = rc.psn;
	if (device_has_odp(stream->pair.a.ctx))
		odp = IBV_ACCESS_ON_DEMAND;
	stream->a = buf_anon(stream->pair.a.pd, LEN + PAGE, ALL_ACCESS | odp);
	stream->b = buf_anon(stream->pair.b.pd, LEN + PAGE, ALL_ACCESS | odp);
	stream->shared->qpn[0] = stream->pair.a.qp->qp_num;
	stream->shared->qpn[1] = stream->pair.b.qp->qp_num;
}

static void message(struct stream *stream, enum ibv_wr_opcode opcode, size_t offset, size_t len)
{
	struct ibv_sge list = sge(&stream->a, offset, len);
	size_t mtu = mtu_bytes(stream->pair.rc.mtu);
	struct ibv_send_wr wr = { .wr_id = stream->round, .opcode = opcode, .sg_list = &list,
				  .num_sge = 1 };

	if (opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr.wr.atomic.remote_addr = (uintptr_t)stream->b.p + offset;
		wr.wr.atomic.compare_add = 3;
		wr.wr.atomic.rkey = stream->b.mr->rkey;
	} else {
		wr.wr.rdma.remote_addr = (uintptr_t)stream->b.p + offset;
		wr.wr.rdma.rkey = stream->b.mr->rkey;
	}
	post_send(&stream->pair.a, &wr);
	expect_wc(stream->pair.a.scq, stream->round, IBV_WC_SUCCESS);
	stream->shared->psn += (len + mtu - 1) / mtu;
	stream->shared->messages++;
}

static void stream_round(struct stream *stream)
{
	size_t len = 1 + mix64(stream->round) % (LEN - 8), at = mix64(~stream->round) % (LEN - len);
	uint64_t seed = 2 * stream->round++;
	struct ibv_sge list = sge(&stream->b, at, len);

	pattern_fill(stream->a.p + at, len, at, seed);
	message(stream, IBV_WR_RDMA_WRITE, at, len);
	pattern_check(stream->b.p + at, len, at, seed, "honest write");

	pattern_fill(stream->b.p + at, len, at, seed + 1);
	message(stream, IBV_WR_RDMA_READ, at, len);
	pattern_check(stream->a.p + at, len, at, seed + 1, "honest read");

	pattern_fill(stream->a.p + at, len, at, seed);
	post_recv(&stream->pair.b, seed, &list, 1);
	message(stream, IBV_WR_SEND, at, len);
	assert_int_equal(expect_wc(stream->pair.b.rcq, seed, IBV_WC_SUCCESS).byte_len, len);
	pattern_check(stream->b.p + at, len, at, seed, "honest send");

	message(stream, IBV_WR_ATOMIC_FETCH_AND_ADD, WORD, 8);
	assert_int_equal(*(uint64_t *)(stream->a.p + WORD), stream->word);
	stream->word += 3;
	assert_int_equal(*(volatile uint64_t *)(stream->b.p + WORD), stream->word);
}

static void witness_child(void *arg)
{
	struct stream *stream = scratch(sizeof(*stream));

	*stream = (struct stream){ .shared = arg };
	stream_open(stream);
	while (!stream->shared->stop) {
		if (stream->round % 32 == 31)
			buf_dontneed(&stream->a);
		stream_round(stream);
	}
}

struct witness witness_start(void)
{
	struct witness witness = { .shared = map_shared(sizeof(*witness.shared)) };

	witness.pid = child_start(witness_child, witness.shared);
	for (uint64_t end = now_ms() + PATIENCE; witness.shared->messages < 4; sleep_ms(1)) {
		witness_lives(&witness);
		if (now_ms() > end)
			fail_msg("the honest process makes no progress");
	}
	return witness;
}

uint32_t witness_qpn(const struct witness *witness, int end)
{
	return witness->shared->qpn[end];
}

uint32_t witness_psn(const struct witness *witness)
{
	return witness->shared->psn & 0xffffff;
}

void witness_lives(const struct witness *witness)
{
	siginfo_t info = {};

	assert_int_equal(waitid(P_PID, witness->pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	if (info.si_pid)
		fail_msg("the honest process has ended");
}

uint64_t witness_messages(const struct witness *witness)
{
	return witness->shared->messages;
}

uint64_t witness_stop(const struct witness *witness)
{
	witness->shared->stop = true;
	assert_int_equal(child_wait(witness->pid), 0);
	return witness->shared->messages;
}
