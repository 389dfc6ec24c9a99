// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "lib/forge.h"
#include "lib/test.h"

#define PKEY 0xffff

struct ibv_sge local_sge(struct attack *attack, uint32_t len)
{
	const struct zone *zone = &attack->zones[LOCAL];

	return (struct ibv_sge){ (uintptr_t)zone_inside(zone), len, zone->mr->lkey };
}

static uint32_t packets_of(const struct target *target, uint32_t len)
{
	uint32_t mtu = mtu_bytes(target->rc.mtu);

	return len ? (len + mtu - 1) / mtu : 1;
}

void post_request(struct attack *attack, struct target *target, enum ibv_wr_opcode opcode,
		  uint32_t len)
{
	struct request *request = &target->requests[target->n_requests];
	struct ibv_sge list = local_sge(attack, len);
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

bool is_atomic(enum ibv_wr_opcode opcode)
{
	return opcode == IBV_WR_ATOMIC_FETCH_AND_ADD || opcode == IBV_WR_ATOMIC_CMP_AND_SWP;
}

void post_bind(struct attack *attack, struct target *target)
{
	const struct zone *zone = &attack->zones[OPEN];
	struct ibv_send_wr wr = {
		.wr_id = REQUESTS, .opcode = IBV_WR_BIND_MW,
		.bind_mw = {
			.mw = target->window, .rkey = ibv_inc_rkey(target->window->rkey),
			.bind_info = {
				.mr = zone->mr, .addr = (uintptr_t)zone_inside(zone) + PAGE,
				.length = ZONE - 2 * PAGE, .mw_access_flags = ALL_REMOTE,
			},
		},
	};

	post_send(&target->end, &wr);
	target->window->rkey = wr.bind_mw.rkey;
	target->lent = true;
}

struct roce plain(const struct target *target, uint8_t opcode)
{
	enum ibv_qp_type type = target->rc.type;

	return (struct roce){
		.opcode = opcode + (type == IBV_QPT_UC ? ROCE_UC : type == IBV_QPT_UD ? ROCE_UD : 0),
		.pkey = PKEY, .qpn = target->end.qp->qp_num, .qkey = target->rc.qkey, .source = NOBODY,
	};
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

bool next_response(struct target *target, struct roce *roce)
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

/* Some of the last packets of a message invalidate the memory window. */
static uint8_t send_opcode(struct attack *attack, struct target *target, bool first, bool last)
{
	static const uint8_t only[] = { ROCE_SEND_ONLY, ROCE_SEND_ONLY_IMM, ROCE_SEND_ONLY_INV };
	static const uint8_t ends[] = { ROCE_SEND_LAST, ROCE_SEND_LAST_IMM, ROCE_SEND_LAST_INV };
	int kind;

	if (!last)
		return first ? ROCE_SEND_FIRST : ROCE_SEND_MIDDLE;
	kind = roll(attack, target->lent ? 3 : 2);
	if (kind == 2)
		target->lent = false;
	return first ? only[kind] : ends[kind];
}

static uint8_t write_opcode(struct attack *attack, bool first, bool last)
{
	static const uint8_t only[] = { ROCE_WRITE_ONLY, ROCE_WRITE_ONLY_IMM };
	static const uint8_t ends[] = { ROCE_WRITE_LAST, ROCE_WRITE_LAST_IMM };

	if (!last)
		return first ? ROCE_WRITE_FIRST : ROCE_WRITE_MIDDLE;
	return first ? only[roll(attack, 2)] : ends[roll(attack, 2)];
}

void aim(struct attack *attack, const struct target *target, struct roce *roce, uint32_t len)
{
	const struct zone *zone = &attack->zones[roll(attack, 2) ? OPEN : DEMAND];

	roce->rkey = zone->mr->rkey;
	roce->length = len;
	roce->va = (uintptr_t)zone_inside(zone) + roll(attack, ZONE - len);
	if (target->lent && !roll(attack, 3)) {
		roce->rkey = target->window->rkey;
		roce->va = (uintptr_t)zone_inside(&attack->zones[OPEN]) + PAGE +
			   roll(attack, ZONE - 2 * PAGE - len);
	}
}

/* Makes a packet of a SEND or a WRITE of which @len bytes are left. */
static struct roce payload_packet(struct attack *attack, struct target *target, bool first,
				  uint32_t len)
{
	uint32_t mtu = mtu_bytes(target->rc.mtu);
	bool last = len <= mtu;
	struct roce roce = plain(target, target->write ? write_opcode(attack, first, last) :
						       send_opcode(attack, target, first, last));

	if (first)
		aim(attack, target, &roce, len);
	roce.payload = last ? len : mtu;
	target->rest = len - roce.payload;
	return roce;
}

static struct roce query_packet(struct attack *attack, struct target *target)
{
	static const uint8_t opcodes[] = { ROCE_READ, ROCE_CMP_SWAP, ROCE_FETCH_ADD,
					   ROCE_ATOMIC_WRITE, ROCE_FLUSH };
	struct roce roce = plain(target, opcodes[roll(attack, ARRAY_SIZE(opcodes))]);

	aim(attack, target, &roce, roce.opcode == ROCE_READ ? roll(attack, 3000) : 8);
	if (roce.opcode != ROCE_READ)
		roce.va &= ~7ull;
	if (roce.opcode == ROCE_ATOMIC_WRITE)
		roce.payload = 8;
	roce.feth = roll(attack, 2) << 4 | 1;
	roce.swap = dice_roll(&attack->dice);
	roce.compare = dice_size(&attack->dice);
	return roce;
}

static struct roce datagram(struct attack *attack, struct target *target)
{
	struct roce roce = plain(target, roll(attack, 2) ? ROCE_SEND_ONLY : ROCE_SEND_ONLY_IMM);

	roce.payload = roll(attack, roll(attack, 2) ? 64 : 4000);
	return roce;
}

struct roce next_request(struct attack *attack, struct target *target)
{
	struct roce roce;

	if (target->rc.type == IBV_QPT_UD) {
		roce = datagram(attack, target);
	} else if (target->rest) {
		roce = payload_packet(attack, target, false, target->rest);
	} else if (target->rc.type == IBV_QPT_UC || roll(attack, 3)) {
		target->write = roll(attack, 2);
		roce = payload_packet(attack, target, true,
				      roll(attack, roll(attack, 2) ? 64 : 4 * mtu_bytes(target->rc.mtu)));
	} else {
		roce = query_packet(attack, target);
	}
	roce.imm = dice_roll(&attack->dice);
	roce.ieth = target->window->rkey;
	roce.psn = target->psn | (roll(attack, 2) ? ROCE_ACK_REQ : 0);
	/* A READ uses as many PSNs as its response has packets. */
	target->psn += roce.opcode == ROCE_READ ? packets_of(target, roce.length) : 1;
	target->psn &= 0xffffff;
	return roce;
}
