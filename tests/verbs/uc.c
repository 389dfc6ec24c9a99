// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/*
 * Unreliable connections: every byte that arrives is right, a message with a missing packet does not arrive
 * at all, the next message does, and nothing is acknowledged.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/async.h"
#include "lib/mover.h"
#include "lib/pattern.h"
#include "lib/test.h"
#include "lib/uffd.h"
#include "lib/wire.h"

static struct rc uc_default(void)
{
	struct rc rc = rc_default();

	rc.type = IBV_QPT_UC;
	return rc;
}

/* --- bytes ------------------------------------------------------------------ */

struct variant {
	int kind;		/* 1: on-demand memory at the sender, 2: at the receiver */
	enum ibv_mtu mtu;
	bool srq;
};

static void test_bytes(void **state)
{
	const struct variant *variant = *state;
	struct rc rc = uc_default();

	rc.mtu = variant->mtu;
	wire_in_order();
	mover_sweep_new(&rc, variant->kind & 1, variant->kind & 2, variant->srq, MOVER_LEN);
}

/* --- one way ------------------------------------------------------------------ */

struct rig {
	struct pair pair;
	struct buf src, dst;
};

#define SLOT (16 * 1024)
#define SLOTS 64

static void rig_open(struct rig *rig, const struct rc *rc, int odp)
{
	wire_in_order();
	pair_open(&rig->pair, rc);
	if (odp)
		need_odp(rig->pair.a.ctx);
	rig->src = buf_anon(rig->pair.a.pd, SLOTS * SLOT, odp);
	rig->dst = buf_anon(rig->pair.b.pd, SLOTS * SLOT,
			    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | odp);
}

static void rig_receive(struct rig *rig, unsigned int slot, size_t len)
{
	struct ibv_sge list = sge(&rig->dst, slot * SLOT, len);

	post_recv(&rig->pair.b, slot, &list, 1);
}

static void rig_send(struct rig *rig, unsigned int n, size_t len)
{
	struct ibv_sge list = sge(&rig->src, n % SLOTS * SLOT, len);
	struct ibv_send_wr wr = {
		.wr_id = n, .opcode = IBV_WR_SEND_WITH_IMM, .imm_data = n,
		.sg_list = &list, .num_sge = 1,
	};

	pattern_fill(rig->src.p + n % SLOTS * SLOT, len, 0, n);
	post_send(&rig->pair.a, &wr);
}

/* A message without a receiver: the sender neither notices nor waits. */
static void test_no_receiver(void **state)
{
	struct rc rc = uc_default();
	struct ibv_wc wc;
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc, 0);
	for (unsigned int i = 0; i < 10; i++) {
		rig_send(&rig, i, 100 + 1000 * i);
		expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
	}
	sleep_ms(20);
	rig_receive(&rig, 0, SLOT);
	expect_quiet(rig.pair.b.rcq, 20);
	rig_send(&rig, 11, 5000);
	wc = expect_wc(rig.pair.b.rcq, 0, IBV_WC_SUCCESS);
	assert_int_equal(wc.imm_data, 11);
	assert_int_equal(wc.byte_len, 5000);
	pattern_check(rig.dst.p, 5000, 0, 11, "the message");
}

static struct ibv_send_wr bad_write(struct rig *rig, struct ibv_sge *list, uint32_t rkey,
				    uint64_t at)
{
	*list = sge(&rig->src, 0, 5000);
	return (struct ibv_send_wr){
		.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE_WITH_IMM, .sg_list = list, .num_sge = 1,
		.wr.rdma = { .remote_addr = at, .rkey = rkey },
	};
}

/* A request that is not allowed is dropped, and the connection goes on. */
static void test_refused(void **state)
{
	struct rc rc = uc_default();
	struct ibv_send_wr wr;
	struct ibv_sge list;
	struct ibv_mr *reader;
	struct ibv_wc wc;
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc, 0);
	reader = reg(rig.pair.b.pd, rig.dst.p, rig.dst.len, 0);
	for (int i = 0; i < 3; i++) {
		uint64_t at = (uintptr_t)rig.dst.p;

		wr = bad_write(&rig, &list, i == 0 ? 0xbad00 : i == 1 ? reader->rkey : rig.dst.mr->rkey,
			       i == 2 ? at + rig.dst.len - 4999 : at);
		memset(rig.src.p, 0x77, SLOT);
		memset(rig.dst.p, 0, rig.dst.len);
		rig_receive(&rig, 0, SLOT);
		post_send(&rig.pair.a, &wr);
		expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
		expect_quiet(rig.pair.b.rcq, 20);
		for (size_t k = 0; k < rig.dst.len; k++)
			assert_int_equal(rig.dst.p[k], 0);
		rig_send(&rig, 2 + i, 3000);
		wc = expect_wc(rig.pair.b.rcq, 0, IBV_WC_SUCCESS);
		assert_int_equal(wc.imm_data, 2 + i);
		pattern_check(rig.dst.p, 3000, 0, 2 + i, "the next message");
		expect_wc(rig.pair.a.scq, 2 + i, IBV_WC_SUCCESS);
	}
	assert_int_equal(qp_state(rig.pair.b.qp), IBV_QPS_RTS);
}

/* A message longer than its receive request is dropped; the next message uses the request. */
static void test_too_long(void **state)
{
	struct rc rc = uc_default();
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc, 0);
	rig_receive(&rig, 0, 3000);
	rig_send(&rig, 1, 3001);
	rig_send(&rig, 2, 9000);
	expect_quiet(rig.pair.b.rcq, 20);
	rig_send(&rig, 3, 3000);
	assert_int_equal(expect_wc(rig.pair.b.rcq, 0, IBV_WC_SUCCESS).imm_data, 3);
	pattern_check(rig.dst.p, 3000, 0, 3, "the message");
	for (unsigned int i = 1; i <= 3; i++)
		expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
}

/* --- errors of the sender's own -------------------------------------------------- */

/* The sending half stops, flushes, and continues when told to; the receiving half never stops. */
static void test_send_error(void **state)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTS, .cur_qp_state = IBV_QPS_SQE };
	struct ibv_send_wr wr = { .wr_id = 5, .opcode = IBV_WR_SEND, .num_sge = 1 };
	struct rc rc = uc_default();
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc, 0);
	for (unsigned int round = 0; round < 3; round++) {
		list = sge(&rig.src, 0, 100);
		list.lkey = 0xbad00;
		wr.sg_list = &list;
		post_send(&rig.pair.a, &wr);
		rig_send(&rig, 6, 100);
		expect_wc(rig.pair.a.scq, 5, IBV_WC_LOC_PROT_ERR);
		expect_wc(rig.pair.a.scq, 6, IBV_WC_WR_FLUSH_ERR);
		expect_state(rig.pair.a.qp, IBV_QPS_SQE);

		list = sge(&rig.src, 0, 200);
		post_recv(&rig.pair.a, 7, &list, 1);
		list = sge(&rig.dst, 0, 50);
		wr.sg_list = &list;
		post_send(&rig.pair.b, &wr);
		expect_wc(rig.pair.b.scq, 5, IBV_WC_SUCCESS);
		assert_int_equal(wait_wc(rig.pair.a.rcq).status, IBV_WC_LOC_PROT_ERR);
		expect_state(rig.pair.a.qp, IBV_QPS_ERR);
		pair_connect(&rig.pair);

		list = sge(&rig.src, 0, 100);
		list.lkey = 0xbad00;
		wr.sg_list = &list;
		post_send(&rig.pair.a, &wr);
		expect_wc(rig.pair.a.scq, 5, IBV_WC_LOC_PROT_ERR);
		expect_state(rig.pair.a.qp, IBV_QPS_SQE);
		assert_int_equal(ibv_modify_qp(rig.pair.a.qp, &attr,
					       IBV_QP_STATE | IBV_QP_CUR_STATE), 0);
		rig_receive(&rig, 0, SLOT);
		rig_send(&rig, 9, 8000);
		expect_wc(rig.pair.b.rcq, 0, IBV_WC_SUCCESS);
		pattern_check(rig.dst.p, 8000, 0, 9, "a message after the error");
		expect_wc(rig.pair.a.scq, 9, IBV_WC_SUCCESS);
	}
}

/* Opcodes that this transport does not have. */
static void test_opcodes(void **state)
{
	static const enum ibv_wr_opcode wrong[] = {
		IBV_WR_RDMA_READ, IBV_WR_ATOMIC_CMP_AND_SWP, IBV_WR_ATOMIC_FETCH_AND_ADD,
		IBV_WR_SEND_WITH_INV,
	};
	struct rc rc = uc_default();
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc, 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct ibv_sge list = sge(&rig.src, 0, 8);
		struct ibv_send_wr wr = {
			.wr_id = 5, .opcode = wrong[i], .sg_list = &list, .num_sge = 1,
		}, *bad;

		wr.wr.atomic.remote_addr = (uintptr_t)rig.dst.p;
		wr.wr.atomic.rkey = rig.dst.mr->rkey;
		if (ibv_post_send(rig.pair.a.qp, &wr, &bad))
			continue;
		expect_wc(rig.pair.a.scq, 5, IBV_WC_LOC_QP_OP_ERR);
		expect_state(rig.pair.a.qp, IBV_QPS_SQE);
		expect_quiet(rig.pair.b.rcq, 5);
		pair_connect(&rig.pair);
	}
}

/* An invalid receive request ends the connection on the receiver's side. */
static void test_bad_receive(void **state)
{
	struct rc rc = uc_default();
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc, 0);
	list = sge(&rig.dst, 0, 100);
	list.lkey = 0xbad00;
	post_recv(&rig.pair.b, 1, &list, 1);
	rig_receive(&rig, 2, SLOT);
	rig_send(&rig, 1, 100);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
	expect_wc(rig.pair.b.rcq, 1, IBV_WC_LOC_PROT_ERR);
	expect_wc(rig.pair.b.rcq, 2, IBV_WC_WR_FLUSH_ERR);
	expect_state(rig.pair.b.qp, IBV_QPS_ERR);
	assert_int_equal(qp_state(rig.pair.a.qp), IBV_QPS_RTS);
}

/* --- streams ----------------------------------------------------------------------- */

static size_t stream_len(unsigned int n)
{
	return n % 5 ? mix64(n) % SLOT : n % 3;
}

#define AHEAD (SLOTS / 2)	/* receive requests posted */

struct stream {
	struct rig *rig;
	unsigned int next;	/* the earliest message that may still arrive */
	unsigned int got;
};

/*
 * Takes the next message within @ms: complete, and after those before it. Receive requests are used in order,
 * even if messages are lost. Returns false if there is none.
 */
static bool stream_take(struct stream *stream, unsigned int ms)
{
	struct rig *rig = stream->rig;
	uint64_t end = now_ms() + ms;
	struct ibv_wc wc;

	while (ibv_poll_cq(rig->pair.b.rcq, 1, &wc) < 1) {
		if (now_ms() >= end)
			return false;
		sleep_ms(0);
	}
	sched_yield();
	assert_int_equal(wc.status, IBV_WC_SUCCESS);
	assert_int_equal(wc.wr_id, stream->got % AHEAD);
	assert_true(wc.imm_data >= stream->next);
	assert_int_equal(wc.byte_len, stream_len(wc.imm_data));
	pattern_check(rig->dst.p + wc.wr_id * SLOT, wc.byte_len, 0, wc.imm_data,
		      "a message of the stream");
	stream->next = wc.imm_data + 1;
	stream->got++;
	rig_receive(rig, wc.wr_id, SLOT);
	return true;
}

static void stream_until(struct stream *stream, unsigned int next)
{
	while (stream->next < next) {
		if (!stream_take(stream, PATIENCE))
			fail_msg("message %u did not arrive", stream->next);
	}
}

enum wire { PERFECT, COLD, LOSSY };

/* Sends @n messages, up to 16 ahead of the receiver. Returns how many arrived. */
static unsigned int stream(struct rig *rig, unsigned int n, enum wire wire)
{
	struct stream stream = { .rig = rig };

	for (unsigned int i = 0; i < AHEAD; i++)
		rig_receive(rig, i, SLOT);
	for (unsigned int i = 0; i < n; i++) {
		if (wire == COLD && i % 16 == 0) {
			stream_until(&stream, i);
			buf_dontneed(&rig->dst);
		}
		rig_send(rig, i, stream_len(i));
		expect_wc(rig->pair.a.scq, i, IBV_WC_SUCCESS);
		if (wire == LOSSY)
			while (stream_take(&stream, 0))
				;
		else if (i >= 16)
			stream_until(&stream, i - 15);
	}
	if (wire == LOSSY)
		while (stream_take(&stream, 200 * options.slow))
			;
	else
		stream_until(&stream, n);
	return stream.got;
}

/* On a wire without loss all messages arrive. */
static void test_stream(void **state)
{
	unsigned int n = options.full ? 5000 : 500;
	struct rc rc = uc_default();
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc, 0);
	assert_int_equal(stream(&rig, n, PERFECT), n);
}

/* Missing pages at the receiver lose no message. */
static void test_cold(void **state)
{
	unsigned int n = options.full ? 2000 : 200;
	struct rc rc = uc_default();
	struct rig rig;

	(void)state;
	rig_open(&rig, &rc, IBV_ACCESS_ON_DEMAND);
	assert_int_equal(stream(&rig, n, COLD), n);
}

/* A long message to pages that are all missing. */
static void test_cold_long(void **state)
{
	struct message m = { .opcode = IBV_WR_RDMA_WRITE_WITH_IMM, .len = 400 * 1024, .pieces = 1 };
	struct rc rc = uc_default();
	struct mover mover;

	(void)state;
	wire_in_order();
	mover_open(&mover, &rc, true, true, false);
	for (int i = 0; i < 10; i++) {
		m.heat = i & 1 ? DONTNEED : REMAPPED;
		m.opcode = i & 2 ? IBV_WR_SEND : IBV_WR_RDMA_WRITE_WITH_IMM;
		mover_move(&mover, &m);
	}
}

/* Returns how many packets a CPU has received; on a wire within the host, those that were sent on it. */
static unsigned long packets_of(int cpu)
{
	unsigned int packets = 0;
	char line[256] = "";
	FILE *f = fopen("/proc/net/softnet_stat", "r");

	assert_non_null(f);
	for (int i = 0; i <= cpu; i++)
		assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(sscanf(line, "%x", &packets), 1);
	return packets;
}

#define LATE_LEN (4 * SLOT)

/* Pages that arrive 50 ms after they are missed, provided by another CPU. */
struct late {
	int fd;
	uint8_t *to, *content;
	pthread_t thread;
};

static void *serve_late(void *arg)
{
	struct late *late = arg;

	run_on(1);
	uffd_wait(late->fd);
	sleep_ms(50);
	uffd_answer(late->fd, UFFD_MISSING, late->to, LATE_LEN, late->content);
	return NULL;
}

static void send_late(struct rig *rig, struct late *late)
{
	struct ibv_sge from = sge(&rig->src, 0, LATE_LEN), to = sge(&rig->dst, 0, LATE_LEN);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_SEND, .sg_list = &from, .num_sge = 1,
	};

	buf_dontneed(&rig->src);
	assert_int_equal(pthread_create(&late->thread, NULL, serve_late, late), 0);
	post_recv(&rig->pair.b, 2, &to, 1);
	post_send(&rig->pair.a, &wr);
	expect_wc(rig->pair.a.scq, 1, IBV_WC_SUCCESS);
	expect_wc(rig->pair.b.rcq, 2, IBV_WC_SUCCESS);
	assert_int_equal(pthread_join(late->thread, NULL), 0);
	pattern_check(rig->dst.p, LATE_LEN, 0, 7, "a message from late pages");
}

/* Packets sent from two CPUs may be reordered, so late pages must not move a sender to another CPU. */
static void test_late(void **state)
{
	unsigned int rounds = 20, moved = 0, packets = LATE_LEN / 1024;
	struct rc rc = uc_default();
	struct late late;
	struct rig rig;

	(void)state;
	need_wire();
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip_because("there is only one CPU");
	rc.mtu = IBV_MTU_1024;
	rig_open(&rig, &rc, IBV_ACCESS_ON_DEMAND);
	late.to = rig.src.p;
	late.content = scratch(LATE_LEN + PAGE);
	late.content += PAGE - (uintptr_t)late.content % PAGE;
	pattern_fill(late.content, LATE_LEN, 0, 7);
	late.fd = uffd_open(UFFD_MISSING);
	uffd_watch(late.fd, UFFD_MISSING, rig.src.p, LATE_LEN);
	for (unsigned int i = 0; i < rounds; i++) {
		unsigned long before = packets_of(1);

		send_late(&rig, &late);
		moved += packets_of(1) - before >= packets / 2;
	}
	printf("# %u of %u messages were sent from another CPU\n", moved, rounds);
	assert_int_equal(moved, 0);
}

/* On a wire that loses packets some messages do not arrive; those that do are complete. */
static void test_loss(void **state)
{
	unsigned int n = options.full ? 5000 : 400, got;
	struct rc rc = uc_default();
	struct rig rig;

	(void)state;
	need_wire();
	rig_open(&rig, &rc, 0);
	wire_impair("loss 3% limit 10000");
	got = stream(&rig, n, LOSSY);
	assert_true(got > n / 10 && got < n);
	wire_repair();
	rig.pair.rc.psn = (rig.pair.rc.psn + 100000) & 0xffffff;
	pair_connect(&rig.pair);
	assert_int_equal(stream(&rig, 50, PERFECT), 50);
}

static void check_any(struct rig *rig)
{
	struct ibv_wc wc;

	while (ibv_poll_cq(rig->pair.b.rcq, 1, &wc) > 0) {
		assert_int_equal(wc.status, IBV_WC_SUCCESS);
		assert_int_equal(wc.byte_len, stream_len(wc.imm_data));
		pattern_check(rig->dst.p + wc.wr_id * SLOT, wc.byte_len, 0, wc.imm_data, "a message");
	}
}

/* The same on a wire that duplicates and reorders packets. */
static void test_reordering(void **state)
{
	struct rc rc = uc_default();
	struct rig rig;

	(void)state;
	need_wire();
	rig_open(&rig, &rc, 0);
	wire_impair("delay 2ms reorder 20% duplicate 5% limit 10000");
	for (unsigned int round = 0; round < (options.full ? 300 : 30); round++) {
		for (unsigned int i = 0; i < 8; i++)
			rig_receive(&rig, i, SLOT);
		for (unsigned int i = round * 8; i < round * 8 + 8; i++) {
			rig_send(&rig, i, stream_len(i));
			expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
		}
		sleep_ms(10);
		check_any(&rig);
		/* Late packets of this round must not fit those of the next. */
		rig.pair.rc.psn = (rig.pair.rc.psn + 100000) & 0xffffff;
		pair_connect(&rig.pair);
	}
}

static const struct variant variants[] = {
	{ 0, IBV_MTU_1024, false }, { 1, IBV_MTU_4096, false }, { 2, IBV_MTU_1024, false },
	{ 3, IBV_MTU_256, false }, { 0, IBV_MTU_1024, true }, { 3, IBV_MTU_1024, true },
};

#define BYTES(n, name_) \
	{ .name = name_, .test_func = test_bytes, .initial_state = (void *)&variants[n] }

static struct CMUnitTest tests[] = {
	BYTES(0, "bytes pinned-to-pinned mtu 1024"),
	BYTES(1, "bytes odp-to-pinned mtu 4096"),
	BYTES(2, "bytes pinned-to-odp mtu 1024"),
	BYTES(3, "bytes odp-to-odp mtu 256"),
	BYTES(4, "bytes pinned-to-pinned srq"),
	BYTES(5, "bytes odp-to-odp srq"),
	cmocka_unit_test(test_no_receiver),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_too_long),
	cmocka_unit_test(test_send_error),
	cmocka_unit_test(test_opcodes),
	cmocka_unit_test(test_bad_receive),
	cmocka_unit_test(test_stream),
	cmocka_unit_test(test_cold),
	cmocka_unit_test(test_late),
	cmocka_unit_test(test_cold_long),
	cmocka_unit_test(test_loss),
	cmocka_unit_test(test_reordering),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("uc", tests, ARRAY_SIZE(tests));
}
