// SPDX-License-Identifier: GPL-2.0
/* Ways: wire */
/* CI: debug debian */
/*
 * The ICRC of packets of all lengths, captured on the wire and recomputed bit by bit: two ends with the same
 * mistake would understand each other.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cm.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/roce.h"
#include "lib/test.h"
#include "lib/wire.h"

#define LONGEST 4096
#define ICRC 4

struct rig {
	struct pair pair;
	struct buf from, to;
	int tap;		/* captures the packets of the peer's netdev */
};

static int tap_close(void *tap)
{
	return close(*(int *)tap);
}

static void tap_open(struct rig *rig)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int here = netns_enter("peer"), *tap = scratch(sizeof(*tap));

	rig->tap = *tap = socket(AF_PACKET, SOCK_RAW, 0);
	at.sll_ifindex = if_nametoindex("veth1");
	netns_leave(here);
	assert_true(rig->tap >= 0);
	defer(tap_close, tap);
	assert_int_equal(bind(rig->tap, (struct sockaddr *)&at, sizeof(at)), 0);
}

static void rig_open(struct rig *rig, bool v6)
{
	struct rc rc = rc_default();

	need_wire();
	rc.mtu = IBV_MTU_4096;
	rig->pair.rc = rc;
	end_open(&rig->pair.a, options.device, &rc);
	end_open(&rig->pair.b, options.peer, &rc);
	if (v6) {
		cm_peer_address(true);
		end_speak_from(&rig->pair.a, "2001:db8::1");
		end_speak_from(&rig->pair.b, "2001:db8::2");
	}
	pair_open_qps(&rig->pair);
	rig->from = buf_anon(rig->pair.a.pd, LONGEST, ALL_ACCESS);
	rig->to = buf_anon(rig->pair.b.pd, LONGEST, ALL_ACCESS);
	pattern_fill(rig->from.p, LONGEST, 0, options.seed);
	pattern_fill(rig->to.p, LONGEST, LONGEST, options.seed);
	tap_open(rig);
}

static void post(struct rig *rig, enum ibv_wr_opcode opcode, size_t len)
{
	pair_rdma(&rig->pair, opcode, sge(&rig->from, 0, len), (uintptr_t)rig->to.p, rig->to.mr->rkey,
		  IBV_WC_SUCCESS);
}

static bool is_roce(const struct frame *frame)
{
	const uint8_t *ip = frame->bytes + FRAME_LINK;
	bool v6 = ip[0] >> 4 == 6;
	const uint8_t *udp = ip + (v6 ? 40 : 20);

	return frame->len > (size_t)(udp - frame->bytes) + 8 + ICRC && (v6 ? ip[6] : ip[9]) == IPPROTO_UDP &&
	       (udp[2] << 8 | udp[3]) == ROCE_PORT;
}

static void check(struct frame *frame, size_t len)
{
	uint8_t *icrc = frame->bytes + frame->len - ICRC, was[ICRC];

	memcpy(was, icrc, ICRC);
	frame_icrc(frame);
	if (memcmp(was, icrc, ICRC))
		fail_msg("opcode 0x%02x of a message of %zu bytes", *frame_bth(frame), len);
}

/* Checks all captured packets; returns how many had @opcode. */
static int drain(struct rig *rig, uint8_t opcode, size_t len)
{
	struct frame frame;
	int found = 0;
	ssize_t n;

	while ((n = recv(rig->tap, frame.bytes, sizeof(frame.bytes), MSG_DONTWAIT)) > 0) {
		frame.len = n;
		if (!is_roce(&frame))
			continue;
		found += *frame_bth(&frame) == opcode;
		check(&frame, len);
	}
	return found;
}

static void check_length(struct rig *rig, size_t len)
{
	post(rig, IBV_WR_RDMA_WRITE, len);
	assert_int_equal(drain(rig, ROCE_WRITE_ONLY, len), 1);
	post(rig, IBV_WR_RDMA_READ, len);
	assert_int_equal(drain(rig, ROCE_READ_ONLY, len), 1);
}

/* Tests all lengths, or those around a power of two and its multiples. */
static void test_lengths(void **state)
{
	struct rig rig;

	rig_open(&rig, *state);
	for (size_t len = 0; len <= LONGEST; len++) {
		if (options.full || len < 160 || (len + 20) % 512 <= 40)
			check_length(&rig, len);
	}
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		{ .name = "IPv4", .test_func = test_lengths },
		{ .name = "IPv6", .test_func = test_lengths, .initial_state = tests },
	};

	parse_options(argc, argv);
	return run_group("icrc", tests, ARRAY_SIZE(tests));
}
