// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/*
 * Consumers in the kernel, which post in any context and register memory with requests: runs the tests of the
 * module verbs_test (tests/kernel/consumer_tests.c) one after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../kernel/verbs_test.h"
#include "lib/test.h"

static int fd_close(void *fd)
{
	return close((intptr_t)fd);
}

static int module_open(void)
{
	int fd;

	if (access(VERBS_TEST_DEVICE, F_OK) && system("insmod /run/vm/modules/verbs_test.ko"))
		fail_msg("verbs_test.ko is not loaded, and cannot be loaded from the place where tools/vm puts it");
	fd = open(VERBS_TEST_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", VERBS_TEST_DEVICE, strerror(errno));
	defer(fd_close, (void *)(intptr_t)fd);
	return fd;
}

static void test_in_kernel(void **state)
{
	struct verbs_test_run run = { .slow = options.slow };

	snprintf(run.test, sizeof(run.test), "%s", (const char *)*state);
	snprintf(run.device, sizeof(run.device), "%s", options.device);
	snprintf(run.peer, sizeof(run.peer), "%s", options.peer);
	if (!ioctl(module_open(), VERBS_TEST_RUN, &run))
		errno = 0;
	if (errno == EOPNOTSUPP)
		skip_because("this real-time kernel's irq_poll is not safe");
	if (errno)
		fail_msg("the module does not run the test: %s", strerror(errno));
	if (run.failure[0])
		fail_msg("%s", run.failure);
}

#define TEST(name_) { .name = name_, .test_func = test_in_kernel, .initial_state = name_ }

static struct CMUnitTest tests[] = {
	TEST("send workqueue"), TEST("send softirq"), TEST("send direct"), TEST("send srq"),
	TEST("full"), TEST("region"), TEST("region softirq"), TEST("iova"), TEST("chain"),
	TEST("lkey"), TEST("atomic"), TEST("before"), TEST("invalidated"), TEST("old key"),
	TEST("no right"), TEST("beyond"), TEST("twice"), TEST("remote invalidate"),
	TEST("drain"), TEST("drain direct"), TEST("locked"),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("consumer", tests, ARRAY_SIZE(tests));
}
