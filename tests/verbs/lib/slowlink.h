/* SPDX-License-Identifier: GPL-2.0 */
/* A link on a fast and one on a slow network, and senders of unreliable messages to nobody. */
#ifndef VERBS_SLOWLINK_H
#define VERBS_SLOWLINK_H

#include "lib/mem.h"
#include "lib/rc.h"

#define FAST_LINK "rxe8"
#define FAST_ADDRESS "198.51.100.1"
#define SLOW_LINK "rxe9"	/* on a network of 1 Mbit/s that queues up to 16 MB */
#define SLOW_ADDRESS "198.51.100.129"

/* Makes both links until the end of the test; skips the test if the kernel has no slow networks. */
void slowlink_make(void);
/* Returns how many bytes the slow network has in its queue. */
long slowlink_queued(void);

struct sender {
	struct end end;
	struct buf buf;
	struct ibv_ah *ah;	/* of datagrams */
	int posted, done;
};

/*
 * A queue pair of @type (UD or UC) on @device that sends from @address to the next one. Nobody has that
 * address, which a sender of unreliable messages cannot see.
 */
void sender_open(struct sender *sender, enum ibv_qp_type type, const char *device, const char *address);
/* Sends for @ms; returns how many messages were sent. */
int sender_run(struct sender *sender, unsigned int ms);

#endif
