// SPDX-License-Identifier: GPL-2.0
/* Bandwidth while another thread drops pages of the memory. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define AREA (8 * MIB)

struct churn {
	struct memory *memory;
	unsigned int rate;	/* pages per second */
	uint64_t until_ns, done;
};

/* Drops single pages at the given rate. */
static void *invalidate(void *arg)
{
	struct churn *churn = arg;
	uint64_t start = now_ns(), now;

	while ((now = now_ns()) < churn->until_ns) {
		uint64_t due = (now - start) * churn->rate / 1000000000;

		if (churn->done >= due) {
			usleep(50);
			continue;
		}
		madvise(churn->memory->p + churn->done * 37 * PAGE % AREA, PAGE, MADV_DONTNEED);
		churn->done++;
	}
	return NULL;
}

static void among_invalidations(unsigned int rate)
{
	struct memory local, remote;
	struct churn churn = { .memory = &remote, .rate = rate };
	struct stream stream = {
		.opcode = IBV_WR_RDMA_WRITE, .bytes = 64 * KIB, .local = &local, .remote = &remote,
	};
	struct link link;
	pthread_t thread;

	link_open(&link, 1, 32);
	memory_warm(&local, link.a.pd, AREA, true);
	memory_warm(&remote, link.b.pd, AREA, true);
	stream.link = &link;
	churn.until_ns = stream.until_ns = now_ns() + options.ms * 1000000ull;
	if ((errno = pthread_create(&thread, NULL, invalidate, &churn)))
		die(errno, "cannot create a thread");
	stream_run(&stream);
	pthread_join(thread, NULL);
	row_begin("churn");
	row_number("wanted_s", rate, 0);
	row_number("drops_s", churn.done * 1000.0 / options.ms, 0);
	row_number("mib_s", stream_mib_s(&stream), 1);
	row_end();
	memory_unmap(&local);
	memory_unmap(&remote);
	link_close(&link);
}

void bench_churn(void)
{
	static const unsigned int rates[] = { 0, 100, 1000, 10000, 100000 };

	if (!options.odp)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		among_invalidations(rates[i]);
}
