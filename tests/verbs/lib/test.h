/* SPDX-License-Identifier: GPL-2.0 */
/* What every test program is made of: options, time limits, clean-up, skips. */
#ifndef VERBS_TEST_H
#define VERBS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* How long anything that must happen may take, in ms: a hang is a failure, slowness is not. */
#define PATIENCE (15000 * options.slow)

struct options {
	const char *device;	/* -d: the device under test */
	const char *peer;	/* -p: the device at the other end; the same one by default */
	uint64_t seed;		/* -s: of what is random, 1 by default */
	uint64_t count;		/* -c: of what is random; 0: as many as the program finds enough */
	int slow;		/* $ODP_TESTS_SLOW: how many times slower than usual all is */
	bool full;		/* -f: the long sweep */
	bool pinned;		/* -n: as if the device had no on-demand paging */
};

extern struct options options;

void parse_options(int argc, char **argv);

/* Runs the tests, each followed by the undoing of all that it left behind. */
int run_group(const char *group, struct CMUnitTest *tests, size_t n);

/*
 * Undo @object with @fn when the test ends, however it ends; the last one first. @fn returns
 * 0, or the test fails: an object that cannot be destroyed is a bug.
 */
typedef int (*undo_fn)(void *object);
void defer(undo_fn fn, void *object);

/* malloc that never fails and is freed at the end of the test. */
void *scratch(size_t len);

/* Undo @object now. */
void undo(void *object);

/* Undo @object now and expect its destruction to be refused with @err; it stays. */
void undo_refused(void *object, int err);

void __attribute__((noreturn, format(printf, 1, 2))) skip_because(const char *reason, ...);

/*
 * Does a program learn at once that a page of its own was replaced? uml with several processors does not
 * tell one that runs on another of them, until it next enters the kernel.
 */
bool cpu_view_is_exact(void);
/* Skips the test where it does not: what is written to a page that has moved is somebody else's. */
void need_movable_pages(void);

uint64_t now_ns(void);
uint64_t now_ms(void);
void sleep_ms(unsigned int ms);

/* The value of which @permille of @took[n] are not above; they are in order then. */
uint64_t percentile(uint64_t *took, size_t n, unsigned int permille);

/*
 * A child process that runs @fn and leaves with 0, or with 1 where an assertion fails; killed at
 * the end of the test if it lives.
 */
int child_start(void (*fn)(void *arg), void *arg);
/* Waits for it, returns its wait status. */
int child_wait(int pid);

#endif
