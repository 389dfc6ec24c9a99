/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections by address (rdma_cm). One side listens on options.peer, in that device's network namespace; the
 * other side connects from options.device.
 */
#ifndef VERBS_CM_H
#define VERBS_CM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <rdma/rdma_cma.h>

#include "lib/rc.h"

/* An acknowledged event, with the private data of the peer. */
struct cm_event {
	struct rdma_cm_event event;
	uint8_t data[256];
};

/* One side of a connection. */
struct cm {
	struct rc rc;
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id;
	struct end end;
};

/* An address of options.peer. */
union cm_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

union cm_address cm_peer_address(bool v6);
/* The address of another device on this side of the wire. */
union cm_address cm_address(const char *text);

/* Returns the next event on @channel, waiting at most PATIENCE. */
struct cm_event cm_next(struct rdma_event_channel *channel);
/* Like cm_next(); the event must be @type. */
struct cm_event cm_expect(struct rdma_event_channel *channel, enum rdma_cm_event_type type);

/* Listens on any port of @address, and stores the port there. */
void cm_listen(struct cm *cm, const struct rc *rc, union cm_address *address);
/* Like cm_listen(), for an address on this side of the wire. */
void cm_listen_here(struct cm *cm, const struct rc *rc, union cm_address *address);
/* Makes an id with a resolved route to @address, and a queue pair on it. */
void cm_resolve(struct cm *cm, const struct rc *rc, union cm_address *address);
/* Takes over the side of an incoming request; its channel is the listener's. */
void cm_take(struct cm *cm, struct cm *listener, const struct cm_event *request);

/* The private data is @len bytes of the stream @seed. */
void cm_connect(struct cm *cm, uint64_t seed, size_t len);
void cm_accept(struct cm *cm, uint64_t seed, size_t len);
void cm_heard(const struct cm_event *event, uint64_t seed, size_t len);

/* Connects a, with a new id, to @listener, which makes b; both sides get their event. */
void cm_join(struct cm *a, struct cm *b, struct cm *listener);
/* Returns the pair that the mover needs, from two connected sides. */
struct pair cm_pair(const struct cm *a, const struct cm *b);

#endif
