// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is not present when a packet needs it, at the responder or at the requester. For
 * comparison: the time the CPU takes to touch the same memory, and the time the same traffic
 * takes once all pages are present.
 */
#include <math.h>
#include <string.h>

#include "bench.h"

#define MESSAGE MIB
#define DEPTH 4

struct rig {
	struct link link;
	struct memory cold, warm;
	enum memory_kind kind;
	bool remote;		/* the cold memory is the responder's */
};

/* Transfers all cold memory once: WRITEs to it, or READs into it. */
static double traffic_ms(struct rig *rig, struct samples *samples)
{
	struct stream stream = {
		.link = &rig->link, .bytes = MESSAGE, .requests = rig->cold.len / MESSAGE,
		.opcode = rig->remote ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ,
		/* With one processor, a polling thread takes half of its time from the faulting worker. */
		.events = true,
		.local = rig->remote ? &rig->warm : &rig->cold,
		.remote = rig->remote ? &rig->cold : &rig->warm,
	};

	samples_open(samples, stream.requests);
	stream.samples = *samples;
	stream_run(&stream);
	*samples = stream.samples;
	return stream.ns / 1e6;
}

static double touch_ms(struct memory *memory)
{
	uint64_t start = now_ns();

	memset(memory->p, 2, memory->len);
	return (now_ns() - start) / 1e6;
}

static const char *where(const struct rig *rig)
{
	return rig->remote ? options.peer : options.device;
}

static double faults(const struct rig *rig)
{
	return counter(where(rig), "page_faults_handled");
}

static void measure(struct rig *rig)
{
	double cpu, cold, warm, before, pages, n;
	struct samples samples, again;

	cpu = touch_ms(&rig->cold);
	if (!memory_chill(&rig->cold, rig->kind))
		return;
	pages = counter(where(rig), "page_faults");
	before = faults(rig);
	cold = traffic_ms(rig, &samples);
	n = faults(rig) - before;
	pages = counter(where(rig), "page_faults") - pages;
	warm = traffic_ms(rig, &again);
	row_begin("cold");
	row_text("memory", memory_names[rig->kind]);
	row_text("where", rig->remote ? "answers" : "asks");
	row_number("mib", rig->cold.len / MIB, 0);
	row_number("cold_ms", cold, 1);
	row_number("warm_ms", warm, 1);
	row_number("touch_ms", cpu, 1);
	row_number("ratio", cold / (warm + cpu), 2);
	row_number("p50_us", samples_at(&samples, 500) / 1000.0, 0);
	row_number("p99_us", samples_at(&samples, 990) / 1000.0, 0);
	row_number("faults", before < 0 ? NAN : n, 0);
	row_number("pages_fault", before < 0 || n == 0 ? NAN : pages / n, 1);
	row_end();
	samples_close(&samples);
	samples_close(&again);
}

static void cold(enum memory_kind kind, bool remote)
{
	size_t len = kind == MEMORY_SWAP || kind == MEMORY_DISK ? options.cold / 2 : options.cold;
	struct rig rig = { .kind = kind, .remote = remote };

	link_open(&rig.link, 1, DEPTH);
	if (!memory_map(&rig.cold, kind, len)) {
		note("cold memory of the kind %s is not measured: this machine has none%s", memory_names[kind],
		     kind == MEMORY_DISK ? " (--dir names a folder on a disk)" : "");
	} else {
		memory_register(&rig.cold, remote ? rig.link.b.pd : rig.link.a.pd, true);
		memory_warm(&rig.warm, remote ? rig.link.a.pd : rig.link.b.pd, 2 * DEPTH * MESSAGE, true);
		measure(&rig);
		memory_unmap(&rig.warm);
		memory_unmap(&rig.cold);
	}
	link_close(&rig.link);
}

void bench_cold(void)
{
	if (!options.odp)
		return;
	for (int kind = 0; kind < MEMORY_KINDS; kind++) {
		cold(kind, true);
		cold(kind, false);
	}
}
