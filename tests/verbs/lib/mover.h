/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages moved one by one from a to b by any transport, each byte of the target and of what is
 * around it checked.
 */
#ifndef VERBS_MOVER_H
#define VERBS_MOVER_H

#include "lib/mem.h"
#include "lib/rc.h"

#define MOVER_LEN (512 * 1024)	/* the longest message, with its offsets */
#define MOVER_PIECES 3
#define GRH 40			/* bytes that a datagram has in front */

/* What becomes of on-demand pages before a message. */
enum heat { WARM, DONTNEED, REMAPPED, HEATS };

struct mover {
	struct pair pair;
	struct ibv_ah *ah;	/* of b, for datagrams */
	struct buf src, dst;
	bool src_odp, dst_odp;
	uint8_t *want;
	uint64_t seed;
};

struct message {
	enum ibv_wr_opcode opcode;
	size_t len, src_at, dst_at;
	enum heat heat;
	int pieces;		/* of the gather and of the scatter list */
	unsigned int flags;	/* of the send request */
};

/* @srq: b receives from a shared receive queue. */
void mover_open(struct mover *mover, const struct rc *rc, bool src_odp, bool dst_odp, bool srq);
/* The same over queue pairs that are joined already; @ah: of b, for datagrams. */
void mover_take(struct mover *mover, const struct pair *pair, struct ibv_ah *ah, bool src_odp,
		bool dst_odp);
/* Posts both sides, waits for both completions, checks. Returns b's, if there is one. */
struct ibv_wc mover_move(struct mover *mover, const struct message *message);
/* The same in steps, to have something happen in between. */
void mover_prepare(struct mover *mover, const struct message *message);
void mover_receive(struct mover *mover, const struct message *message);
void mover_send(struct mover *mover, const struct message *message);
struct ibv_wc mover_check(struct mover *mover, const struct message *message);

/* Each of the opcodes x lengths up to @max x offsets x heat, as far as the transport has them. */
void mover_sweep(struct mover *mover, size_t max);

#endif
