// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/test.h"

struct options options = { .device = "rxe0", .seed = 1 };

struct undo_entry {
	struct undo_entry *next;
	undo_fn fn;
	void *object;
};

static struct undo_entry *undo_list;
static pid_t test_process;

void parse_options(int argc, char **argv)
{
	const char *slow = getenv("ODP_TESTS_SLOW");
	int c;

	options.slow = slow ? atoi(slow) : 1;
	while ((c = getopt(argc, argv, "d:p:t:s:c:fn")) != -1) {
		if (c == 'd') {
			options.device = optarg;
		} else if (c == 'p') {
			options.peer = optarg;
		} else if (c == 't') {
			cmocka_set_test_filter(optarg);
		} else if (c == 's') {
			options.seed = strtoull(optarg, NULL, 0);
		} else if (c == 'c') {
			options.count = strtoull(optarg, NULL, 0);
		} else if (c == 'f') {
			options.full = true;
		} else if (c == 'n') {
			options.pinned = true;
		} else {
			fprintf(stderr, "usage: %s [-d DEVICE] [-p PEER_DEVICE] [-t TESTS] [-s SEED] "
				"[-c COUNT] [-f] [-n]\n", argv[0]);
			exit(2);
		}
	}
	if (!options.peer)
		options.peer = options.device;
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void defer(undo_fn fn, void *object)
{
	struct undo_entry *entry = malloc(sizeof(*entry));

	assert_non_null(entry);
	*entry = (struct undo_entry){ .next = undo_list, .fn = fn, .object = object };
	undo_list = entry;
}

static int undo_scratch(void *object)
{
	free(object);
	return 0;
}

void *scratch(size_t len)
{
	void *memory = malloc(len + 1);

	assert_non_null(memory);
	defer(undo_scratch, memory);
	return memory;
}

struct mapping {
	void *p;
	size_t len;
};

static int unmap(void *object)
{
	struct mapping *mapping = object;

	return munmap(mapping->p, mapping->len);
}

void defer_unmap(void *p, size_t len)
{
	struct mapping *mapping = scratch(sizeof(*mapping));

	*mapping = (struct mapping){ p, len };
	defer(unmap, mapping);
}

static struct undo_entry **undo_find(void *object)
{
	struct undo_entry **at = &undo_list;

	while (*at && (*at)->object != object)
		at = &(*at)->next;
	assert_non_null(*at);
	return at;
}

static int undo_entry_run(struct undo_entry **at)
{
	struct undo_entry *entry = *at;
	int ret;

	*at = entry->next;
	ret = entry->fn(entry->object);
	free(entry);
	return ret;
}

void undo(void *object)
{
	assert_int_equal(undo_entry_run(undo_find(object)), 0);
}

void undo_refused(void *object, int err)
{
	struct undo_entry *entry = *undo_find(object);

	assert_int_equal(entry->fn(object), err);
}

static void end_line(int signal)
{
	(void)signal;
	if (write(STDERR_FILENO, "\n", 1) < 0)
		_exit(1);
}

/*
 * cmocka prints the message of a failed assertion with the test's result, which a child process
 * never reaches. With this variable it prints the message at once, without the end of the line,
 * and aborts.
 */
static void fail_at_once(void)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	signal(SIGABRT, end_line);
}

/* What a test has as its state until it is announced. */
struct announced {
	const char *name;
	void *state;	/* the test's own */
};

/* The runner wants to know which test was running when a program dies; TAP does not say. */
static int announce(void **state)
{
	const struct announced *test = *state;

	printf("# test: %s\n", test->name);
	*state = test->state;
	return 0;
}

static int undo_all(void **state)
{
	int failures = 0;

	(void)state;
	if (getpid() != test_process) {
		fflush(stdout);
		_exit(1);	/* a child skipped the test; only its copy of the test ends here */
	}
	while (undo_list) {
		int ret = undo_entry_run(&undo_list);

		if (ret) {
			printf("# clean-up failed: %s\n", strerror(ret < 0 ? errno : ret));
			failures++;
		}
	}
	return failures ? -1 : 0;
}

int run_group(const char *group, struct CMUnitTest *tests, size_t n)
{
	struct announced *announced = calloc(n, sizeof(*announced));
	int ret;

	if (!announced)
		return 1;
	test_process = getpid();
	pthread_atfork(NULL, NULL, fail_at_once);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	for (size_t i = 0; i < n; i++) {
		announced[i] = (struct announced){ tests[i].name, tests[i].initial_state };
		tests[i].setup_func = announce;
		tests[i].teardown_func = undo_all;
		tests[i].initial_state = &announced[i];
	}
	ret = _cmocka_run_group_tests(group, tests, n, NULL, NULL);
	free(announced);
	return ret;
}

void skip_because(const char *reason, ...)
{
	va_list args;

	va_start(args, reason);
	printf("# skipped: ");
	vprintf(reason, args);
	printf("\n");
	va_end(args);
	_skip(__FILE__, __LINE__);
	abort();
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

uint64_t now_ms(void)
{
	return now_ns() / 1000000;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t percentile(uint64_t *took, size_t n, unsigned int permille)
{
	qsort(took, n, sizeof(*took), compare);
	return took[(n - 1) * permille / 1000];
}

void sleep_ms(unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };

	nanosleep(&t, NULL);
}

static int child_kill(void *object)
{
	int pid = (intptr_t)object;

	if (waitpid(pid, NULL, WNOHANG) == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return 0;
}

int child_start(void (*fn)(void *arg), void *arg)
{
	int pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		fn(arg);
		_exit(0);
	}
	defer(child_kill, (void *)(intptr_t)pid);
	return pid;
}

static void print_file_of(int pid, const char *name)
{
	char path[64], text[4096];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len >= 0)
		print_message("%s:\n%.*s\n", path, (int)len, text);
	if (fd >= 0)
		close(fd);
}

int child_wait(int pid)
{
	uint64_t end = now_ms() + PATIENCE;
	int status;

	while (now_ms() < end) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		sleep_ms(1);
	}
	print_file_of(pid, "status");
	print_file_of(pid, "stack");
	fail_msg("child %d did not end within %d ms", pid, PATIENCE);
	return -1;
}
