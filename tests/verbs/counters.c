// SPDX-License-Identifier: GPL-2.0
/* CI: debug */
/*
 * The port's packets and bytes: in hw_counters, in counters as performance management reports them, and in
 * the reply to a peer that asks.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/mover.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

#define MESSAGES 40
#define MESSAGE 3000
/* Bytes of each packet's headers: BTH and ICRC, UDP, IPv4 or IPv6 */
#define LEAST 44
#define MOST 200

static long port_file(const char *device, const char *name)
{
	char path[160];
	long number;

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/%s", device, name);
	number = file_number(path, "");
	if (number < 0)
		fail_msg("%s: cannot be read", path);
	return number;
}

/* Every counter that the core has a name for can be read. */
static void test_files(void **state)
{
	static const char *const names[] = {
		"VL15_dropped", "excessive_buffer_overrun_errors", "link_downed", "link_error_recovery",
		"local_link_integrity_errors", "multicast_rcv_packets", "multicast_xmit_packets",
		"port_rcv_constraint_errors", "port_rcv_data", "port_rcv_errors", "port_rcv_packets",
		"port_rcv_remote_physical_errors", "port_rcv_switch_relay_errors",
		"port_xmit_constraint_errors", "port_xmit_data", "port_xmit_discards",
		"port_xmit_packets", "port_xmit_wait", "symbol_error", "unicast_rcv_packets",
		"unicast_xmit_packets",
	};
	char path[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "counters/%s", names[i]);
		port_file(options.device, path);
	}
}

/* The attributes that connection management asks for before it connects. */
static void test_attributes(void **state)
{
	struct ibv_context *ctx = device_open(options.device);
	struct ibv_device_attr device;
	struct ibv_port_attr port;

	(void)state;
	assert_int_equal(ibv_query_device(ctx, &device), 0);
	assert_int_equal(device.local_ca_ack_delay, 15);
	assert_int_equal(ibv_query_port(ctx, 1, &port), 0);
	assert_true(port.port_cap_flags & IBV_PORT_CM_SUP);
}

struct traffic {
	long sent, rcvd, sent_bytes, rcvd_bytes;	/* hw_counters, with what took no packets */
	long xmit, rcv, xmit_words, rcv_words;		/* the standard counters */
};

static struct traffic traffic_now(const char *device)
{
	long pkts = port_counter(device, "direct_pkts"), bytes = port_counter(device, "direct_bytes");

	return (struct traffic){
		.sent = pkts + port_counter(device, "sent_pkts"),
		.rcvd = pkts + port_counter(device, "rcvd_pkts"),
		.sent_bytes = bytes + port_counter(device, "sent_bytes"),
		.rcvd_bytes = bytes + port_counter(device, "rcvd_bytes"),
		.xmit = port_file(device, "counters/port_xmit_packets"),
		.rcv = port_file(device, "counters/port_rcv_packets"),
		.xmit_words = port_file(device, "counters/port_xmit_data"),
		.rcv_words = port_file(device, "counters/port_rcv_data"),
	};
}

static void moved_as_counted(const struct traffic *was, const struct traffic *is)
{
	assert_int_equal(is->xmit - was->xmit, is->sent - was->sent);
	assert_int_equal(is->rcv - was->rcv, is->rcvd - was->rcvd);
	assert_true(labs(is->xmit_words - was->xmit_words - (is->sent_bytes - was->sent_bytes) / 4) <= 1);
	assert_true(labs(is->rcv_words - was->rcv_words - (is->rcvd_bytes - was->rcvd_bytes) / 4) <= 1);
}

/* @packets carry the messages and their headers. */
static void in_bounds(long bytes, long packets)
{
	assert_in_range(bytes, MESSAGES * MESSAGE,
			MESSAGES * MESSAGE + packets * MOST);
	if (packets > 0 && bytes < MESSAGES * MESSAGE + packets * LEAST)
		fail_msg("%ld bytes in %ld packets: the headers are missing", bytes, packets);
}

static void move_some(enum ibv_qp_type type, enum ibv_wr_opcode opcode)
{
	struct rc rc = rc_default();
	struct mover mover;

	rc.type = type;
	rc.mtu = IBV_MTU_1024;
	if (type == IBV_QPT_UD)
		rc.mtu = IBV_MTU_4096;
	mover_open(&mover, &rc, false, false, false);
	for (int i = 0; i < MESSAGES; i++) {
		struct message m = { .opcode = opcode, .len = MESSAGE, .pieces = 1 };

		mover_move(&mover, &m);
	}
}

static void count_traffic(enum ibv_qp_type type, enum ibv_wr_opcode opcode)
{
	struct traffic was, is, peer_was, peer_is;

	sleep_ms(20);
	was = traffic_now(options.device);
	peer_was = traffic_now(options.peer);
	move_some(type, opcode);
	sleep_ms(20);
	is = traffic_now(options.device);
	peer_is = traffic_now(options.peer);
	moved_as_counted(&was, &is);
	moved_as_counted(&peer_was, &peer_is);
	in_bounds(is.sent_bytes - was.sent_bytes, is.sent - was.sent);
	in_bounds(peer_is.rcvd_bytes - peer_was.rcvd_bytes, peer_is.rcvd - peer_was.rcvd);
}

static void test_packets(void **state)
{
	(void)state;
	set_parameter("rdma_rxe", "direct", "N");
	count_traffic(IBV_QPT_RC, IBV_WR_RDMA_WRITE);
	count_traffic(IBV_QPT_UC, IBV_WR_SEND);
	count_traffic(IBV_QPT_UD, IBV_WR_SEND);
}

/* Traffic between queue pairs of one device that takes no packets is counted, too. */
static void test_without_packets(void **state)
{
	struct traffic was, is;

	(void)state;
	was = traffic_now(options.device);
	move_some(IBV_QPT_RC, IBV_WR_RDMA_WRITE);
	is = traffic_now(options.device);
	moved_as_counted(&was, &is);
	assert_true(is.sent_bytes - was.sent_bytes >= MESSAGES * MESSAGE);
}

/* --- a peer asks --------------------------------------------------------------------------- */

#define MAD 256
#define GSI_QKEY 0x80010000

/* The header of a performance management datagram, and the beginning of its payload. */
struct pma {
	uint8_t base_version, mgmt_class, class_version, method;
	uint16_t status, class_specific;
	uint64_t tid;
	uint16_t attr, reserved;
	uint32_t modifier;
	uint8_t reserved2[40];
	uint8_t select_reserved, port_select;
	uint16_t counter_select;
	uint32_t reserved3;
	uint64_t xmit_words, rcv_words, xmit, rcv;
	uint8_t rest[MAD - 104];
} __attribute__((packed));

static struct pma request(uint8_t method, uint16_t attr, uint8_t port)
{
	return (struct pma){
		.base_version = 1, .mgmt_class = 4, .class_version = 1, .method = method,
		.tid = htobe64(0x1234567800000000), .attr = htobe16(attr), .port_select = port,
	};
}

struct asker {
	struct pair pair;
	struct ibv_ah *ah;
	struct buf out, in;
};

static void asker_open(struct asker *asker)
{
	struct rc rc = rc_default();

	assert_int_equal(sizeof(struct pma), MAD);
	rc.type = IBV_QPT_UD;
	rc.qkey = GSI_QKEY;
	pair_open(&asker->pair, &rc);
	asker->ah = end_ah(&asker->pair.a, &asker->pair.b);
	asker->out = buf_anon(asker->pair.a.pd, MAD, 0);
	asker->in = buf_anon(asker->pair.a.pd, GRH + MAD, IBV_ACCESS_LOCAL_WRITE);
}

static struct pma ask(struct asker *asker, const struct pma *question)
{
	struct ibv_sge list = sge(&asker->out, 0, MAD), into = sge(&asker->in, 0, GRH + MAD);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
		.wr.ud = { .ah = asker->ah, .remote_qpn = 1, .remote_qkey = GSI_QKEY },
	};
	struct pma answer;

	memcpy(asker->out.p, question, MAD);
	post_recv(&asker->pair.a, 2, &into, 1);
	post_send(&asker->pair.a, &wr);
	expect_wc(asker->pair.a.scq, 1, IBV_WC_SUCCESS);
	expect_wc(asker->pair.a.rcq, 2, IBV_WC_SUCCESS);
	memcpy(&answer, asker->in.p + GRH, MAD);
	assert_int_equal(answer.method, 0x81);
	assert_int_equal(answer.mgmt_class, 4);
	assert_int_equal(answer.tid, question->tid);
	return answer;
}

enum { GET = 1, SET = 2, INFO = 1, COUNTERS = 0x12, COUNTERS_EXT = 0x1d, SAMPLES = 0x10 };

static void test_peer_asks(void **state)
{
	struct pma question = request(GET, COUNTERS_EXT, 1), answer;
	struct asker asker;
	uint64_t before;

	(void)state;
	asker_open(&asker);
	before = port_file(options.peer, "counters/port_rcv_packets");
	answer = ask(&asker, &question);
	assert_int_equal(answer.status, 0);
	assert_true(be64toh(answer.rcv) > before);
	question = request(GET, INFO, 0);
	assert_int_equal(ask(&asker, &question).status, 0);
	question = request(GET, COUNTERS, 1);
	assert_int_equal(ask(&asker, &question).status, 0);
	question = request(GET, COUNTERS, 2);
	assert_int_equal(be16toh(ask(&asker, &question).status), 0x1c);
	question = request(GET, SAMPLES, 1);
	assert_int_equal(be16toh(ask(&asker, &question).status), 0x0c);
}

static void test_nobody_sets(void **state)
{
	struct pma question = request(SET, COUNTERS, 1);
	struct asker asker;
	long before;

	(void)state;
	asker_open(&asker);
	before = port_file(options.peer, "counters/port_rcv_packets");
	assert_int_equal(be16toh(ask(&asker, &question).status), 0x08);
	assert_true(port_file(options.peer, "counters/port_rcv_packets") > before);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_files),
	cmocka_unit_test(test_attributes),
	cmocka_unit_test(test_packets),
	cmocka_unit_test(test_without_packets),
	cmocka_unit_test(test_peer_asks),
	cmocka_unit_test(test_nobody_sets),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("counters", tests, ARRAY_SIZE(tests));
}
