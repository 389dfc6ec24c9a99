// SPDX-License-Identifier: GPL-2.0
/*
 * Two machines: every opcode, both ways, every byte. The same program runs on both, wire -p listen
 * on the one and wire -p ADDRESS on the other; they go through the same tests in step.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/wire.h"

#define PORT 18515
#define BUF_LEN (512 * 1024)
#define GRH 40
#define GUARD 64
#define UNTOUCHED 0x77
#define LONG_PATIENCE (8 * PATIENCE)	/* the other side may have to boot, or to lose its own */

/* --- the other side -------------------------------------------------------------- */

/* What the sides tell each other. */
struct told {
	union ibv_gid gid;
	uint32_t qpn, rkey;
	uint64_t addr;
	uint32_t is_ours, has_flush, has_atomic_write, has_windows;
};

static bool listening(void)
{
	return !strcmp(options.peer, "listen");
}

static int close_fd(void *fd)
{
	return close((intptr_t)fd);
}

static int tcp_socket(void)
{
	struct timeval patience = { .tv_sec = LONG_PATIENCE / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	defer(close_fd, (void *)(intptr_t)fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int tcp_accept(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int listener = tcp_socket(), fd;

	assert_int_equal(bind(listener, (void *)&any, sizeof(any)), 0);
	assert_int_equal(listen(listener, 1), 0);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		fail_msg("no connection: %s", strerror(errno));
	/* Close the listener, so that it does not accept the connection of the next test. */
	undo((void *)(intptr_t)listener);
	defer(close_fd, (void *)(intptr_t)fd);
	return fd;
}

static int tcp_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	uint64_t end = now_ms() + LONG_PATIENCE;

	assert_int_equal(inet_pton(AF_INET, options.peer, &to.sin_addr), 1);
	while (now_ms() < end) {
		int fd = tcp_socket();

		if (!connect(fd, (void *)&to, sizeof(to)))
			return fd;
		undo((void *)(intptr_t)fd);
		sleep_ms(100);
	}
	fail_msg("nobody listens at %s", options.peer);
	return -1;
}

static void exchange(int fd, const void *mine, void *theirs, size_t len)
{
	assert_int_equal(send(fd, mine, len, MSG_NOSIGNAL), len);
	assert_int_equal(recv(fd, theirs, len, MSG_WAITALL), len);
}

/* --- a test on one side ---------------------------------------------------------- */

struct variant {
	enum ibv_qp_type type;
	enum ibv_mtu mtu;
	bool v6;
	bool lossy;
};

struct side {
	const struct variant *variant;
	int fd;
	struct end end;
	struct ibv_qp_ex *ex;
	struct ibv_ah *ah;
	struct ibv_mw *mw;
	struct buf src, dst;
	uint8_t *want;
	struct told mine, theirs;
	uint64_t step;
};

/* Both sides have come this far. */
static void meet(struct side *side)
{
	uint64_t theirs;

	side->step++;
	exchange(side->fd, &side->step, &theirs, sizeof(theirs));
	assert_int_equal(theirs, side->step);
}

static struct ibv_qp *reliable_qp(struct side *side, const struct rc *rc)
{
	struct ibv_qp *qp = end_qp_ex(&side->end, rc,
			(side->mine.has_flush ? IBV_QP_EX_WITH_FLUSH : 0) |
			(side->mine.has_atomic_write ? IBV_QP_EX_WITH_ATOMIC_WRITE : 0));

	side->ex = ibv_qp_to_qp_ex(qp);
	return qp;
}

static void look_at_device(struct side *side)
{
	side->mine.is_ours = access("/sys/module/ib_umem_odp", F_OK) == 0;
	side->mine.has_flush = HAVE_FLUSH && device_can(side->end.ctx, CAN_FLUSH);
	side->mine.has_atomic_write = device_can(side->end.ctx, CAN_ATOMIC_WRITE);
	side->mw = ibv_alloc_mw(side->end.pd, IBV_MW_TYPE_2);
	if (side->mw)
		defer((undo_fn)ibv_dealloc_mw, side->mw);
	side->mine.has_windows = !!side->mw;
}

/* On demand where the device is ours: the kernel's own may have it, but not the right bytes. */
static int paging(struct side *side)
{
	return side->mine.is_ours && device_has_odp(side->end.ctx) ? IBV_ACCESS_ON_DEMAND : 0;
}

static void side_memory(struct side *side)
{
	int access = ALL_ACCESS | IBV_ACCESS_MW_BIND | paging(side);

	if (side->mine.has_flush)
		access |= IBV_ACCESS_FLUSH_GLOBAL;
	side->src = buf_anon(side->end.pd, BUF_LEN, access);
	side->dst = buf_anon(side->end.pd, BUF_LEN, access);
	side->want = scratch(BUF_LEN);
}

static void side_connect(struct side *side, const struct rc *rc)
{
	struct end *end = &side->end, other = {};

	qp_init(end->qp, rc);
	qp_rtr(end->qp, end, rc, &side->theirs.gid, side->theirs.qpn);
	qp_rts(end->qp, rc);
	if (rc->type != IBV_QPT_UD)
		return;
	other.gid = side->theirs.gid;
	side->ah = end_ah(end, &other);
}

static void side_open(struct side *side, const struct variant *variant)
{
	struct rc rc = rc_default();

	*side = (struct side){ .variant = variant };
	side->fd = listening() ? tcp_accept() : tcp_connect();
	rc.type = variant->type;
	rc.mtu = variant->mtu;
	rc.access = ALL_ACCESS | IBV_ACCESS_MW_BIND;
	rc.timeout = 14;
	end_open(&side->end, options.device, &rc);
	end_speak_from(&side->end, variant->v6 ? getenv("WIRE_V6") : getenv("WIRE_V4"));
	look_at_device(side);
	if (side->mine.has_flush)
		rc.access |= IBV_ACCESS_FLUSH_GLOBAL;
	side->end.qp = rc.type == IBV_QPT_RC ? reliable_qp(side, &rc) : end_qp(&side->end, &rc);
	side_memory(side);
	side->mine.gid = side->end.gid;
	side->mine.qpn = side->end.qp->qp_num;
	side->mine.rkey = side->dst.mr->rkey;
	side->mine.addr = (uintptr_t)side->dst.p;
	exchange(side->fd, &side->mine, &side->theirs, sizeof(side->theirs));
	side_connect(side, &rc);
	meet(side);
}

/* --- messages -------------------------------------------------------------------- */

struct message {
	enum ibv_wr_opcode opcode;
	size_t len, src_at, dst_at;
	uint64_t seed;
};

static bool is_write(const struct message *m)
{
	return m->opcode == IBV_WR_RDMA_WRITE || m->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
}

static bool is_atomic(const struct message *m)
{
	return m->opcode == IBV_WR_ATOMIC_CMP_AND_SWP || m->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
}

static bool has_imm(const struct message *m)
{
	return m->opcode == IBV_WR_SEND_WITH_IMM || m->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
}

static bool is_received(const struct message *m)
{
	return m->opcode == IBV_WR_SEND || m->opcode == IBV_WR_SEND_WITH_INV || has_imm(m);
}

static size_t head(const struct side *side)
{
	return side->variant->type == IBV_QPT_UD ? GRH : 0;
}

/* The bytes that the side which does nothing has, or is to have. */
static void passive_prepare(struct side *side, const struct message *m)
{
	size_t span = m->dst_at + head(side) + m->len + GUARD;
	struct ibv_sge list = sge(&side->dst, m->dst_at, head(side) + m->len);

	pattern_fill(side->dst.p, span, 0, m->opcode == IBV_WR_RDMA_READ || is_atomic(m) ? m->seed :
				   UNTOUCHED);
	memcpy(side->want, side->dst.p, span);
	if (is_received(m))
		post_recv(&side->end, m->seed, &list, !is_write(m));
}

static void active_post(struct side *side, const struct message *m)
{
	struct ibv_sge list = sge(&side->src, m->src_at, m->len);
	uint64_t to = side->theirs.addr + m->dst_at;
	struct ibv_send_wr wr = {
		.wr_id = m->seed, .opcode = m->opcode, .sg_list = &list, .num_sge = 1,
		.imm_data = htobe32((uint32_t)m->seed),
	};

	if (is_atomic(m)) {
		wr.wr.atomic.remote_addr = to;
		wr.wr.atomic.rkey = side->theirs.rkey;
		pattern_fill(&wr.wr.atomic.compare_add, 8, m->dst_at, m->seed);
		wr.wr.atomic.swap = ~m->seed;
	} else if (is_write(m) || m->opcode == IBV_WR_RDMA_READ) {
		wr.wr.rdma.remote_addr = to;
		wr.wr.rdma.rkey = side->theirs.rkey;
	} else if (side->ah) {
		wr.wr.ud.ah = side->ah;
		wr.wr.ud.remote_qpn = side->theirs.qpn;
		wr.wr.ud.remote_qkey = rc_default().qkey;
	}
	post_send(&side->end, &wr);
}

/* What the passive side's memory has become, and what an atomic or READ brings back. */
static void active_check(struct side *side, const struct message *m)
{
	expect_wc(side->end.scq, m->seed, IBV_WC_SUCCESS);
	if (m->opcode == IBV_WR_RDMA_READ)
		pattern_check(side->src.p + m->src_at, m->len, m->dst_at, m->seed, "a READ");
	else if (is_atomic(m))
		pattern_check(side->src.p + m->src_at, 8, m->dst_at, m->seed, "the word before");
}

static void passive_want(struct side *side, const struct message *m)
{
	uint64_t word;

	if (is_atomic(m)) {
		pattern_fill(&word, 8, m->dst_at, m->seed);
		word = m->opcode == IBV_WR_ATOMIC_CMP_AND_SWP ? ~m->seed : 2 * word;
		memcpy(side->want + m->dst_at, &word, 8);
	} else if (m->opcode != IBV_WR_RDMA_READ) {
		pattern_fill(side->want + m->dst_at + head(side), m->len, 0, m->seed);
	}
}

static void passive_check(struct side *side, const struct message *m)
{
	size_t span = m->dst_at + head(side) + m->len + GUARD;
	char what[128];

	snprintf(what, sizeof(what), "opcode %d, %zu bytes from offset %zu to %zu", m->opcode, m->len,
		 m->src_at, m->dst_at);
	passive_want(side, m);
	if (is_received(m)) {
		struct ibv_wc wc = expect_wc(side->end.rcq, m->seed, IBV_WC_SUCCESS);

		assert_int_equal(wc.byte_len, head(side) + m->len);
		if (has_imm(m))
			assert_int_equal(be32toh(wc.imm_data), (uint32_t)m->seed);
		memcpy(side->want + m->dst_at, side->dst.p + m->dst_at, head(side));
	} else if (side->variant->type == IBV_QPT_UC) {
		wait_same(side->dst.p, side->want, span);
	}
	same_bytes(side->dst.p, side->want, span, what);
}

/* Transfers one message from the active side to the other, or back. */
static void move(struct side *side, const struct message *m, bool active)
{
	if (active)
		pattern_fill(side->src.p + m->src_at, m->len, 0, m->seed);
	else
		passive_prepare(side, m);
	meet(side);
	if (active) {
		active_post(side, m);
		active_check(side, m);
	}
	/* A reliable completion says that it is there; the others are waited for. */
	if (side->variant->type == IBV_QPT_RC)
		meet(side);
	if (!active)
		passive_check(side, m);
	meet(side);
}

/* --- sweeps ---------------------------------------------------------------------- */

static const size_t lengths[] = { 0, 1, 3, 8, 255, 257, 1024, 1025, 4096, 4097, 20001, 262147 };
static const size_t offsets[][2] = { { 3, 4093 }, { 0, 0 }, { 4095, 1 } };

static const enum ibv_wr_opcode opcodes[] = {
	IBV_WR_SEND, IBV_WR_SEND_WITH_IMM, IBV_WR_RDMA_WRITE, IBV_WR_RDMA_WRITE_WITH_IMM,
	IBV_WR_RDMA_READ,
};

static bool has_opcode(enum ibv_qp_type type, enum ibv_wr_opcode opcode)
{
	if (type == IBV_QPT_UD)
		return opcode == IBV_WR_SEND || opcode == IBV_WR_SEND_WITH_IMM;
	return type == IBV_QPT_RC || opcode != IBV_WR_RDMA_READ;
}

static void sweep(struct side *side, bool active, uint64_t seed)
{
	size_t max = side->variant->type == IBV_QPT_UD ? mtu_bytes(side->variant->mtu) : BUF_LEN;

	for (size_t o = 0; o < ARRAY_SIZE(opcodes); o++) {
		if (!has_opcode(side->variant->type, opcodes[o]))
			continue;
		for (size_t l = 0; l < ARRAY_SIZE(lengths) && lengths[l] <= max; l++) {
			const size_t *at = offsets[l % ARRAY_SIZE(offsets)];
			struct message m = { opcodes[o], lengths[l], at[0], at[1], seed++ };

			move(side, &m, active);
		}
	}
}

static void atomics(struct side *side, bool active, uint64_t seed)
{
	struct message m = { IBV_WR_ATOMIC_CMP_AND_SWP, 8, 24, 4096 - 8, seed };

	move(side, &m, active);
	m = (struct message){ IBV_WR_ATOMIC_FETCH_AND_ADD, 8, 0, 64, seed + 1 };
	move(side, &m, active);
}

static int no_loss(void *unused)
{
	(void)unused;
	shell("tc qdisc delete dev eth0 root");
	return 0;
}

static void test_bytes(void **state)
{
	const struct variant *variant = *state;
	struct side side;

	if (variant->lossy) {
		shell("tc qdisc add dev eth0 root netem loss 2%%");
		defer(no_loss, NULL);
	}
	side_open(&side, variant);
	for (int turn = 0; turn < 2; turn++) {
		bool active = turn == listening();

		sweep(&side, active, options.seed * 1000 + turn * 500);
		if (variant->type == IBV_QPT_RC)
			atomics(&side, active, options.seed * 1000 + turn * 500 + 400);
	}
	meet(&side);
}

/* --- what takes more than a message ---------------------------------------------- */

static const struct variant plain = { IBV_QPT_RC, IBV_MTU_1024, false, false };

static uint32_t bind_window(struct side *side)
{
	struct ibv_send_wr wr = {
		.wr_id = 9, .opcode = IBV_WR_BIND_MW,
		.bind_mw = {
			.mw = side->mw, .rkey = ibv_inc_rkey(side->mw->rkey),
			.bind_info = {
				.mr = side->dst.mr, .addr = (uintptr_t)side->dst.p,
				.length = side->dst.len, .mw_access_flags = IBV_ACCESS_REMOTE_WRITE,
			},
		},
	};

	post_send(&side->end, &wr);
	expect_wc(side->end.scq, 9, IBV_WC_SUCCESS);
	side->mw->rkey = wr.bind_mw.rkey;
	return wr.bind_mw.rkey;
}

/* A WRITE through a window, which a SEND then takes away. */
static void invalidate(struct side *side, bool active)
{
	struct message m = { IBV_WR_SEND, 1000, 5, 7, 77 };
	struct ibv_sge list = sge(&side->src, m.src_at, m.len);
	struct ibv_send_wr wr[2] = {
		{ .wr_id = 1, .next = &wr[1], .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list,
		  .num_sge = 1 },
		{ .wr_id = 2, .opcode = IBV_WR_SEND_WITH_INV, .sg_list = &list, .num_sge = 1 },
	};
	uint32_t mine = 0, theirs;

	if (!active) {
		passive_prepare(side, &m);
		mine = bind_window(side);
	}
	exchange(side->fd, &mine, &theirs, sizeof(mine));
	if (active) {
		pattern_fill(side->src.p + m.src_at, m.len, 0, m.seed);
		wr[0].wr.rdma.remote_addr = side->theirs.addr + 9000;
		wr[0].wr.rdma.rkey = theirs;
		wr[1].invalidate_rkey = theirs;
		post_send(&side->end, wr);
		expect_wc(side->end.scq, 1, IBV_WC_SUCCESS);
		expect_wc(side->end.scq, 2, IBV_WC_SUCCESS);
	}
	meet(side);
	if (!active) {
		passive_check(side, &m);
		pattern_check(side->dst.p + 9000, m.len, 0, m.seed, "what came through the window");
	}
	meet(side);
}

static void test_invalidate(void **state)
{
	struct side side;

	(void)state;
	side_open(&side, &plain);
	if (!side.mine.has_windows || !side.theirs.has_windows)
		skip_because("a side has no memory windows of type 2");
	for (int turn = 0; turn < 2; turn++)
		invalidate(&side, turn == listening());
}

static void flush_and_write(struct side *side, bool active, bool flush)
{
	uint64_t word = 0x1122334455667788 + active;

	memset(side->dst.p, 0, 64);
	meet(side);
	if (active) {
		ibv_wr_start(side->ex);
		side->ex->wr_id = 3;
		if (flush)
			ibv_wr_flush(side->ex, side->theirs.rkey, side->theirs.addr, 4096,
				     IBV_FLUSH_GLOBAL, IBV_FLUSH_RANGE);
		else
			ibv_wr_atomic_write(side->ex, side->theirs.rkey, side->theirs.addr + 8, &word);
		assert_int_equal(ibv_wr_complete(side->ex), 0);
		expect_wc(side->end.scq, 3, IBV_WC_SUCCESS);
	}
	meet(side);
	if (!active && !flush) {
		word = 0x1122334455667788 + 1;
		same_bytes(side->dst.p + 8, &word, 8, "an atomic write");
	}
	meet(side);
}

static void test_atomic_write(void **state)
{
	struct side side;

	(void)state;
	side_open(&side, &plain);
	if (!side.mine.has_atomic_write || !side.theirs.has_atomic_write)
		skip_because("a side has no ATOMIC WRITE");
	for (int turn = 0; turn < 2; turn++)
		flush_and_write(&side, turn == listening(), false);
}

static void test_flush(void **state)
{
	struct side side;

	(void)state;
	side_open(&side, &plain);
	if (!side.mine.has_flush || !side.theirs.has_flush)
		skip_because("a side has no FLUSH");
	/* It does not say where a FLUSH's payload begins, and takes the headers for it once more. */
	if (!side.mine.is_ours || !side.theirs.is_ours)
		skip_because("the kernel's own rxe has a wrong ICRC in a FLUSH, and wants it");
	for (int turn = 0; turn < 2; turn++)
		flush_and_write(&side, turn == listening(), true);
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ IBV_QPT_RC, IBV_MTU_1024, false, false }, { IBV_QPT_RC, IBV_MTU_4096, true, false },
		{ IBV_QPT_UC, IBV_MTU_1024, true, false }, { IBV_QPT_UC, IBV_MTU_4096, false, false },
		{ IBV_QPT_UD, IBV_MTU_4096, false, false }, { IBV_QPT_UD, IBV_MTU_1024, true, false },
		{ IBV_QPT_RC, IBV_MTU_1024, false, true }, { IBV_QPT_RC, IBV_MTU_4096, true, true },
	};
#define BYTES(n, name_) \
	{ .name = name_, .test_func = test_bytes, .initial_state = (void *)&variants[n] }
	struct CMUnitTest tests[] = {
		BYTES(0, "RC, IPv4, MTU 1024"), BYTES(1, "RC, IPv6, MTU 4096"),
		BYTES(2, "UC, IPv6, MTU 1024"), BYTES(3, "UC, IPv4, MTU 4096"),
		BYTES(4, "UD, IPv4, MTU 4096"), BYTES(5, "UD, IPv6, MTU 1024"),
		BYTES(6, "RC, IPv4, MTU 1024, packets lost"),
		BYTES(7, "RC, IPv6, MTU 4096, packets lost"),
		cmocka_unit_test(test_invalidate),
		cmocka_unit_test(test_atomic_write),
		cmocka_unit_test(test_flush),
	};

	parse_options(argc, argv);
	return run_group("wire", tests, ARRAY_SIZE(tests));
}
