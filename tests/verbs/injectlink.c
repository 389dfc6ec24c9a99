// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * Every allocation fails once while a link is made or deleted, and while the modules are loaded: nothing of a
 * failed attempt remains, and the same operation then works at once. Making and deleting a link is slow, so
 * without -f the test takes a sample: another one for each seed (-s), with the size of -c.
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
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/wire.h"
#include "lib/witness.h"

#define LINK "rxe9"
#define NETDEV "dummy9"
/* More allocations than any of these operations makes. */
#define ENDLESS 50000

static void need_loop(void)
{
	if (have_wire())
		skip_because("this test needs no wire");
}

/* --- which allocations ------------------------------------------------------------ */

/* If the fields of a tracepoint cannot be allocated, the kernel loads the module and only warns. */
#define TRACING "ftrace_event_field"

/*
 * A link has thousands of files in sysfs, three for each of its GIDs. They are alike, so the allocations of
 * their nodes and names do not fail, except for a few.
 */
static const char *const but_sysfs[] = { TRACING, "kernfs_node_cache", "kmalloc-8", NULL };
static const char *const all[] = { TRACING, NULL };

/* Makes allocation @n fail. Returns how many more allocations that would have taken. */
typedef unsigned int (*failing_fn)(void *object, unsigned int n);

/* Takes @samples of the allocations, or all if there are fewer; other samples for each seed. */
static void sweep(const char *what, failing_fn failing, void *object, unsigned int samples)
{
	unsigned int total = ENDLESS - failing(object, ENDLESS), failures = 0;
	double step = samples < total ? (double)total / samples : 1;

	assert_true(total > 0 && total < ENDLESS);
	for (double at = step > 1 ? mix64(options.seed) % (unsigned int)step : 0; at < total; at += step)
		failures += !failing(object, 1 + (unsigned int)at);
	printf("# %s: %u of %u allocations failed\n", what, failures, total);
	assert_true(failures > 0);
}

static void sweep_twice(const char *what, failing_fn failing, void *object)
{
	char name[64];

	inject_spare(but_sysfs);
	sweep(what, failing, object, options.count ?: options.full ? 400 : 8);
	inject_stop();
	snprintf(name, sizeof(name), "%s, with sysfs's", what);
	inject_spare(all);
	sweep(name, failing, object, options.full ? 64 : 2);
	inject_stop();
}

/* --- links ----------------------------------------------------------------- */

static int leave_namespace(void *object)
{
	int fd = (intptr_t)object, ret = setns(fd, CLONE_NEWNET);

	close(fd);
	return ret;
}

/* A new namespace has no link, so the first link creates the sockets, too. */
static void enter_namespace(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	defer(leave_namespace, (void *)(intptr_t)fd);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	shell("ip link add " NETDEV " type dummy && ip link set " NETDEV " up && "
	      "ip address add 198.51.100.1/24 dev " NETDEV);
}

/* Netlink and sockets report a lack of memory with errnos of their own. */
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

static unsigned int add_failing(void *object, unsigned int n)
{
	int err, nl = *(int *)object;
	unsigned int left;

	inject_nth(n);
	err = nldev_link_add(nl, LINK, NETDEV);
	left = inject_left();
	if (err && !is_shortage(err))
		fail_msg("making the link, allocation %u: %s", n, strerror(err));
	if (nldev_index(nl, LINK) < 0) {
		assert_int_not_equal(err, 0);
		add_link(nl);
	} else {
		assert_int_not_equal(err, ENOMEM);
	}
	delete_link(nl);
	return left;
}

static unsigned int delete_failing(void *object, unsigned int n)
{
	int err, index, nl = *(int *)object;
	unsigned int left;

	add_link(nl);
	index = nldev_index(nl, LINK);
	inject_nth(n);
	err = nldev_link_delete(nl, index);
	left = inject_left();
	if (err && !is_shortage(err))
		fail_msg("deleting the link, allocation %u: %s", n, strerror(err));
	if (nldev_index(nl, LINK) >= 0) {
		assert_int_not_equal(err, 0);
		delete_link(nl);
	}
	return left;
}

static void beside_witness(const char *what, failing_fn failing)
{
	struct witness witness;
	int nl;

	need_loop();
	need_inject();
	witness = witness_start();
	enter_namespace();
	nl = nldev_open();
	sweep_twice(what, failing, &nl);
	witness_stop(&witness);
}

static void test_add(void **state)
{
	(void)state;
	beside_witness("making a link", add_failing);
}

static void test_delete(void **state)
{
	(void)state;
	beside_witness("deleting a link", delete_failing);
}

/* --- the modules ----------------------------------------------------------- */

#define MODULES "/run/vm/modules/"

struct module {
	const char *name;
	bool loaded;
};

static struct module core = { .name = "ib_umem_odp" }, driver = { .name = "rdma_rxe" };

static int open_file(const struct module *module)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), MODULES "%s.ko", module->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int load_file(struct module *module, int fd)
{
	int err = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;

	module->loaded = !err;
	return err;
}

static int load(struct module *module)
{
	int fd = open_file(module), err = load_file(module, fd);

	close(fd);
	return err;
}

static void unload(struct module *module)
{
	assert_int_equal(syscall(SYS_delete_module, module->name, O_NONBLOCK), 0);
	module->loaded = false;
}

/* Restores the links as the guest and tests/run have made them. */
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

static unsigned int load_failing(void *object, unsigned int n)
{
	struct module *module = object;
	int err, fd = open_file(module);
	unsigned int left;

	inject_nth(n);
	err = load_file(module, fd);
	left = inject_left();
	close(fd);
	if (err && err != ENOMEM)
		fail_msg("loading %s, allocation %u: %s", module->name, n, strerror(err));
	if (!err)
		unload(module);
	return left;
}

static void test_modules(void **state)
{
	(void)state;
	need_loop();
	need_inject();
	if (access(MODULES "rdma_rxe.ko", R_OK))
		skip_because("the modules are not at their place in a guest");
	remove_all();
	sweep_twice("loading the core", load_failing, &core);
	assert_int_equal(load(&core), 0);
	sweep_twice("loading the driver", load_failing, &driver);
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
