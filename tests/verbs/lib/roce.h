/* SPDX-License-Identifier: GPL-2.0 */
/* RoCEv2 packets built by hand, correct or not, and sent through a link as frames. */
#ifndef VERBS_ROCE_H
#define VERBS_ROCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Source and destination: IPv4 addresses are the first four bytes. */
struct roce_path {
	uint8_t dmac[6], smac[6];
	bool v6;
	uint8_t src[16], dst[16];
	/*
	 * Distinguishes the fragments of its packets from those of others, which wait half a minute for the
	 * rest
	 */
	uint16_t id;
};

/* Header fields, in the CPU's byte order; fields that the opcode does not have are left out. */
struct roce {
	uint8_t opcode;
	uint8_t flags;		/* solicited, migration, version; the pad count is computed from payload */
	uint8_t pad_lie;	/* XORed into the pad count */
	uint16_t pkey;
	uint32_t qpn, psn;	/* with the bits above them */
	uint64_t va;
	uint32_t rkey, length;
	uint64_t swap, compare, original;
	uint32_t aeth, feth, imm, ieth;
	uint32_t qkey, source;		/* of a datagram */
	uint32_t payload;	/* bytes of a pattern */
};

enum roce_opcode {
	ROCE_SEND_FIRST = 0x00, ROCE_SEND_MIDDLE = 0x01, ROCE_SEND_LAST = 0x02,
	ROCE_SEND_LAST_IMM = 0x03, ROCE_SEND_ONLY = 0x04, ROCE_SEND_ONLY_IMM = 0x05,
	ROCE_WRITE_FIRST = 0x06, ROCE_WRITE_MIDDLE = 0x07, ROCE_WRITE_LAST = 0x08,
	ROCE_WRITE_LAST_IMM = 0x09, ROCE_WRITE_ONLY = 0x0a, ROCE_WRITE_ONLY_IMM = 0x0b,
	ROCE_READ = 0x0c, ROCE_READ_FIRST = 0x0d, ROCE_READ_MIDDLE = 0x0e, ROCE_READ_LAST = 0x0f,
	ROCE_READ_ONLY = 0x10, ROCE_ACK = 0x11, ROCE_ATOMIC_ACK = 0x12, ROCE_CMP_SWAP = 0x13,
	ROCE_FETCH_ADD = 0x14, ROCE_SEND_LAST_INV = 0x16, ROCE_SEND_ONLY_INV = 0x17,
	ROCE_FLUSH = 0x1c, ROCE_ATOMIC_WRITE = 0x1d, ROCE_CNP = 0x81,
	/* To be added to the RC opcodes above */
	ROCE_UC = 0x20, ROCE_UD = 0x60,
};

#define ROCE_ACK_REQ (1u << 31)
#define ROCE_PORT 4791

#define FRAME_LINK 14
#define FRAME_MAX 65536

/* A frame, preceded by the header that tells the kernel how to take it (struct virtio_net_hdr). */
struct frame {
	uint8_t vnet[10];
	uint8_t bytes[FRAME_MAX];
	size_t len;		/* of bytes */
};

/* Builds a correct packet, with valid addresses, lengths and checksums. */
void roce_build(struct frame *frame, const struct roce_path *path, const struct roce *roce);

bool frame_v6(const struct frame *frame);
uint8_t *frame_ip(struct frame *frame);
uint8_t *frame_udp(struct frame *frame);
/* The base transport header, behind IP and UDP. */
uint8_t *frame_bth(struct frame *frame);

/*
 * Set the fields that depend on the length of the frame; on the bytes of IP; on all bytes that do not change
 * on the way. Call them in this order, each after the last change to the layers behind it.
 */
void frame_lengths(struct frame *frame);
void frame_ip_sum(struct frame *frame);
void frame_icrc(struct frame *frame);
/* Does all three. */
void frame_seal(struct frame *frame);
/* Seals the frame with no-op options behind the IP header; the frame must not change afterwards. */
void frame_options(struct frame *frame);

/*
 * Cuts a packet into fragments of @step bytes behind the IP header, a multiple of 8. Returns the number of
 * fragments.
 */
int frame_fragment(const struct frame *frame, size_t step, struct frame *out, int max);
/* Returns whether the kernel takes merged UDP frames from a program, as it does since 6.2. */
bool frames_can_merge(void);
/* Merges @n packets of one length between the same ends into one frame, as receive offload does. */
void frame_merge(struct frame *out, const struct frame *frames, int n);

/* A socket that sends frames through a link of a network namespace (NULL: this one). */
int frame_socket(const char *netns, const char *link, uint8_t mac[6]);
/* Sends the frames in order. */
void frames_send(int fd, struct frame *const *frames, int n);

#endif
