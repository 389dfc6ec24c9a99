// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/*
 * Copies, faults and invalidations at the same time on the same pages, judged by the contents of the pages.
 * The workers are the kernel's (odp_test.h says what they write); here the pages are protected, moved,
 * forked, reclaimed, discarded and replaced under them. A new owner of a page that a region has lost must
 * never see it change: the moved page, the child's copy, and the canaries of a process that recycles memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/memory.h"
#include "kit/odp.h"
#include "kit/sys.h"
#include "lib/test.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define WORDS (PAGE / 8)
#define BLOCK (ODP_TEST_BLOCK * PAGE)
#define RW (PROT_READ | PROT_WRITE)
#define CANARIES 128
#define CANARY 0xca7a000000000000ull
#define THREADS 3

/* Shared with the children. */
struct verdict {
	int wrong;
	char what[160];
};

struct race {
	char *at;
	char *aside;		/* target of the moves */
	size_t pages;
	int fd;			/* of the mapped file, or -1 */
	bool huge;
	struct region r;
	struct verdict *verdict;
	bool stop;
	uint64_t counted, stable_events, pressure_events, volatile_events;
};

/* Assertions do not work in a thread or a child: the first complaint is kept for the test. */
static void __attribute__((format(printf, 2, 3))) complain(struct verdict *verdict,
							    const char *format, ...)
{
	va_list args;

	if (__atomic_exchange_n(&verdict->wrong, 1, __ATOMIC_SEQ_CST))
		return;
	va_start(args, format);
	vsnprintf(verdict->what, sizeof(verdict->what), format, args);
	va_end(args);
}

static uint32_t random_below(uint32_t below)
{
	static __thread uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static bool stopping(struct race *race)
{
	return __atomic_load_n(&race->stop, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&race->verdict->wrong, __ATOMIC_RELAXED);
}

/* Picks a block of the kind, but not the first one, which holds the counter. */
static size_t some_block(struct race *race, int is_volatile)
{
	size_t pairs = race->pages / ODP_TEST_BLOCK / 2;

	return is_volatile ? 2 * random_below(pairs) + 1 : 2 * (1 + random_below(pairs - 1));
}

static void expect(struct race *race, bool ok, const char *what)
{
	if (!ok)
		complain(race->verdict, "%s: %s", what, strerror(errno));
}

/* Nobody may write the memory now: it is unchanged a moment later. */
static void is_frozen(struct race *race, const char *at, size_t length, const char *what)
{
	char copy[BLOCK];

	for (size_t pos = 0; pos < length; pos += BLOCK) {
		memcpy(copy, at + pos, BLOCK);
		sched_yield();
		if (memcmp(copy, at + pos, BLOCK))
			complain(race->verdict, "%s was written", what);
	}
}

static void protect(struct race *race, char *at)
{
	expect(race, !mprotect(at, BLOCK, PROT_READ), "mprotect");
	is_frozen(race, at, BLOCK, "memory that is PROT_READ");
	expect(race, !mprotect(at, BLOCK, PROT_NONE), "mprotect");
	sched_yield();
	expect(race, !mprotect(at, BLOCK, RW), "mprotect");
}

static void move(struct race *race, char *at)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	expect(race, mremap(at, BLOCK, BLOCK, flags, race->aside) == race->aside, "mremap");
	is_frozen(race, race->aside, BLOCK, "memory that was moved away");
	expect(race, mremap(race->aside, BLOCK, BLOCK, flags, at) == at, "mremap back");
}

/* The child's private copy must not change. Then the child overwrites it, which nobody else may see. */
static void child_copy(struct race *race)
{
	for (size_t block = 0; block < race->pages / ODP_TEST_BLOCK; block += 2) {
		char *at = race->at + block * BLOCK;

		if (race->huge && block % 16)
			continue;
		is_frozen(race, at, BLOCK, "a child's copy");
		memset(at, 0xdd, BLOCK);
	}
	_exit(0);
}

static void split_off(struct race *race)
{
	int pid = fork();

	if (!pid) {
		if (race->fd < 0)
			child_copy(race);
		_exit(0);
	}
	expect(race, pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
}

/* What the program itself does to its stable blocks; one event at a time, because they exclude each other. */
static void *stable_events(void *arg)
{
	struct race *race = arg;

	while (!stopping(race)) {
		char *at = race->at + some_block(race, 0) * BLOCK;

		switch (random_below(4)) {
		case 0:
			split_off(race);
			break;
		case 1:
			move(race, at);
			break;
		default:
			protect(race, at);
		}
		race->stable_events++;
	}
	return NULL;
}

/* What the kernel does on its own to all of the pages, at the same time. */
static void *pressure_events(void *arg)
{
	struct race *race = arg;
	size_t length = race->pages * PAGE;

	while (!stopping(race)) {
		switch (random_below(3)) {
		case 0:
			madvise(race->at, length, MADV_PAGEOUT);
			break;
		case 1:
			file_put("/proc/self/clear_refs", "4");
			break;
		default:
			if (race->fd >= 0)
				expect(race, !fsync(race->fd), "fsync");
			else
				madvise(race->at, length, MADV_COLLAPSE);
		}
		race->pressure_events++;
		sched_yield();
	}
	return NULL;
}

static void replace(struct race *race, char *at)
{
	int flags = race->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	off_t offset = race->fd < 0 ? 0 : at - race->at;

	if (random_below(2))
		expect(race, !munmap(at, BLOCK), "munmap");
	expect(race, mmap(at, BLOCK, RW, flags | MAP_FIXED, race->fd, offset) == at, "mmap");
	if (race->fd < 0)
		madvise(at, BLOCK, MADV_NOHUGEPAGE);
}

static void cut_the_file(struct race *race, size_t block)
{
	off_t length = race->pages * PAGE;

	/* The last block is a volatile one. */
	if (random_below(2))
		expect(race, !ftruncate(race->fd, length - BLOCK) && !ftruncate(race->fd, length),
		       "ftruncate");
	else
		expect(race, !fallocate(race->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					block * BLOCK, BLOCK), "fallocate");
}

static void *volatile_events(void *arg)
{
	struct race *race = arg;

	while (!stopping(race)) {
		size_t block = some_block(race, 1);
		char *at = race->at + block * BLOCK;

		/* A huge page that is split into many mappings is no longer huge. */
		switch (random_below(race->huge ? 2 : 4)) {
		case 0:
			madvise(at, BLOCK, MADV_DONTNEED);
			break;
		case 1:
			madvise(at, BLOCK, MADV_FREE);
			break;
		case 2:
			if (race->fd >= 0)
				cut_the_file(race, block);
			break;
		default:
			replace(race, at);
		}
		race->volatile_events++;
		/* Each event there removes a whole leaf: leave the workers time to fault it in again. */
		if (race->huge)
			usleep(500);
		else if (random_below(4) == 0)
			sched_yield();
	}
	return NULL;
}

static void *count(void *arg)
{
	struct race *race = arg;

	while (!stopping(race)) {
		__atomic_fetch_add((uint64_t *)race->at, 1, __ATOMIC_SEQ_CST);
		race->counted++;
		if (race->counted % 64 == 0)
			sched_yield();
	}
	return NULL;
}

/* Takes the pages that others give back, as quickly as it can, and watches them. */
static void recycle(void *arg)
{
	struct race *race = arg;
	size_t length = CANARIES * PAGE;
	uint64_t *words = mmap(NULL, length, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (words == MAP_FAILED)
		complain(race->verdict, "no memory for canaries");
	while (!race->verdict->wrong) {
		for (size_t i = 0; i < CANARIES * WORDS; i++)
			words[i] = CANARY | i;
		sched_yield();
		for (size_t i = 0; i < CANARIES * WORDS; i++)
			if (words[i] != (CANARY | i))
				complain(race->verdict, "canary %zu became %#lx", i, words[i]);
		madvise(words, length, MADV_DONTNEED);
	}
}

static void race_kernel_start(struct race *race)
{
	struct odp_test_race_start args = {
		.handle = race->r.handle,
		.threads = THREADS,
		.pages = race->pages,
	};

	assert_int_equal(ioctl(race->r.fd, ODP_TEST_RACE_START, &args), 0);
}

static void page_is_right(struct race *race, size_t page, uint32_t version)
{
	const uint64_t *words = (uint64_t *)(race->at + page * PAGE);

	for (size_t i = 0; i < WORDS; i++) {
		uint64_t word = words[i];
		bool ok = word == (version ? ODP_TEST_STAMP(page, version) : 0);

		if (ODP_TEST_VOLATILE(page))
			ok = !word || (word == ODP_TEST_STAMP(page, word) &&
				       ODP_TEST_VERSION(word) <= version);
		if (!ok)
			fail_msg("page %zu word %zu is %#lx in the end, version %u was written",
				 page, i, word, version);
	}
}

static void race_kernel_stop(struct race *race)
{
	uint32_t *versions = scratch(race->pages * sizeof(*versions));
	struct odp_test_race_stop end = { .versions = (uintptr_t)versions };

	assert_int_equal(ioctl(race->r.fd, ODP_TEST_RACE_STOP, &end), 0);
	print_message("%llu reads, %llu writes, %llu atomics (%llu in softirq), %llu misses, "
		      "%llu faults; %lu + %lu + %lu events\n", end.reads, end.writes, end.atomics,
		      end.softirq, end.misses, end.faults, race->stable_events,
		      race->pressure_events, race->volatile_events);
	if (race->verdict->wrong)
		fail_msg("%s", race->verdict->what);
	if (end.errors)
		fail_msg("%llu times: %s", end.errors, end.error);
	for (size_t page = 1; page < race->pages; page++)
		page_is_right(race, page, versions[page]);
	assert_int_equal(*(uint64_t *)race->at, end.atomics + race->counted);
	assert_true(end.reads && end.writes && end.atomics && end.softirq && end.faults);
	assert_true(race->stable_events && race->pressure_events && race->volatile_events);
	assert_true(race->counted);
}

static void race_run(struct race *race, unsigned int seconds)
{
	void *(*const fns[])(void *) = {
		stable_events, pressure_events, volatile_events, count,
	};
	pthread_t threads[ARRAY_SIZE(fns)];

	race->verdict = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	race->aside = place(BLOCK);
	region_make(&race->r, odp_open(), race->at, race->pages * PAGE, ODP_TEST_WRITABLE);
	child_start(recycle, race);
	race_kernel_start(race);
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fns[i], race), 0);
	for (unsigned int ms = 0; ms < seconds * 1000 && !stopping(race); ms += 50)
		sleep_ms(50);
	__atomic_store_n(&race->stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		pthread_join(threads[i], NULL);
	race_kernel_stop(race);
	munmap(race->verdict, PAGE);
}

static unsigned int duration(void)
{
	return options.full ? 20 : 3;
}

static void test_anonymous(void **state)
{
	struct race race = { .pages = 128, .fd = -1 };

	(void)state;
	need_swap();
	race.at = anonymous(race.pages * PAGE);
	race_run(&race, duration());
}

static void file_race(int fd, size_t pages)
{
	struct race race = { .pages = pages, .fd = fd };

	need_swap();
	race.at = place(pages * PAGE);
	assert_ptr_equal(mmap(race.at, pages * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0), race.at);
	race_run(&race, duration());
}

static void test_memfd(void **state)
{
	(void)state;
	file_race(memfd_make(128 * PAGE), 128);
}

static void test_file(void **state)
{
	(void)state;
	file_race(file_unnamed(need_ext4(), 128 * PAGE), 128);
}

static void test_thp(void **state)
{
	struct race race = { .pages = 2 * LEAF / PAGE, .fd = -1, .huge = true };

	(void)state;
	need_swap();
	race.at = place(2 * LEAF);
	assert_ptr_equal(mmap(race.at, 2 * LEAF, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 race.at);
	if (madvise(race.at, 2 * LEAF, MADV_HUGEPAGE))
		skip_because("this kernel has no transparent huge pages");
	race_run(&race, duration());
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_memfd),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_thp),
	};

	parse_options(argc, argv);
	return run_group("race", tests, ARRAY_SIZE(tests));
}
