/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections by address (rdma_cm): the one side listens on options.peer, in that device's network
 * namespace, the other connects from options.device.
 */
#ifndef VERBS_CM_H
#define VERBS_CM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <rdma/rdma_cma.h>

#include "lib/rc.h"

/* An event, which has been acknowledged, with what the peer has said along with it. */
struct cm_event {
	struct rdma_cm_event event;
	uint8_t data[256];
};

/* One side. */
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
/* Another device's, on this side of the wire. */
union cm_address cm_address(const char *text);

/* The next event on @channel, within PATIENCE. */
struct cm_event cm_next(struct rdma_event_channel *channel);
/* The same, which must be @type. */
struct cm_event cm_expect(struct rdma_event_channel *channel, enum rdma_cm_event_type type);

/* Listens on any port of @address, which it then holds. */
void cm_listen(struct cm *cm, const struct rc *rc, union cm_address *address);
/* The same for an address of this side. */
void cm_listen_here(struct cm *cm, const struct rc *rc, union cm_address *address);
/* An id that knows the way to @address, and a queue pair on it. */
void cm_resolve(struct cm *cm, const struct rc *rc, union cm_address *address);
/* The side that a request has come in for; the listener's channel is its own, too. */
void cm_take(struct cm *cm, struct cm *listener, const struct cm_event *request);

/* @len bytes of the stream @seed go along. */
void cm_connect(struct cm *cm, uint64_t seed, size_t len);
void cm_accept(struct cm *cm, uint64_t seed, size_t len);
void cm_heard(const struct cm_event *event, uint64_t seed, size_t len);

/* a connects to b, a new id on @listener, and both hear of it. */
void cm_join(struct cm *a, struct cm *b, struct cm *listener);
/* What the mover wants of two sides that are joined. */
struct pair cm_pair(const struct cm *a, const struct cm *b);

#endif
