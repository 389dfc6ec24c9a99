/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire format of packets: the headers after UDP, padding and ICRC.
 * InfiniBand Architecture Specification, volume 1, chapter 9 (BTH and extended
 * headers), annex A17 (RoCEv2).
 */
#ifndef RXE_WIRE_H
#define RXE_WIRE_H

#include <linux/skbuff.h>
#include <rdma/ib_pack.h>
#include <rdma/ib_verbs.h>

#define RXE_PSN_MASK	0xffffff

/*
 * Positive if PSN @a is after @b modulo 2^24, 0 if they are equal, else
 * negative. They must be less than 2^23 apart.
 */
static inline int rxe_psn_cmp(u32 a, u32 b)
{
	return (s32)((a - b) << 8) >> 8;
}

/*
 * Is @psn at or after @end, the end of a message? The longest message has 2^23
 * packets, so @psn may be up to 2^23 before @end, and may be at most 2^22 after
 * it.
 */
static inline bool rxe_psn_reached(u32 psn, u32 end)
{
	const u32 origin = 3U << 22;

	return ((psn - end + origin) & RXE_PSN_MASK) >= origin;
}

/* The later of two PSNs. */
static inline u32 rxe_psn_max(u32 a, u32 b)
{
	return rxe_psn_cmp(a, b) >= 0 ? a : b;
}

static inline u32 rxe_psn_add(u32 psn, u32 n)
{
	return (psn + n) & RXE_PSN_MASK;
}

enum rxe_op_kind {
	RXE_OP_NONE,
	RXE_OP_SEND,
	RXE_OP_WRITE,
	RXE_OP_READ,
	RXE_OP_ATOMIC,
	RXE_OP_ATOMIC_WRITE,
	RXE_OP_FLUSH,
	/*
	 * a request with a reserved opcode, or with a length that is not
	 * allowed
	 */
	RXE_OP_RESERVED,
	/* responses, from here on */
	RXE_OP_READ_RESPONSE,
	RXE_OP_ACK,
	RXE_OP_ATOMIC_ACK,
};

/**
 * struct rxe_op - the meaning of a packet's opcode
 * @kind: the operation, enum rxe_op_kind
 * @qp_type: enum ib_qp_type of the queue pairs that use the opcode
 * @first: the packet is the first of a message
 * @last: the packet is the last of a message
 * @imm: the packet carries immediate data
 * @inv: the packet carries an rkey to invalidate
 * @payload: the packet may carry payload
 * @word: the payload is a word of 8 bytes, whatever the MTU is
 * @header_len: size of the BTH and the extended headers in bytes; 0: the opcode
 *	is not supported
 */
struct rxe_op {
	u8 kind;
	u8 qp_type;
	u8 first : 1;
	u8 last : 1;
	u8 imm : 1;
	u8 inv : 1;
	u8 payload : 1;
	u8 word : 1;
	u8 header_len;
};

extern const struct rxe_op rxe_ops[256];

static inline bool rxe_op_is_response(const struct rxe_op *op)
{
	return op->kind >= RXE_OP_READ_RESPONSE;
}

/*
 * AETH syndromes: bits 6:5 are the type; bits 4:0 are its credits, timer or
 * code.
 */
#define RXE_AETH_ACK		0x1f	/* unlimited credits */
#define RXE_AETH_RNR		0x20	/* bits 4:0: timer */
#define RXE_AETH_NAK_SEQ	0x60
#define RXE_AETH_NAK_INVALID	0x61
#define RXE_AETH_NAK_ACCESS	0x62
#define RXE_AETH_NAK_OP		0x63
#define RXE_AETH_TYPE_MASK	0x60
#define RXE_AETH_TYPE_NAK	0x60
#define RXE_AETH_VALUE_MASK	0x1f

/**
 * struct rxe_headers - a packet's headers, in the CPU's byte order
 * @opcode: enum of <rdma/ib_pack.h>
 * @solicited: BTH: the receiver is to get a solicited event
 * @ack_req: BTH: the responder must answer
 * @qpn: BTH: destination QP number
 * @psn: BTH: packet sequence number
 * @qkey: DETH: the Q_Key that the receiver must have
 * @src_qp: DETH: QP number of the sender
 * @va: RETH, AtomicETH: remote address
 * @rkey: RETH, AtomicETH: remote key
 * @length: RETH: length of the whole message in bytes
 * @swap_add: AtomicETH: the value to store or to add
 * @compare: AtomicETH: the comparand
 * @flush_type: FETH: enum ib_placement_type
 * @flush_level: FETH: enum ib_selectivity_level
 * @imm_data: ImmDt: immediate data
 * @invalidate_rkey: IETH: the rkey to invalidate
 * @syndrome: AETH: RXE_AETH_*
 * @msn: AETH: message sequence number
 * @original: AtomicAckETH: the former value of the word
 */
struct rxe_headers {
	u8 opcode;
	bool solicited;
	bool ack_req;
	u32 qpn;
	u32 psn;
	u32 qkey;
	u32 src_qp;
	u64 va;
	u32 rkey;
	u32 length;
	u64 swap_add;
	u64 compare;
	u8 flush_type;
	u8 flush_level;
	__be32 imm_data;
	u32 invalidate_rkey;
	u8 syndrome;
	u32 msn;
	u64 original;
};

struct rxe_qp;

/**
 * struct rxe_pkt - the driver's data about a packet, in skb->cb
 * @op: the meaning of the opcode
 * @opcode: the opcode
 * @solicited: BTH.SE
 * @ack_req: BTH.A
 * @qpn: destination QP number
 * @psn: packet sequence number
 * @payload: size of the payload in bytes, without padding
 * @vlan: ID of the VLAN on which the packet was received, or RXE_NO_VLAN
 * @keeper: the queue pair that keeps the packet; valid after rxe_keep()
 */
struct rxe_pkt {
	const struct rxe_op *op;
	u8 opcode;
	bool solicited;
	bool ack_req;
	u32 qpn;
	u32 psn;
	u32 payload;
	u16 vlan;
	struct rxe_qp *keeper;
};

#define RXE_NO_VLAN 0xffff

static inline struct rxe_pkt *rxe_pkt(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct rxe_pkt) > sizeof(skb->cb));
	return (struct rxe_pkt *)skb->cb;
}

/* The first byte of a packet's payload; skb->data is the BTH. */
static inline void *rxe_payload(struct sk_buff *skb)
{
	return skb->data + rxe_pkt(skb)->op->header_len;
}

/*
 * Is the AETH of a response to a READ, an atomic, an ATOMIC WRITE or a FLUSH an
 * ACK? It must be: a NAK is a separate packet. A response without an AETH
 * counts as one.
 */
static inline bool rxe_answer_is_ack(struct sk_buff *skb)
{
	return rxe_pkt(skb)->op->header_len == IB_BTH_BYTES ||
	       !(skb->data[IB_BTH_BYTES] & RXE_AETH_TYPE_MASK);
}

struct sk_buff *rxe_wire_build(const struct rxe_headers *headers, u32 payload);
int rxe_wire_parse(struct sk_buff *skb);
void rxe_wire_decode(struct sk_buff *skb, struct rxe_headers *headers);
void rxe_wire_seal(struct sk_buff *skb);
bool rxe_wire_intact(struct sk_buff *skb);

#endif /* RXE_WIRE_H */
