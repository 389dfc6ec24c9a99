// SPDX-License-Identifier: GPL-2.0
/* The cost of a region: time, and the kernel's memory for the region and for each page. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

#define ROUNDS 50
#define TIME_NS 200000000ull
#define PINNED_MOST (256 * MIB)

struct cost {
	double reg_us, dereg_us;
};

/* Returns false if the device refuses the region. */
static bool cost_of(struct ibv_pd *pd, void *p, size_t len, int access, struct cost *cost)
{
	uint64_t until = now_ns() + TIME_NS;
	struct samples reg, dereg;
	bool can = true;

	samples_open(&reg, ROUNDS);
	samples_open(&dereg, ROUNDS);
	while (can && samples_more(&reg, until)) {
		uint64_t start = now_ns();
		struct ibv_mr *mr = ibv_reg_mr(pd, p, len, access);

		samples_add(&reg, now_ns() - start);
		start = now_ns();
		can = mr && !ibv_dereg_mr(mr);
		samples_add(&dereg, now_ns() - start);
	}
	*cost = (struct cost){ samples_at(&reg, 500) / 1e3, samples_at(&dereg, 500) / 1e3 };
	samples_close(&reg);
	samples_close(&dereg);
	return can;
}

static void registration(struct link *link, size_t len, bool odp)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct cost cost;

	if (p == MAP_FAILED) {
		note("cannot map addresses for a region of %zu MiB", len / MIB);
		return;
	}
	if (!odp)
		memset(p, 1, len);
	if (cost_of(link->a.pd, p, len, IBV_ACCESS_LOCAL_WRITE | (odp ? IBV_ACCESS_ON_DEMAND : 0), &cost)) {
		row_begin("register");
		row_text("memory", odp ? "odp" : "pinned");
		row_number("kib", len / KIB, 0);
		row_number("register_us", cost.reg_us, 2);
		row_number("deregister_us", cost.dereg_us, 2);
		row_end();
	} else {
		note("%s refuses a region of %zu KiB: %s", options.device, len / KIB, strerror(errno));
	}
	munmap(p, len);
}

/* --- the kernel's memory ------------------------------------------------------------------ */

#define TABLE_AREA (256 * MIB)

static double table_bytes(void)
{
	return counter(options.peer, "odp_table_bytes");
}

/* Memory of the tables when all pages of TABLE_AREA are present. */
static void tables(struct link *link, enum memory_kind kind)
{
	struct stream stream = {
		.link = link, .opcode = IBV_WR_RDMA_WRITE, .bytes = MIB, .requests = TABLE_AREA / MIB,
	};
	struct memory from, to;
	double before;

	if (counter(options.peer, "odp_table_bytes") < 0 || !memory_map(&to, kind, TABLE_AREA))
		return;
	memory_register(&to, link->b.pd, true);
	memory_warm(&from, link->a.pd, MIB, false);
	before = table_bytes();
	stream.local = &from;
	stream.remote = &to;
	stream_run(&stream);
	row_begin("tables");
	row_text("memory", memory_names[kind]);
	row_number("mib", TABLE_AREA / MIB, 0);
	row_number("table_kib", (table_bytes() - before) / KIB, 1);
	row_end();
	memory_unmap(&from);
	memory_unmap(&to);
}

void bench_register(void)
{
	static const size_t sizes[] = {
		4 * KIB, MIB, PINNED_MOST, 64 * GIB, 1024 * GIB, 16 * 1024 * GIB,
	};
	struct link link;

	link_open(&link, 1, 4);
	for (size_t i = 0; options.pinned && sizes[i] <= PINNED_MOST; i++)
		registration(&link, sizes[i], false);
	if (options.odp) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			registration(&link, sizes[i], true);
		tables(&link, MEMORY_ANON);
		tables(&link, MEMORY_THP);
	}
	link_close(&link);
}
