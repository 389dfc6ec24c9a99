/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An attacker on the link, and the queue pairs that it aims at. The attacker knows their numbers, PSNs and
 * keys, and the queue pairs take it for their peer.
 */
#ifndef VERBS_ATTACK_H
#define VERBS_ATTACK_H

#include "lib/dice.h"
#include "lib/rc.h"
#include "lib/roce.h"
#include "lib/test.h"
#include "lib/zone.h"

#define RELIABLE 12		/* the first targets are RC; UC and UD follow */
#define TARGETS 18
#define QUEUED 256		/* frames that are sent at once */
#define REQUESTS 4
#define NOBODY 0xabcdef		/* the peer QPN of all targets; no queue pair has it */

/* Purposes of the keys; a peer may use the first two. */
enum { OPEN, DEMAND, LOCAL, READONLY, CLOSED, ZONES };

/* A target's own request; only the attacker answers it. */
struct request {
	enum ibv_wr_opcode opcode;
	uint32_t psn, packets, answered, len;
};

struct target {
	struct end end;
	struct rc rc;
	struct roce_path path;
	union ibv_gid remote;
	uint32_t psn;			/* PSN of the next request to the target */
	/* what remains of the current message to the target */
	bool write;
	uint32_t rest;
	struct ibv_mw *window;
	bool lent;			/* the memory window is bound */
	struct request requests[REQUESTS];
	int n_requests;
};

struct attack {
	struct dice dice;
	bool loop;			/* no wire: packets come from the device's own address, through lo */
	int link;
	struct target targets[TARGETS];
	struct zone zones[ZONES];
	uint32_t dead_key;		/* rkey of a deregistered region */
	struct frame frames[QUEUED], spare, pieces[64];
	int n_frames;
	uint64_t sent;
};

struct attack *attack_open(void);

static inline uint64_t roll(struct attack *attack, uint64_t n)
{
	return dice_below(&attack->dice, n);
}

/* queue() sends the frames when there are QUEUED of them; flush() sends them at once. */
void queue(struct attack *attack, const struct frame *frame);
void flush(struct attack *attack);

/* Takes the target's queue pair from any state through RESET to RTS, with @psn in both directions. */
void connect_target(struct target *target, uint32_t psn);

#endif
