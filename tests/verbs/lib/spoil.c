// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <string.h>

#include "lib/spoil.h"
#include "lib/test.h"

/* --- wrong fields ------------------------------------------------------------------ */

static void wrong_opcode(struct attack *attack, struct roce *roce)
{
	static const uint8_t ours[] = { 0x00, 0x06, 0x0a, 0x0c, 0x0d, 0x10, 0x11, 0x12, 0x13, 0x16,
					0x18, 0x1b, 0x1c, 0x1d, 0x20, 0x40, 0x64, 0x81, 0xe0, 0xff };

	roce->opcode = roll(attack, 2) ? ours[roll(attack, ARRAY_SIZE(ours))] : roll(attack, 0x20);
}

static void wrong_psn(struct attack *attack, struct roce *roce)
{
	static const int32_t off[] = { -1, 1, -2, 2, -16, 255, 256, 1024, 0x7fffff, 0x800000 };
	uint32_t psn = roce->psn + off[roll(attack, ARRAY_SIZE(off))];

	if (!roll(attack, 4))
		psn = dice_roll(&attack->dice);
	roce->psn = (psn & 0xffffff) | (roce->psn & ROCE_ACK_REQ);
}

static void wrong_qpn(struct attack *attack, struct roce *roce)
{
	static const uint32_t none[] = { 0, 1, 2, 15, 0xfffffe, 0xffffff, NOBODY };

	roce->qpn = roll(attack, 2) ? none[roll(attack, ARRAY_SIZE(none))] :
				   attack->targets[roll(attack, TARGETS)].end.qp->qp_num;
}

static void reserved_bits(struct attack *attack, struct roce *roce)
{
	if (roll(attack, 2))
		roce->qpn |= (1 + roll(attack, 255)) << 24;
	else
		roce->psn |= (1 + roll(attack, 127)) << 24;
}

static void wrong_flags(struct attack *attack, struct roce *roce)
{
	roce->flags ^= 1 << (roll(attack, 6) + (roll(attack, 2) ? 6 : 0)) % 8;
}

static void wrong_pad(struct attack *attack, struct roce *roce)
{
	roce->pad_lie = 1 + roll(attack, 3);
}

static void wrong_pkey(struct attack *attack, struct roce *roce)
{
	static const uint16_t keys[] = { 0, 0x7fff, 0x8000, 0x8001, 0xfffe };

	roce->pkey = keys[roll(attack, ARRAY_SIZE(keys))];
}

static void wrong_key(struct attack *attack, struct roce *roce)
{
	uint32_t keys[] = { 0, ~0u, roce->rkey ^ 1, roce->rkey ^ 0x100, attack->dead_key,
			    attack->zones[READONLY].mr->rkey, attack->zones[CLOSED].mr->rkey,
			    attack->zones[LOCAL].mr->rkey, dice_roll(&attack->dice),
			    attack->targets[roll(attack, TARGETS)].window->rkey };

	roce->rkey = keys[roll(attack, ARRAY_SIZE(keys))];
}

/* The key of existing memory, but without the needed access right. */
static void wrong_right(struct attack *attack, struct roce *roce)
{
	const struct zone *zone = &attack->zones[LOCAL + roll(attack, ZONES - LOCAL)];

	roce->rkey = zone->mr->rkey;
	roce->va = (uintptr_t)zone_inside(zone) + (roce->va & (PAGE - 1));
}

static void wrong_address(struct attack *attack, struct roce *roce)
{
	uint64_t start = (uintptr_t)zone_inside(&attack->zones[OPEN]), end = start + ZONE;
	uint64_t addresses[] = { start - 1, start - 8, end, end - 1, end - roce->length + 1, 0,
				 -(uint64_t)roce->length, -(uint64_t)roce->length / 2, ~0ull,
				 dice_size(&attack->dice), roce->va + 1, roce->va ^ 1ull << 63 };

	roce->rkey = attack->zones[OPEN].mr->rkey;
	roce->va = addresses[roll(attack, ARRAY_SIZE(addresses))];
}

static void wrong_length(struct attack *attack, struct roce *roce)
{
	uint32_t lengths[] = { 0, roce->length - 1, roce->length + 1, ZONE, ZONE + 1, 1u << 31,
			       (1u << 31) + 1, ~0u, dice_size(&attack->dice) };

	roce->length = lengths[roll(attack, ARRAY_SIZE(lengths))];
}

static void wrong_payload(struct attack *attack, struct roce *roce)
{
	uint32_t sizes[] = { 0, 1, roce->payload + 1, roce->payload + 4, roce->payload - 1,
			     roce->payload * 2, 256, 257, 1025, 4000, roll(attack, 4000) };
	uint32_t size = sizes[roll(attack, ARRAY_SIZE(sizes))];

	roce->payload = size <= 4000 ? size : 4000;
}

static void wrong_answer(struct attack *attack, struct roce *roce)
{
	roce->aeth = dice_roll(&attack->dice);
	if (roll(attack, 2))
		roce->opcode = ROCE_ACK;
}

static void wrong_extension(struct attack *attack, struct roce *roce)
{
	roce->feth = dice_size(&attack->dice);
	roce->ieth = roll(attack, 2) ? attack->zones[roll(attack, ZONES)].mr->rkey :
				       dice_roll(&attack->dice);
	if (roce->opcode == ROCE_SEND_ONLY || roce->opcode == ROCE_SEND_ONLY_IMM)
		roce->opcode = ROCE_SEND_ONLY_INV;
	if (roce->opcode == ROCE_SEND_LAST || roce->opcode == ROCE_SEND_LAST_IMM)
		roce->opcode = ROCE_SEND_LAST_INV;
}

static void wrong_datagram(struct attack *attack, struct roce *roce)
{
	if (roll(attack, 2))
		roce->qkey ^= 1u << roll(attack, 32);
	else
		roce->source = dice_roll(&attack->dice);
}

static void congestion(struct attack *attack, struct roce *roce)
{
	(void)attack;
	roce->opcode = ROCE_CNP;
	roce->payload = 0;
}

static void (*const wrong_fields[])(struct attack *attack, struct roce *roce) = {
	wrong_opcode, wrong_opcode, wrong_psn, wrong_psn, wrong_qpn, reserved_bits, wrong_flags,
	wrong_pad, wrong_pkey, wrong_key, wrong_right, wrong_address, wrong_address, wrong_length,
	wrong_length, wrong_payload, wrong_payload, wrong_answer, wrong_answer, wrong_extension,
	congestion, wrong_datagram,
};

void spoil_fields(struct attack *attack, struct roce *roce)
{
	wrong_fields[roll(attack, ARRAY_SIZE(wrong_fields))](attack, roce);
}

/* --- wrong bytes ------------------------------------------------------------------- */

void bad_icrc(struct attack *attack, struct frame *frame)
{
	frame->bytes[frame->len - 1 - roll(attack, 4)] ^= 1 + roll(attack, 255);
}

void flipped(struct attack *attack, struct frame *frame)
{
	uint8_t *bth = frame_bth(frame);
	size_t len = frame->bytes + frame->len - bth;

	bth[roll(attack, len < 48 ? len : 48)] ^= 1 << roll(attack, 8);
	frame_icrc(frame);
}

static void truncated(struct attack *attack, struct frame *frame)
{
	size_t bth = frame_bth(frame) - frame->bytes;

	frame->len = bth + roll(attack, frame->len - bth);
	frame_seal(frame);
}

static void longer(struct attack *attack, struct frame *frame)
{
	size_t more = 1 + roll(attack, 64);

	memset(frame->bytes + frame->len, 0x5a, more);
	frame->len += more;
	if (roll(attack, 2))
		frame_seal(frame);
}

/* The UDP length differs from the IP length; everything else is correct for the UDP length. */
static void udp_lie(struct attack *attack, struct frame *frame)
{
	static const uint16_t lengths[] = { 0, 7, 8, 9, 12, 20, 24, 28, 0xffff };
	uint16_t len = htons(roll(attack, 2) ? lengths[roll(attack, ARRAY_SIZE(lengths))] :
					  roll(attack, frame->len));

	memcpy(frame_udp(frame) + 4, &len, sizeof(len));
	frame_icrc(frame);
}

void udp_sum(struct attack *attack, struct frame *frame)
{
	frame_udp(frame)[6] = 1 + roll(attack, 255);
}

void other_port(struct attack *attack, struct frame *frame)
{
	frame_udp(frame)[3] ^= 1 << roll(attack, 8);
	frame_icrc(frame);
}

/* Changes the source to an address that is not the peer's. */
void spoofed(struct attack *attack, struct frame *frame)
{
	uint8_t *ip = frame_ip(frame);

	if (frame_v6(frame))
		ip[8 + 14] = 1 + roll(attack, 200);
	else
		ip[12 + 3] = 100 + roll(attack, 100);
	frame_ip_sum(frame);
	frame_icrc(frame);
}

static void ip_header(struct attack *attack, struct frame *frame)
{
	frame_ip(frame)[roll(attack, frame_v6(frame) ? 8 : 10)] ^= 1 << roll(attack, 8);
	if (roll(attack, 4))
		frame_ip_sum(frame);
}

static void cut_off(struct attack *attack, struct frame *frame)
{
	frame->len = FRAME_LINK + roll(attack, frame->len - FRAME_LINK);
}

static void (*const wrong_bytes[])(struct attack *attack, struct frame *frame) = {
	bad_icrc, flipped, flipped, flipped, truncated, truncated, longer, udp_lie, udp_sum,
	other_port, spoofed, ip_header, cut_off,
};

void spoil_bytes(struct attack *attack, struct frame *frame)
{
	wrong_bytes[roll(attack, ARRAY_SIZE(wrong_bytes))](attack, frame);
}
