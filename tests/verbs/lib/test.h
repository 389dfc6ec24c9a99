/* SPDX-License-Identifier: GPL-2.0 */
/* Common to every test program: options, time limits, clean-up, skips. */
#ifndef VERBS_TEST_H
#define VERBS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Time limit in ms for anything that must happen: a hang is a failure, slowness is not. */
#define PATIENCE (15000 * options.slow)

struct options {
	const char *device;	/* -d: the device under test */
	const char *peer;	/* -p: the device at the other end; the same one by default */
	uint64_t seed;		/* -s: seed of everything random, 1 by default */
	uint64_t count;		/* -c: random steps; 0: the program's own default */
	int slow;		/* $ODP_TESTS_SLOW: how many times slower than usual everything is */
	bool full;		/* -f: the long sweep */
	bool pinned;		/* -n: treat the device as one without on-demand paging */
};

extern struct options options;

void parse_options(int argc, char **argv);

/* Runs the tests; after each one undoes everything that it left behind. */
int run_group(const char *group, struct CMUnitTest *tests, size_t n);

/*
 * Undoes @object with @fn when the test ends, however it ends; the last one first. If @fn does not return 0,
 * the test fails: an object that cannot be destroyed is a bug.
 */
typedef int (*undo_fn)(void *object);
void defer(undo_fn fn, void *object);

/* Unmaps [p, p + len) at the end of the test. */
void defer_unmap(void *p, size_t len);

/* malloc() that never fails; freed at the end of the test. */
void *scratch(size_t len);

/* Undoes @object now. */
void undo(void *object);

/* Undoes @object now and expects the destruction to fail with @err; the object stays. */
void undo_refused(void *object, int err);

void __attribute__((noreturn, format(printf, 1, 2))) skip_because(const char *reason, ...);

uint64_t now_ns(void);
uint64_t now_ms(void);
void sleep_ms(unsigned int ms);

/* Sorts @took[n] and returns the value that @permille of them do not exceed. */
uint64_t percentile(uint64_t *took, size_t n, unsigned int permille);

/*
 * Starts a child process that runs @fn and exits with 0, or with 1 if an assertion fails; killed at the end
 * of the test if it still runs.
 */
int child_start(void (*fn)(void *arg), void *arg);
/* Waits for the child and returns its wait status. */
int child_wait(int pid);

#endif
