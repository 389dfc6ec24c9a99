// SPDX-License-Identifier: GPL-2.0
/*
 * Packets that no honest peer would send. They are aimed at queue pairs of ours, whose numbers,
 * PSNs and keys the attacker knows, half of them wrong in one thing only. What is outside of the
 * memory that they may reach stays as it is, and a connection beside them does not notice.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>

#include "lib/dice.h"
#include "lib/witness.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/roce.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/wire.h"
#include "lib/zone.h"

#define TARGETS 12
#define QUEUED 256		/* frames that are sent at once */
#define RECVS 4
#define REQUESTS 4
#define NOBODY 0xabcdef		/* the number of the queue pair that the targets believe in */
#define PKEY 0xffff

enum { OPEN, DEMAND, LOCAL, READONLY, CLOSED, ZONES };

/* --- the attacker and its targets -------------------------------------------------- */

/* A request of a target's own, which nobody but the attacker will answer. */
struct request {
	enum ibv_wr_opcode opcode;
	uint32_t psn, packets, answered, len;
};

struct target {
	struct end end;
	struct rc rc;
	struct roce_path path;
	union ibv_gid remote;
	uint32_t psn;			/* of the next request to it */
	/* what is left of the message to it */
	bool write;
	uint32_t rest;
	struct request requests[REQUESTS];
	int n_requests;
};

struct rig {
	struct dice dice;
	bool loop;
	int link;
	struct target targets[TARGETS];
	struct zone zones[ZONES];
	uint32_t dead_key;		/* of a region that is gone */
	const struct witness *witness;
	struct frame frames[QUEUED], spare, pieces[64];
	int n_frames;
	uint64_t sent, wrong, stories;
	uint64_t received, answered, failed;
	bool over;
};

static uint64_t roll(struct rig *rig, uint64_t n)
{
	return dice_below(&rig->dice, n);
}

static void flush(struct rig *rig)
{
	struct frame *list[QUEUED];

	for (int i = 0; i < rig->n_frames; i++)
		list[i] = &rig->frames[i];
	frames_send(rig->link, list, rig->n_frames);
	rig->n_frames = 0;
}

static void queue(struct rig *rig, const struct frame *frame)
{
	struct frame *to = &rig->frames[rig->n_frames++];

	memcpy(to->vnet, frame->vnet, sizeof(to->vnet));
	memcpy(to->bytes, frame->bytes, frame->len);
	to->len = frame->len;
	rig->sent++;
	if (rig->n_frames == QUEUED)
		flush(rig);
}

/* From an address at which nobody is; or, without a wire, from the device's own. */
static void path_open(struct rig *rig, struct roce_path *path, bool v6, const uint8_t macs[2][6])
{
	const char *own = v6 ? "2001:db8::1" : "192.0.2.1", *other = v6 ? "2001:db8::66" : "192.0.2.66";

	*path = (struct roce_path){ .v6 = v6 };
	inet_pton(v6 ? AF_INET6 : AF_INET, rig->loop ? own : other, path->src);
	inet_pton(v6 ? AF_INET6 : AF_INET, own, path->dst);
	memcpy(path->smac, macs[0], 6);
	memcpy(path->dmac, macs[1], 6);
}

static union ibv_gid gid_of(const uint8_t *address, bool v6)
{
	union ibv_gid gid = { .raw = { [10] = 0xff, [11] = 0xff } };

	memcpy(gid.raw + (v6 ? 0 : 12), address, v6 ? 16 : 4);
	return gid;
}

static uint8_t gid_index(struct ibv_context *ctx, const union ibv_gid *gid)
{
	struct ibv_gid_entry entry;

	for (int i = 0; i < 64; i++) {
		if (!ibv_query_gid_ex(ctx, 1, i, &entry, 0) &&
		    entry.gid_type == IBV_GID_TYPE_ROCE_V2 &&
		    !memcmp(entry.gid.raw, gid->raw, sizeof(gid->raw)))
			return i;
	}
	fail_msg("no GID for the device's own address");
	return 0;
}

static void connect_target(struct target *target, uint32_t psn)
{
	struct ibv_qp *qp = target->end.qp;

	target->rc.psn = target->psn = psn;
	target->rest = 0;
	target->n_requests = 0;
	qp_to(qp, IBV_QPS_RESET);
	qp_init(qp, &target->rc);
	qp_rtr(qp, &target->end, &target->rc, &target->remote, NOBODY);
	qp_rts(qp, &target->rc);
}

static void target_open(struct rig *rig, int i, const struct end *end, const uint8_t macs[2][6])
{
	static const uint8_t timeouts[] = { 0, 5, 9 };
	struct target *target = &rig->targets[i];
	struct rc rc = rc_default();
	union ibv_gid own;

	path_open(rig, &target->path, i % 2, macs);
	rc.mtu = i % 3 + IBV_MTU_256;
	rc.timeout = timeouts[i % ARRAY_SIZE(timeouts)];
	rc.rnr_retry = i % 2 ? 7 : 1;
	rc.access |= IBV_ACCESS_FLUSH_GLOBAL;
	target->rc = rc;
	target->end = *end;
	own = gid_of(target->path.dst, i % 2);
	target->remote = gid_of(target->path.src, i % 2);
	target->end.gid = own;
	target->end.gid_index = gid_index(end->ctx, &own);
	target->end.qp = end_qp(&target->end, &rc);
}

static int no_neighbours(void *unused)
{
	(void)unused;
	shell("ip neigh del 192.0.2.66 dev veth0; ip neigh del 2001:db8::66 dev veth0");
	return 0;
}

static int no_accept_local(void *unused)
{
	(void)unused;
	return write_file("/proc/sys/net/ipv4/conf/lo/accept_local", "0");
}

/* Finds or makes the way to the device: from veth's other end, or from lo. */
static void link_open(struct rig *rig, uint8_t macs[2][6])
{
	char line[32] = "";
	FILE *file;

	rig->loop = !strcmp(options.device, options.peer);
	if (rig->loop) {
		memset(macs, 0, 12);
		rig->link = frame_socket(NULL, "lo", macs[0]);
		assert_int_equal(write_file("/proc/sys/net/ipv4/conf/lo/accept_local", "1"), 0);
		defer(no_accept_local, rig);
		return;
	}
	rig->link = frame_socket("peer", "veth1", macs[0]);
	file = fopen("/sys/class/net/veth0/address", "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	assert_int_equal(sscanf(line, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &macs[1][0], &macs[1][1],
				&macs[1][2], &macs[1][3], &macs[1][4], &macs[1][5]), 6);
	for (int v6 = 0; v6 < 2; v6++)
		shell("ip neigh replace %s lladdr %02x:%02x:%02x:%02x:%02x:%02x dev veth0 nud permanent",
		      v6 ? "2001:db8::66" : "192.0.2.66", macs[0][0], macs[0][1], macs[0][2],
		      macs[0][3], macs[0][4], macs[0][5]);
	defer(no_neighbours, rig);
}

static void zones_open(struct rig *rig, const struct end *end)
{
	int odp = device_has_odp(end->ctx) ? IBV_ACCESS_ON_DEMAND : 0;
	int all = ALL_ACCESS | IBV_ACCESS_FLUSH_GLOBAL;
	struct zone dead = zone_make(end->pd, ALL_ACCESS, true);

	rig->dead_key = dead.mr->rkey;
	undo(dead.mr);
	rig->zones[OPEN] = zone_make(end->pd, all, true);
	rig->zones[DEMAND] = zone_make(end->pd, all | odp, true);
	rig->zones[LOCAL] = zone_make(end->pd, IBV_ACCESS_LOCAL_WRITE | odp, true);
	rig->zones[READONLY] = zone_make(end->pd, IBV_ACCESS_REMOTE_READ, false);
	rig->zones[CLOSED] = zone_make(end->pd, IBV_ACCESS_LOCAL_WRITE, false);
}

static int say_where(void *object)
{
	struct rig *rig = object;

	if (!rig->over)
		printf("# seed %llu, story %llu, packet %llu\n", (unsigned long long)options.seed,
		       (unsigned long long)rig->stories, (unsigned long long)rig->sent);
	return 0;
}

static struct rig *rig_open(void)
{
	struct rig *rig = scratch(sizeof(*rig));
	struct rc rc = rc_default();
	uint8_t macs[2][6];
	struct end end;

	memset(rig, 0, sizeof(*rig));
	rig->dice.seed = options.seed;
	defer(say_where, rig);
	rc.cqe = 4096;
	end_open(&end, options.device, &rc);
	assert_int_equal(fcntl(end.ctx->async_fd, F_SETFL, O_NONBLOCK), 0);
	link_open(rig, macs);
	zones_open(rig, &end);
	for (int i = 0; i < TARGETS; i++)
		target_open(rig, i, &end, (const uint8_t (*)[6])macs);
	return rig;
}

/* --- right packets ----------------------------------------------------------------- */

static struct ibv_sge local_sge(struct rig *rig, uint32_t len)
{
	const struct zone *zone = &rig->zones[LOCAL];

	return (struct ibv_sge){ (uintptr_t)zone_inside(zone), len, zone->mr->lkey };
}

static void post_recvs(struct rig *rig, struct target *target)
{
	struct ibv_sge list = local_sge(rig, ZONE / 2);

	for (int i = 0; i < RECVS; i++)
		post_recv(&target->end, i, &list, 1);
}

static uint32_t packets_of(const struct target *target, uint32_t len)
{
	uint32_t mtu = mtu_bytes(target->rc.mtu);

	return len ? (len + mtu - 1) / mtu : 1;
}

static void post_request(struct rig *rig, struct target *target, enum ibv_wr_opcode opcode,
			 uint32_t len)
{
	struct request *request = &target->requests[target->n_requests];
	struct ibv_sge list = local_sge(rig, len);
	struct ibv_send_wr wr = {
		.wr_id = target->n_requests, .opcode = opcode, .sg_list = &list, .num_sge = 1,
		.wr.atomic = { .remote_addr = 64, .rkey = 7 },
	};

	*request = (struct request){ .opcode = opcode, .len = len, .psn = target->rc.psn };
	if (target->n_requests)
		request->psn = request[-1].psn + request[-1].packets;
	request->packets = packets_of(target, len);
	target->n_requests++;
	post_send(&target->end, &wr);
}

static bool is_atomic(enum ibv_wr_opcode opcode)
{
	return opcode == IBV_WR_ATOMIC_FETCH_AND_ADD || opcode == IBV_WR_ATOMIC_CMP_AND_SWP;
}

/* Requests of the target's own. */
static void post_requests(struct rig *rig, struct target *target)
{
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_SEND, IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_RDMA_READ,
		IBV_WR_ATOMIC_FETCH_AND_ADD, IBV_WR_ATOMIC_CMP_AND_SWP,
	};
	int n = roll(rig, REQUESTS);

	while (target->n_requests < n) {
		enum ibv_wr_opcode opcode = opcodes[roll(rig, ARRAY_SIZE(opcodes))];

		post_request(rig, target, opcode, is_atomic(opcode) ? 8 :
			     roll(rig, 4 * mtu_bytes(target->rc.mtu)));
	}
}

static struct roce plain(const struct target *target, uint8_t opcode)
{
	return (struct roce){ .opcode = opcode, .pkey = PKEY, .qpn = target->end.qp->qp_num };
}

static struct roce read_response(const struct target *target, struct request *request)
{
	uint32_t mtu = mtu_bytes(target->rc.mtu), at = request->answered;
	bool last = at + 1 == request->packets;
	struct roce roce = plain(target, at ? last ? ROCE_READ_LAST : ROCE_READ_MIDDLE :
				 last ? ROCE_READ_ONLY : ROCE_READ_FIRST);

	roce.payload = last ? request->len - at * mtu : mtu;
	roce.psn = request->psn + at;
	request->answered++;
	return roce;
}

/* What answers the target's oldest request; false where there is none. */
static bool next_response(struct target *target, struct roce *roce)
{
	struct request *request = target->requests;

	while (request < target->requests + target->n_requests &&
	       request->answered == request->packets)
		request++;
	if (request == target->requests + target->n_requests)
		return false;
	if (request->opcode == IBV_WR_RDMA_READ) {
		*roce = read_response(target, request);
	} else {
		*roce = plain(target, is_atomic(request->opcode) ? ROCE_ATOMIC_ACK : ROCE_ACK);
		roce->psn = request->psn + request->packets - 1;
		request->answered = request->packets;
	}
	roce->aeth = 0x1f000000 | request->psn;
	roce->psn &= 0xffffff;
	return true;
}

static uint8_t send_opcode(struct rig *rig, bool first, bool last)
{
	static const uint8_t only[] = { ROCE_SEND_ONLY, ROCE_SEND_ONLY_IMM };
	static const uint8_t ends[] = { ROCE_SEND_LAST, ROCE_SEND_LAST_IMM };

	if (!last)
		return first ? ROCE_SEND_FIRST : ROCE_SEND_MIDDLE;
	return first ? only[roll(rig, 2)] : ends[roll(rig, 2)];
}

static uint8_t write_opcode(struct rig *rig, bool first, bool last)
{
	static const uint8_t only[] = { ROCE_WRITE_ONLY, ROCE_WRITE_ONLY_IMM };
	static const uint8_t ends[] = { ROCE_WRITE_LAST, ROCE_WRITE_LAST_IMM };

	if (!last)
		return first ? ROCE_WRITE_FIRST : ROCE_WRITE_MIDDLE;
	return first ? only[roll(rig, 2)] : ends[roll(rig, 2)];
}

static void remote(struct rig *rig, struct roce *roce, uint32_t len)
{
	const struct zone *zone = &rig->zones[roll(rig, 2) ? OPEN : DEMAND];

	roce->rkey = zone->mr->rkey;
	roce->length = len;
	roce->va = (uintptr_t)zone_inside(zone) + roll(rig, ZONE - len);
}

/* A packet of a SEND or a WRITE, of which @len bytes are left. */
static struct roce payload_packet(struct rig *rig, struct target *target, bool first, uint32_t len)
{
	uint32_t mtu = mtu_bytes(target->rc.mtu);
	bool last = len <= mtu;
	struct roce roce = plain(target, target->write ? write_opcode(rig, first, last) :
						       send_opcode(rig, first, last));

	if (first)
		remote(rig, &roce, len);
	roce.payload = last ? len : mtu;
	target->rest = len - roce.payload;
	return roce;
}

static struct roce query_packet(struct rig *rig, struct target *target)
{
	static const uint8_t opcodes[] = { ROCE_READ, ROCE_CMP_SWAP, ROCE_FETCH_ADD,
					   ROCE_ATOMIC_WRITE, ROCE_FLUSH };
	struct roce roce = plain(target, opcodes[roll(rig, ARRAY_SIZE(opcodes))]);

	remote(rig, &roce, roce.opcode == ROCE_READ ? roll(rig, 3000) : 8);
	if (roce.opcode != ROCE_READ)
		roce.va &= ~7ull;
	if (roce.opcode == ROCE_ATOMIC_WRITE)
		roce.payload = 8;
	roce.feth = roll(rig, 2) << 4 | 1;
	roce.swap = dice_roll(&rig->dice);
	roce.compare = dice_size(&rig->dice);
	return roce;
}

static struct roce next_request(struct rig *rig, struct target *target)
{
	struct roce roce;

	if (target->rest) {
		roce = payload_packet(rig, target, false, target->rest);
	} else if (roll(rig, 3)) {
		target->write = roll(rig, 2);
		roce = payload_packet(rig, target, true,
				      roll(rig, roll(rig, 2) ? 64 : 4 * mtu_bytes(target->rc.mtu)));
	} else {
		roce = query_packet(rig, target);
	}
	roce.imm = dice_roll(&rig->dice);
	roce.ieth = rig->zones[OPEN].mr->rkey;
	roce.psn = target->psn | (roll(rig, 2) ? ROCE_ACK_REQ : 0);
	/* A READ takes as many PSNs as its answer has packets. */
	target->psn += roce.opcode == ROCE_READ ? packets_of(target, roce.length) : 1;
	target->psn &= 0xffffff;
	return roce;
}

/* --- wrong fields ------------------------------------------------------------------ */

static void wrong_opcode(struct rig *rig, struct roce *roce)
{
	static const uint8_t ours[] = { 0x00, 0x06, 0x0a, 0x0c, 0x0d, 0x10, 0x11, 0x12, 0x13, 0x16,
					0x18, 0x1b, 0x1c, 0x1d, 0x20, 0x40, 0x64, 0x81, 0xe0, 0xff };

	roce->opcode = roll(rig, 2) ? ours[roll(rig, ARRAY_SIZE(ours))] : roll(rig, 0x20);
}

static void wrong_psn(struct rig *rig, struct roce *roce)
{
	static const int32_t off[] = { -1, 1, -2, 2, -16, 255, 256, 1024, 0x7fffff, 0x800000 };
	uint32_t psn = roce->psn + off[roll(rig, ARRAY_SIZE(off))];

	if (!roll(rig, 4))
		psn = dice_roll(&rig->dice);
	roce->psn = (psn & 0xffffff) | (roce->psn & ROCE_ACK_REQ);
}

static void wrong_qpn(struct rig *rig, struct roce *roce)
{
	static const uint32_t none[] = { 0, 1, 2, 15, 0xfffffe, 0xffffff, NOBODY };

	roce->qpn = roll(rig, 2) ? none[roll(rig, ARRAY_SIZE(none))] :
				   rig->targets[roll(rig, TARGETS)].end.qp->qp_num;
}

static void reserved_bits(struct rig *rig, struct roce *roce)
{
	if (roll(rig, 2))
		roce->qpn |= (1 + roll(rig, 255)) << 24;
	else
		roce->psn |= (1 + roll(rig, 127)) << 24;
}

static void wrong_flags(struct rig *rig, struct roce *roce)
{
	roce->flags ^= 1 << (roll(rig, 6) + (roll(rig, 2) ? 6 : 0)) % 8;
}

static void wrong_pad(struct rig *rig, struct roce *roce)
{
	roce->pad_lie = 1 + roll(rig, 3);
}

static void wrong_pkey(struct rig *rig, struct roce *roce)
{
	static const uint16_t keys[] = { 0, 0x7fff, 0x8000, 0x8001, 0xfffe };

	roce->pkey = keys[roll(rig, ARRAY_SIZE(keys))];
}

static void wrong_key(struct rig *rig, struct roce *roce)
{
	uint32_t keys[] = { 0, ~0u, roce->rkey ^ 1, roce->rkey ^ 0x100, rig->dead_key,
			    rig->zones[READONLY].mr->rkey, rig->zones[CLOSED].mr->rkey,
			    rig->zones[LOCAL].mr->rkey, dice_roll(&rig->dice) };

	roce->rkey = keys[roll(rig, ARRAY_SIZE(keys))];
}

/* A key without the right to memory that is really there. */
static void wrong_right(struct rig *rig, struct roce *roce)
{
	const struct zone *zone = &rig->zones[LOCAL + roll(rig, ZONES - LOCAL)];

	roce->rkey = zone->mr->rkey;
	roce->va = (uintptr_t)zone_inside(zone) + (roce->va & (PAGE - 1));
}

static void wrong_address(struct rig *rig, struct roce *roce)
{
	uint64_t start = (uintptr_t)zone_inside(&rig->zones[OPEN]), end = start + ZONE;
	uint64_t addresses[] = { start - 1, start - 8, end, end - 1, end - roce->length + 1, 0,
				 -(uint64_t)roce->length, -(uint64_t)roce->length / 2, ~0ull,
				 dice_size(&rig->dice), roce->va + 1, roce->va ^ 1ull << 63 };

	roce->rkey = rig->zones[OPEN].mr->rkey;
	roce->va = addresses[roll(rig, ARRAY_SIZE(addresses))];
}

static void wrong_length(struct rig *rig, struct roce *roce)
{
	uint32_t lengths[] = { 0, roce->length - 1, roce->length + 1, ZONE, ZONE + 1, 1u << 31,
			       (1u << 31) + 1, ~0u, dice_size(&rig->dice) };

	roce->length = lengths[roll(rig, ARRAY_SIZE(lengths))];
}

static void wrong_payload(struct rig *rig, struct roce *roce)
{
	uint32_t sizes[] = { 0, 1, roce->payload + 1, roce->payload + 4, roce->payload - 1,
			     roce->payload * 2, 256, 257, 1025, 4000, roll(rig, 4000) };
	uint32_t size = sizes[roll(rig, ARRAY_SIZE(sizes))];

	roce->payload = size <= 4000 ? size : 4000;
}

static void wrong_answer(struct rig *rig, struct roce *roce)
{
	roce->aeth = dice_roll(&rig->dice);
	if (roll(rig, 2))
		roce->opcode = ROCE_ACK;
}

static void wrong_extension(struct rig *rig, struct roce *roce)
{
	roce->feth = dice_size(&rig->dice);
	roce->ieth = roll(rig, 2) ? rig->zones[roll(rig, ZONES)].mr->rkey : dice_roll(&rig->dice);
	if (roce->opcode == ROCE_SEND_ONLY || roce->opcode == ROCE_SEND_ONLY_IMM)
		roce->opcode = ROCE_SEND_ONLY_INV;
	if (roce->opcode == ROCE_SEND_LAST || roce->opcode == ROCE_SEND_LAST_IMM)
		roce->opcode = ROCE_SEND_LAST_INV;
}

static void congestion(struct rig *rig, struct roce *roce)
{
	(void)rig;
	roce->opcode = ROCE_CNP;
	roce->payload = 0;
}

static void (*const wrong_fields[])(struct rig *rig, struct roce *roce) = {
	wrong_opcode, wrong_opcode, wrong_psn, wrong_psn, wrong_qpn, reserved_bits, wrong_flags,
	wrong_pad, wrong_pkey, wrong_key, wrong_right, wrong_address, wrong_address, wrong_length,
	wrong_length, wrong_payload, wrong_payload, wrong_answer, wrong_answer, wrong_extension,
	congestion,
};

/* --- wrong bytes ------------------------------------------------------------------- */

static void bad_icrc(struct rig *rig, struct frame *frame)
{
	frame->bytes[frame->len - 1 - roll(rig, 4)] ^= 1 + roll(rig, 255);
}

static void flipped(struct rig *rig, struct frame *frame)
{
	uint8_t *bth = frame_bth(frame);
	size_t len = frame->bytes + frame->len - bth;

	bth[roll(rig, len < 48 ? len : 48)] ^= 1 << roll(rig, 8);
	frame_icrc(frame);
}

static void truncated(struct rig *rig, struct frame *frame)
{
	size_t bth = frame_bth(frame) - frame->bytes;

	frame->len = bth + roll(rig, frame->len - bth);
	frame_seal(frame);
}

static void longer(struct rig *rig, struct frame *frame)
{
	size_t more = 1 + roll(rig, 64);

	memset(frame->bytes + frame->len, 0x5a, more);
	frame->len += more;
	if (roll(rig, 2))
		frame_seal(frame);
}

/* UDP says another length than IP, with everything else right for what it says. */
static void udp_lie(struct rig *rig, struct frame *frame)
{
	static const uint16_t lengths[] = { 0, 7, 8, 9, 12, 20, 24, 28, 0xffff };
	uint16_t len = htons(roll(rig, 2) ? lengths[roll(rig, ARRAY_SIZE(lengths))] :
					  roll(rig, frame->len));

	memcpy(frame_udp(frame) + 4, &len, sizeof(len));
	frame_icrc(frame);
}

static void udp_sum(struct rig *rig, struct frame *frame)
{
	frame_udp(frame)[6] = 1 + roll(rig, 255);
}

static void other_port(struct rig *rig, struct frame *frame)
{
	frame_udp(frame)[3] ^= 1 << roll(rig, 8);
	frame_icrc(frame);
}

/* A source that is not the target's peer: the third byte from the end tells 192.0.2 from others. */
static void spoofed(struct rig *rig, struct frame *frame)
{
	uint8_t *ip = frame_ip(frame);

	if (frame_v6(frame))
		ip[8 + 14] = 1 + roll(rig, 200);
	else
		ip[12 + 3] = 100 + roll(rig, 100);
	frame_ip_sum(frame);
	frame_icrc(frame);
}

static void ip_header(struct rig *rig, struct frame *frame)
{
	frame_ip(frame)[roll(rig, frame_v6(frame) ? 8 : 10)] ^= 1 << roll(rig, 8);
	if (roll(rig, 4))
		frame_ip_sum(frame);
}

static void cut_off(struct rig *rig, struct frame *frame)
{
	frame->len = FRAME_LINK + roll(rig, frame->len - FRAME_LINK);
}

static void (*const wrong_bytes[])(struct rig *rig, struct frame *frame) = {
	bad_icrc, flipped, flipped, flipped, truncated, truncated, longer, udp_lie, udp_sum,
	other_port, spoofed, ip_header, cut_off,
};

/* --- sending ----------------------------------------------------------------------- */

/* Only what is aimed at the honest process's queue pairs on purpose may reach them. */
static bool at_honest(struct rig *rig, struct frame *frame)
{
	uint8_t *qpn = frame_bth(frame) + 5;
	uint32_t n = qpn[0] << 16 | qpn[1] << 8 | qpn[2];

	return rig->witness && (n == witness_qpn(rig->witness, 0) || n == witness_qpn(rig->witness, 1));
}

/* Some come in pieces, of which one may be lost, doubled or in the wrong place. */
static void queue_fragments(struct rig *rig, struct frame *frame)
{
	int n = frame_fragment(frame, 8 * (1 + roll(rig, 100)), rig->pieces, ARRAY_SIZE(rig->pieces));
	bool harmed = roll(rig, 2);
	int victim = roll(rig, n);

	for (int i = 0; i < n; i++) {
		int piece = (i + (harmed && roll(rig, 2) ? victim : 0)) % n;

		if (!harmed || i != victim || roll(rig, 2))
			queue(rig, &rig->pieces[piece]);
	}
}

static void send_frame(struct rig *rig, struct frame *frame)
{
	if (at_honest(rig, frame))
		return;
	if (frame->len > FRAME_LINK + 48 && !roll(rig, 48))
		queue_fragments(rig, frame);
	else
		queue(rig, frame);
}

static void send_right(struct rig *rig, const struct target *target, const struct roce *roce)
{
	roce_build(&rig->spare, &target->path, roce);
	send_frame(rig, &rig->spare);
}

static void send_wrong(struct rig *rig, const struct target *target, struct roce roce)
{
	if (roll(rig, 3)) {
		wrong_fields[roll(rig, ARRAY_SIZE(wrong_fields))](rig, &roce);
		roce_build(&rig->spare, &target->path, &roce);
	} else {
		roce_build(&rig->spare, &target->path, &roce);
		wrong_bytes[roll(rig, ARRAY_SIZE(wrong_bytes))](rig, &rig->spare);
	}
	rig->wrong++;
	send_frame(rig, &rig->spare);
}

/* Packets of one size as one frame, as if the link's offload had put them together. */
static void send_train(struct rig *rig, struct target *target)
{
	int n = 2 + roll(rig, 7), victim = roll(rig, 4 * n);
	uint32_t len = roll(rig, mtu_bytes(target->rc.mtu));

	if (target->rest)
		return;
	for (int i = 0; i < n; i++) {
		struct roce roce = plain(target, ROCE_WRITE_ONLY);

		remote(rig, &roce, len);
		roce.payload = len;
		roce.psn = target->psn;
		target->psn = (target->psn + 1) & 0xffffff;
		roce_build(&rig->pieces[i], &target->path, &roce);
		if (!target->path.v6)
			frame_ip(&rig->pieces[i])[5] = i;
		frame_seal(&rig->pieces[i]);
		if (i == victim)
			flipped(rig, &rig->pieces[i]);
		if (at_honest(rig, &rig->pieces[i]))
			return;
	}
	frame_merge(&rig->spare, rig->pieces, n);
	queue(rig, &rig->spare);
	rig->sent += n - 1;
}

/* What would end or feed a connection, if it came from where it says. */
static struct roce tempting(struct rig *rig, int end)
{
	static const uint8_t opcodes[] = { ROCE_ACK, ROCE_ACK, ROCE_READ_FIRST, ROCE_READ_MIDDLE,
					   ROCE_READ_LAST, ROCE_READ_ONLY, ROCE_ATOMIC_ACK };
	struct target *v4 = &rig->targets[0];
	struct roce roce = next_request(rig, v4);

	if (!end) {
		roce.opcode = opcodes[roll(rig, ARRAY_SIZE(opcodes))];
		roce.aeth = (roll(rig, 2) ? 0x1f : 0x60 + roll(rig, 4)) << 24;
	}
	roce.qpn = witness_qpn(rig->witness, end);
	roce.psn = (witness_psn(rig->witness) + roll(rig, 24)) & 0xffffff;
	return roce;
}

/* Right in all but what must stop it, to a queue pair that must not notice. */
static void send_to_honest(struct rig *rig)
{
	static void (*const harmless[])(struct rig *rig, struct frame *frame) = {
		bad_icrc, udp_sum, other_port, spoofed,
	};
	struct roce roce = tempting(rig, rig->loop ? roll(rig, 2) : 0);
	struct roce_path path = rig->targets[0].path;

	if (!rig->loop)
		path.src[3] = 2;
	roce_build(&rig->spare, &path, &roce);
	harmless[roll(rig, ARRAY_SIZE(harmless))](rig, &rig->spare);
	rig->wrong++;
	queue(rig, &rig->spare);
}

/* --- stories ----------------------------------------------------------------------- */

static void collect(struct rig *rig, struct ibv_cq *cq, uint64_t *good)
{
	struct ibv_wc wc[16];
	int n;

	while ((n = ibv_poll_cq(cq, ARRAY_SIZE(wc), wc)) > 0) {
		for (int i = 0; i < n; i++)
			(*(wc[i].status == IBV_WC_SUCCESS ? good : &rig->failed))++;
	}
	assert_int_equal(n, 0);
}

static void collect_events(struct rig *rig)
{
	struct ibv_async_event event;

	while (!ibv_get_async_event(rig->targets[0].end.ctx, &event))
		ibv_ack_async_event(&event);
}

static void packet(struct rig *rig, struct target *target)
{
	struct roce roce;
	bool wrong = roll(rig, 2);

	if (!roll(rig, 64)) {
		send_train(rig, target);
		return;
	}
	if (!roll(rig, 3) || !next_response(target, &roce))
		roce = next_request(rig, target);
	if (wrong)
		send_wrong(rig, target, roce);
	if (!wrong || roll(rig, 4))
		send_right(rig, target, &roce);
}

static void story(struct rig *rig)
{
	struct target *target = &rig->targets[roll(rig, TARGETS)];

	connect_target(target, roll(rig, 1 << 24));
	post_recvs(rig, target);
	post_requests(rig, target);
	for (int n = 1 + roll(rig, 24); n--;)
		packet(rig, target);
	if (!roll(rig, 2))
		send_to_honest(rig);
	flush(rig);
	collect(rig, target->end.rcq, &rig->received);
	collect(rig, target->end.scq, &rig->answered);
	rig->stories++;
}

static void check(struct rig *rig)
{
	collect_events(rig);
	witness_lives(rig->witness);
	for (int i = 0; i < ZONES; i++)
		zone_check(&rig->zones[i]);
	for (int i = DEMAND; i <= LOCAL; i++)
		assert_int_equal(madvise(zone_inside(&rig->zones[i]), ZONE, MADV_DONTNEED), 0);
}

static void test_hostile(void **state)
{
	uint64_t count = options.count ?: options.full ? 1000000 : 40000, start, honest_messages;
	struct witness witness = witness_start();
	struct rig *rig = rig_open();

	(void)state;
	rig->witness = &witness;
	start = now_ms();
	while (rig->sent < count) {
		story(rig);
		if (rig->stories % 32 == 0)
			check(rig);
	}
	check(rig);
	honest_messages = witness_stop(&witness);
	printf("# %llu packets (%llu wrong) in %llu ms; %llu received, %llu answered, %llu failed; "
	       "%llu honest messages\n", (unsigned long long)rig->sent,
	       (unsigned long long)rig->wrong, (unsigned long long)(now_ms() - start),
	       (unsigned long long)rig->received, (unsigned long long)rig->answered,
	       (unsigned long long)rig->failed, (unsigned long long)honest_messages);
	/* Enough of them were right to get somewhere. */
	assert_true(rig->received > count / 100);
	assert_true(rig->answered > count / 100);
	assert_true(rig->failed > count / 100);
	rig->over = true;
}

/* --- that right packets are right -------------------------------------------------- */

/* A SEND that is executed when all before it is. */
static void barrier(struct rig *rig, struct target *target)
{
	struct roce roce = plain(target, ROCE_SEND_ONLY);
	struct ibv_sge list = local_sge(rig, PAGE);

	post_recv(&target->end, 99, &list, 1);
	roce.payload = 100;
	roce.psn = target->psn++;
	roce_build(&rig->spare, &target->path, &roce);
	queue(rig, &rig->spare);
	flush(rig);
	expect_wc(target->end.rcq, 99, IBV_WC_SUCCESS);
	pattern_check(zone_inside(&rig->zones[LOCAL]), 100, 0, roce.psn, "a forged send");
}

static struct roce forged_write(struct rig *rig, struct target *target, uint32_t len)
{
	struct roce roce = plain(target, ROCE_WRITE_ONLY);

	remote(rig, &roce, len);
	roce.payload = len;
	roce.psn = target->psn++;
	roce_build(&rig->spare, &target->path, &roce);
	return roce;
}

static void landed(const struct roce *roce)
{
	pattern_check((void *)(uintptr_t)roce->va, roce->length, 0, roce->psn, "a forged write");
}

static void forge_write(struct rig *rig, struct target *target)
{
	struct roce roce = forged_write(rig, target, 201);

	queue(rig, &rig->spare);
	barrier(rig, target);
	landed(&roce);
}

static void forge_fragments(struct rig *rig, struct target *target)
{
	struct roce roce = forged_write(rig, target, 250);
	int n = frame_fragment(&rig->spare, 64, rig->pieces, ARRAY_SIZE(rig->pieces));

	assert_int_equal(n, 5);
	for (int i = 0; i < n; i++)
		queue(rig, &rig->pieces[i]);
	barrier(rig, target);
	landed(&roce);
}

static void forge_train(struct rig *rig, struct target *target)
{
	struct roce roce[3];

	for (int i = 0; i < 3; i++) {
		roce[i] = forged_write(rig, target, 120);
		rig->pieces[i] = rig->spare;
		if (!target->path.v6)
			frame_ip(&rig->pieces[i])[5] = i;
		frame_seal(&rig->pieces[i]);
	}
	frame_merge(&rig->spare, rig->pieces, 3);
	queue(rig, &rig->spare);
	barrier(rig, target);
	landed(&roce[2]);
}

/* The same again but for its checksum, which must not land, and be no gap either. */
static void forge_badly(struct rig *rig, struct target *target)
{
	struct roce roce = forged_write(rig, target, 77);
	uint8_t *at = (void *)(uintptr_t)roce.va, before[77];

	memcpy(before, at, sizeof(before));
	bad_icrc(rig, &rig->spare);
	queue(rig, &rig->spare);
	target->psn--;
	barrier(rig, target);
	same_bytes(at, before, sizeof(before), "a write with a wrong ICRC");
}

static void forge_answers(struct rig *rig, struct target *target)
{
	uint32_t mtu = mtu_bytes(target->rc.mtu), len = 2 * mtu + 5;
	struct roce roce;

	post_request(rig, target, IBV_WR_RDMA_READ, len);
	post_request(rig, target, IBV_WR_SEND, 3);
	post_request(rig, target, IBV_WR_ATOMIC_FETCH_AND_ADD, 8);
	while (next_response(target, &roce)) {
		roce.original = 0x1122334455667788;
		roce_build(&rig->spare, &target->path, &roce);
		queue(rig, &rig->spare);
	}
	flush(rig);
	for (int i = 0; i < 3; i++)
		expect_wc(target->end.scq, i, IBV_WC_SUCCESS);
	assert_int_equal(*(uint64_t *)zone_inside(&rig->zones[LOCAL]), 0x1122334455667788);
	pattern_check(zone_inside(&rig->zones[LOCAL]) + 2 * mtu, 5, 0, target->rc.psn + 2,
		      "a forged read");
}

static void test_right(void **state)
{
	static void (*const forge[])(struct rig *rig, struct target *target) = {
		forge_write, forge_fragments, forge_train, forge_badly, forge_answers,
	};
	struct rig *rig = rig_open();

	(void)state;
	rig->over = true;
	for (size_t i = 0; i < TARGETS * ARRAY_SIZE(forge); i++) {
		struct target *target = &rig->targets[i % TARGETS];

		target->rc.timeout = 0;
		connect_target(target, 1000);
		forge[i / TARGETS](rig, target);
	}
}

/* --- a peer that sends already ------------------------------------------------------ */

#define OLD_PSN 1000
#define NEW_PSN 2000

struct flood {
	struct rig *rig;
	struct target *target;
};

/* The middle of a message that has no beginning, at the PSN that the queue pair used to expect. */
static void flood_child(void *arg)
{
	struct flood *flood = arg;
	struct roce roce = plain(flood->target, ROCE_WRITE_MIDDLE);
	struct frame *frames[16];

	roce.psn = OLD_PSN;
	roce.payload = mtu_bytes(flood->target->rc.mtu);
	roce_build(&flood->rig->spare, &flood->target->path, &roce);
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
		frames[i] = &flood->rig->spare;
	for (;;)
		frames_send(flood->rig->link, frames, ARRAY_SIZE(frames));
}

/*
 * A queue pair on its way to RTR took a packet with the old PSN, answered with a NAK and was in
 * the error state before its owner came to RTS.
 */
static void test_connecting(void **state)
{
	struct rig *rig = rig_open();
	struct flood flood = { .rig = rig, .target = &rig->targets[0] };
	struct target *target = flood.target;
	uint64_t end = now_ms() + 3000;

	(void)state;
	rig->over = true;
	child_start(flood_child, &flood);
	while (now_ms() < end) {
		target->rc.psn = OLD_PSN;
		qp_to(target->end.qp, IBV_QPS_RESET);
		qp_init(target->end.qp, &target->rc);
		qp_rtr(target->end.qp, &target->end, &target->rc, &target->remote, NOBODY);
		connect_target(target, NEW_PSN);
		expect_state(target->end.qp, IBV_QPS_RTS);
	}
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_right),
	cmocka_unit_test(test_connecting),
	cmocka_unit_test(test_hostile),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("packets", tests, ARRAY_SIZE(tests));
}
