// SPDX-License-Identifier: GPL-2.0
/* CI: debug ends */
/* A copy from failed memory ends, and the kernel goes on. */
#include <errno.h>
#include <sys/ioctl.h>

#include "kit/odp.h"
#include "lib/test.h"

static struct odp_test_failing copy(int fd, uint32_t before, uint32_t length)
{
	struct odp_test_failing args = { .before = before, .length = length };

	if (ioctl(fd, ODP_TEST_FAILING, &args)) {
		if (errno == EOPNOTSUPP)
			skip_because("this kernel does not survive a read of failed memory");
		fail_msg("%u bytes of %u: errno %d", length, before, errno);
	}
	return args;
}

static void test_lengths(void **state)
{
	static const uint32_t lengths[] = {
		1, 2, 3, 4, 7, 8, 9, 15, 16, 100, 511, 512, 513, 519, 1000, 4095, 4096,
	};
	int fd = odp_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct odp_test_failing whole = copy(fd, lengths[i], lengths[i]);
		struct odp_test_failing beyond = copy(fd, lengths[i] - 1, lengths[i]);
		struct odp_test_failing half = copy(fd, lengths[i] / 2, lengths[i]);

		if (!whole.good || !whole.right)
			fail_msg("%u bytes: good %u, right %u", lengths[i], whole.good, whole.right);
		if (beyond.good || half.good || !beyond.right || !half.right)
			fail_msg("%u bytes, the last of which has failed: good %u and %u, right %u and %u",
				 lengths[i], beyond.good, half.good, beyond.right, half.right);
	}
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
	};

	parse_options(argc, argv);
	return run_group("failing", tests, ARRAY_SIZE(tests));
}
