// SPDX-License-Identifier: GPL-2.0
/* CI: debug */
/*
 * Datagrams: their bytes, the network header in front of them, who may send to whom, and the fate of those
 * that nobody can receive.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/async.h"
#include "lib/mover.h"
#include "lib/pattern.h"
#include "lib/ring.h"
#include "lib/test.h"
#include "lib/wire.h"

#define SLOT 8192
#define SLOTS 64
#define LONGEST 4096	/* the links' MTU is 4200 */

static struct rc ud_default(void)
{
	struct rc rc = rc_default();

	rc.type = IBV_QPT_UD;
	return rc;
}

/* --- bytes --------------------------------------------------------------------- */

struct variant {
	int kind;		/* 1: on-demand memory at the sender, 2: at the receiver */
	bool srq;
};

static void test_bytes(void **state)
{
	const struct variant *variant = *state;
	struct rc rc = ud_default();

	wire_in_order();
	mover_sweep_new(&rc, variant->kind & 1, variant->kind & 2, variant->srq, LONGEST);
}

/* --- one datagram -------------------------------------------------------------- */

struct rig {
	struct pair pair;
	struct ibv_ah *ah;	/* address handle of b */
	struct buf src, dst;
};

static void rig_open(struct rig *rig, int odp)
{
	struct rc rc = ud_default();

	wire_in_order();
	pair_open(&rig->pair, &rc);
	if (odp)
		need_odp(rig->pair.a.ctx);
	rig->ah = end_ah(&rig->pair.a, &rig->pair.b);
	rig->src = buf_anon(rig->pair.a.pd, SLOTS * SLOT, odp);
	rig->dst = buf_anon(rig->pair.b.pd, SLOTS * SLOT, IBV_ACCESS_LOCAL_WRITE | odp);
}

static void rig_receive(struct rig *rig, unsigned int slot, size_t len)
{
	struct ibv_sge list = sge(&rig->dst, slot * SLOT, len);

	post_recv(&rig->pair.b, slot, &list, 1);
}

/* Makes a datagram to b; its bytes are the stream @wr_id. */
static struct ibv_send_wr datagram(struct rig *rig, struct ibv_sge *list, unsigned int wr_id,
				   size_t len)
{
	*list = sge(&rig->src, wr_id % SLOTS * SLOT, len);
	pattern_fill(rig->src.p + wr_id % SLOTS * SLOT, len, 0, wr_id);
	return (struct ibv_send_wr){
		.wr_id = wr_id, .opcode = IBV_WR_SEND_WITH_IMM, .imm_data = wr_id,
		.sg_list = list, .num_sge = 1,
		.wr.ud = {
			.ah = rig->ah, .remote_qpn = rig->pair.b.qp->qp_num,
			.remote_qkey = rig->pair.rc.qkey,
		},
	};
}

static void rig_send(struct rig *rig, unsigned int wr_id, size_t len)
{
	struct ibv_sge list;
	struct ibv_send_wr wr = datagram(rig, &list, wr_id, len);

	post_send(&rig->pair.a, &wr);
}

static struct ibv_wc rig_expect(struct rig *rig, unsigned int slot, unsigned int wr_id, size_t len)
{
	struct ibv_wc wc = expect_wc(rig->pair.b.rcq, slot, IBV_WC_SUCCESS);

	assert_int_equal(wc.imm_data, wr_id);
	assert_int_equal(wc.byte_len, GRH + len);
	pattern_check(rig->dst.p + slot * SLOT + GRH, len, 0, wr_id, "the datagram");
	return wc;
}

/* The datagram does not arrive, its sender does not notice, and the next one arrives. */
static void expect_lost(struct rig *rig, struct ibv_send_wr *wr)
{
	rig_receive(rig, 1, SLOT);
	post_send(&rig->pair.a, wr);
	expect_wc(rig->pair.a.scq, wr->wr_id, IBV_WC_SUCCESS);
	expect_quiet(rig->pair.b.rcq, 20);
	rig_send(rig, 60, 100);
	rig_expect(rig, 1, 60, 100);
	expect_wc(rig->pair.a.scq, 60, IBV_WC_SUCCESS);
}

/* The request fails, those behind it are flushed, and the queue pair can be brought back. */
static void expect_failed(struct rig *rig, uint64_t wr_id, enum ibv_wc_status status)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTS, .cur_qp_state = IBV_QPS_SQE };

	expect_wc(rig->pair.a.scq, wr_id, status);
	expect_state(rig->pair.a.qp, IBV_QPS_SQE);
	assert_int_equal(ibv_modify_qp(rig->pair.a.qp, &attr, IBV_QP_STATE | IBV_QP_CUR_STATE), 0);
	rig_receive(rig, 2, SLOT);
	rig_send(rig, 61, 200);
	rig_expect(rig, 2, 61, 200);
	expect_wc(rig->pair.a.scq, 61, IBV_WC_SUCCESS);
}

/* --- the network header -------------------------------------------------------- */

static uint16_t ip_sum(const uint8_t *ip)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void test_header4(void **state)
{
	static const uint8_t zeroes[20];
	const uint8_t *ip;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	for (size_t len = 0; len < 8; len++) {
		rig_receive(&rig, 0, SLOT);
		memset(rig.dst.p, 0xee, GRH);
		rig_send(&rig, len, len);
		rig_expect(&rig, 0, len, len);
		expect_wc(rig.pair.a.scq, len, IBV_WC_SUCCESS);
		ip = rig.dst.p + 20;
		same_bytes(rig.dst.p, zeroes, 20, "in front of the IPv4 header");
		assert_int_equal(ip[0], 0x45);
		/* IP, UDP, BTH, DETH, immediate, payload, padding, ICRC */
		assert_int_equal(ip[2] << 8 | ip[3], 20 + 8 + 12 + 8 + 4 + (len + 3) / 4 * 4 + 4);
		assert_int_not_equal(ip[8], 0);
		assert_int_equal(ip[9], IPPROTO_UDP);
		assert_int_equal(ip_sum(ip), 0xffff);
		assert_memory_equal(ip + 12, rig.pair.a.gid.raw + 12, 4);
		assert_memory_equal(ip + 16, rig.pair.b.gid.raw + 12, 4);
	}
}

static bool is_v6(const struct ibv_gid_entry *entry)
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };

	return entry->gid_type == IBV_GID_TYPE_ROCE_V2 && memcmp(entry->gid.raw, v4, 12);
}

/* Makes both ends use an IPv6 address: a global one on one device, link-local ones on a wire. */
static void use_v6(struct end *end, bool global)
{
	struct ibv_gid_entry entry;

	for (int i = 0; i < 16; i++) {
		if (ibv_query_gid_ex(end->ctx, 1, i, &entry, 0) || !is_v6(&entry) ||
		    (entry.gid.raw[0] != 0xfe) != global)
			continue;
		end->gid = entry.gid;
		end->gid_index = i;
		return;
	}
	skip_because("no %s IPv6 address", global ? "global" : "link-local");
}

static void test_header6(void **state)
{
	bool loop = !have_wire();
	struct rc rc = ud_default();
	struct rig rig;

	(void)state;
	pair_open_ends(&rig.pair, &rc);
	use_v6(&rig.pair.a, loop);
	use_v6(&rig.pair.b, loop);
	pair_open_qps(&rig.pair);
	rig.ah = end_ah(&rig.pair.a, &rig.pair.b);
	rig.src = buf_anon(rig.pair.a.pd, SLOTS * SLOT, 0);
	rig.dst = buf_anon(rig.pair.b.pd, SLOTS * SLOT, IBV_ACCESS_LOCAL_WRITE);
	for (unsigned int i = 1; i < 6; i++) {
		rig_receive(&rig, 0, SLOT);
		rig_send(&rig, i, 1000);
		rig_expect(&rig, 0, i, 1000);
		expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
		assert_int_equal(rig.dst.p[0] >> 4, 6);
		assert_int_equal(rig.dst.p[4] << 8 | rig.dst.p[5], 8 + 12 + 8 + 4 + 1000 + 4);
		assert_int_equal(rig.dst.p[6], IPPROTO_UDP);
		assert_int_not_equal(rig.dst.p[7], 0);
		assert_memory_equal(rig.dst.p + 8, rig.pair.a.gid.raw, 16);
		assert_memory_equal(rig.dst.p + 24, rig.pair.b.gid.raw, 16);
	}
}

/* The header has the address for a reply. */
static void test_answer(void **state)
{
	struct ibv_send_wr wr = {
		.wr_id = 9, .opcode = IBV_WR_SEND, .num_sge = 1, .wr.ud.remote_qkey = 0x11111111,
	};
	struct ibv_sge list;
	struct buf back;
	struct ibv_wc wc;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	back = buf_anon(rig.pair.a.pd, SLOT, IBV_ACCESS_LOCAL_WRITE);
	rig_receive(&rig, 0, SLOT);
	rig_send(&rig, 1, 500);
	wc = rig_expect(&rig, 0, 1, 500);
	wr.wr.ud.ah = ibv_create_ah_from_wc(rig.pair.b.pd, &wc, (void *)rig.dst.p, 1);
	assert_non_null(wr.wr.ud.ah);
	defer((undo_fn)ibv_destroy_ah, wr.wr.ud.ah);
	wr.wr.ud.remote_qpn = wc.src_qp;
	list = sge(&back, 0, SLOT);
	post_recv(&rig.pair.a, 8, &list, 1);
	list = sge(&rig.dst, GRH, 500);
	wr.sg_list = &list;
	post_send(&rig.pair.b, &wr);
	assert_int_equal(expect_wc(rig.pair.a.rcq, 8, IBV_WC_SUCCESS).src_qp,
			 rig.pair.b.qp->qp_num);
	pattern_check(back.p + GRH, 500, 0, 1, "the answer");
}

/* --- who may send -------------------------------------------------------------- */

static void test_qkey(void **state)
{
	struct ibv_sge list;
	struct ibv_send_wr wr;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	wr = datagram(&rig, &list, 1, 100);
	wr.wr.ud.remote_qkey ^= 1;
	expect_lost(&rig, &wr);
	wr.wr.ud.remote_qkey = 0;
	expect_lost(&rig, &wr);

	/* With the high bit set, the sender's own Q_Key is sent, whatever the other bits. */
	wr.wr.ud.remote_qkey = 0x80000005;
	rig_receive(&rig, 3, SLOT);
	post_send(&rig.pair.a, &wr);
	rig_expect(&rig, 3, 1, 100);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
}

static void test_qkey_changed(void **state)
{
	struct ibv_qp_attr attr = { .qkey = 0x22222222 };
	struct ibv_sge list;
	struct ibv_send_wr wr;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	wr = datagram(&rig, &list, 1, 100);
	assert_int_equal(ibv_modify_qp(rig.pair.b.qp, &attr, IBV_QP_QKEY), 0);
	rig.pair.rc.qkey = 0x22222222;
	expect_lost(&rig, &wr);
}

/* A datagram to nobody: no error is reported. */
static void test_no_receiver(void **state)
{
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = 1,
		.grh = { .hop_limit = 8, .dgid.raw = { [10] = 0xff, 0xff, 192, 0, 2, 77 } },
	};
	struct ibv_sge list;
	struct ibv_send_wr wr;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	wr = datagram(&rig, &list, 1, 100);
	wr.wr.ud.remote_qpn = 0xfffffe;
	expect_lost(&rig, &wr);

	/* An address that exists, but is not the receiver's. */
	attr.grh.sgid_index = rig.pair.a.gid_index;
	wr = datagram(&rig, &list, 2, 100);
	wr.wr.ud.ah = ibv_create_ah(rig.pair.a.pd, &attr);
	if (!wr.wr.ud.ah)
		return;	/* the library resolves the link address, which nobody has */
	defer((undo_fn)ibv_destroy_ah, wr.wr.ud.ah);
	expect_lost(&rig, &wr);
}

/* A connected queue pair cannot exchange datagrams, nor a UD queue pair connected messages. */
static void test_other_transport(void **state)
{
	struct rc rc = rc_default();
	struct ibv_send_wr wr;
	struct pair connected;
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	pair_open(&connected, &rc);
	list = sge(&rig.dst, 0, SLOT);
	list.lkey = reg(connected.b.pd, rig.dst.p, rig.dst.len, IBV_ACCESS_LOCAL_WRITE)->lkey;
	post_recv(&connected.b, 5, &list, 1);
	wr = datagram(&rig, &list, 1, 100);
	wr.wr.ud.remote_qpn = connected.b.qp->qp_num;
	expect_lost(&rig, &wr);
	expect_quiet(connected.b.rcq, 5);
	assert_int_equal(qp_state(connected.b.qp), IBV_QPS_RTS);
}

/* --- sizes --------------------------------------------------------------------- */

static void test_too_long(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	rig_receive(&rig, 0, SLOT);
	rig_send(&rig, 1, LONGEST);
	rig_expect(&rig, 0, 1, LONGEST);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
	for (size_t len = LONGEST + 1; len <= SLOT; len += 1000) {
		rig_send(&rig, 2, len);
		expect_failed(&rig, 2, IBV_WC_LOC_LEN_ERR);
	}
}

/* A receive request without room for the datagram is used by the next one. */
static void test_no_room(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	rig_receive(&rig, 0, GRH + 99);
	rig_send(&rig, 1, 100);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
	expect_quiet(rig.pair.b.rcq, 20);
	rig_send(&rig, 2, 99);
	rig_expect(&rig, 0, 2, 99);
	rig_receive(&rig, 0, GRH - 1);
	rig_send(&rig, 3, 0);
	expect_quiet(rig.pair.b.rcq, 20);
	assert_int_equal(qp_state(rig.pair.b.qp), IBV_QPS_RTS);
}

/* No sender waits for a receiver that is not ready. */
static void test_not_ready(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	for (unsigned int i = 0; i < 20; i++) {
		rig_send(&rig, i, 100);
		expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
	}
	sleep_ms(20);
	rig_receive(&rig, 0, SLOT);
	expect_quiet(rig.pair.b.rcq, 20);
	rig_send(&rig, 30, 100);
	rig_expect(&rig, 0, 30, 100);
}

/* --- addresses ----------------------------------------------------------------- */

/* Puts a datagram into the ring as an old library does: with its address, or with any handle number. */
static void post_raw(struct rig *rig, const struct ring *ring, uint64_t wr_id, uint32_t ah_num,
		     const struct rxe_av *av)
{
	struct rxe_send_wqe *wqe = ring_slot(ring, ring->buf->producer_index);
	struct ibv_sge list;
	struct ibv_send_wr wr = datagram(rig, &list, wr_id, 100);

	memset(wqe, 0, sizeof(*wqe));
	wqe->wr.wr_id = wr_id;
	wqe->wr.opcode = IBV_WR_SEND_WITH_IMM;
	wqe->wr.ex.imm_data = wr.imm_data;
	wqe->wr.wr.ud.remote_qpn = wr.wr.ud.remote_qpn;
	wqe->wr.wr.ud.remote_qkey = wr.wr.ud.remote_qkey;
	wqe->wr.wr.ud.ah_num = ah_num;
	if (av)
		wqe->wr.wr.ud.av = *av;
	wqe->dma.length = list.length;
	wqe->dma.num_sge = 1;
	memcpy(wqe->dma.sge, &list, sizeof(list));
	__atomic_store_n(&ring->buf->producer_index,
			 (ring->buf->producer_index + 1) & ring->mask, __ATOMIC_RELEASE);
}

static struct rxe_av av_of(const struct end *from, const struct end *to, const uint8_t mac[6])
{
	struct rxe_av av = {
		.port_num = 1, .network_type = RXE_NETWORK_TYPE_IPV4,
		.grh = { .sgid_index = from->gid_index, .hop_limit = 8 },
	};

	memcpy(av.dmac, mac, 6);
	memcpy(&av.grh.dgid, &to->gid, 16);
	av.sgid_addr._sockaddr_in.sin_family = AF_INET;
	memcpy(&av.sgid_addr._sockaddr_in.sin_addr, from->gid.raw + 12, 4);
	av.dgid_addr._sockaddr_in.sin_family = AF_INET;
	memcpy(&av.dgid_addr._sockaddr_in.sin_addr, to->gid.raw + 12, 4);
	return av;
}

/* Rings the doorbell for the entries of post_raw(), with a datagram to nobody. */
static void ring_bell(struct rig *rig, unsigned int wr_id)
{
	struct ibv_sge list;
	struct ibv_send_wr wr = datagram(rig, &list, wr_id, 10);

	wr.wr.ud.remote_qpn = 0xfffffe;
	post_send(&rig->pair.a, &wr);
}

static struct ring send_ring(struct rig *rig)
{
	struct ring rings[2];

	/* The queue pair made last on a's device is a's or b's. */
	rings_find(rings, 2);
	for (int i = 0; i < 2; i++) {
		uint32_t before = rings[i].buf->producer_index;

		rig_send(rig, 50, 10);
		expect_wc(rig->pair.a.scq, 50, IBV_WC_SUCCESS);
		if (rings[i].buf->producer_index != before)
			return rings[i];
	}
	skip_because("the send queue's ring was not found");
}

static void test_old_library(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct ring ring;
	struct rxe_av av;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	/* Made last on its device. */
	rig.pair.a.qp = end_qp(&rig.pair.a, &rig.pair.rc);
	qp_init(rig.pair.a.qp, &rig.pair.rc);
	qp_rtr(rig.pair.a.qp, &rig.pair.a, &rig.pair.rc, &rig.pair.b.gid, 0);
	qp_rts(rig.pair.a.qp, &rig.pair.rc);
	ring = send_ring(&rig);
	av = av_of(&rig.pair.a, &rig.pair.b, mac);

	for (unsigned int i = 0; i < 4; i++) {
		rig_receive(&rig, i, SLOT);
		/* A source address that is not the device's must be ignored. */
		if (i == 2)
			memset(&av.sgid_addr, 0x99, sizeof(av.sgid_addr));
		if (i == 3)
			av.network_type = 77;
		post_raw(&rig, &ring, i, 0, &av);
		ring_bell(&rig, 20 + i);
		rig_expect(&rig, i, i, 100);
		assert_memory_equal(rig.dst.p + i * SLOT + 32, rig.pair.a.gid.raw + 12, 4);
		expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
		expect_wc(rig.pair.a.scq, 20 + i, IBV_WC_SUCCESS);
	}
	av.grh.sgid_index = 200;
	post_raw(&rig, &ring, 5, 0, &av);
	ring_bell(&rig, 25);
	expect_wc(rig.pair.a.scq, 5, IBV_WC_LOC_QP_OP_ERR);
	expect_failed(&rig, 25, IBV_WC_WR_FLUSH_ERR);
	post_raw(&rig, &ring, 6, 30000, NULL);
	ring_bell(&rig, 26);
	expect_wc(rig.pair.a.scq, 6, IBV_WC_LOC_QP_OP_ERR);
	expect_failed(&rig, 26, IBV_WC_WR_FLUSH_ERR);
}

/* An address handle must belong to the queue pair's protection domain. */
static void test_domain(void **state)
{
	struct end other;
	struct ibv_sge list;
	struct ibv_send_wr wr;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	other = rig.pair.a;
	other.pd = ibv_alloc_pd(other.ctx);
	assert_non_null(other.pd);
	defer((undo_fn)ibv_dealloc_pd, other.pd);
	wr = datagram(&rig, &list, 1, 100);
	wr.wr.ud.ah = end_ah(&other, &rig.pair.b);
	post_send(&rig.pair.a, &wr);
	expect_failed(&rig, 1, IBV_WC_LOC_QP_OP_ERR);
}

/* A handle may be destroyed as soon as the request has completed; many are made and destroyed. */
static void test_handles(void **state)
{
	struct ibv_sge list;
	struct ibv_send_wr wr;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	for (unsigned int i = 0; i < 50; i++) {
		rig_receive(&rig, 0, SLOT);
		wr = datagram(&rig, &list, i, 100 + i);
		wr.wr.ud.ah = end_ah(&rig.pair.a, &rig.pair.b);
		post_send(&rig.pair.a, &wr);
		undo(wr.wr.ud.ah);
		rig_expect(&rig, 0, i, 100 + i);
		expect_wc(rig.pair.a.scq, i, IBV_WC_SUCCESS);
	}
}

/* One queue pair sends to many in turn, on the device and over the wire; each gets its own datagrams. */
static void test_many(void **state)
{
	enum { PEERS = 6 };
	struct rc rc = ud_default();
	struct end ends[PEERS];
	struct ibv_ah *ahs[PEERS];
	struct buf bufs[PEERS];
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	for (int i = 0; i < PEERS; i++) {
		ends[i] = i & 1 ? rig.pair.a : rig.pair.b;
		ends[i].qp = end_qp(&ends[i], &rc);
		qp_init(ends[i].qp, &rc);
		qp_rtr(ends[i].qp, &ends[i], &rc, &rig.pair.a.gid, 0);
		ahs[i] = end_ah(&rig.pair.a, &ends[i]);
		bufs[i] = buf_anon(ends[i].pd, SLOT, IBV_ACCESS_LOCAL_WRITE);
	}
	for (unsigned int n = 0; n < (options.full ? 3000 : 300); n++) {
		unsigned int to = mix64(n) % PEERS;
		struct ibv_sge list = sge(&bufs[to], 0, SLOT);
		struct ibv_send_wr wr;
		struct ibv_wc wc;

		post_recv(&ends[to], n, &list, 1);
		wr = datagram(&rig, &list, n, n);
		wr.wr.ud.ah = ahs[to];
		wr.wr.ud.remote_qpn = ends[to].qp->qp_num;
		post_send(&rig.pair.a, &wr);
		wc = expect_wc(ends[to].rcq, n, IBV_WC_SUCCESS);
		assert_int_equal(wc.qp_num, ends[to].qp->qp_num);
		assert_int_equal(wc.src_qp, rig.pair.a.qp->qp_num);
		assert_int_equal(wc.imm_data, n);
		pattern_check(bufs[to].p + GRH, n, 0, n, "a datagram");
		expect_wc(rig.pair.a.scq, n, IBV_WC_SUCCESS);
	}
}

/* --- multicast ----------------------------------------------------------------- */

/* An address handle for datagrams to a group. */
static struct ibv_ah *group_ah(struct end *from, const union ibv_gid *group)
{
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = 1,
		.grh = { .dgid = *group, .sgid_index = from->gid_index, .hop_limit = 1 },
	};
	struct ibv_ah *ah = ibv_create_ah(from->pd, &attr);

	if (!ah)
		fail_msg("ibv_create_ah for a group: %s", strerror(errno));
	defer((undo_fn)ibv_destroy_ah, ah);
	return ah;
}

static void group_send(struct rig *rig, struct ibv_ah *ah, unsigned int wr_id)
{
	struct ibv_sge list;
	struct ibv_send_wr wr = datagram(rig, &list, wr_id, 700);

	wr.wr.ud.ah = ah;
	wr.wr.ud.remote_qpn = 0xffffff;
	post_send(&rig->pair.a, &wr);
	expect_wc(rig->pair.a.scq, wr_id, IBV_WC_SUCCESS);
}

enum { LISTENERS = 3 };

struct listener {
	struct end end;
	struct buf buf;
};

static void listener_open(struct listener *listener, const struct end *like, const struct rc *rc)
{
	listener->end = *like;
	listener->end.rcq = ibv_create_cq(like->ctx, 64, NULL, NULL, 0);
	assert_non_null(listener->end.rcq);
	defer((undo_fn)ibv_destroy_cq, listener->end.rcq);
	listener->end.qp = end_qp(&listener->end, rc);
	qp_init(listener->end.qp, rc);
	qp_rtr(listener->end.qp, like, rc, &like->gid, 0);
	listener->buf = buf_anon(like->pd, SLOT, IBV_ACCESS_LOCAL_WRITE);
}

static void listener_post(struct listener *listener)
{
	struct ibv_sge list = sge(&listener->buf, 0, SLOT);

	post_recv(&listener->end, 7, &list, 1);
}

static void listener_expect(struct listener *listener, const struct rig *rig, unsigned int wr_id)
{
	struct ibv_wc wc = expect_wc(listener->end.rcq, 7, IBV_WC_SUCCESS);

	assert_int_equal(wc.src_qp, rig->pair.a.qp->qp_num);
	assert_int_equal(wc.byte_len, GRH + 700);
	pattern_check(listener->buf.p + GRH, 700, 0, wr_id, "the group's datagram");
}

static void multicast(const union ibv_gid *group, bool v6)
{
	bool loop = !have_wire();
	struct listener listeners[LISTENERS];
	struct rc rc = ud_default();
	struct ibv_ah *ah;
	struct rig rig;

	pair_open_ends(&rig.pair, &rc);
	if (v6) {
		use_v6(&rig.pair.a, loop);
		use_v6(&rig.pair.b, loop);
	}
	pair_open_qps(&rig.pair);
	rig.src = buf_anon(rig.pair.a.pd, SLOTS * SLOT, 0);
	ah = group_ah(&rig.pair.a, group);
	for (int i = 0; i < LISTENERS; i++) {
		listener_open(&listeners[i], &rig.pair.b, &rc);
		listener_post(&listeners[i]);
	}
	group_send(&rig, ah, 1);
	for (int i = 0; i < LISTENERS; i++)
		expect_quiet(listeners[i].end.rcq, 10);

	for (int n = 0; n < LISTENERS; n++) {
		assert_int_equal(ibv_attach_mcast(listeners[n].end.qp, group, 0), 0);
		group_send(&rig, ah, 2 + n);
		for (int i = 0; i <= n; i++) {
			listener_expect(&listeners[i], &rig, 2 + n);
			listener_post(&listeners[i]);
		}
		for (int i = n + 1; i < LISTENERS; i++)
			expect_quiet(listeners[i].end.rcq, 5);
	}
	for (int n = 0; n < LISTENERS; n++) {
		assert_int_equal(ibv_detach_mcast(listeners[n].end.qp, group, 0), 0);
		group_send(&rig, ah, 10 + n);
		for (int i = n + 1; i < LISTENERS; i++) {
			listener_expect(&listeners[i], &rig, 10 + n);
			listener_post(&listeners[i]);
		}
		for (int i = 0; i <= n; i++)
			expect_quiet(listeners[i].end.rcq, 5);
	}
	assert_int_not_equal(ibv_detach_mcast(listeners[0].end.qp, group, 0), 0);
}

static void test_multicast4(void **state)
{
	static const union ibv_gid group = { .raw = { [10] = 0xff, 0xff, 239, 1, 2, 3 } };

	(void)state;
	multicast(&group, false);
}

static void test_multicast6(void **state)
{
	static const union ibv_gid group = { .raw = { 0xff, 0x12, [14] = 0x12, 0x34 } };

	(void)state;
	multicast(&group, true);
}

#define GROUPS 8192		/* the device's maximum */
#define MESSAGES 400

static union ibv_gid nth_group(unsigned int i)
{
	return (union ibv_gid){ .raw = { [10] = 0xff, 0xff, 239, 5, i >> 8, i } };
}

/* The median time from posting a message to @group until it has arrived. */
static uint64_t group_ns(struct rig *rig, const union ibv_gid *group)
{
	struct ibv_ah *ah = group_ah(&rig->pair.a, group);
	uint64_t took[MESSAGES];

	for (unsigned int i = 0; i < MESSAGES; i++) {
		struct ibv_sge list;
		struct ibv_send_wr wr = datagram(rig, &list, i, 100);

		wr.wr.ud.ah = ah;
		wr.wr.ud.remote_qpn = 0xffffff;
		rig_receive(rig, i % SLOTS, SLOT);
		took[i] = now_ns();
		post_send(&rig->pair.a, &wr);
		expect_wc(rig->pair.a.scq, i, IBV_WC_SUCCESS);
		rig_expect(rig, i % SLOTS, i, 100);
		took[i] = now_ns() - took[i];
	}
	undo(ah);
	return percentile(took, MESSAGES, 500);
}

typedef int (*change_fn)(struct ibv_qp *qp, const union ibv_gid *group, uint16_t lid);

/* Attaches b to groups from @begin on, or detaches it: a queue pair cannot be destroyed while attached. */
static void groups_all(struct rig *rig, unsigned int begin, change_fn change)
{
	for (unsigned int i = begin; i < GROUPS; i++) {
		union ibv_gid group = nth_group(i);

		assert_int_equal(change(rig->pair.b.qp, &group, 0), 0);
	}
}

/* A regression: each packet to a group walked a list of all groups. */
static void test_many_groups(void **state)
{
	union ibv_gid first = nth_group(0), last = nth_group(GROUPS - 1);
	uint64_t few, many;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	assert_int_equal(ibv_attach_mcast(rig.pair.b.qp, &first, 0), 0);
	few = group_ns(&rig, &first);
	groups_all(&rig, 1, ibv_attach_mcast);
	many = group_ns(&rig, &first) + group_ns(&rig, &last);
	print_message("  a message to a group takes %.1f us, beside %d groups %.1f us\n", few / 1e3, GROUPS,
		      many / 2e3);
	groups_all(&rig, 0, ibv_detach_mcast);
	assert_in_range(many / 2, 0, 2 * few);
}

/* --- pages --------------------------------------------------------------------- */

static void take(struct rig *rig, unsigned int i)
{
	rig_expect(rig, i % SLOTS, i, i * 7 % LONGEST);
}

/* Datagrams to missing pages wait for them, up to a bound that is not reached here. */
static void stream(struct rig *rig, unsigned int n, bool cold)
{
	for (unsigned int i = 0; i < n; i++) {
		if (i % 32 == 0) {
			if (cold)
				buf_dontneed(&rig->dst);
			for (unsigned int k = i; k < i + 32; k++)
				rig_receive(rig, k % SLOTS, SLOT);
		}
		rig_send(rig, i, i * 7 % LONGEST);
		expect_wc(rig->pair.a.scq, i, IBV_WC_SUCCESS);
		if (i % 32 == 31)
			for (unsigned int k = i - 31; k <= i; k++)
				take(rig, k);
	}
}

static void test_stream(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	stream(&rig, options.full ? 6400 : 640, false);
}

static void test_cold(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, IBV_ACCESS_ON_DEMAND);
	stream(&rig, options.full ? 3200 : 320, true);
}

/* A missing mapping ends the receiver, and nothing else. */
static void test_memory_gone(void **state)
{
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	list = sge(&rig.dst, 0, SLOT);
	list.lkey = 0xbad00;
	post_recv(&rig.pair.b, 0, &list, 1);
	rig_receive(&rig, 1, SLOT);
	rig_send(&rig, 1, 100);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
	expect_wc(rig.pair.b.rcq, 0, IBV_WC_LOC_PROT_ERR);
	expect_wc(rig.pair.b.rcq, 1, IBV_WC_WR_FLUSH_ERR);
	expect_state(rig.pair.b.qp, IBV_QPS_ERR);
	assert_int_equal(qp_state(rig.pair.a.qp), IBV_QPS_RTS);
}

/* --- opcodes that datagrams do not have ----------------------------------------- */

static void test_opcodes(void **state)
{
	static const enum ibv_wr_opcode wrong[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_WRITE_WITH_IMM, IBV_WR_RDMA_READ,
		IBV_WR_ATOMIC_FETCH_AND_ADD, IBV_WR_SEND_WITH_INV,
	};
	struct rig rig;

	(void)state;
	rig_open(&rig, 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct ibv_sge list = sge(&rig.src, 0, 8);
		struct ibv_send_wr wr = {
			.wr_id = 1, .opcode = wrong[i], .sg_list = &list, .num_sge = 1,
		}, *bad;

		wr.wr.ud.ah = rig.ah;
		if (!ibv_post_send(rig.pair.a.qp, &wr, &bad))
			expect_failed(&rig, 1, IBV_WC_LOC_QP_OP_ERR);
	}
}

static const struct variant variants[] = {
	{ 0, false }, { 1, false }, { 2, false }, { 3, false }, { 0, true }, { 3, true },
};

#define BYTES(n, name_) \
	{ .name = name_, .test_func = test_bytes, .initial_state = (void *)&variants[n] }

static struct CMUnitTest tests[] = {
	BYTES(0, "bytes pinned-to-pinned"),
	BYTES(1, "bytes odp-to-pinned"),
	BYTES(2, "bytes pinned-to-odp"),
	BYTES(3, "bytes odp-to-odp"),
	BYTES(4, "bytes pinned-to-pinned srq"),
	BYTES(5, "bytes odp-to-odp srq"),
	cmocka_unit_test(test_header4),
	cmocka_unit_test(test_header6),
	cmocka_unit_test(test_answer),
	cmocka_unit_test(test_qkey),
	cmocka_unit_test(test_qkey_changed),
	cmocka_unit_test(test_no_receiver),
	cmocka_unit_test(test_other_transport),
	cmocka_unit_test(test_too_long),
	cmocka_unit_test(test_no_room),
	cmocka_unit_test(test_not_ready),
	cmocka_unit_test(test_old_library),
	cmocka_unit_test(test_domain),
	cmocka_unit_test(test_handles),
	cmocka_unit_test(test_many),
	cmocka_unit_test(test_multicast4),
	cmocka_unit_test(test_multicast6),
	cmocka_unit_test(test_many_groups),
	cmocka_unit_test(test_stream),
	cmocka_unit_test(test_cold),
	cmocka_unit_test(test_memory_gone),
	cmocka_unit_test(test_opcodes),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("ud", tests, ARRAY_SIZE(tests));
}
