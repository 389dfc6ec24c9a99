/* SPDX-License-Identifier: GPL-2.0 */
/* Limits that the device reports, and bounds that pace the data path. */
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
/*
 * The longest time that a responder needs for an ACK, as 4.096 us * 2^this =
 * 134 ms. It is this long because the responder may have to fault in a page.
 */
#define RXE_ACK_DELAY		15

/*
 * RXE_WINDOW: the number of PSNs that may be outstanding. RXE_ACK_EVERY: the
 * number of request packets after which one asks for an ACK.
 */
#define RXE_WINDOW		256
#define RXE_ACK_EVERY		64
/* Response packets per READ request; a longer READ takes several requests. */
#define RXE_READ_PACKETS	128
/*
 * After an RNR NAK, the requester waits at least for half of the time since the
 * first RNR NAK of the series. This is the upper limit of that minimum.
 */
#define RXE_RNR_BACKOFF_MAX_NS	(640 * NSEC_PER_MSEC)
/*
 * The number of packets that may wait for the responder or the completer of a
 * queue pair. Further packets are dropped.
 */
#define RXE_MAX_QUEUED		1024
/*
 * The number of bytes of long-waiting packets that a queue pair may keep
 * (rxe_keep.c). It exceeds RXE_WINDOW packets of a path MTU of 4096.
 */
#define RXE_MAX_KEPT		SZ_4M
/*
 * A queue pair of an unreliable transport pauses when this many bytes of its
 * packets are in the queues of the network stack.
 */
#define RXE_MAX_UNANSWERED	SZ_512K
/*
 * The pause of a requester that cannot send because memory or room in the
 * network queues is missing.
 */
#define RXE_PAUSE_NS		NSEC_PER_MSEC
/*
 * The largest train: packets, and bytes from the BTHs on. 128 bytes are left
 * below 64 KiB for the IP and UDP headers.
 */
#define RXE_TRAIN_PACKETS	64
#define RXE_TRAIN_BYTES		(SZ_64K - 128)
/* Packets that a task handles in one turn, before other tasks run. */
#define RXE_TASK_BUDGET		64
/*
 * Private copies of a user's send requests that a queue pair has at once; a
 * power of 2, and more than one turn of the task can send.
 */
#define RXE_FETCH_BUDGET	256
/*
 * The number of send requests that may be under way at once. RXE_WINDOW already
 * bounds the requests that have a PSN; this bounds those executed locally.
 */
#define RXE_MAX_STARTED		512

#endif /* RXE_LIMITS_H */
