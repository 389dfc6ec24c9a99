// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation fails once while a link is made or deleted, and while the modules are loaded:
 * nothing is left of what did not come to be, and the same works at once. Links come and go slowly,
 * so without -f it is every 16th allocation; with 16 seeds in a row it is all of them, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/inject.h"
#include "lib/nldev.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/wire.h"
#include "lib/witness.h"

#define LINK "rxe9"
#define NETDEV "dummy9"
/* More allocations than any of it makes. */
#define ENDLESS 5000

static void need_loop(void)
{
	if (strcmp(options.device, options.peer))
		skip_because("nothing of this is about a wire");
}

static unsigned int first(void)
{
	return options.full ? 1 : 1 + options.seed % 16;
}

static unsigned int stride(void)
{
	return options.full ? 1 : 16;
}

/* --- links ----------------------------------------------------------------- */

static int leave_namespace(void *object)
{
	int fd = (intptr_t)object, ret = setns(fd, CLONE_NEWNET);

	close(fd);
	return ret;
}

/* A namespace that has no link, so that the first one makes the sockets, too. */
static void enter_namespace(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	defer(leave_namespace, (void *)(intptr_t)fd);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	shell("ip link add " NETDEV " type dummy && ip link set " NETDEV " up && "
	      "ip address add 198.51.100.1/24 dev " NETDEV);
}

/* Netlink and sockets have words of their own for it. */
static bool is_shortage(int err)
{
	return err == ENOMEM || err == ENOBUFS || err == ENFILE;
}

static void delete_link(int nl)
{
	int err = nldev_link_delete(nl, nldev_index(nl, LINK));

	if (err)
		fail_msg("deleting the link: %s", strerror(err));
	assert_int_equal(nldev_index(nl, LINK), -1);
}

static void add_link(int nl)
{
	int err = nldev_link_add(nl, LINK, NETDEV);

	if (err)
		fail_msg("making the link: %s", strerror(err));
}

static bool add_failing(int nl, unsigned int n)
{
	bool failed;
	int err;

	inject_nth(n);
	err = nldev_link_add(nl, LINK, NETDEV);
	failed = inject_end();
	if (err && !is_shortage(err))
		fail_msg("making the link, allocation %u: %s", n, strerror(err));
	if (nldev_index(nl, LINK) < 0) {
		assert_int_not_equal(err, 0);
		add_link(nl);
	} else {
		assert_int_not_equal(err, ENOMEM);
	}
	delete_link(nl);
	return failed;
}

static bool delete_failing(int nl, unsigned int n)
{
	bool failed;
	int err, index;

	add_link(nl);
	index = nldev_index(nl, LINK);
	inject_nth(n);
	err = nldev_link_delete(nl, index);
	failed = inject_end();
	if (err && !is_shortage(err))
		fail_msg("deleting the link, allocation %u: %s", n, strerror(err));
	if (nldev_index(nl, LINK) >= 0) {
		assert_int_not_equal(err, 0);
		delete_link(nl);
	}
	return failed;
}

/* Returns when no allocation has been left to fail. */
static void sweep(bool (*failing)(int nl, unsigned int n))
{
	unsigned int n, failures = 0;
	struct witness witness;
	int nl;

	need_loop();
	need_inject();
	witness = witness_start();
	enter_namespace();
	nl = nldev_open();
	for (n = first(); n < ENDLESS && failing(nl, n); n += stride())
		failures++;
	assert_true(n < ENDLESS && failures);
	printf("# %u of about %u allocations\n", failures, n);
	witness_stop(&witness);
}

static void test_add(void **state)
{
	(void)state;
	sweep(add_failing);
}

static void test_delete(void **state)
{
	(void)state;
	sweep(delete_failing);
}

/* --- the modules ----------------------------------------------------------- */

#define MODULES "/run/vm/modules/"

struct module {
	const char *name;
	bool loaded;
};

static struct module core = { .name = "ib_umem_odp" }, driver = { .name = "rdma_rxe" };

static int load(struct module *module)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), MODULES "%s.ko", module->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (syscall(SYS_finit_module, fd, "", 0))
		err = errno;
	close(fd);
	module->loaded = !err;
	return err;
}

static void unload(struct module *module)
{
	assert_int_equal(syscall(SYS_delete_module, module->name, O_NONBLOCK), 0);
	module->loaded = false;
}

/* As the guest and tests/run have made it. */
static int restore(void *unused)
{
	(void)unused;
	if (!core.loaded)
		load(&core);
	if (!driver.loaded)
		load(&driver);
	shell("rdma link add rxe0 type rxe netdev veth0");
	shell("ip netns exec peer rdma link add rxe1 type rxe netdev veth1");
	return 0;
}

static void remove_all(void)
{
	defer(restore, &driver);
	shell("rdma link delete rxe0 && rdma link delete rxe1");
	unload(&driver);
	unload(&core);
}

/* Returns whether there was an allocation @n. */
static bool load_failing(struct module *module, unsigned int n)
{
	bool failed;
	int err;

	inject_nth(n);
	err = load(module);
	failed = inject_end();
	if (err && err != ENOMEM)
		fail_msg("loading %s, allocation %u: %s", module->name, n, strerror(err));
	if (!err && failed)
		unload(module);
	return failed;
}

static unsigned int load_sweep(struct module *module)
{
	unsigned int n, failures = 0;

	for (n = first(); n < ENDLESS && load_failing(module, n); n += stride())
		failures++;
	assert_true(n < ENDLESS && failures);
	return failures;
}

static void test_modules(void **state)
{
	(void)state;
	need_loop();
	need_inject();
	if (access(MODULES "rdma_rxe.ko", R_OK))
		skip_because("the modules are not where a guest has them");
	remove_all();
	printf("# %u allocations while the core is loaded\n", load_sweep(&core));
	printf("# %u allocations while the driver is loaded\n", load_sweep(&driver));
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_modules),
	};

	parse_options(argc, argv);
	return run_group("injectlink", tests, ARRAY_SIZE(tests));
}
