// SPDX-License-Identifier: GPL-2.0
/*
 * Two problems that were reported of hardware with on-demand paging (Pitfalls of InfiniBand with
 * On-Demand Paging, ISPASS 2021). Damming: packets behind one that waits for a page arrive only
 * after a timeout. Flood: many queue pairs that wait for pages retransmit packets again and again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <math.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define CROWD 128
#define SHARE (16 * KIB)
#define ROUNDS 20

struct rig {
	struct link link;
	struct memory from, to;
};

static void rig_open(struct rig *rig, unsigned int lanes, unsigned int depth)
{
	link_open(&rig->link, lanes, depth);
	memory_warm(&rig->from, rig->link.a.pd, CROWD * SHARE, true);
	memory_map(&rig->to, MEMORY_ANON, CROWD * SHARE);
	memory_register(&rig->to, rig->link.b.pd, true);
}

static void rig_close(struct rig *rig)
{
	memory_unmap(&rig->from);
	memory_unmap(&rig->to);
	link_close(&rig->link);
}

/* --- flood: many queue pairs miss pages at once ---------------------------------------- */

static bool stop;

static void *page_out(void *arg)
{
	struct memory *memory = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		madvise(memory->p, memory->len, MADV_PAGEOUT);
		usleep(5000);
	}
	return NULL;
}

/* Each round writes to each share once, over all lanes. Returns the time of a round in ms. */
static double flood(struct rig *rig, bool reclaim, struct samples *samples)
{
	struct stream stream = {
		.link = &rig->link, .opcode = IBV_WR_RDMA_WRITE, .bytes = SHARE, .requests = CROWD,
		.local = &rig->from, .remote = &rig->to, .samples = *samples,
	};
	pthread_t thread;
	uint64_t ns = 0;

	stop = false;
	if (reclaim && (errno = pthread_create(&thread, NULL, page_out, &rig->to)))
		die(errno, "cannot create a thread");
	for (int i = 0; i < ROUNDS; i++) {
		if (!reclaim)
			memory_chill(&rig->to, MEMORY_ANON);
		stream_run(&stream);
		ns += stream.ns;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	if (reclaim)
		pthread_join(thread, NULL);
	*samples = stream.samples;
	return ns / 1e6 / ROUNDS;
}

static double crowd(unsigned int lanes, bool reclaim, double alone)
{
	long again = sent_again();
	struct samples samples;
	struct rig rig;
	double ms;

	samples_open(&samples, ROUNDS * CROWD);
	rig_open(&rig, lanes, CROWD / lanes);
	ms = flood(&rig, reclaim, &samples);
	row_begin("flood");
	row_text("cold by", reclaim ? "pageout" : "dontneed");
	row_number("lanes", lanes, 0);
	row_number("round_ms", ms, 2);
	row_number("ratio", ms / alone, 2);
	row_number("p50_us", samples_at(&samples, 500) / 1000.0, 0);
	row_number("p99_us", samples_at(&samples, 990) / 1000.0, 0);
	row_number("p999_us", samples_at(&samples, 999) / 1000.0, 0);
	row_number("sent_again", again < 0 ? NAN : sent_again() - again, 0);
	row_end();
	rig_close(&rig);
	samples_close(&samples);
	return ms;
}

/* --- damming: packets behind one that waits for a page -------------------------------------- */

#define DELAY_MS 20
#define BEHIND 8	/* pages */

static int fault_handler_open(const struct memory *memory)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)memory->p, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		die(errno, "cannot set up userfaultfd");
	return fd;
}

struct handler {
	int fd;
	uint64_t answered_ns;
};

static void *handle(void *arg)
{
	struct handler *handler = arg;
	struct uffdio_zeropage zero = {};
	struct uffd_msg msg;

	if (read(handler->fd, &msg, sizeof(msg)) != sizeof(msg))
		die(errno, "cannot wait for a page fault");
	usleep(DELAY_MS * 1000);
	zero.range.start = msg.arg.pagefault.address & -PAGE;
	zero.range.len = PAGE;
	handler->answered_ns = now_ns();
	if (ioctl(handler->fd, UFFDIO_ZEROPAGE, &zero))
		die(errno, "cannot answer a page fault");
	return NULL;
}

/*
 * Writes BEHIND pages, of which the first becomes present late. Measures the time from then
 * until all pages are written.
 */
static bool damming_once(struct rig *rig, struct samples *samples)
{
	struct stream stream = {
		.link = &rig->link, .opcode = IBV_WR_RDMA_WRITE, .bytes = PAGE, .requests = BEHIND,
		.local = &rig->from, .remote = &rig->to,
	};
	struct handler handler;
	pthread_t thread;

	memory_chill(&rig->to, MEMORY_ANON);
	handler.fd = fault_handler_open(&rig->to);
	if (handler.fd < 0)
		return false;
	if ((errno = pthread_create(&thread, NULL, handle, &handler)))
		die(errno, "cannot create a thread");
	stream_run(&stream);
	samples_add(samples, now_ns() - handler.answered_ns);
	pthread_join(thread, NULL);
	close(handler.fd);
	return true;
}

static void damming(void)
{
	long again = sent_again();
	struct samples samples;
	struct rig rig;
	bool can = true;

	samples_open(&samples, ROUNDS);
	rig_open(&rig, 1, BEHIND);
	for (int i = 0; i < ROUNDS && can; i++)
		can = damming_once(&rig, &samples);
	if (can) {
		row_begin("damming");
		row_number("fault_ms", DELAY_MS, 0);
		row_number("behind", BEHIND - 1, 0);
		row_number("after_p50_us", samples_at(&samples, 500) / 1000.0, 0);
		row_number("after_max_us", samples_at(&samples, 1000) / 1000.0, 0);
		row_number("sent_again", again < 0 ? NAN : sent_again() - again, 0);
		row_end();
	} else {
		note("damming is not measured: this user may not use userfaultfd (vm.unprivileged_userfaultfd)");
	}
	rig_close(&rig);
	samples_close(&samples);
}

static bool can_page_out(void)
{
	struct memory memory;
	bool can = memory_map(&memory, MEMORY_SWAP, MIB);

	if (can)
		memory_unmap(&memory);
	else
		note("flood with pageout is not measured: this machine has no swap");
	return can;
}

void bench_crowd(void)
{
	double alone;

	if (!options.odp)
		return;
	alone = crowd(1, false, NAN);
	crowd(CROWD, false, alone);
	if (can_page_out()) {
		alone = crowd(1, true, NAN);
		crowd(CROWD, true, alone);
	}
	damming();
}
