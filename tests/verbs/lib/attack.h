/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An attacker on the link, and queue pairs of ours that it aims at: it knows their numbers, PSNs
 * and keys, and they believe it to be their peer.
 */
#ifndef VERBS_ATTACK_H
#define VERBS_ATTACK_H

#include "lib/dice.h"
#include "lib/rc.h"
#include "lib/roce.h"
#include "lib/test.h"
#include "lib/zone.h"

#define RELIABLE 12		/* the first ones; then come UC and UD */
#define TARGETS 18
#define QUEUED 256		/* frames that are sent at once */
#define REQUESTS 4
#define NOBODY 0xabcdef		/* the number of the queue pair that the targets believe in */

/* What the keys are for; the first two are open to a peer. */
enum { OPEN, DEMAND, LOCAL, READONLY, CLOSED, ZONES };

/* A request of a target's own, which nobody but the attacker will answer. */
struct request {
	enum ibv_wr_opcode opcode;
	uint32_t psn, packets, answered, len;
};

struct target {
	struct end end;
	struct rc rc;
	struct roce_path path;
	union ibv_gid remote;
	uint32_t psn;			/* of the next request to it */
	/* what is left of the message to it */
	bool write;
	uint32_t rest;
	struct ibv_mw *window;
	bool lent;			/* the window is bound */
	struct request requests[REQUESTS];
	int n_requests;
};

struct attack {
	struct dice dice;
	bool loop;			/* no wire: from the device's own address, through lo */
	int link;
	struct target targets[TARGETS];
	struct zone zones[ZONES];
	uint32_t dead_key;		/* of a region that is gone */
	struct frame frames[QUEUED], spare, pieces[64];
	int n_frames;
	uint64_t sent;
};

struct attack *attack_open(void);

static inline uint64_t roll(struct attack *attack, uint64_t n)
{
	return dice_below(&attack->dice, n);
}

/* Frames are sent when there are many, or with flush(). */
void queue(struct attack *attack, const struct frame *frame);
void flush(struct attack *attack);

/* Brings the target's queue pair, in any state, through RESET to RTS, with @psn both ways. */
void connect_target(struct target *target, uint32_t psn);

#endif
