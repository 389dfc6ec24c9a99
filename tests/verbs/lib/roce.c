// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/pattern.h"
#include "lib/roce.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/wire.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4	/* before 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define UDP 8
#define BTH 12
#define OPTIONS 8
#define ICRC 4

/* Headers behind the BTH, in their order in the packet. */
enum {
	FETH = 1, RETH = 2, ATOMICETH = 4, AETH = 8, ATOMICACK = 16, IMM = 32, IETH = 64,
	RESERVED = 128,
};

static const uint8_t headers[256] = {
	[ROCE_SEND_LAST_IMM] = IMM, [ROCE_SEND_ONLY_IMM] = IMM,
	[ROCE_SEND_LAST_INV] = IETH, [ROCE_SEND_ONLY_INV] = IETH,
	[ROCE_WRITE_FIRST] = RETH, [ROCE_WRITE_ONLY] = RETH,
	[ROCE_WRITE_LAST_IMM] = IMM, [ROCE_WRITE_ONLY_IMM] = RETH | IMM,
	[ROCE_READ] = RETH, [ROCE_ATOMIC_WRITE] = RETH, [ROCE_FLUSH] = FETH | RETH,
	[ROCE_CMP_SWAP] = ATOMICETH, [ROCE_FETCH_ADD] = ATOMICETH,
	[ROCE_READ_FIRST] = AETH, [ROCE_READ_LAST] = AETH, [ROCE_READ_ONLY] = AETH,
	[ROCE_ACK] = AETH, [ROCE_ATOMIC_ACK] = AETH | ATOMICACK, [ROCE_CNP] = RESERVED,
};

static uint8_t transport(uint8_t opcode)
{
	return opcode & 0xe0;
}

static uint8_t headers_of(uint8_t opcode)
{
	bool known = transport(opcode) == ROCE_UC || transport(opcode) == ROCE_UD;

	return headers[known ? opcode & 0x1f : opcode];
}

static uint8_t *put16(uint8_t *p, uint16_t value)
{
	value = htons(value);
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
	value = htonl(value);
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

static uint8_t *put64(uint8_t *p, uint64_t value)
{
	value = htobe64(value);
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

/* --- places ------------------------------------------------------------------ */

bool frame_v6(const struct frame *frame)
{
	return frame->bytes[FRAME_LINK] >> 4 == 6;
}

uint8_t *frame_ip(struct frame *frame)
{
	return frame->bytes + FRAME_LINK;
}

static size_t ip_len(const struct frame *frame)
{
	return frame_v6(frame) ? 40 : 20;
}

uint8_t *frame_udp(struct frame *frame)
{
	return frame_ip(frame) + ip_len(frame);
}

uint8_t *frame_bth(struct frame *frame)
{
	return frame_udp(frame) + UDP;
}

/* --- what is computed ---------------------------------------------------------- */

static uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t crc32(uint32_t crc, const uint8_t *p, size_t len)
{
	static uint32_t table[256];

	if (!table[1]) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;

			for (int bit = 0; bit < 8; bit++)
				c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
			table[i] = c;
		}
	}
	while (len--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return crc;
}

void frame_lengths(struct frame *frame)
{
	uint8_t *ip = frame_ip(frame);
	size_t len = frame->len - FRAME_LINK;

	if (frame_v6(frame))
		put16(ip + 4, len - 40);
	else
		put16(ip + 2, len);
	put16(frame_udp(frame) + 4, len - ip_len(frame));
}

void frame_ip_sum(struct frame *frame)
{
	uint8_t *ip = frame_ip(frame);

	if (frame_v6(frame))
		return;
	put16(ip + 10, 0);
	put16(ip + 10, ~sum16(ip, (ip[0] & 0xf) * 4, 0));
}

/*
 * Computes the ICRC over the packet with the fields that may change on the way set to ones, behind eight
 * bytes of ones.
 */
void frame_icrc(struct frame *frame)
{
	uint8_t masked[8 + 40 + UDP + BTH];
	size_t ip = ip_len(frame), n = ip + UDP + BTH;
	uint8_t *p = masked + 8, *end = frame->bytes + frame->len - ICRC;
	uint32_t crc;

	if (end < frame_bth(frame) + BTH)
		return;
	memset(masked, 0xff, 8);
	memcpy(p, frame_ip(frame), n);
	if (frame_v6(frame)) {
		p[0] |= 0x0f;
		memset(p + 1, 0xff, 3);
		p[7] = 0xff;
	} else {
		p[1] = 0xff;
		p[8] = 0xff;
		put16(p + 10, 0xffff);
	}
	put16(p + ip + 6, 0xffff);
	p[ip + UDP + 4] = 0xff;
	crc = crc32(~0u, masked, 8 + n);
	crc = htole32(~crc32(crc, frame_bth(frame) + BTH, end - frame_bth(frame) - BTH));
	memcpy(end, &crc, sizeof(crc));
}

void frame_seal(struct frame *frame)
{
	frame_lengths(frame);
	frame_ip_sum(frame);
	frame_icrc(frame);
}

void frame_options(struct frame *frame)
{
	static const uint8_t nothing4[OPTIONS] = { [0 ... OPTIONS - 1] = 1 };
	static const uint8_t nothing6[OPTIONS] = { IPPROTO_UDP, 0, 1, 4 };
	uint8_t *ip = frame_ip(frame), *udp = frame_udp(frame);

	frame_lengths(frame);
	if (frame_v6(frame)) {
		put16(ip + 4, frame->len - FRAME_LINK - 40 + OPTIONS);
		ip[6] = IPPROTO_DSTOPTS;
	} else {
		ip[0] += OPTIONS / 4;
		put16(ip + 2, frame->len - FRAME_LINK + OPTIONS);
	}
	frame_icrc(frame);
	memmove(udp + OPTIONS, udp, frame->bytes + frame->len - udp);
	memcpy(udp, frame_v6(frame) ? nothing6 : nothing4, OPTIONS);
	frame->len += OPTIONS;
	frame_ip_sum(frame);
}

/* --- building ------------------------------------------------------------------ */

static uint8_t *put_ip(uint8_t *p, const struct roce_path *path)
{
	memset(p, 0, 40);
	if (path->v6) {
		p[0] = 0x60;
		put16(p + 2, path->id);
		p[6] = IPPROTO_UDP;
		p[7] = 64;
		memcpy(p + 8, path->src, 16);
		memcpy(p + 24, path->dst, 16);
		return p + 40;
	}
	p[0] = 0x45;
	put16(p + 4, path->id);
	p[8] = 64;
	p[9] = IPPROTO_UDP;
	memcpy(p + 12, path->src, 4);
	memcpy(p + 16, path->dst, 4);
	return p + 20;
}

static uint8_t *put_bth(uint8_t *p, const struct roce *roce)
{
	uint8_t pad = (-roce->payload & 3) ^ roce->pad_lie;

	*p++ = roce->opcode;
	*p++ = roce->flags | (pad & 3) << 4;
	p = put16(p, roce->pkey);
	p = put32(p, roce->qpn);
	return put32(p, roce->psn);
}

static uint8_t *put_extended(uint8_t *p, const struct roce *roce)
{
	uint8_t has = headers_of(roce->opcode);

	if (transport(roce->opcode) == ROCE_UD)
		p = put32(put32(p, roce->qkey), roce->source);
	if (has & FETH)
		p = put32(p, roce->feth);
	if (has & RETH)
		p = put32(put32(put64(p, roce->va), roce->rkey), roce->length);
	if (has & ATOMICETH)
		p = put64(put64(put32(put64(p, roce->va), roce->rkey), roce->swap), roce->compare);
	if (has & AETH)
		p = put32(p, roce->aeth);
	if (has & ATOMICACK)
		p = put64(p, roce->original);
	if (has & IMM)
		p = put32(p, roce->imm);
	if (has & IETH)
		p = put32(p, roce->ieth);
	if (has & RESERVED)
		p = put64(put64(p, 0), 0);
	return p;
}

void roce_build(struct frame *frame, const struct roce_path *path, const struct roce *roce)
{
	uint8_t *p = frame->bytes;

	memset(frame->vnet, 0, sizeof(frame->vnet));
	memcpy(p, path->dmac, 6);
	memcpy(p + 6, path->smac, 6);
	p = put16(p + 12, path->v6 ? ETH_P_IPV6 : ETH_P_IP);
	p = put_ip(p, path);
	p = put16(put16(p, 0xc000), ROCE_PORT);
	p = put32(p, 0);
	p = put_extended(put_bth(p, roce), roce);
	pattern_fill(p, roce->payload, 0, roce->psn);
	p += roce->payload;
	memset(p, 0, 3);
	p += (-roce->payload & 3) + ICRC;
	frame->len = p - frame->bytes;
	frame_seal(frame);
}

/* --- fragments and trains -------------------------------------------------------- */

static void fragment4(struct frame *out, size_t offset, bool more)
{
	put16(frame_ip(out) + 2, out->len - FRAME_LINK);
	put16(frame_ip(out) + 6, offset / 8 | (more ? 0x2000 : 0));
	frame_ip_sum(out);
}

static void fragment6(struct frame *out, size_t offset, bool more)
{
	uint8_t *ip = frame_ip(out), *p = ip + 40;

	memmove(p + 8, p, out->len - FRAME_LINK - 40);
	out->len += 8;
	put16(ip + 4, out->len - FRAME_LINK - 40);
	ip[6] = IPPROTO_FRAGMENT;
	p[0] = IPPROTO_UDP;
	p[1] = 0;
	put16(p + 2, offset | more);
	put32(p + 4, ip[2] << 8 | ip[3]);
}

int frame_fragment(const struct frame *frame, size_t step, struct frame *out, int max)
{
	size_t head = FRAME_LINK + ip_len(frame), len = frame->len - head;
	int n = 0;

	for (size_t offset = 0; offset < len && n < max; offset += step, n++) {
		size_t part = len - offset < step ? len - offset : step;

		memset(out[n].vnet, 0, sizeof(out[n].vnet));
		memcpy(out[n].bytes, frame->bytes, head);
		memcpy(out[n].bytes + head, frame->bytes + head + offset, part);
		out[n].len = head + part;
		if (frame_v6(frame))
			fragment6(&out[n], offset, offset + part < len);
		else
			fragment4(&out[n], offset, offset + part < len);
	}
	return n;
}

/* The sum that UDP's checksum covers besides the datagram; the kernel completes the checksum. */
static uint16_t pseudo_sum(struct frame *frame)
{
	uint8_t tail[4] = { 0, IPPROTO_UDP };
	uint8_t *ip = frame_ip(frame);
	uint32_t sum;

	memcpy(tail + 2, frame_udp(frame) + 4, 2);
	sum = frame_v6(frame) ? sum16(ip + 8, 32, 0) : sum16(ip + 12, 8, 0);
	return sum16(tail, sizeof(tail), sum);
}

bool frames_can_merge(void)
{
	return kernel_at_least(6, 2);
}

void frame_merge(struct frame *out, const struct frame *frames, int n)
{
	size_t head = FRAME_LINK + ip_len(frames) + UDP, part = frames->len - head;
	struct virtio_net_hdr vnet = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
		.hdr_len = head, .gso_size = part, .csum_start = head - UDP, .csum_offset = 6,
	};

	memcpy(out->bytes, frames->bytes, head);
	for (int i = 0; i < n; i++)
		memcpy(out->bytes + head + i * part, frames[i].bytes + head, part);
	out->len = head + n * part;
	frame_lengths(out);
	frame_ip_sum(out);
	put16(frame_udp(out) + 6, pseudo_sum(out));
	memcpy(out->vnet, &vnet, sizeof(vnet));
}

/* --- sending ------------------------------------------------------------------- */

static int close_socket(void *fd)
{
	return close((intptr_t)fd);
}

static int link_socket(const char *link, uint8_t mac[6])
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(link) };
	struct ifreq request = {};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	defer(close_socket, (void *)(intptr_t)fd);
	assert_int_equal(bind(fd, (void *)&to, sizeof(to)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	strcpy(request.ifr_name, link);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	return fd;
}

int frame_socket(const char *netns, const char *link, uint8_t mac[6])
{
	int fd, here;

	if (!netns)
		return link_socket(link, mac);
	here = netns_enter(netns);
	fd = link_socket(link, mac);
	netns_leave(here);
	return fd;
}

#define BATCH 64

void frames_send(int fd, struct frame *const *frames, int n)
{
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];

	for (int done = 0, sent; done < n; done += sent) {
		int batch = n - done < BATCH ? n - done : BATCH;

		memset(messages, 0, sizeof(messages));
		for (int i = 0; i < batch; i++) {
			struct frame *frame = frames[done + i];

			parts[i] = (struct iovec){ frame, sizeof(frame->vnet) + frame->len };
			messages[i].msg_hdr.msg_iov = &parts[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		sent = sendmmsg(fd, messages, batch, 0);
		if (sent < 0)
			fail_msg("a frame of %zu bytes: %s", frames[done]->len, strerror(errno));
	}
}
