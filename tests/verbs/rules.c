// SPDX-License-Identifier: GPL-2.0
/* CI: debug */
/*
 * Requests that a responder must refuse, and responses that a requester must not accept (InfiniBand
 * Architecture Specification, volume 1, chapter 9): packets made by hand, one rule each.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <unistd.h>

#include "lib/async.h"
#include "lib/attack.h"
#include "lib/forge.h"
#include "lib/pattern.h"
#include "lib/ring.h"
#include "lib/test.h"
#include "lib/wire.h"

#define NAK_INVALID 0x61
#define GIB (1ul << 30)

/* --- responses of the target, captured if there is a wire --------------------------- */

static int close_fd(void *fd)
{
	return close((intptr_t)fd);
}

/* Opens a socket that captures every packet arriving at the peer's netdev; -1 without a wire. */
static int ear_open(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int fd, here;

	if (!have_wire())
		return -1;
	here = netns_enter("peer");
	at.sll_ifindex = if_nametoindex("veth1");
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP));
	netns_leave(here);
	assert_true(fd >= 0);
	defer(close_fd, (void *)(intptr_t)fd);
	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	return fd;
}

/* Waits for the next packet of @opcode; copies it from the BTH on. */
static void hear(int ear, uint8_t opcode, uint8_t *bth, size_t len)
{
	const size_t head = FRAME_LINK + 20 + 8;
	uint64_t end = now_ms() + PATIENCE;
	uint8_t frame[4096];

	do {
		struct pollfd fd = { .fd = ear, .events = POLLIN };
		ssize_t got;

		if (poll(&fd, 1, 100) != 1)
			continue;
		got = recv(ear, frame, sizeof(frame), 0);
		if (got < (ssize_t)(head + len) || frame[head] != opcode ||
		    frame[FRAME_LINK + 9] != IPPROTO_UDP)
			continue;
		memcpy(bth, frame + head, len);
		return;
	} while (now_ms() < end);
	fail_msg("no packet of opcode %#x within %d ms", opcode, PATIENCE);
}

static uint32_t psn_of(const uint8_t *bth)
{
	return bth[9] << 16 | bth[10] << 8 | bth[11];
}

static void hear_nak(int ear, uint32_t psn)
{
	uint8_t bth[16];

	if (ear < 0)
		return;
	/* Earlier requests may have been acknowledged before. */
	do
		hear(ear, ROCE_ACK, bth, sizeof(bth));
	while (bth[12] < 0x20);
	assert_int_equal(bth[12], NAK_INVALID);
	assert_int_equal(psn_of(bth), psn);
}

/* --- invalid requests --------------------------------------------------------------- */

struct rule {
	const char *name;
	uint8_t opcode;
	/*
	 * Makes the packet, which is correct so far, invalid, or changes the target, which is connected
	 * afterwards.
	 */
	void (*break_it)(struct attack *attack, struct target *target, struct roce *roce);
	size_t cut;		/* bytes missing at the end of its headers */
	uint64_t capability;	/* device capability that such a request needs */
	bool large;		/* on demand, of a region of 4 GiB */
};

static void has_payload(struct attack *attack, struct target *target, struct roce *roce)
{
	(void)attack;
	(void)target;
	roce->payload = 8;
}

static void wants_too_much(struct attack *attack, struct target *target, struct roce *roce)
{
	(void)attack;
	roce->length = 2 * GIB + 1;
	roce->payload = roce->opcode == ROCE_WRITE_FIRST ? mtu_bytes(target->rc.mtu) : 0;
}

static void no_records(struct attack *attack, struct target *target, struct roce *roce)
{
	(void)attack;
	(void)roce;
	target->rc.rd_atomic = 0;
}

static void long_word(struct attack *attack, struct target *target, struct roce *roce)
{
	(void)attack;
	(void)target;
	roce->length = 16;
}

static void no_flush(struct attack *attack, struct target *target, struct roce *roce)
{
	(void)attack;
	(void)roce;
	target->rc.access &= ~(unsigned int)IBV_ACCESS_FLUSH_GLOBAL;
}

/* The payload's last word is incomplete. */
static void short_word(struct attack *attack, struct target *target, struct roce *roce)
{
	(void)attack;
	(void)target;
	roce->payload = 8;
	roce->length = 7;
}

/* A full packet, followed by three bytes of padding. */
static void padded_first(struct attack *attack, struct target *target, struct roce *roce)
{
	(void)attack;
	roce->payload = mtu_bytes(target->rc.mtu) + 3;
	roce->length = 2 * mtu_bytes(target->rc.mtu);
	roce->pad_lie = 1 ^ 3;
}

static void padding_alone(struct attack *attack, struct target *target, struct roce *roce)
{
	(void)attack;
	(void)target;
	roce->payload = 3;
	roce->pad_lie = 1 ^ 3;
}

static void nothing(struct attack *attack, struct target *target, struct roce *roce)
{
	(void)attack;
	(void)target;
	(void)roce;
}

static const struct rule rules[] = {
	{ "reserved opcode 0x15", 0x15, nothing, 0, 0, false },
	{ "reserved opcode 0x18", 0x18, nothing, 0, 0, false },
	{ "reserved opcode 0x1b", 0x1b, has_payload, 0, 0, false },
	{ "reserved opcode 0x1f", 0x1f, has_payload, 0, 0, false },
	{ "READ with payload", ROCE_READ, has_payload, 0, 0, false },
	{ "atomic with payload", ROCE_FETCH_ADD, has_payload, 0, 0, false },
	{ "FLUSH with payload", ROCE_FLUSH, has_payload, 0, CAN_FLUSH, false },
	{ "READ with a truncated header", ROCE_READ, nothing, 4, 0, false },
	{ "WRITE with a truncated header", ROCE_WRITE_ONLY, nothing, 12, 0, false },
	{ "SEND without padding to a whole word", ROCE_SEND_ONLY, short_word, 1, 0, false },
	{ "WRITE without padding to a whole word", ROCE_WRITE_ONLY, short_word, 1, 0, false },
	{ "SEND with padding before its last packet", ROCE_SEND_FIRST, padded_first, 1, 0, false },
	{ "WRITE with padding before its last packet", ROCE_WRITE_FIRST, padded_first, 1, 0, false },
	{ "READ with padding", ROCE_READ, padding_alone, 1, 0, false },
	{ "atomic with padding", ROCE_FETCH_ADD, padding_alone, 1, 0, false },
	{ "WRITE of more than 2 GiB", ROCE_WRITE_FIRST, wants_too_much, 0, 0, true },
	{ "READ of more than 2 GiB", ROCE_READ, wants_too_much, 0, 0, true },
	{ "READ while none is allowed", ROCE_READ, no_records, 0, 0, false },
	{ "atomic while none is allowed", ROCE_CMP_SWAP, no_records, 0, 0, false },
	{ "ATOMIC WRITE while none is allowed", ROCE_ATOMIC_WRITE, no_records, 0,
	  CAN_ATOMIC_WRITE, false },
	{ "ATOMIC WRITE of 16 bytes", ROCE_ATOMIC_WRITE, long_word, 0, CAN_ATOMIC_WRITE, false },
	{ "FLUSH while none is allowed", ROCE_FLUSH, no_records, 0, CAN_FLUSH, false },
	{ "FLUSH of a queue pair without the right", ROCE_FLUSH, no_flush, 0, CAN_FLUSH, false },
};

/* A correct request, with all fields that any opcode uses. */
static struct roce right_request(struct attack *attack, struct target *target, uint8_t opcode)
{
	struct roce roce = plain(target, opcode);

	aim(attack, target, &roce, 8);
	roce.va &= ~7ull;
	roce.feth = 1;
	if (opcode == ROCE_ATOMIC_WRITE || opcode == ROCE_WRITE_ONLY)
		roce.payload = 8;
	return roce;
}

static void large_region(struct end *end, struct roce *roce)
{
	uint8_t *p = map_reserved(4 * GIB);
	struct ibv_mr *mr;

	need_odp(end->ctx);
	if (!p)
		skip_because("a program cannot have 4 GiB of addresses here");
	mr = ibv_reg_mr(end->pd, p, 4 * GIB, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	assert_non_null(mr);
	defer((undo_fn)ibv_dereg_mr, mr);
	roce->va = (uintptr_t)p;
	roce->rkey = mr->rkey;
}

static void send_forged(struct attack *attack, struct target *target, const struct roce *roce,
			size_t cut)
{
	roce_build(&attack->spare, &target->path, roce);
	if (cut) {
		attack->spare.len -= cut;
		frame_seal(&attack->spare);
	}
	queue(attack, &attack->spare);
	flush(attack);
}

static void test_rule(void **state)
{
	const struct rule *rule = *state;
	struct attack *attack = attack_open();
	struct target *target = &attack->targets[0];
	int ear = ear_open();
	struct roce roce;

	if (rule->capability && !device_can(target->end.ctx, rule->capability))
		skip_because("the device does not support this request");
	target->rc.timeout = 0;
	roce = right_request(attack, target, rule->opcode);
	if (rule->large)
		large_region(&target->end, &roce);
	rule->break_it(attack, target, &roce);
	connect_target(target, 1000);

	/* A duplicate is no violation. */
	roce.psn = 999;
	send_forged(attack, target, &roce, rule->cut);
	roce.psn = 1000;
	send_forged(attack, target, &roce, rule->cut);
	hear_nak(ear, 1000);
	expect_state(target->end.qp, IBV_QPS_ERR);
	expect_event(target->end.ctx, IBV_EVENT_QP_REQ_ERR);
	for (int i = 0; i < ZONES; i++)
		zone_check(&attack->zones[i]);
}

/* An unreliable queue pair sends no response, and goes on. */
static void test_unreliable(void **state)
{
	struct attack *attack = attack_open();

	(void)state;
	wire_in_order();
	for (int i = RELIABLE; i < TARGETS; i++) {
		struct target *target = &attack->targets[i];
		struct ibv_sge list = local_sge(attack, PAGE);
		struct roce roce;

		connect_target(target, 1000);
		for (uint8_t opcode = 0x0c; opcode < 0x20; opcode++) {
			roce = right_request(attack, target, opcode);
			roce.psn = 1000;
			send_forged(attack, target, &roce, 0);
		}
		post_recv(&target->end, 99, &list, 1);
		roce = plain(target, ROCE_SEND_ONLY);
		roce.payload = 100;
		roce.psn = 1000;
		for (size_t cut = 1; cut < 4; cut++)
			send_forged(attack, target, &roce, cut);
		expect_quiet(target->end.rcq, 20);
		send_forged(attack, target, &roce, 0);
		expect_wc(target->end.rcq, 99, IBV_WC_SUCCESS);
	}
}

/* The requests are never retransmitted, so the test gives all responses. */
static void connect_patient(struct target *target)
{
	target->rc.timeout = 0;
	connect_target(target, 1000);
}

/* --- responses without a meaning --------------------------------------------------------- */

static void test_reserved_syndromes(void **state)
{
	static const uint8_t reserved[] = { 0x40, 0x5f, 0x64, 0x65, 0x7f };
	struct attack *attack = attack_open();
	struct target *target = &attack->targets[0];
	struct roce roce;

	(void)state;
	wire_in_order();
	connect_patient(target);
	post_request(attack, target, IBV_WR_SEND, 3);
	post_request(attack, target, IBV_WR_SEND, 3);
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		roce = plain(target, ROCE_ACK);
		roce.psn = 1001;
		roce.aeth = (uint32_t)reserved[i] << 24;
		send_forged(attack, target, &roce, 0);
	}
	expect_quiet(target->end.scq, 100 * options.slow);
	while (next_response(target, &roce))
		send_forged(attack, target, &roce, 0);
	expect_wc(target->end.scq, 0, IBV_WC_SUCCESS);
	expect_wc(target->end.scq, 1, IBV_WC_SUCCESS);
}

/* --- invalid responses ------------------------------------------------------------------- */

struct answer {
	enum ibv_wr_opcode opcode;
	uint8_t syndrome;
	int before;		/* number of correct packets before the invalid one */
};

static void wrong_answer(struct attack *attack, struct target *target, const struct answer *answer)
{
	bool read = answer->opcode == IBV_WR_RDMA_READ;
	struct roce roce;

	connect_patient(target);
	post_request(attack, target, answer->opcode, read ? 3 * mtu_bytes(target->rc.mtu) : 8);
	for (int i = 0; i < answer->before; i++) {
		assert_true(next_response(target, &roce));
		send_forged(attack, target, &roce, 0);
	}
	assert_true(next_response(target, &roce));
	roce.aeth = (uint32_t)answer->syndrome << 24;
	send_forged(attack, target, &roce, 0);
	expect_wc(target->end.scq, 0, IBV_WC_BAD_RESP_ERR);
	expect_state(target->end.qp, IBV_QPS_ERR);
}

/* A responder reports an error in an ACK packet; a packet with data may only have the syndrome of an ACK. */
static void test_wrong_answers(void **state)
{
	static const struct answer answers[] = {
		{ IBV_WR_RDMA_READ, 0x20, 0 }, { IBV_WR_RDMA_READ, 0x60, 0 },
		{ IBV_WR_RDMA_READ, 0x62, 0 }, { IBV_WR_RDMA_READ, 0x40, 0 },
		{ IBV_WR_RDMA_READ, 0x62, 2 }, { IBV_WR_RDMA_READ, 0x5f, 2 },
		{ IBV_WR_ATOMIC_FETCH_AND_ADD, 0x20, 0 }, { IBV_WR_ATOMIC_FETCH_AND_ADD, 0x63, 0 },
		{ IBV_WR_ATOMIC_FETCH_AND_ADD, 0x40, 0 },
	};
	struct attack *attack = attack_open();

	(void)state;
	wire_in_order();
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		wrong_answer(attack, &attack->targets[i], &answers[i]);
}

/* A response that is not a whole number of words is dropped. */
static void test_uneven_answer(void **state)
{
	struct attack *attack = attack_open();
	struct target *target = &attack->targets[0];
	struct roce roce;

	(void)state;
	wire_in_order();
	connect_patient(target);
	post_request(attack, target, IBV_WR_RDMA_READ, 8);
	assert_true(next_response(target, &roce));
	for (size_t cut = 1; cut < 4; cut++)
		send_forged(attack, target, &roce, cut);
	expect_quiet(target->end.scq, 20 * options.slow);
	send_forged(attack, target, &roce, 0);
	expect_wc(target->end.scq, 0, IBV_WC_SUCCESS);
}

/* --- changes in SQD ------------------------------------------------------------------------ */

static void modify_in_sqd(struct ibv_qp *qp, struct ibv_qp_attr attr, int mask)
{
	qp_to(qp, IBV_QPS_SQD);
	attr.qp_state = IBV_QPS_SQD;
	assert_int_equal(ibv_modify_qp(qp, &attr, IBV_QP_STATE | mask), 0);
	qp_to(qp, IBV_QPS_RTS);
}

#define ATOMICS 5

/* A duplicate gets the recorded response, although the number of records has changed since. */
static void test_records_change(void **state)
{
	static const uint8_t depths[] = { 1, 2, 4, 7, 128 };
	struct attack *attack;
	struct target *target;
	int ear;

	(void)state;
	need_wire();
	wire_in_order();
	attack = attack_open();
	target = &attack->targets[0];
	ear = ear_open();
	target->rc.timeout = 0;
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		uint64_t *word = (void *)zone_inside(&attack->zones[OPEN]);
		struct roce roce = plain(target, ROCE_FETCH_ADD);
		uint8_t bth[24], again[24];

		connect_target(target, 1000);
		*word = 100;
		roce.qpn = target->end.qp->qp_num;
		roce.va = (uintptr_t)word;
		roce.rkey = attack->zones[OPEN].mr->rkey;
		roce.swap = 1;
		for (int n = 0; n < ATOMICS; n++) {
			roce.psn = 1000 + n;
			send_forged(attack, target, &roce, 0);
			hear(ear, ROCE_ATOMIC_ACK, bth, sizeof(bth));
			assert_int_equal(psn_of(bth), 1000 + n);
		}
		modify_in_sqd(target->end.qp,
			      (struct ibv_qp_attr){ .max_dest_rd_atomic = depths[i] },
			      IBV_QP_MAX_DEST_RD_ATOMIC);
		send_forged(attack, target, &roce, 0);
		hear(ear, ROCE_ATOMIC_ACK, again, sizeof(again));
		assert_int_equal(psn_of(again), 1000 + ATOMICS - 1);
		/* AETH, and the word's former value. */
		assert_memory_equal(again + 12, bth + 12, 12);
		assert_int_equal(*word, 100 + ATOMICS);
	}
}

/* A READ that is no longer allowed must not wait forever. */
static void test_reads_no_longer_allowed(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;
	struct buf from, to;
	struct ibv_sge list;
	struct ibv_send_wr wr = { .wr_id = 7, .opcode = IBV_WR_RDMA_READ, .num_sge = 1 };

	(void)state;
	pair_open(&pair, &rc);
	from = buf_anon(pair.b.pd, PAGE, ALL_ACCESS);
	to = buf_anon(pair.a.pd, PAGE, ALL_ACCESS);
	list = sge(&to, 0, PAGE);
	wr.sg_list = &list;
	wr.wr.rdma.remote_addr = (uintptr_t)from.p;
	wr.wr.rdma.rkey = from.mr->rkey;
	qp_to(pair.a.qp, IBV_QPS_SQD);
	post_send(&pair.a, &wr);
	modify_in_sqd(pair.a.qp, (struct ibv_qp_attr){ .max_rd_atomic = 0 },
		      IBV_QP_MAX_QP_RD_ATOMIC);
	expect_wc(pair.a.scq, 7, IBV_WC_LOC_QP_OP_ERR);
}

/* --- a receive request that its queue does not allow ---------------------------------- */

/* The rings of the queue pair made last: first the receive queue's, then the send queue's. */
static void last_rings(struct ring rings[2])
{
	if (have_wire())
		skip_because("it is not known which of two devices made the last ring");
	rings_find(rings, 2);
}

/* Writes, past the library, a receive request with more elements than its queue was created for. */
static void overfill(const struct ring *ring, uint32_t index)
{
	struct rxe_recv_wqe *wqe = ring_slot(ring, index);

	wqe->dma.num_sge = 1 << 20;
}

static void bad_receive(struct pair *pair, const struct ring *ring, enum ibv_qp_type type)
{
	struct ibv_send_wr wr = { .wr_id = 5, .opcode = IBV_WR_SEND };

	post_recv(&pair->b, 6, NULL, 0);
	overfill(ring, 0);
	if (type == IBV_QPT_UD) {
		wr.wr.ud.ah = end_ah(&pair->a, &pair->b);
		wr.wr.ud.remote_qpn = pair->b.qp->qp_num;
		wr.wr.ud.remote_qkey = pair->rc.qkey;
	}
	post_send(&pair->a, &wr);
	expect_wc(pair->b.rcq, 6, IBV_WC_LOC_QP_OP_ERR);
	expect_wc(pair->a.scq, 5, type == IBV_QPT_RC ? IBV_WC_REM_OP_ERR : IBV_WC_SUCCESS);
	expect_state(pair->b.qp, IBV_QPS_ERR);
}

static void test_bad_receive(void **state)
{
	static const enum ibv_qp_type types[] = { IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_UD };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct rc rc = rc_default();
		struct ring rings[2];
		struct pair pair;

		rc.type = types[i];
		pair_open(&pair, &rc);
		last_rings(rings);
		bad_receive(&pair, &rings[0], rc.type);
	}
}

/* Flushed, such a request completes like any other flushed request. */
static void test_bad_receive_flushed(void **state)
{
	struct rc rc = rc_default();
	struct ring rings[2];
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	last_rings(rings);
	post_recv(&pair.b, 1, NULL, 0);
	post_recv(&pair.b, 2, NULL, 0);
	overfill(&rings[0], 0);
	qp_to(pair.b.qp, IBV_QPS_ERR);
	expect_wc(pair.b.rcq, 1, IBV_WC_WR_FLUSH_ERR);
	expect_wc(pair.b.rcq, 2, IBV_WC_WR_FLUSH_ERR);
}

static struct CMUnitTest others[] = {
	cmocka_unit_test(test_unreliable),
	cmocka_unit_test(test_reserved_syndromes),
	cmocka_unit_test(test_wrong_answers),
	cmocka_unit_test(test_uneven_answer),
	cmocka_unit_test(test_records_change),
	cmocka_unit_test(test_reads_no_longer_allowed),
	cmocka_unit_test(test_bad_receive),
	cmocka_unit_test(test_bad_receive_flushed),
};

int main(int argc, char **argv)
{
	struct CMUnitTest tests[ARRAY_SIZE(rules) + ARRAY_SIZE(others)];

	parse_options(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		tests[i] = (struct CMUnitTest){
			.name = rules[i].name, .test_func = test_rule,
			.initial_state = (void *)&rules[i],
		};
	memcpy(tests + ARRAY_SIZE(rules), others, sizeof(others));
	return run_group("rules", tests, ARRAY_SIZE(tests));
}
