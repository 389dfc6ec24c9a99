// SPDX-License-Identifier: GPL-2.0
/* Keeps requests in flight: each completed request is posted again. */
#include <errno.h>
#include <stdlib.h>

#include "bench.h"

#define BATCH 32

/* A request that is posted again and again, always on the same lane. */
struct slot {
	uint64_t started;
	struct lane *lane;
	struct ibv_send_wr wr;
	struct ibv_sge sge;
};

static void post_recv(struct stream *s, struct slot *slot, size_t offset)
{
	struct ibv_sge sge = { (uintptr_t)s->remote->p + offset, s->bytes, s->remote->mr->lkey };
	struct ibv_recv_wr wr = { .sg_list = &sge, .num_sge = 1 }, *bad;
	int ret = ibv_post_recv(slot->lane->b, &wr, &bad);

	if (ret)
		die(ret, "cannot post a receive request");
}

/* Appends the request to the list that its lane posts next. */
static void append(struct slot *slot)
{
	struct lane *lane = slot->lane;

	if (lane->first)
		lane->last->next = &slot->wr;
	else
		lane->first = &slot->wr;
	lane->last = &slot->wr;
}

static void prepare(struct stream *s, struct slot *slot, uint64_t id, uint64_t nr)
{
	size_t step = s->bytes < 8 ? 8 : s->bytes, offset = nr % (s->local->len / step) * step;
	struct ibv_send_wr *wr = &slot->wr;

	slot->sge = (struct ibv_sge){ (uintptr_t)s->local->p + offset, s->bytes, s->local->mr->lkey };
	*wr = (struct ibv_send_wr){
		.wr_id = id, .opcode = s->opcode, .sg_list = &slot->sge, .num_sge = 1,
	};
	offset = nr % (s->remote->len / step) * step;
	if (s->opcode == IBV_WR_SEND) {
		post_recv(s, slot, offset);
	} else if (s->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr->wr.atomic.remote_addr = (uintptr_t)s->remote->p + offset;
		wr->wr.atomic.rkey = s->remote->mr->rkey;
		wr->wr.atomic.compare_add = 1;
	} else {
		wr->wr.rdma.remote_addr = (uintptr_t)s->remote->p + offset;
		wr->wr.rdma.rkey = s->remote->mr->rkey;
	}
	append(slot);
}

/* Posts the lane's list by one call. */
static void post(struct slot *slots, struct lane *lane)
{
	struct ibv_send_wr *first = lane->first, *bad;
	uint64_t now;
	int ret;

	if (!first)
		return;
	now = now_ns();
	for (struct ibv_send_wr *wr = first; wr; wr = wr->next)
		slots[wr->wr_id].started = now;
	lane->first = NULL;
	ret = ibv_post_send(lane->a, first, &bad);
	if (ret)
		die(ret, "cannot post a request");
}

static void wait_for_event(struct side *side)
{
	struct ibv_cq *cq;
	void *context;

	if (ibv_get_cq_event(side->events, &cq, &context))
		die(errno, "cannot wait for a completion");
	ibv_ack_cq_events(cq, 1);
}

/* Polls completions of @side; returns at least one if it may sleep. */
static int poll_some(struct stream *s, struct side *side, struct ibv_wc *wc)
{
	int n = ibv_poll_cq(side->cq, BATCH, wc);

	if (!n && s->events) {
		if (ibv_req_notify_cq(side->cq, 0))
			die(errno, "cannot request a completion event");
		n = ibv_poll_cq(side->cq, BATCH, wc);
		if (!n) {
			wait_for_event(side);
			n = ibv_poll_cq(side->cq, BATCH, wc);
		}
	}
	if (n < 0)
		die(0, "cannot poll the completion queue of %s", side->name);
	for (int i = 0; i < n; i++) {
		if (wc[i].status != IBV_WC_SUCCESS)
			die(0, "a request of %zu bytes failed: %s", s->bytes, ibv_wc_status_str(wc[i].status));
	}
	return n;
}

static void drain_receives(struct stream *s, uint64_t *received)
{
	struct ibv_wc wc[BATCH];

	while (*received < s->done)
		*received += poll_some(s, &s->link->b, wc);
}

static bool goes_on(const struct stream *s, uint64_t posted, uint64_t now)
{
	return s->requests ? posted < s->requests : now < s->until_ns;
}

void stream_run(struct stream *s)
{
	unsigned int n = s->link->nr_lanes * s->link->depth;
	struct slot *slots = calloc(n, sizeof(*slots));
	uint64_t start = now_ns(), now = start, posted = 0, received = 0;
	struct ibv_wc wc[BATCH];

	if (!slots)
		die(errno, "no memory for %u requests in flight", n);
	s->done = 0;
	for (unsigned int i = 0; i < n && (!s->requests || i < s->requests); i++) {
		slots[i].lane = &s->link->lanes[i % s->link->nr_lanes];
		prepare(s, &slots[i], i, posted++);
		if (!s->lists)
			post(slots, slots[i].lane);
	}
	for (unsigned int i = 0; i < s->link->nr_lanes; i++)
		post(slots, &s->link->lanes[i]);
	while (s->done < posted) {
		int got = poll_some(s, &s->link->a, wc);

		/* On uml, reading the clock is a system call, which delays page faults. */
		if (got)
			now = now_ns();
		for (int i = 0; i < got; i++) {
			struct slot *slot = &slots[wc[i].wr_id];

			samples_add(&s->samples, now - slot->started);
			s->done++;
			if (!goes_on(s, posted, now))
				continue;
			prepare(s, slot, wc[i].wr_id, posted++);
			if (!s->lists)
				post(slots, slot->lane);
		}
		for (int i = 0; i < got && s->lists; i++)
			post(slots, slots[wc[i].wr_id].lane);
		if (s->opcode == IBV_WR_SEND)
			drain_receives(s, &received);
	}
	s->ns = now - start;
	free(slots);
}

double stream_mib_s(const struct stream *s)
{
	return (double)s->done * s->bytes / MIB * 1e9 / s->ns;
}
