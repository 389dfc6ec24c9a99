// SPDX-License-Identifier: GPL-2.0
/* Ways: wire */
/* CI: debug debian */
/*
 * Packets leave in trains; the network stack handles each train as one packet. Whatever the stack does with a
 * train on the way (splitting it, showing it to others, losing or duplicating it), the right packets arrive,
 * each with its correct ICRC.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cm.h"
#include "lib/counters.h"
#include "lib/mover.h"
#include "lib/pattern.h"
#include "lib/stream.h"
#include "lib/test.h"
#include "lib/wire.h"

#define LONG (MOVER_LEN / 2)

/* Commands for the netdevs of both ends, @ being one of them, and the commands that undo them. */
struct way {
	const char *name;
	const char *make, *undo;
	bool listens;		/* a packet socket sees all packets */
	unsigned int least;	/* packets in a train of a long message, on average, at least */
	unsigned int most;	/* and at most */
};

static const struct way ways[] = {
	{ .name = "whole", .least = 8, .most = 64 },
	{ .name = "split by the sender", .make = "ethtool -K @ tx-gso-list off",
	  .undo = "ethtool -K @ tx-gso-list on", .least = 1, .most = 1 },
	{ .name = "GSO off", .make = "ethtool -K @ gso off",
	  .undo = "ethtool -K @ gso on", .least = 1, .most = 1 },
	{ .name = "at most three packets", .make = "ip link set @ gso_max_segs 3",
	  .undo = "ip link set @ gso_max_segs 65535", .least = 2, .most = 3 },
	{ .name = "short trains", .make = "ip link set @ gso_max_size 9000",
	  .undo = "ip link set @ gso_max_size 65536", .least = 1, .most = 8 },
	{ .name = "captured by a packet socket", .listens = true, .least = 8, .most = 64 },
	{ .name = "queued", .make = "tc qdisc add dev @ root netem limit 10000 delay 1ms",
	  .undo = "tc qdisc delete dev @ root", .least = 8, .most = 64 },
};

static const struct way troubles[] = {
	{ .name = "lost", .make = "tc qdisc add dev @ root netem loss 8%",
	  .undo = "tc qdisc delete dev @ root" },
	{ .name = "duplicated", .make = "tc qdisc add dev @ root netem duplicate 30%",
	  .undo = "tc qdisc delete dev @ root" },
	{ .name = "damaged", .make = "tc qdisc add dev @ root netem corrupt 5%",
	  .undo = "tc qdisc delete dev @ root" },
	{ .name = "reordered", .make = "tc qdisc add dev @ root netem delay 2ms reorder 30% 50%",
	  .undo = "tc qdisc delete dev @ root" },
};

struct trial {
	const struct way *way;
	const struct stream *stream;	/* of the tests with trouble */
	bool v6;			/* of the other tests */
	char name[64];
};

/* Runs a command for each of the two netdevs in place of @, in its network namespace. */
static void at_both_ends(const char *command)
{
	static const struct { const char *where, *netdev; } ends[] = {
		{ "", "veth0" }, { "ip netns exec peer ", "veth1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		const char *at = strchr(command, '@');

		shell("%s%.*s%s%s >/dev/null", ends[i].where, (int)(at - command), command,
		      ends[i].netdev, at + 1);
	}
}

static int undo_way(void *way)
{
	at_both_ends(((const struct way *)way)->undo);
	return 0;
}

static int stop_listening(void *socket)
{
	return close(*(int *)socket);
}

/* A packet socket on a netdev shares the packets with their real receiver. */
static void listen_to_all(void)
{
	int *socket_here = scratch(sizeof(int)), *socket_there = scratch(sizeof(int));
	int here;

	*socket_here = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	assert_true(*socket_here >= 0);
	defer(stop_listening, socket_here);
	here = netns_enter("peer");
	*socket_there = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	netns_leave(here);
	assert_true(*socket_there >= 0);
	defer(stop_listening, socket_there);
}

static unsigned long netdev_packets(void)
{
	unsigned long packets;
	FILE *file = fopen("/sys/class/net/veth0/statistics/tx_packets", "re");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &packets), 1);
	fclose(file);
	return packets;
}

/* Returns how many RDMA packets each packet of the netdev stood for, since both were counted. */
static double train_length(const char *device, long packets, unsigned long trains)
{
	return (double)(port_counter(device, "sent_pkts") - packets) / (netdev_packets() - trains);
}

/* The netdev also counts packets that are not RDMA: neighbor and router discovery. */
#define STRANGERS 0.98

static void check_length(const struct way *way, double length)
{
	if (length < STRANGERS * way->least || length > way->most)
		fail_msg("%.3f packets in a train, %u to %u wanted", length, way->least, way->most);
}

/* Moves a message much longer than any train to the other end and back. */
static void move_long(const struct way *way, struct pair *pair)
{
	struct buf source = buf_anon(pair->a.pd, LONG, ALL_ACCESS);
	struct buf target = buf_anon(pair->b.pd, LONG, ALL_ACCESS);
	struct buf back = buf_anon(pair->a.pd, LONG, ALL_ACCESS);
	struct ibv_sge out = sge(&source, 0, LONG), in = sge(&back, 0, LONG);
	struct ibv_send_wr write = {
		.opcode = IBV_WR_RDMA_WRITE, .sg_list = &out, .num_sge = 1,
		.wr.rdma = { (uintptr_t)target.p, target.mr->rkey },
	}, read = {
		.opcode = IBV_WR_RDMA_READ, .sg_list = &in, .num_sge = 1,
		.wr.rdma = { (uintptr_t)target.p, target.mr->rkey },
	};
	long packets = port_counter(options.device, "sent_pkts");
	unsigned long trains = netdev_packets();

	pattern_fill(source.p, LONG, 0, options.seed);
	post_send(&pair->a, &write);
	expect_wc(pair->a.scq, 0, IBV_WC_SUCCESS);
	check_length(way, train_length(options.device, packets, trains));
	post_send(&pair->a, &read);
	expect_wc(pair->a.scq, 0, IBV_WC_SUCCESS);
	assert_memory_equal(back.p, source.p, LONG);
}

static void make_way(const struct way *way)
{
	if (way->make) {
		at_both_ends(way->make);
		defer(undo_way, (void *)way);
	}
	if (way->listens)
		listen_to_all();
}

static void test_way(void **state)
{
	const struct trial *trial = *state;
	long bad[2] = { port_counter(options.device, "icrc_err"),
			port_counter(options.peer, "icrc_err") };
	struct rc rc = rc_default();
	struct pair pair;
	struct mover mover;

	need_wire();
	rc.mtu = IBV_MTU_1024;
	pair.rc = rc;
	end_open(&pair.a, options.device, &rc);
	end_open(&pair.b, options.peer, &rc);
	if (trial->v6) {
		cm_peer_address(true);
		end_speak_from(&pair.a, "2001:db8::1");
		end_speak_from(&pair.b, "2001:db8::2");
	}
	pair_open_qps(&pair);
	mover_take(&mover, &pair, NULL, false, device_has_odp(pair.a.ctx));
	make_way(trial->way);
	mover_sweep(&mover, options.full ? LONG : 4097);
	move_long(trial->way, &pair);
	assert_int_equal(port_counter(options.device, "icrc_err"), bad[0]);
	assert_int_equal(port_counter(options.peer, "icrc_err"), bad[1]);
}

static void test_trouble(void **state)
{
	const struct trial *trial = *state;
	struct rig rig;

	need_wire();
	streams_open(&rig);
	make_way(trial->way);
	trial->stream->run(&rig, options.full ? 400 : 100);
}

int main(int argc, char **argv)
{
	struct trial trials[2 * ARRAY_SIZE(ways) + 2 * ARRAY_SIZE(troubles)];
	struct CMUnitTest tests[ARRAY_SIZE(trials)];

	parse_options(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(trials); i++) {
		struct trial *trial = &trials[i];
		size_t trouble = i / 2 - ARRAY_SIZE(ways);
		bool smooth = i / 2 < ARRAY_SIZE(ways);

		*trial = (struct trial){
			.way = smooth ? &ways[i / 2] : &troubles[trouble],
			.v6 = i % 2, .stream = &streams[i % 2],
		};
		snprintf(trial->name, sizeof(trial->name), "%s, %s", trial->way->name,
			 !smooth ? trial->stream->name : trial->v6 ? "IPv6" : "IPv4");
		tests[i] = (struct CMUnitTest){
			.name = trial->name, .test_func = smooth ? test_way : test_trouble,
			.initial_state = trial,
		};
	}
	return run_group("trains", tests, ARRAY_SIZE(tests));
}
