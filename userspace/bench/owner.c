// SPDX-License-Identifier: GPL-2.0
/*
 * What regions cost the process that registered them when it maps, unmaps and touches memory, and
 * when it forks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define ROUNDS 15
#define TIME_NS 500000000ull
#define MANY 10000

/* The setting of a deed: no region; many regions elsewhere; inside a region that the device has used. */
enum setting { ALONE, BESIDE_REGIONS, INSIDE, SETTINGS };
static const char *const setting_names[] = { "alone", "beside 10000", "inside" };

struct owner {
	struct link link;
	struct memory from;
	struct memory crowd;	/* memory of the many regions */
	struct ibv_mr **mrs;
	enum setting setting;
};

static uint8_t *map(size_t len)
{
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die(errno, "cannot map %zu MiB", len / MIB);
	return p;
}

static void write_to(struct owner *owner, struct memory *to, size_t bytes)
{
	struct stream stream = {
		.link = &owner->link, .opcode = IBV_WR_RDMA_WRITE, .bytes = bytes,
		.requests = to->len / bytes, .local = &owner->from, .remote = to,
	};

	stream_run(&stream);
}

static void owner_open(struct owner *owner, enum setting setting)
{
	*owner = (struct owner){ .setting = setting };
	link_open(&owner->link, 1, 4);
	memory_warm(&owner->from, owner->link.a.pd, MIB, false);
	if (setting != BESIDE_REGIONS)
		return;
	owner->mrs = calloc(MANY, sizeof(*owner->mrs));
	if (!owner->mrs)
		die(errno, "no memory for %d regions", MANY);
	memory_map(&owner->crowd, MEMORY_ANON, MANY * PAGE);
	for (int i = 0; i < MANY; i++) {
		owner->mrs[i] = ibv_reg_mr(owner->link.b.pd, owner->crowd.p + i * PAGE, PAGE,
					   IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
					   IBV_ACCESS_ON_DEMAND);
		if (!owner->mrs[i])
			die(errno, "cannot register region %d of %d", i + 1, MANY);
	}
	/* The device uses one region, so there are translations to invalidate, but elsewhere. */
	write_to(owner, &(struct memory){ owner->crowd.p, PAGE, -1, owner->mrs[0] }, PAGE);
}

static void owner_close(struct owner *owner)
{
	for (int i = 0; owner->mrs && i < MANY; i++)
		ibv_dereg_mr(owner->mrs[i]);
	free(owner->mrs);
	if (owner->crowd.p)
		memory_unmap(&owner->crowd);
	memory_unmap(&owner->from);
	link_close(&owner->link);
}

static void deed_munmap(uint8_t *p, size_t len)
{
	munmap(p, len);
}

static void deed_dontneed(uint8_t *p, size_t len)
{
	madvise(p, len, MADV_DONTNEED);
}

static void deed_protect(uint8_t *p, size_t len)
{
	mprotect(p, len, PROT_READ);
}

static void deed_fork(uint8_t *p, size_t len)
{
	int pid = fork();

	(void)p, (void)len;
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

static void deed_touch(uint8_t *p, size_t len)
{
	memset(p, 3, len);
}

static const struct deed {
	const char *name;
	void (*run)(uint8_t *p, size_t len);
	size_t len;
	bool untouched;
} deeds[] = {
	{ .name = "munmap", .run = deed_munmap, .len = MIB },
	{ .name = "munmap", .run = deed_munmap, .len = 64 * MIB },
	{ .name = "dontneed", .run = deed_dontneed, .len = MIB },
	{ .name = "mprotect", .run = deed_protect, .len = MIB },
	{ .name = "fork", .run = deed_fork, .len = MIB },
	{ .name = "touch", .run = deed_touch, .len = MIB, .untouched = true },
};

static double deed_us(struct owner *owner, const struct deed *deed)
{
	uint64_t until = now_ns() + TIME_NS;
	struct samples samples;
	double us;

	samples_open(&samples, ROUNDS);
	while (samples_more(&samples, until)) {
		struct memory memory = { map(deed->len), deed->len, -1, NULL };
		uint64_t start;

		if (owner->setting == INSIDE) {
			memory_register(&memory, owner->link.b.pd, true);
			write_to(owner, &memory, MIB);
		}
		if (deed->untouched)
			madvise(memory.p, memory.len, MADV_DONTNEED);
		start = now_ns();
		deed->run(memory.p, memory.len);
		samples_add(&samples, now_ns() - start);
		memory_unmap(&memory);
	}
	us = samples_at(&samples, 500) / 1e3;
	samples_close(&samples);
	return us;
}

void bench_owner(void)
{
	double alone[ARRAY_SIZE(deeds)];

	if (!options.odp)
		return;
	for (int setting = 0; setting < SETTINGS; setting++) {
		struct owner owner;

		owner_open(&owner, setting);
		for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
			double us = deed_us(&owner, &deeds[i]);

			if (setting == ALONE)
				alone[i] = us;
			row_begin("owner");
			row_text("deed", deeds[i].name);
			row_number("kib", deeds[i].len / KIB, 0);
			row_text("regions", setting_names[setting]);
			row_number("us", us, 1);
			row_number("ratio", us / alone[i], 2);
			row_end();
		}
		owner_close(&owner);
	}
}
