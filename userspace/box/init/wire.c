// SPDX-License-Identifier: GPL-2.0
/*
 * Bad wires, by netem. The wire for all nodes affects each packet once, when the sender sends it. The wire of
 * one node replaces the wire for all: it affects the packets that the node sends, and those that it receives.
 */
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#include "init.h"

struct wire {
	int node;	/* 0: all */
	long long latency, jitter;		/* ns */
	unsigned int loss, duplicate, corrupt, reorder;	/* of 2^32 - 1 */
	unsigned long long rate;		/* bytes in a second; 0: any */
	unsigned int queue;			/* packets */
};

/* The last one for the node counts. */
static bool wire_find(const struct job *job, int node, struct wire *found)
{
	bool any = false;

	for (const char *text = NULL; (text = job_next(job, "wire", text));) {
		struct wire wire;

		if (sscanf(text, "%d %lld %lld %u %u %u %u %llu %u", &wire.node, &wire.latency, &wire.jitter,
			   &wire.loss, &wire.duplicate, &wire.corrupt, &wire.reorder, &wire.rate,
			   &wire.queue) != 9)
			fail("bad wire %s", text);
		if (wire.node != node)
			continue;
		*found = wire;
		any = true;
	}
	return any;
}

static void add_rate(struct request *request, unsigned long long bytes)
{
	struct tc_netem_rate rate = { .rate = bytes > ~0u ? ~0u : bytes };

	if (!bytes)
		return;
	if (bytes > ~0u)
		request_add(request, TCA_NETEM_RATE64, &bytes, sizeof(bytes));
	request_add(request, TCA_NETEM_RATE, &rate, sizeof(rate));
}

static void add_chances(struct request *request, const struct wire *wire)
{
	struct tc_netem_reorder reorder = { .probability = wire->reorder };
	struct tc_netem_corrupt corrupt = { .probability = wire->corrupt };

	if (wire->reorder)
		request_add(request, TCA_NETEM_REORDER, &reorder, sizeof(reorder));
	if (wire->corrupt)
		request_add(request, TCA_NETEM_CORRUPT, &corrupt, sizeof(corrupt));
}

static void wire_set(const char *name, const struct wire *wire)
{
	struct tcmsg head = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = if_nametoindex(name),
		.tcm_parent = TC_H_ROOT,
	};
	struct tc_netem_qopt basic = {
		.limit = wire->queue,
		.loss = wire->loss,
		.duplicate = wire->duplicate,
		.gap = wire->reorder ? 1 : 0,
	};
	struct request request;
	void *options;

	request_start(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	request_add_string(&request, TCA_KIND, "netem");
	options = request_add(&request, TCA_OPTIONS, &basic, sizeof(basic));
	request_add(&request, TCA_NETEM_LATENCY64, &wire->latency, sizeof(wire->latency));
	request_add(&request, TCA_NETEM_JITTER64, &wire->jitter, sizeof(wire->jitter));
	add_chances(&request, wire);
	add_rate(&request, wire->rate);
	request_end(&request, options);
	call(NETLINK_ROUTE, &request, "make the wire bad");
}

void wire_node(const struct job *job, int node)
{
	struct wire wire;

	if (wire_find(job, node, &wire) || wire_find(job, 0, &wire))
		wire_set("veth0", &wire);
}

void wire_port(const struct job *job, int node)
{
	struct wire wire;
	char port[16];

	snprintf(port, sizeof(port), "node%d", node);
	if (wire_find(job, node, &wire))
		wire_set(port, &wire);
}
