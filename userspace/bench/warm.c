// SPDX-License-Identifier: GPL-2.0
/* Memory that is present: latency, bandwidth, processor time; many queue pairs, processes or threads. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define AREA (8 * MIB)
#define SAMPLES 200000

static const struct {
	const char *name;
	enum ibv_wr_opcode opcode;
	size_t shortest, longest;
} requests[] = {
	{ "write", IBV_WR_RDMA_WRITE, 1, 4 * MIB },
	{ "read", IBV_WR_RDMA_READ, 1, 4 * MIB },
	{ "send", IBV_WR_SEND, 1, 4 * MIB },
	{ "fetch_add", IBV_WR_ATOMIC_FETCH_AND_ADD, 8, 8 },
};

/* One case: @depth requests in flight on each of @lanes queue pairs, of each of @parties. */
struct job {
	int request, parties;
	size_t bytes;
	unsigned int lanes, depth;
	bool odp, events, lists;
};

/*
 * All cases use the same pages: which pages they are may matter more than whether they are pinned
 * or on demand.
 */
struct areas {
	struct memory local, remote;
};

struct rig {
	struct link link;
	struct memory local, remote;
	struct stream stream;
};

static void areas_open(struct areas *areas)
{
	memory_touched(&areas->local, AREA);
	memory_touched(&areas->remote, AREA);
}

static void areas_close(struct areas *areas)
{
	memory_unmap(&areas->local);
	memory_unmap(&areas->remote);
}

static void rig_open(struct rig *rig, const struct areas *areas, const struct job *job)
{
	link_open(&rig->link, job->lanes, job->depth);
	rig->local = areas->local;
	rig->remote = areas->remote;
	memory_register(&rig->local, rig->link.a.pd, job->odp);
	memory_register(&rig->remote, rig->link.b.pd, job->odp);
	rig->stream = (struct stream){
		.link = &rig->link, .opcode = requests[job->request].opcode, .bytes = job->bytes,
		.local = &rig->local, .remote = &rig->remote, .events = job->events,
		.lists = job->lists,
	};
	samples_open(&rig->stream.samples, SAMPLES);
}

static void rig_close(struct rig *rig)
{
	samples_close(&rig->stream.samples);
	memory_deregister(&rig->local);
	memory_deregister(&rig->remote);
	link_close(&rig->link);
}

static void run(struct rig *rig, unsigned int ms)
{
	rig->stream.samples.n = 0;
	rig->stream.until_ns = now_ns() + ms * 1000000ull;
	stream_run(&rig->stream);
}

/*
 * Makes all pages of both areas present. After a fault, a queue pair's work stays on the processor of the
 * worker that faulted, and the polling thread may be on another one. That changes the figures, but says
 * nothing about the kinds of memory. So new queue pairs replace the old ones.
 */
static void warm_up(struct rig *rig)
{
	struct stream touch = rig->stream;

	touch.opcode = IBV_WR_RDMA_WRITE;
	touch.bytes = 64 * KIB;
	touch.requests = AREA / touch.bytes;
	stream_run(&touch);
	link_renew(&rig->link);
	run(rig, options.ms / 10);
}

static void row_case(const char *section, const struct job *job)
{
	row_begin(section);
	row_text("request", requests[job->request].name);
	row_number("bytes", job->bytes, 0);
	row_number("lanes", job->lanes, 0);
	row_text("memory", job->odp ? "odp" : "pinned");
}

static double us(struct samples *samples, unsigned int permille)
{
	return samples_at(samples, permille) / 1000.0;
}

static void latency(const struct areas *areas, struct job job)
{
	struct rig rig;

	job.lanes = job.depth = 1;
	cpu_stay();
	rig_open(&rig, areas, &job);
	warm_up(&rig);
	run(&rig, options.ms / 2);
	row_case("latency", &job);
	row_text("wait", job.events ? "event" : "poll");
	row_number("p50_us", us(&rig.stream.samples, 500), 2);
	row_number("p99_us", us(&rig.stream.samples, 990), 2);
	row_number("p999_us", us(&rig.stream.samples, 999), 2);
	row_end();
	rig_close(&rig);
	cpu_roam();
}

/* With one processor, a polling thread takes processor time from the driver's workers. */
static bool one_processor(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) == 1;
}

static void bandwidth(const struct areas *areas, struct job job)
{
	struct cpu_time cpu;
	struct rig rig;
	double mib;

	job.depth = job.bytes >= MIB ? 4 : job.lanes > 16 ? 8 : 32;
	job.lists = true;
	job.events = one_processor();
	cpu_stay();
	rig_open(&rig, areas, &job);
	warm_up(&rig);
	cpu = cpu_now();
	run(&rig, options.ms);
	cpu = cpu_since(cpu);
	mib = (double)rig.stream.done * job.bytes / MIB;
	row_case("bandwidth", &job);
	row_number("mib_s", stream_mib_s(&rig.stream), 1);
	row_number("requests_s", rig.stream.done * 1e9 / rig.stream.ns, 0);
	row_number("user_us_mib", cpu.user * 1e6 / mib, 1);
	row_number("system_us_mib", cpu.system * 1e6 / mib, 1);
	row_number("softirq_us_mib", cpu.softirq * 1e6 / mib, 1);
	row_end();
	rig_close(&rig);
	cpu_roam();
}

/* --- several at once: processes with areas of their own, or threads that share areas ------- */

#define PARTIES_MAX 8

/* This structure is in memory that the processes share. */
struct shared {
	int n, ready;
	double mib_s[PARTIES_MAX];
};

struct party {
	struct shared *shared;
	const struct areas *areas;
	const struct job *job;
	int number;
	pid_t pid;
	pthread_t thread;
};

static void *party_run(void *arg)
{
	const struct party *party = arg;
	struct shared *shared = party->shared;
	struct rig rig;

	rig_open(&rig, party->areas, party->job);
	warm_up(&rig);
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < shared->n)
		usleep(100);
	run(&rig, options.ms);
	shared->mib_s[party->number] = stream_mib_s(&rig.stream);
	rig_close(&rig);
	return NULL;
}

static void process_begin(struct party *party)
{
	struct areas areas;

	party->pid = fork();
	if (party->pid < 0)
		die(errno, "cannot create a process");
	if (party->pid)
		return;
	areas_open(&areas);
	party->areas = &areas;
	party_run(party);
	_exit(0);
}

static void process_end(struct party *party)
{
	int status;

	if (waitpid(party->pid, &status, 0) != party->pid || status)
		die(0, "one of %d processes failed", party->shared->n);
}

static void thread_begin(struct party *party)
{
	int err = pthread_create(&party->thread, NULL, party_run, party);

	if (err)
		die(err, "cannot create a thread");
}

static void thread_end(struct party *party)
{
	pthread_join(party->thread, NULL);
}

static void at_once(const char *section, const struct areas *areas, struct job job,
		    void (*begin)(struct party *), void (*end)(struct party *))
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct party parties[PARTIES_MAX];
	double sum = 0;

	if (shared == MAP_FAILED)
		die(errno, "cannot map shared memory");
	shared->n = job.parties;
	job.lanes = 1;
	job.depth = 32;
	job.lists = true;
	job.events = one_processor();
	fflush(stdout);
	for (int i = 0; i < job.parties; i++) {
		parties[i] = (struct party){ .shared = shared, .areas = areas, .job = &job,
					     .number = i };
		begin(&parties[i]);
	}
	for (int i = 0; i < job.parties; i++) {
		end(&parties[i]);
		sum += shared->mib_s[i];
	}
	row_case(section, &job);
	row_number(section, job.parties, 0);
	row_number("mib_s", sum, 1);
	row_end();
	munmap(shared, sizeof(*shared));
}

static void processes(const struct areas *areas, struct job job)
{
	at_once("processes", areas, job, process_begin, process_end);
}

static void threads(const struct areas *areas, struct job job)
{
	at_once("threads", areas, job, thread_begin, thread_end);
}

/* --- all cases ------------------------------------------------------------------------- */

/* Measures pinned and on-demand memory in direct succession, so that slow changes affect both. */
static void both(const struct areas *areas, void (*measure)(const struct areas *, struct job),
		 struct job job)
{
	if (options.pinned)
		measure(areas, job);
	job.odp = true;
	if (options.odp)
		measure(areas, job);
}

/* One queue pair and one kind of request, with all sizes or the size of --bytes. */
static void sizes(const struct areas *areas, int request)
{
	static const size_t each[] = { 8, 4 * KIB, 64 * KIB, MIB, 4 * MIB };
	const size_t *bytes = options.bytes ? &options.bytes : each;
	size_t n = options.bytes ? 1 : ARRAY_SIZE(each);

	for (size_t i = 0; i < n; i++) {
		struct job job = { .request = request, .bytes = bytes[i], .lanes = 1 };

		if (bytes[i] < requests[request].shortest || bytes[i] > requests[request].longest)
			continue;
		if (bytes[i] <= 64 * KIB)
			both(areas, latency, job);
		both(areas, bandwidth, job);
	}
}

static bool wanted(size_t request)
{
	return !options.request || !strcmp(options.request, requests[request].name);
}

static void check_request(void)
{
	for (size_t r = 0; r < ARRAY_SIZE(requests); r++)
		if (wanted(r))
			return;
	die(0, "unknown request %s; see odp-bench --help", options.request);
}

static void crowds(const struct areas *areas)
{
	static const unsigned int lanes[] = { 16, 256 };

	both(areas, latency, (struct job){ .bytes = 8, .events = true });
	for (size_t i = 0; i < ARRAY_SIZE(lanes); i++)
		both(areas, bandwidth, (struct job){ .bytes = 64 * KIB, .lanes = lanes[i] });
	for (int n = 1; n <= 2; n++)
		both(areas, processes, (struct job){ .bytes = 64 * KIB, .parties = n });
	for (int n = 1; n <= 2; n++)
		both(areas, threads, (struct job){ .bytes = 64 * KIB, .parties = n });
}

void bench_warm(void)
{
	struct areas areas;

	check_request();
	areas_open(&areas);
	for (size_t r = 0; r < ARRAY_SIZE(requests); r++)
		if (wanted(r))
			sizes(&areas, r);
	if (!options.request && !options.bytes)
		crowds(&areas);
	areas_close(&areas);
}
