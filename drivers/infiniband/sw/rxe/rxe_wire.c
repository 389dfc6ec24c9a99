// SPDX-License-Identifier: GPL-2.0
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <linux/unaligned.h>

#include "rxe_crc32.h"
#include "rxe_limits.h"
#include "rxe_skb.h"
#include "rxe_wire.h"

struct rxe_bth {
	u8 opcode;
	u8 flags;		/* SE, M, pad count (2), version (4) */
	__be16 pkey;
	__be32 qpn;		/* FECN, BECN, reserved (6), QPN (24) */
	__be32 psn;		/* A, reserved (7), PSN (24) */
} __packed;

#define RXE_BTH_SE		0x80
#define RXE_BTH_PAD_SHIFT	4
#define RXE_BTH_PAD_MASK	0x3
/*
 * Header version and P_Key in the first word. The only partition is the default
 * one; packets of full and of limited members are accepted.
 */
#define RXE_BTH_OURS_MASK	cpu_to_be32(0x000f7fff)
#define RXE_BTH_OURS		cpu_to_be32(RXE_PKEY & 0x7fff)
#define RXE_BTH_ACK_REQ		BIT(31)
#define RXE_BTH_24		0xffffff

struct rxe_deth {
	__be32 qkey;
	__be32 src_qp;		/* reserved (8), QPN (24) */
} __packed;

struct rxe_reth {
	__be64 va;
	__be32 rkey;
	__be32 length;
} __packed;

struct rxe_atomiceth {
	__be64 va;
	__be32 rkey;
	__be64 swap_add;
	__be64 compare;
} __packed;

#define RXE_FETH_TYPE_MASK	0xf
#define RXE_FETH_LEVEL_SHIFT	4
#define RXE_FETH_LEVEL_MASK	0x3

#define BTH		sizeof(struct rxe_bth)
#define DETH		sizeof(struct rxe_deth)
#define RETH		sizeof(struct rxe_reth)
#define ATOMICETH	sizeof(struct rxe_atomiceth)
#define FETH		sizeof(__be32)
#define AETH		sizeof(__be32)
#define ATOMICACKETH	sizeof(__be64)
#define IMMDT		sizeof(__be32)
#define IETH		sizeof(__be32)

/* The opcodes that all connected transports have. */
#define RXE_CONNECTED_OPS(service)					\
	[IB_OPCODE_##service##_SEND_FIRST] = {				\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_SEND,	\
		.first = 1, .payload = 1, .header_len = BTH },		\
	[IB_OPCODE_##service##_SEND_MIDDLE] = {				\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_SEND,	\
		.payload = 1, .header_len = BTH },			\
	[IB_OPCODE_##service##_SEND_LAST] = {				\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_SEND,	\
		.last = 1, .payload = 1, .header_len = BTH },		\
	[IB_OPCODE_##service##_SEND_LAST_WITH_IMMEDIATE] = {		\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_SEND,	\
		.last = 1, .imm = 1, .payload = 1,			\
		.header_len = BTH + IMMDT },				\
	[IB_OPCODE_##service##_SEND_ONLY] = {				\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_SEND,	\
		.first = 1, .last = 1, .payload = 1,			\
		.header_len = BTH },					\
	[IB_OPCODE_##service##_SEND_ONLY_WITH_IMMEDIATE] = {		\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_SEND,	\
		.first = 1, .last = 1, .imm = 1, .payload = 1,		\
		.header_len = BTH + IMMDT },				\
	[IB_OPCODE_##service##_RDMA_WRITE_FIRST] = {			\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_WRITE,	\
		.first = 1, .payload = 1, .header_len = BTH + RETH },	\
	[IB_OPCODE_##service##_RDMA_WRITE_MIDDLE] = {			\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_WRITE,	\
		.payload = 1, .header_len = BTH },			\
	[IB_OPCODE_##service##_RDMA_WRITE_LAST] = {			\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_WRITE,	\
		.last = 1, .payload = 1, .header_len = BTH },		\
	[IB_OPCODE_##service##_RDMA_WRITE_LAST_WITH_IMMEDIATE] = {	\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_WRITE,	\
		.last = 1, .imm = 1, .payload = 1,			\
		.header_len = BTH + IMMDT },				\
	[IB_OPCODE_##service##_RDMA_WRITE_ONLY] = {			\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_WRITE,	\
		.first = 1, .last = 1, .payload = 1,			\
		.header_len = BTH + RETH },				\
	[IB_OPCODE_##service##_RDMA_WRITE_ONLY_WITH_IMMEDIATE] = {	\
		.qp_type = IB_QPT_##service, .kind = RXE_OP_WRITE,	\
		.first = 1, .last = 1, .imm = 1, .payload = 1,		\
		.header_len = BTH + RETH + IMMDT }

/* A reserved opcode. Everything after the BTH is ignored. */
#define RXE_RESERVED_OP							\
	{ .qp_type = IB_QPT_RC, .kind = RXE_OP_RESERVED, .payload = 1,	\
	  .header_len = BTH }

#define RXE_RC_RESERVED		0x1e

const struct rxe_op rxe_ops[256] = {
	RXE_CONNECTED_OPS(RC),
	[0x15] = RXE_RESERVED_OP,
	[0x18 ... 0x1b] = RXE_RESERVED_OP,
	[RXE_RC_RESERVED ... 0x1f] = RXE_RESERVED_OP,
	[IB_OPCODE_RC_SEND_LAST_WITH_INVALIDATE] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_SEND, .last = 1, .inv = 1,
		.payload = 1, .header_len = BTH + IETH },
	[IB_OPCODE_RC_SEND_ONLY_WITH_INVALIDATE] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_SEND, .first = 1,
		.last = 1, .inv = 1, .payload = 1, .header_len = BTH + IETH },
	[IB_OPCODE_RC_RDMA_READ_REQUEST] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_READ, .first = 1,
		.last = 1, .header_len = BTH + RETH },
	[IB_OPCODE_RC_COMPARE_SWAP] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_ATOMIC, .first = 1,
		.last = 1, .header_len = BTH + ATOMICETH },
	[IB_OPCODE_RC_FETCH_ADD] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_ATOMIC, .first = 1,
		.last = 1, .header_len = BTH + ATOMICETH },
	[IB_OPCODE_RC_ATOMIC_WRITE] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_ATOMIC_WRITE, .first = 1,
		.last = 1, .payload = 1, .word = 1,
		.header_len = BTH + RETH },
	[IB_OPCODE_RC_FLUSH] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_FLUSH, .first = 1,
		.last = 1, .header_len = BTH + FETH + RETH },
	[IB_OPCODE_RC_RDMA_READ_RESPONSE_FIRST] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_READ_RESPONSE, .first = 1,
		.payload = 1, .header_len = BTH + AETH },
	[IB_OPCODE_RC_RDMA_READ_RESPONSE_MIDDLE] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_READ_RESPONSE,
		.payload = 1, .header_len = BTH },
	[IB_OPCODE_RC_RDMA_READ_RESPONSE_LAST] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_READ_RESPONSE, .last = 1,
		.payload = 1, .header_len = BTH + AETH },
	[IB_OPCODE_RC_RDMA_READ_RESPONSE_ONLY] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_READ_RESPONSE, .first = 1,
		.last = 1, .payload = 1, .header_len = BTH + AETH },
	[IB_OPCODE_RC_ACKNOWLEDGE] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_ACK, .first = 1, .last = 1,
		.header_len = BTH + AETH },
	[IB_OPCODE_RC_ATOMIC_ACKNOWLEDGE] = {
		.qp_type = IB_QPT_RC, .kind = RXE_OP_ATOMIC_ACK, .first = 1,
		.last = 1, .header_len = BTH + AETH + ATOMICACKETH },
	RXE_CONNECTED_OPS(UC),
	[IB_OPCODE_UD_SEND_ONLY] = {
		.qp_type = IB_QPT_UD, .kind = RXE_OP_SEND, .first = 1,
		.last = 1, .payload = 1, .header_len = BTH + DETH },
	[IB_OPCODE_UD_SEND_ONLY_WITH_IMMEDIATE] = {
		.qp_type = IB_QPT_UD, .kind = RXE_OP_SEND, .first = 1,
		.last = 1, .imm = 1, .payload = 1,
		.header_len = BTH + DETH + IMMDT },
};

static bool rxe_op_has_deth(const struct rxe_op *op)
{
	return op->qp_type == IB_QPT_UD;
}

static bool rxe_op_has_reth(const struct rxe_op *op)
{
	return op->kind == RXE_OP_READ || op->kind == RXE_OP_ATOMIC_WRITE ||
	       op->kind == RXE_OP_FLUSH ||
	       (op->kind == RXE_OP_WRITE && op->first);
}

static bool rxe_op_has_aeth(const struct rxe_op *op)
{
	return rxe_op_is_response(op) &&
	       (op->kind != RXE_OP_READ_RESPONSE || op->first || op->last);
}

static void *put_deth(void *p, const struct rxe_headers *h)
{
	struct rxe_deth *deth = p;

	deth->qkey = cpu_to_be32(h->qkey);
	deth->src_qp = cpu_to_be32(h->src_qp & RXE_BTH_24);
	return deth + 1;
}

static void *put_reth(void *p, const struct rxe_headers *h)
{
	struct rxe_reth *reth = p;

	reth->va = cpu_to_be64(h->va);
	reth->rkey = cpu_to_be32(h->rkey);
	reth->length = cpu_to_be32(h->length);
	return reth + 1;
}

static void *put_atomiceth(void *p, const struct rxe_headers *h)
{
	struct rxe_atomiceth *eth = p;

	eth->va = cpu_to_be64(h->va);
	eth->rkey = cpu_to_be32(h->rkey);
	eth->swap_add = cpu_to_be64(h->swap_add);
	eth->compare = cpu_to_be64(h->compare);
	return eth + 1;
}

static void *put_be32(void *p, u32 value)
{
	put_unaligned_be32(value, p);
	return p + sizeof(__be32);
}

static void rxe_wire_encode(void *p, const struct rxe_headers *h, u32 pad)
{
	const struct rxe_op *op = &rxe_ops[h->opcode];
	struct rxe_bth *bth = p;

	bth->opcode = h->opcode;
	bth->flags = (h->solicited ? RXE_BTH_SE : 0) | pad << RXE_BTH_PAD_SHIFT;
	bth->pkey = cpu_to_be16(RXE_PKEY);
	bth->qpn = cpu_to_be32(h->qpn & RXE_BTH_24);
	bth->psn = cpu_to_be32((h->psn & RXE_BTH_24) |
			       (h->ack_req ? RXE_BTH_ACK_REQ : 0));
	p = bth + 1;

	if (rxe_op_has_deth(op))
		p = put_deth(p, h);
	if (op->kind == RXE_OP_FLUSH)
		p = put_be32(p, h->flush_level << RXE_FETH_LEVEL_SHIFT |
					h->flush_type);
	if (rxe_op_has_reth(op))
		p = put_reth(p, h);
	if (op->kind == RXE_OP_ATOMIC)
		p = put_atomiceth(p, h);
	if (rxe_op_has_aeth(op))
		p = put_be32(p, h->syndrome << 24 | (h->msn & RXE_BTH_24));
	if (op->kind == RXE_OP_ATOMIC_ACK)
		put_unaligned_be64(h->original, p);
	if (op->imm)
		p = put_be32(p, be32_to_cpu(h->imm_data));
	if (op->inv)
		p = put_be32(p, h->invalidate_rkey);
}

/* Zeroes the padding, and the ICRC until rxe_wire_seal() writes it. */
static void rxe_wire_finish(void *p, u32 pad)
{
	put_unaligned_be32(0, p);
	put_unaligned_be32(0, p + pad);
}

/**
 * rxe_wire_build() - create a packet
 * @headers: the packet's headers
 * @payload: size of the payload in bytes; the caller writes it to rxe_payload()
 *
 * The packet has headroom for UDP, IP and link layer headers, and contains room
 * for the ICRC.
 *
 * Context: bottom halves off.
 * Return: the packet with skb->cb filled in, or NULL.
 */
struct sk_buff *rxe_wire_build(const struct rxe_headers *headers, u32 payload)
{
	const struct rxe_op *op = &rxe_ops[headers->opcode];
	u32 pad = -payload & RXE_BTH_PAD_MASK;
	unsigned int room = MAX_HEADER + sizeof(struct ipv6hdr) +
			    sizeof(struct udphdr);
	struct rxe_pkt *pkt;
	struct sk_buff *skb;

	skb = rxe_skb_alloc(room + op->header_len + payload + pad +
			    IB_ICRC_BYTES);
	if (!skb)
		return NULL;
	skb_reserve(skb, room);
	rxe_wire_encode(__skb_put(skb, op->header_len), headers, pad);
	__skb_put(skb, payload);
	rxe_wire_finish(__skb_put(skb, pad + IB_ICRC_BYTES), pad);

	pkt = rxe_pkt(skb);
	pkt->op = op;
	pkt->opcode = headers->opcode;
	pkt->solicited = headers->solicited;
	pkt->ack_req = headers->ack_req;
	pkt->qpn = headers->qpn & RXE_BTH_24;
	pkt->psn = headers->psn & RXE_BTH_24;
	pkt->payload = payload;
	return skb;
}

/*
 * Handles a packet whose length its opcode does not allow. An RC request
 * becomes one with a reserved opcode, which the responder refuses with a NAK
 * when its PSN is expected. All other such packets are dropped.
 */
static int rxe_wire_misshapen(struct rxe_pkt *pkt)
{
	if (pkt->op->qp_type != IB_QPT_RC || rxe_op_is_response(pkt->op))
		return -EINVAL;
	pkt->op = &rxe_ops[RXE_RC_RESERVED];
	pkt->payload = 0;
	return 0;
}

/**
 * rxe_wire_parse() - parse the BTH of a received packet
 * @skb: the packet; linear; begins with the BTH and ends with the ICRC
 *
 * Context: any.
 * Return: 0 with skb->cb filled in; -EINVAL: drop the packet.
 */
int rxe_wire_parse(struct sk_buff *skb)
{
	const struct rxe_bth *bth = (const void *)skb->data;
	struct rxe_pkt *pkt = rxe_pkt(skb);
	u32 pad, psn;
	int payload;

	if (skb->len < BTH + IB_ICRC_BYTES)
		return -EINVAL;
	pkt->op = &rxe_ops[bth->opcode];
	pad = bth->flags >> RXE_BTH_PAD_SHIFT & RXE_BTH_PAD_MASK;
	if (!pkt->op->header_len ||
	    (get_unaligned((const __be32 *)bth) & RXE_BTH_OURS_MASK) !=
		    RXE_BTH_OURS)
		return -EINVAL;

	psn = be32_to_cpu(bth->psn);
	pkt->opcode = bth->opcode;
	pkt->solicited = bth->flags & RXE_BTH_SE;
	pkt->ack_req = psn & RXE_BTH_ACK_REQ;
	pkt->qpn = be32_to_cpu(bth->qpn) & RXE_BTH_24;
	pkt->psn = psn & RXE_BTH_24;
	payload = skb->len - pkt->op->header_len - pad - IB_ICRC_BYTES;
	pkt->payload = payload;
	/* Headers consist of 32-bit words, and padding fills the last word. */
	if (unlikely(payload < 0 || (payload && !pkt->op->payload) ||
		     skb->len % sizeof(__be32)))
		return rxe_wire_misshapen(pkt);
	return 0;
}

/**
 * rxe_wire_decode() - read a packet's headers
 * @skb: a packet from rxe_wire_build() or rxe_wire_parse()
 * @h: receives the headers of the packet; members of other headers become 0
 *
 * Context: any.
 */
void rxe_wire_decode(struct sk_buff *skb, struct rxe_headers *h)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	const void *p = skb->data + BTH;

	*h = (struct rxe_headers){
		.opcode = pkt->opcode,
		.solicited = pkt->solicited,
		.ack_req = pkt->ack_req,
		.qpn = pkt->qpn,
		.psn = pkt->psn,
	};
	if (rxe_op_has_deth(pkt->op)) {
		const struct rxe_deth *deth = p;

		h->qkey = be32_to_cpu(deth->qkey);
		h->src_qp = be32_to_cpu(deth->src_qp) & RXE_BTH_24;
		p += DETH;
	}
	if (pkt->op->kind == RXE_OP_FLUSH) {
		u32 feth = get_unaligned_be32(p);

		h->flush_type = feth & RXE_FETH_TYPE_MASK;
		h->flush_level = feth >> RXE_FETH_LEVEL_SHIFT &
				 RXE_FETH_LEVEL_MASK;
		p += FETH;
	}
	if (rxe_op_has_reth(pkt->op)) {
		const struct rxe_reth *reth = p;

		h->va = be64_to_cpu(reth->va);
		h->rkey = be32_to_cpu(reth->rkey);
		h->length = be32_to_cpu(reth->length);
		p += RETH;
	}
	if (pkt->op->kind == RXE_OP_ATOMIC) {
		const struct rxe_atomiceth *eth = p;

		h->va = be64_to_cpu(eth->va);
		h->rkey = be32_to_cpu(eth->rkey);
		h->swap_add = be64_to_cpu(eth->swap_add);
		h->compare = be64_to_cpu(eth->compare);
	}
	if (rxe_op_has_aeth(pkt->op)) {
		u32 aeth = get_unaligned_be32(p);

		h->syndrome = aeth >> 24;
		h->msn = aeth & RXE_BTH_24;
		p += AETH;
	}
	if (pkt->op->kind == RXE_OP_ATOMIC_ACK)
		h->original = get_unaligned_be64(p);
	if (pkt->op->imm)
		h->imm_data = get_unaligned((const __be32 *)p);
	if (pkt->op->inv)
		h->invalidate_rkey = get_unaligned_be32(p);
}

/**
 * struct rxe_variant - saved values of header fields that may change on the way
 * @ip: the IPv4 header
 * @ip6: the IPv6 header
 * @udp_check: the UDP checksum
 * @qpn: the word of the BTH with the QP number
 */
struct rxe_variant {
	union {
		struct iphdr ip;
		struct ipv6hdr ip6;
	};
	__sum16 udp_check;
	__be32 qpn;
};

/*
 * Sets the variant fields to all ones, as annex A17.3.3 requires for the ICRC.
 */
static void rxe_icrc_mask(void *network, struct udphdr *udp,
			  struct rxe_bth *bth, struct rxe_variant *kept)
{
	struct ipv6hdr *ip6 = network;
	struct iphdr *ip = network;

	if (ip->version == 4) {
		kept->ip = *ip;
		ip->tos = 0xff;
		ip->ttl = 0xff;
		ip->check = (__force __sum16)0xffff;
	} else {
		kept->ip6 = *ip6;
		ip6->priority = 0xf;
		memset(ip6->flow_lbl, 0xff, sizeof(ip6->flow_lbl));
		ip6->hop_limit = 0xff;
	}
	kept->udp_check = udp->check;
	udp->check = (__force __sum16)0xffff;
	kept->qpn = bth->qpn;
	bth->qpn |= cpu_to_be32(~RXE_BTH_24);
}

/* Restores the variant fields. */
static void rxe_icrc_unmask(void *network, struct udphdr *udp,
			    struct rxe_bth *bth, const struct rxe_variant *kept)
{
	struct ipv6hdr *ip6 = network;
	struct iphdr *ip = network;

	if (ip->version == 4)
		*ip = kept->ip;
	else
		*ip6 = kept->ip6;
	udp->check = kept->udp_check;
	bth->qpn = kept->qpn;
}

/*
 * Computes the invariant CRC of a packet in the form of the packet's last four
 * bytes. The ICRC covers an LRH. RoCE has none, so 8 bytes of all ones take its
 * place.
 */
static __le32 rxe_icrc(struct sk_buff *skb)
{
	void *end = skb_tail_pointer(skb) - IB_ICRC_BYTES;
	struct rxe_bth *bth = (void *)skb->data;
	void *ip = skb_network_header(skb);
	struct udphdr *udp = udp_hdr(skb);
	struct rxe_variant kept;
	u32 crc;

	rxe_icrc_mask(ip, udp, bth, &kept);
	crc = rxe_crc32(ip, end - ip);
	rxe_icrc_unmask(ip, udp, bth, &kept);
	return cpu_to_le32(~crc);
}

/**
 * rxe_wire_seal() - write the ICRC
 * @skb: the packet; linear and not shared; begins with the BTH. An IP header
 *	without options, the UDP header and the BTH follow one another.
 *
 * Context: any but a hard interrupt.
 */
void rxe_wire_seal(struct sk_buff *skb)
{
	__le32 icrc = rxe_icrc(skb);

	memcpy(skb_tail_pointer(skb) - sizeof(icrc), &icrc, sizeof(icrc));
}

/**
 * rxe_wire_intact() - check the ICRC
 * @skb: the packet; see rxe_wire_seal()
 *
 * The check changes header fields for a moment and restores them.
 *
 * Context: any but a hard interrupt.
 * Return: true if the ICRC is correct.
 */
bool rxe_wire_intact(struct sk_buff *skb)
{
	__le32 icrc = rxe_icrc(skb);

	return !memcmp(skb_tail_pointer(skb) - sizeof(icrc), &icrc,
		       sizeof(icrc));
}
