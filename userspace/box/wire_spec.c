// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "spec.h"

#define QUEUE_DEFAULT	10000

static const char words[] = "the words are loss, delay, jitter, rate, queue, reorder, duplicate, corrupt";

struct wire {
	long long delay, jitter;
	unsigned int loss, duplicate, corrupt, reorder;
	unsigned long long rate;
	long queue;
};

static void word(struct wire *wire, const struct spec *spec)
{
	if (!strcmp(spec->key, "delay"))
		wire->delay = spec_time(spec);
	else if (!strcmp(spec->key, "jitter"))
		wire->jitter = spec_time(spec);
	else if (!strcmp(spec->key, "loss"))
		wire->loss = spec_chance(spec);
	else if (!strcmp(spec->key, "duplicate"))
		wire->duplicate = spec_chance(spec);
	else if (!strcmp(spec->key, "corrupt"))
		wire->corrupt = spec_chance(spec);
	else if (!strcmp(spec->key, "reorder"))
		wire->reorder = spec_chance(spec);
	else if (!strcmp(spec->key, "rate"))
		wire->rate = spec_rate(spec);
	else if (!strcmp(spec->key, "queue"))
		wire->queue = spec_count(spec);
	else
		spec_wrong(spec, words);
}

/* "node2:" in front of the words, or 0 */
static int node_of(const char **text)
{
	const char *colon = strchr(*text, ':');
	char *end;
	long node;

	if (!colon)
		return 0;
	node = strncmp(*text, "node", 4) ? 0 : strtol(*text + 4, &end, 10);
	if (node < 1 || node > NODES_MOST || end != colon)
		die("--wire: %.*s: give a node, as in node2:loss=1%%", (int)(colon - *text), *text);
	*text = colon + 1;
	return node;
}

void wire_spec(struct job *job, const char *text)
{
	struct wire wire = { .queue = QUEUE_DEFAULT };
	int node = node_of(&text);
	struct spec spec;

	spec_start(&spec, "wire", text);
	while (spec_next(&spec))
		word(&wire, &spec);
	/* A packet overtakes others while they wait. */
	if (wire.reorder && !wire.delay)
		die("--wire: reorder: give a delay as well, such as delay=1ms");
	if (wire.jitter && !wire.delay)
		die("--wire: jitter: give a delay as well, such as delay=1ms");
	job_addf(job, "wire", "%d %lld %lld %u %u %u %u %llu %ld", node, wire.delay, wire.jitter, wire.loss,
		 wire.duplicate, wire.corrupt, wire.reorder, wire.rate, wire.queue);
}
