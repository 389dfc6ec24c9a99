/* SPDX-License-Identifier: GPL-2.0 */
/* What the device offers, and how it paces itself. */
#ifndef RXE_LIMITS_H
#define RXE_LIMITS_H

#include <linux/sizes.h>

#define RXE_UVERBS_ABI_VERSION	2
#define RXE_VENDOR_ID		0xffffff
#define RXE_ROCE_V2_UDP_PORT	4791
#define RXE_PORT		1

#define RXE_MAX_QP		(1 << 20)
#define RXE_GSI_QPN		1
#define RXE_MIN_QPN		16
#define RXE_MAX_QPN		0xffffff
#define RXE_MAX_WR		(1 << 20)
#define RXE_MAX_SGE		32
#define RXE_MAX_INLINE		512
#define RXE_MAX_CQ		(1 << 20)
#define RXE_MAX_CQE		((1 << 22) - 1)
#define RXE_MAX_PD		(1 << 20)
#define RXE_MAX_AH		(1 << 20)
#define RXE_MAX_MR		(1 << 20)
#define RXE_MAX_MW		(1 << 20)
#define RXE_MAX_FRWR_PAGES	1024
#define RXE_MAX_SRQ		(1 << 18)
#define RXE_MAX_SRQ_WR		RXE_MAX_WR
#define RXE_MAX_SRQ_SGE		RXE_MAX_SGE
#define RXE_MAX_MCAST_GRP	8192
#define RXE_MAX_MCAST_QP	64
#define RXE_MAX_RD_ATOMIC	128
#define RXE_MAX_MSG		(1U << 31)
#define RXE_GID_TABLE		1024
#define RXE_PKEY		0xffff
/* How long a responder may take, 4.096 us * 2^this = 134 ms: a page may be missing. */
#define RXE_ACK_DELAY		15

/* PSNs that may be under way, and how many go by without asking for an ACK. */
#define RXE_WINDOW		256
#define RXE_ACK_EVERY		64
/* Packets that one READ request asks for: a longer READ takes several. */
#define RXE_READ_PACKETS	128
/* Who waits for a receiver stays away for half of that time again, but no longer than this. */
#define RXE_RNR_BACKOFF_MAX_NS	(640 * NSEC_PER_MSEC)
/* Packets that wait for a responder or a completer; more are dropped. */
#define RXE_MAX_QUEUED		1024
/* Bytes of packets that a queue pair keeps where they wait for long: more than a window of a path MTU of 4096. */
#define RXE_MAX_KEPT		SZ_4M
/* Bytes of unanswered packets of a queue pair in the queues below, where it pauses. */
#define RXE_MAX_UNANSWERED	SZ_512K
/* How long who cannot send for want of memory, or of room in the queues below, stays away. */
#define RXE_PAUSE_NS		NSEC_PER_MSEC
/* Packets that leave together, and their bytes, with what IP and UDP add. */
#define RXE_TRAIN_PACKETS	64
#define RXE_TRAIN_BYTES		(SZ_64K - 128)
/* Packets a task handles before others have their turn. */
#define RXE_TASK_BUDGET		64
/* Requests of a user that are picked up, a power of 2: more than a turn sends. */
#define RXE_FETCH_BUDGET	256
/*
 * Requests under way at once. There are no more of those that have a PSN than
 * RXE_WINDOW; this holds for those that are executed locally.
 */
#define RXE_MAX_STARTED		512

#endif /* RXE_LIMITS_H */
