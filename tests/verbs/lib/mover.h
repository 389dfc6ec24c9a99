/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moves messages one by one from a to b over any transport, and checks each byte of the target and around it.
 */
#ifndef VERBS_MOVER_H
#define VERBS_MOVER_H

#include "lib/mem.h"
#include "lib/rc.h"

#define MOVER_LEN (512 * 1024)	/* the longest message, including its offset */
#define MOVER_PIECES 3
#define GRH 40			/* bytes in front of a datagram's payload */

/* State of the on-demand pages before a message. */
enum heat { WARM, DONTNEED, REMAPPED, HEATS };

struct mover {
	struct pair pair;
	struct ibv_ah *ah;	/* address handle of b, for datagrams */
	struct buf src, dst;
	bool src_odp, dst_odp;
	uint8_t *want;
	uint64_t seed;
};

struct message {
	enum ibv_wr_opcode opcode;
	size_t len, src_at, dst_at;
	enum heat heat;
	int pieces;		/* elements of the gather list and of the scatter list */
	unsigned int flags;	/* send flags */
};

/* @srq: b receives from a shared receive queue. */
void mover_open(struct mover *mover, const struct rc *rc, bool src_odp, bool dst_odp, bool srq);
/* Like mover_open(), over queue pairs that are connected already; @ah: of b, for datagrams. */
void mover_take(struct mover *mover, const struct pair *pair, struct ibv_ah *ah, bool src_odp,
		bool dst_odp);
/* Posts on both sides, waits for both completions, and checks. Returns b's completion, if there is one. */
struct ibv_wc mover_move(struct mover *mover, const struct message *message);
/* The same in steps, so that a test can act in between. */
void mover_prepare(struct mover *mover, const struct message *message);
void mover_receive(struct mover *mover, const struct message *message);
void mover_send(struct mover *mover, const struct message *message);
struct ibv_wc mover_check(struct mover *mover, const struct message *message);

/* Moves every combination of opcode, length up to @max, offset and heat that the transport supports. */
void mover_sweep(struct mover *mover, size_t max);
/* The same over new queue pairs, see mover_open(). */
void mover_sweep_new(const struct rc *rc, bool src_odp, bool dst_odp, bool srq, size_t max);

#endif
