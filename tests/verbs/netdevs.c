// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire debian:wire */
/*
 * Networks below a link: VLANs upon its netdev, links upon a bond, IPv6 addresses that only have a meaning
 * together with a netdev, other MTUs and names.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cm.h"
#include "lib/mover.h"
#include "lib/test.h"
#include "lib/wire.h"

#define LONGEST 8193
#define MANY_BYTES 10000	/* more than the network sends on its own */

/* Runs the same command here with 1, and at the other end of the wire with 2. */
static void at_both_ends(const char *format)
{
	static const char *const where[] = { "", "ip netns exec peer " };
	char command[256];

	for (int i = 0; i < 2; i++) {
		snprintf(command, sizeof(command), "%s%s", where[i], format);
		for (char *c = command; *c; c++) {
			if (*c == '@')
				*c = '0' + i;
			else if (*c == '#')
				*c = '1' + i;
		}
		shell("%s", command);
	}
}

static int undo_at_both_ends(void *command)
{
	at_both_ends(command);
	return 0;
}

static uint64_t sent_through(const char *netdev)
{
	char path[128];
	unsigned long bytes;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/tx_bytes", netdev);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &bytes), 1);
	fclose(file);
	return bytes;
}

struct side {
	const char *device, *address;
};

static struct side here(const char *address)
{
	return (struct side){ options.device, address };
}

static struct side there(const char *address)
{
	return (struct side){ options.peer, address };
}

/* Connects queue pairs of @type from one address to another and checks the bytes that they carry. */
static void move_between(enum ibv_qp_type type, struct side a, struct side b)
{
	struct ibv_ah *ah = NULL;
	struct mover mover;
	struct pair pair = { .rc = rc_default() };

	pair.rc.type = type;
	pair.rc.mtu = IBV_MTU_1024;
	end_open(&pair.a, a.device, &pair.rc);
	end_open(&pair.b, b.device, &pair.rc);
	end_speak_from(&pair.a, a.address);
	end_speak_from(&pair.b, b.address);
	pair_open_qps(&pair);
	if (type == IBV_QPT_UD)
		ah = end_ah(&pair.a, &pair.b);
	mover_take(&mover, &pair, ah, false, device_has_odp(pair.a.ctx));
	mover_sweep(&mover, type == IBV_QPT_UD ? 1024 : LONGEST);
}

/* --- VLANs ----------------------------------------------------------------------- */

#define VLAN_NETDEV "veth0.7"

static void open_vlan(void)
{
	need_wire();
	if (!shell_works("ip link add link veth0 name " VLAN_NETDEV " type vlan id 7"))
		skip_because("this kernel has no VLANs");
	shell("ip link delete " VLAN_NETDEV);
	at_both_ends("ip link add link veth@ name veth@.7 type vlan id 7");
	defer(undo_at_both_ends, "ip link delete veth@.7");
	at_both_ends("ip link set veth@.7 up");
	at_both_ends("ip address add 198.51.100.#/24 dev veth@.7");
	at_both_ends("ip address add 2001:db8:7::#/64 dev veth@.7 nodad");
	wait_reachable("", "198.51.100.2");
	wait_reachable("", "2001:db8:7::2");
	wait_reachable("ip netns exec peer", "198.51.100.1");
	wait_reachable("ip netns exec peer", "2001:db8:7::1");
}

struct flow {
	enum ibv_qp_type type;
	bool v6;
};

static void test_vlan(void **state)
{
	const struct flow *flow = *state;
	uint64_t before;

	open_vlan();
	wire_in_order();
	before = sent_through(VLAN_NETDEV);
	if (flow->v6)
		move_between(flow->type, here("2001:db8:7::1"), there("2001:db8:7::2"));
	else
		move_between(flow->type, here("198.51.100.1"), there("198.51.100.2"));
	assert_true(sent_through(VLAN_NETDEV) > before + MANY_BYTES);
}

/* A listener on a VLAN answers there: the request tells it the VLAN. */
/* --- priorities, which a VLAN writes into its tags ------------------------------------ */

/* A service level is a priority; without one, IP derives it from the traffic class. */
static const struct priority {
	uint8_t sl, traffic_class, tag;
} priorities[] = {
	{ 0, 0, 0 }, { 5, 0, 5 }, { 7, 0, 7 }, { 0, 0x10, 6 }, { 0, 0x08, 2 }, { 3, 0x10, 3 },
};

static int close_fd(void *fd)
{
	return close((intptr_t)fd);
}

/* Opens a socket that captures what arrives at the peer's netdev, with the tags. */
static int ear_open(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int here = netns_enter("peer"), fd, on = 1;

	at.sll_ifindex = if_nametoindex("veth1");
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	netns_leave(here);
	assert_true(fd >= 0);
	defer(close_fd, (void *)(intptr_t)fd);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	return fd;
}

struct heard {
	uint8_t tag, traffic_class;
};

/* Returns whether a frame is a packet of the device here; if so, describes it. */
static bool frame_is_ours(const uint8_t *frame, bool v6, const struct side *from, struct heard *heard)
{
	const uint8_t *ip = frame + ETH_HLEN;
	uint8_t address[16];

	inet_pton(v6 ? AF_INET6 : AF_INET, from->address, address);
	heard->traffic_class = v6 ? ip[0] << 4 | ip[1] >> 4 : ip[1];
	if (v6)
		return ip[0] >> 4 == 6 && ip[6] == IPPROTO_UDP && !memcmp(ip + 8, address, 16);
	return ip[0] >> 4 == 4 && ip[9] == IPPROTO_UDP && !memcmp(ip + 12, address, 4);
}

/* Waits for the first packet of the device here. */
static struct heard hear(int ear, bool v6, const struct side *from)
{
	uint64_t end = now_ms() + PATIENCE;
	struct heard heard;

	while (now_ms() < end) {
		uint8_t frame[4096], control[256];
		struct iovec part = { frame, sizeof(frame) };
		struct msghdr message = {
			.msg_iov = &part, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};
		const struct tpacket_auxdata *aux;

		if (recvmsg(ear, &message, 0) < 60) {
			sleep_ms(1);
			continue;
		}
		if (!frame_is_ours(frame, v6, from, &heard) || !CMSG_FIRSTHDR(&message))
			continue;
		aux = (void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
		assert_true(aux->tp_status & TP_STATUS_VLAN_VALID);
		heard.tag = aux->tp_vlan_tci >> 13;
		return heard;
	}
	fail_msg("no packet within %d ms", PATIENCE);
	return heard;
}

static struct ibv_ah *ah_with(struct pair *pair, const struct priority *priority)
{
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = 1, .sl = priority->sl,
		.grh = {
			.dgid = pair->b.gid, .sgid_index = pair->a.gid_index, .hop_limit = 8,
			.traffic_class = priority->traffic_class,
		},
	};
	struct ibv_ah *ah = ibv_create_ah(pair->a.pd, &attr);

	assert_non_null(ah);
	defer((undo_fn)ibv_destroy_ah, ah);
	return ah;
}

static void send_with(enum ibv_qp_type type, struct side a, struct side b, const struct priority *priority)
{
	struct pair pair = { .rc = rc_default() };
	struct ibv_send_wr wr = { .wr_id = 1, .opcode = IBV_WR_SEND, .num_sge = 1 };
	struct ibv_sge from, to;
	struct buf src, dst;

	pair.rc.type = type;
	pair.rc.sl = priority->sl;
	pair.rc.traffic_class = priority->traffic_class;
	end_open(&pair.a, a.device, &pair.rc);
	end_open(&pair.b, b.device, &pair.rc);
	end_speak_from(&pair.a, a.address);
	end_speak_from(&pair.b, b.address);
	pair_open_qps(&pair);
	src = buf_anon(pair.a.pd, PAGE, 0);
	dst = buf_anon(pair.b.pd, PAGE, IBV_ACCESS_LOCAL_WRITE);
	from = sge(&src, 0, 100);
	to = sge(&dst, 0, PAGE);
	wr.sg_list = &from;
	if (type == IBV_QPT_UD) {
		wr.wr.ud.ah = ah_with(&pair, priority);
		wr.wr.ud.remote_qpn = pair.b.qp->qp_num;
		wr.wr.ud.remote_qkey = pair.rc.qkey;
	}
	post_recv(&pair.b, 2, &to, 1);
	post_send(&pair.a, &wr);
	expect_wc(pair.a.scq, 1, IBV_WC_SUCCESS);
	expect_wc(pair.b.rcq, 2, IBV_WC_SUCCESS);
}

static void test_priority(void **state)
{
	const struct flow *flow = *state;
	struct side a = here(flow->v6 ? "2001:db8:7::1" : "198.51.100.1");
	struct side b = there(flow->v6 ? "2001:db8:7::2" : "198.51.100.2");

	open_vlan();
	shell("ip link set " VLAN_NETDEV " type vlan egress-qos-map 1:1 2:2 3:3 4:4 5:5 6:6 7:7");
	for (size_t i = 0; i < ARRAY_SIZE(priorities); i++) {
		int ear = ear_open();
		struct heard heard;

		send_with(flow->type, a, b, &priorities[i]);
		heard = hear(ear, flow->v6, &a);
		if (heard.tag != priorities[i].tag || heard.traffic_class != priorities[i].traffic_class)
			fail_msg("service level %u, traffic class %#x: the packet has priority %u, class %#x",
				 priorities[i].sl, priorities[i].traffic_class, heard.tag,
				 heard.traffic_class);
	}
}

static void test_vlan_cm(void **state)
{
	union cm_address address = cm_address("198.51.100.2");
	struct cm listener, a, b;
	struct rc rc = rc_default();
	struct mover mover;
	struct pair pair;
	uint64_t before;

	(void)state;
	open_vlan();
	before = sent_through(VLAN_NETDEV);
	cm_listen(&listener, &rc, &address);
	cm_resolve(&a, &rc, &address);
	cm_join(&a, &b, &listener);
	pair = cm_pair(&a, &b);
	mover_take(&mover, &pair, NULL, false, false);
	mover_sweep(&mover, LONGEST);
	assert_true(sent_through(VLAN_NETDEV) > before + MANY_BYTES);
}

/* --- bonds ----------------------------------------------------------------------- */

static int run(void *command)
{
	shell("%s", (const char *)command);
	return 0;
}

/*
 * A link upon a bond of two netdevs; one of them carries the packets until it goes down. The other side has a
 * bridge over both.
 */
static void test_bond(void **state)
{
	struct side bond = { "rxebond", "203.0.113.1" }, bridge = { "rxebridge", "203.0.113.2" };

	(void)state;
	need_wire();
	if (!shell_works("ip link add bond7 type bond mode active-backup miimon 10 2>/dev/null"))
		skip_because("this kernel has no bonds");
	defer(run, "ip link delete bond7");
	shell("ip -n peer link add bridge7 type bridge");
	defer(run, "ip -n peer link delete bridge7");
	for (const char *n = "68"; *n; n++) {
		shell("ip link add veth%c type veth peer name far%c netns peer", *n, *n);
		shell("ip link set veth%c master bond7 && ip link set veth%c up", *n, *n);
		shell("ip -n peer link set far%c master bridge7 up", *n);
	}
	defer(run, "ip link delete veth6; ip link delete veth8");
	shell("ip link set bond7 up && ip address add %s/24 dev bond7", bond.address);
	shell("ip -n peer link set bridge7 up && ip -n peer address add %s/24 dev bridge7",
	      bridge.address);
	shell("rdma link add rxebond type rxe netdev bond7");
	shell("ip netns exec peer rdma link add rxebridge type rxe netdev bridge7");
	wait_reachable("", bridge.address);
	wait_reachable("ip netns exec peer", bond.address);
	move_between(IBV_QPT_RC, bond, bridge);
	shell("ip link set veth6 down");
	wait_reachable("", bridge.address);
	move_between(IBV_QPT_RC, bond, bridge);
	move_between(IBV_QPT_UD, bridge, bond);
}

/* --- addresses that belong to a netdev ------------------------------------------- */

static void link_local(const char *netns, const char *netdev, char *address, size_t len)
{
	char command[256];
	FILE *out;

	snprintf(command, sizeof(command),
		 "ip %s -6 -o address show dev %s scope link | sed 's/.*inet6 //; s:/.*::' | head -n 1",
		 netns, netdev);
	out = popen(command, "re");
	assert_non_null(out);
	address[0] = 0;
	assert_non_null(fgets(address, len, out));
	address[strcspn(address, "\n")] = 0;
	pclose(out);
}

static void test_link_local(void **state)
{
	char a[64], b[64];

	(void)state;
	need_wire();
	link_local("", "veth0", a, sizeof(a));
	link_local("-n peer", "veth1", b, sizeof(b));
	move_between(IBV_QPT_RC, here(a), there(b));
	move_between(IBV_QPT_UD, here(a), there(b));
}

/* --- datagrams to an address, on whichever netdev it is ---------------------------- */

struct letters {
	struct pair pair;
	struct buf src, dst;
	struct ibv_ah *ah;
	uint32_t qpn;
};

static void letters_open(struct letters *letters, struct side a, struct side b)
{
	struct pair *pair = &letters->pair;

	pair->rc = rc_default();
	pair->rc.type = IBV_QPT_UD;
	end_open(&pair->a, a.device, &pair->rc);
	end_open(&pair->b, b.device, &pair->rc);
	end_speak_from(&pair->a, a.address);
	end_speak_from(&pair->b, b.address);
	pair_open_qps(pair);
	letters->src = buf_anon(pair->a.pd, PAGE, 0);
	letters->dst = buf_anon(pair->b.pd, PAGE, IBV_ACCESS_LOCAL_WRITE);
	letters->qpn = pair->b.qp->qp_num;
}

static void letters_receive(struct letters *letters)
{
	struct ibv_sge list = sge(&letters->dst, 0, PAGE);

	post_recv(&letters->pair.b, 7, &list, 1);
}

/* From now on the datagrams go to @address. */
static void letters_to(struct letters *letters, const char *address)
{
	struct end to = letters->pair.b;
	struct in6_addr addr;
	char text[64];

	snprintf(text, sizeof(text), "%s%s", strchr(address, ':') ? "" : "::ffff:", address);
	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	memcpy(to.gid.raw, &addr, sizeof(addr));
	letters->ah = end_ah(&letters->pair.a, &to);
}

/* Sends one more datagram; returns whether it arrives. */
static bool letter_arrives(struct letters *letters)
{
	struct pair *pair = &letters->pair;
	struct ibv_sge list = sge(&letters->src, 0, 100);
	struct ibv_send_wr wr = {
		.wr_id = 5, .opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
		.wr.ud = { letters->ah, letters->qpn, pair->rc.qkey },
	};
	uint64_t end = now_ms() + 30 * options.slow;
	struct ibv_wc wc;

	post_send(&pair->a, &wr);
	expect_wc(pair->a.scq, 5, IBV_WC_SUCCESS);
	do {
		if (ibv_poll_cq(pair->b.rcq, 1, &wc) != 1)
			continue;
		assert_int_equal(wc.status, IBV_WC_SUCCESS);
		assert_int_equal(wc.byte_len, GRH + 100);
		letters_receive(letters);
		return true;
	} while (now_ms() < end);
	return false;
}

/* The device and the netdev learn of a change some time later. */
static void wait_arrives(struct letters *letters, bool arrives, const char *what)
{
	uint64_t end = now_ms() + PATIENCE;

	while (letter_arrives(letters) != arrives) {
		if (now_ms() > end)
			fail_msg("%s: datagrams %s", what, arrives ? "do not arrive" : "arrive");
		sleep_ms(10);
	}
}

#define GUEST "203.0.113.9"

/* The device has an address as long as one of its own netdevs has it. */
static void test_address_moves(void **state)
{
	struct letters letters;

	(void)state;
	open_vlan();
	letters_open(&letters, here("192.0.2.1"), there("192.0.2.2"));
	letters_receive(&letters);
	shell("ip -n peer address add " GUEST "/32 dev lo && ip route add " GUEST " dev veth0");
	defer(run, "ip -n peer address del " GUEST "/32 dev lo; ip route del " GUEST);
	letters_to(&letters, GUEST);
	wait_arrives(&letters, false, "an address of lo");
	shell("ip -n peer address add " GUEST "/32 dev veth1");
	wait_arrives(&letters, true, "the netdev's address");
	shell("ip -n peer address add " GUEST "/32 dev veth1.7");
	shell("ip -n peer address del " GUEST "/32 dev veth1");
	for (int i = 0; i < 20; i++) {
		assert_true(letter_arrives(&letters));
		sleep_ms(10);
	}
	shell("ip -n peer address del " GUEST "/32 dev veth1.7");
	wait_arrives(&letters, false, "a removed address");
}

/* --- multicast, on whichever netdev it arrives ------------------------------------- */

/* The GIDs to attach a queue pair to the groups of letters_to(). */
static union ibv_gid group_gid(const char *group)
{
	union ibv_gid gid = { .raw = { [10] = 0xff, 0xff } };

	if (strchr(group, ':'))
		assert_int_equal(inet_pton(AF_INET6, group, gid.raw), 1);
	else
		assert_int_equal(inet_pton(AF_INET, group, gid.raw + 12), 1);
	return gid;
}

static bool has_joined(const char *where, const char *netdev, const char *group)
{
	char command[128];

	snprintf(command, sizeof(command), "ip %s maddress show dev %s | grep -q '%s$'", where,
		 netdev, group);
	return shell_works(command);
}

static void wait_joined(const char *netdev, const char *group, bool joined)
{
	uint64_t end = now_ms() + PATIENCE;

	while (has_joined("-n peer", netdev, group) != joined) {
		if (now_ms() > end)
			fail_msg("%s has%s joined %s", netdev, joined ? " not" : "", group);
		sleep_ms(10);
	}
}

/* A queue pair that is attached to a group. */
static struct attached {
	struct ibv_qp *qp;
	union ibv_gid gid;
} attached;

static int detach(void *unused)
{
	(void)unused;
	return ibv_detach_mcast(attached.qp, &attached.gid, 0);
}

static void attach(struct letters *letters, const char *group)
{
	attached = (struct attached){ letters->pair.b.qp, group_gid(group) };
	assert_int_equal(ibv_attach_mcast(attached.qp, &attached.gid, 0), 0);
	defer(detach, &attached);
	letters->qpn = 0xffffff;
	letters_to(letters, group);
}

#define GROUP4 "239.7.7.7"
#define GROUP6 "ff12::7:7"

static void test_vlan_multicast(void **state)
{
	const char *group = *state;
	bool v6 = strchr(group, ':');
	struct letters letters;

	open_vlan();
	letters_open(&letters, here(v6 ? "2001:db8:7::1" : "198.51.100.1"),
		     there(v6 ? "2001:db8:7::2" : "198.51.100.2"));
	letters_receive(&letters);
	attach(&letters, group);
	wait_joined("veth1", group, true);
	wait_joined("veth1.7", group, true);
	wait_arrives(&letters, true, "multicast on a VLAN");
	undo(&attached);
	wait_joined("veth1.7", group, false);
	wait_joined("veth1", group, false);
	assert_false(letter_arrives(&letters));
}

static void speak_in_vlan(struct letters *letters)
{
	end_speak_from(&letters->pair.a, "198.51.100.1");
	letters_to(letters, GROUP4);
	wait_arrives(letters, true, "multicast on a VLAN");
}

/*
 * VLANs that appear after the queue pair is attached, disappear while it is, and are in another namespace in
 * between.
 */
static void test_vlan_comes_and_goes(void **state)
{
	struct letters letters;

	(void)state;
	need_wire();
	letters_open(&letters, here("192.0.2.1"), there("192.0.2.2"));
	letters_receive(&letters);
	attach(&letters, GROUP4);
	wait_arrives(&letters, true, "multicast on the link's own netdev");
	open_vlan();
	speak_in_vlan(&letters);
	shell("ip -n peer address del 198.51.100.2/24 dev veth1.7");
	shell("ip -n peer address del 2001:db8:7::2/64 dev veth1.7");
	shell("ip -n peer -6 address flush dev veth1.7");
	wait_joined("veth1.7", GROUP4, false);
	shell("ip -n peer address add 198.51.100.2/24 dev veth1.7");
	speak_in_vlan(&letters);

	shell("ip netns add elsewhere && ip -n peer link set veth1.7 netns elsewhere");
	defer(run, "ip -n elsewhere link set veth1.7 netns peer 2>/dev/null; ip netns del elsewhere");
	shell("ip -n elsewhere link set veth1.7 up && "
	      "ip -n elsewhere address add 198.51.100.2/24 dev veth1.7");
	sleep_ms(100 * options.slow);
	assert_false(has_joined("-n elsewhere", "veth1.7", GROUP4));
	assert_false(letter_arrives(&letters));
	shell("ip -n elsewhere link set veth1.7 netns peer && ip -n peer link set veth1.7 up && "
	      "ip -n peer address add 198.51.100.2/24 dev veth1.7");
	speak_in_vlan(&letters);
	shell("ip -n peer link delete veth1.7");
	assert_true(has_joined("-n peer", "veth1", GROUP4));
	shell("ip -n peer link add link veth1 name veth1.7 type vlan id 7 && "
	      "ip -n peer link set veth1.7 up && "
	      "ip -n peer address add 198.51.100.2/24 dev veth1.7");
	speak_in_vlan(&letters);
	undo(&attached);
	wait_joined("veth1.7", GROUP4, false);
	wait_joined("veth1", GROUP4, false);
}

/* --- changes of a netdev --------------------------------------------------------- */

static enum ibv_mtu active_mtu(void)
{
	struct ibv_port_attr attr;

	assert_int_equal(ibv_query_port(device_open(options.device), 1, &attr), 0);
	return attr.active_mtu;
}

static void set_mtu(int mtu)
{
	shell("ip link set veth0 mtu %d", mtu);
	shell("ip link set veth1 mtu %d 2>/dev/null || ip -n peer link set veth1 mtu %d", mtu, mtu);
}

static int mtu_again(void *unused)
{
	(void)unused;
	set_mtu(4200);
	return 0;
}

/* The application chooses the path MTU; an existing connection keeps its own. */
static void test_mtu(void **state)
{
	static const struct { int bytes; enum ibv_mtu mtu; } sizes[] = {
		{ 1500, IBV_MTU_1024 }, { 2200, IBV_MTU_2048 }, { 640, IBV_MTU_512 },
		{ 4200, IBV_MTU_4096 },
	};

	(void)state;
	assert_int_equal(active_mtu(), IBV_MTU_4096);
	defer(mtu_again, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct rc rc = rc_default();
		struct mover mover;

		set_mtu(sizes[i].bytes);
		assert_int_equal(active_mtu(), sizes[i].mtu);
		rc.mtu = sizes[i].mtu;
		mover_open(&mover, &rc, false, false, false);
		mover_sweep(&mover, LONGEST);
	}
}

static int old_name(void *unused)
{
	(void)unused;
	shell("ip link set other0 down; ip link set other0 name veth0; ip link set veth0 up; "
	      "ip address replace 2001:db8::1/64 dev veth0 nodad");
	return 0;
}

/* The link belongs to the netdev, whatever the netdev's name. */
static void test_renamed(void **state)
{
	struct rc rc = rc_default();
	struct mover mover;

	(void)state;
	shell("ip link set veth0 down && ip link set veth0 name other0 && ip link set other0 up");
	defer(old_name, NULL);
	shell("rdma link show %s/1 | grep -q 'netdev other0'", options.device);
	mover_open(&mover, &rc, false, false, false);
	mover_sweep(&mover, LONGEST);
}

int main(int argc, char **argv)
{
	static const struct flow flows[] = {
		{ IBV_QPT_RC, false }, { IBV_QPT_UC, false }, { IBV_QPT_UD, false },
		{ IBV_QPT_RC, true }, { IBV_QPT_UD, true },
	};
#define VLAN(n, name_) \
	{ .name = name_, .test_func = test_vlan, .initial_state = (void *)&flows[n] }
#define PRIORITY(n, name_) \
	{ .name = name_, .test_func = test_priority, .initial_state = (void *)&flows[n] }
	struct CMUnitTest tests[] = {
		VLAN(0, "VLAN, RC"),
		VLAN(1, "VLAN, UC"),
		VLAN(2, "VLAN, UD"),
		VLAN(3, "VLAN, RC over IPv6"),
		VLAN(4, "VLAN, UD over IPv6"),
		PRIORITY(0, "priority, RC"),
		PRIORITY(1, "priority, UC"),
		PRIORITY(2, "priority, UD"),
		PRIORITY(3, "priority, RC over IPv6"),
		PRIORITY(4, "priority, UD over IPv6"),
		cmocka_unit_test(test_vlan_cm),
		cmocka_unit_test(test_bond),
		{ .name = "VLAN, multicast", .test_func = test_vlan_multicast,
		  .initial_state = GROUP4 },
		{ .name = "VLAN, multicast of IPv6", .test_func = test_vlan_multicast,
		  .initial_state = GROUP6 },
		cmocka_unit_test(test_vlan_comes_and_goes),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_address_moves),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_renamed),
	};

	parse_options(argc, argv);
	return run_group("netdevs", tests, ARRAY_SIZE(tests));
}
