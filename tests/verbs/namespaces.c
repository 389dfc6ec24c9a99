// SPDX-License-Identifier: GPL-2.0
/* Ways: loop */
/* CI: debug debian */
/*
 * Links that are visible in the network namespace of their netdev and nowhere else. The kernel switches to
 * this mode only while there is no other namespace: this test runs before tests that need a wire.
 */

#include "lib/test.h"
#include "lib/wire.h"

static int shared_again(void *unused)
{
	(void)unused;
	shell("rdma system set netns shared");
	return 0;
}

static int end_of_own(void *unused)
{
	(void)unused;
	shell("ip netns delete own");
	/* Namespaces are destroyed some time after they are deleted. */
	for (int i = 0; i < 100 && !shell_works("rdma system set netns shared 2>/dev/null"); i++)
		sleep_ms(100);
	return 0;
}

static void test_exclusive(void **state)
{
	(void)state;
	if (shell_works("ip netns list | grep -q ."))
		skip_because("other network namespaces exist already");
	shell("rdma system set netns exclusive");
	defer(shared_again, NULL);
	shell("ip netns add own");
	defer(end_of_own, NULL);
	shell("ip -n own link add own0 type dummy && ip -n own link set own0 up && "
	      "ip -n own address add 203.0.113.9/24 dev own0");
	shell("ip netns exec own rdma link add rxeown type rxe netdev own0");
	/* Before 6.16 a new device is in the initial namespace. */
	if (!shell_works("ip netns exec own rdma link | grep -qw rxeown"))
		shell("rdma dev set rxeown netns own");
	assert_true(shell_works("ip netns exec own ibv_devices | grep -qw rxeown"));
	assert_false(shell_works("ip netns exec own ibv_devices | grep -qw rxe0"));
	assert_true(shell_works("ibv_devices | grep -qw rxe0"));
	assert_false(shell_works("ibv_devices | grep -qw rxeown"));
	shell("ip netns exec own rdma link delete rxeown");
}

/* When the namespace is deleted, the link is deleted with it. */
static void test_gone(void **state)
{
	(void)state;
	if (shell_works("ip netns list | grep -q ."))
		skip_because("other network namespaces exist already");
	shell("ip netns add own");
	shell("ip -n own link add own0 type dummy && ip -n own link set own0 up");
	shell("ip netns exec own rdma link add rxeown type rxe netdev own0");
	assert_true(shell_works("ibv_devices | grep -qw rxeown"));
	shell("ip netns delete own");
	for (int i = 0; i < 100 && shell_works("ibv_devices | grep -qw rxeown"); i++)
		sleep_ms(100);
	assert_false(shell_works("ibv_devices | grep -qw rxeown"));
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exclusive),
		cmocka_unit_test(test_gone),
	};

	parse_options(argc, argv);
	return run_group("namespaces", tests, ARRAY_SIZE(tests));
}
