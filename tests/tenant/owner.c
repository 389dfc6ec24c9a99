// SPDX-License-Identifier: GPL-2.0
/* CI: debug ends */
/*
 * Work that the driver's workers do for a process counts as the process's own: its memory policy, its cpuset
 * and its I/O limits apply to pages that RDMA or a prefetch faults in. And a user has few workers, of its
 * own.
 */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/tenant.h"
#include "libodp/odp.h"
#include "lib/cgroup.h"
#include "lib/frozen.h"
#include "lib/mem.h"
#include "lib/pager.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/uffd.h"

#define PAGES 64ul
#define NODE 1

/* --- nodes ---------------------------------------------------------------------------- */

static void need_two_nodes(void)
{
	if (access("/sys/devices/system/node/node1", F_OK))
		skip_because("there is only one node (tools/vm run --append numa=fake=2 makes two)");
}

static unsigned long pages_on_node(uint8_t *p)
{
	unsigned long n = 0;
	void *pages[PAGES];
	int status[PAGES];

	for (unsigned long i = 0; i < PAGES; i++)
		pages[i] = p + i * PAGE;
	assert_int_equal(syscall(SYS_move_pages, 0, PAGES, pages, NULL, status, 0), 0);
	for (unsigned long i = 0; i < PAGES; i++)
		n += status[i] == NODE;
	return n;
}

static void write_all(struct pair *pair, struct buf *from, struct buf *to)
{
	struct ibv_sge list = sge(from, 0, PAGES * PAGE);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { (uintptr_t)to->p, to->mr->rkey },
	};

	post_send(&pair->a, &wr);
	expect_wc(pair->a.scq, 1, IBV_WC_SUCCESS);
}

static void prefetch_all(struct pair *pair, struct buf *to, uint32_t flags)
{
	struct ibv_sge list = sge(to, 0, PAGES * PAGE);
	uint64_t end = now_ms() + PATIENCE;

	assert_int_equal(odp_advise_mr(pair->b.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, flags, &list, 1), 0);
	while (resident_pages(to->p, PAGES * PAGE) < PAGES) {
		assert_true(now_ms() < end);
		sleep_ms(1);
	}
}

/* Faults in as many pages each way as by the CPU: all of them must be on the node. */
static void expect_node(void)
{
	struct rc rc = rc_default();
	struct buf from, to[4];
	struct pair pair;
	static const char *const ways[] = { "the CPU", "WRITE", "prefetch", "prefetch, waited for" };

	pair_open(&pair, &rc);
	need_odp(pair.a.ctx);
	from = buf_anon(pair.a.pd, PAGES * PAGE, ALL_ACCESS);
	for (int i = 0; i < 4; i++)
		to[i] = buf_anon(pair.b.pd, PAGES * PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	memset(to[0].p, 1, PAGES * PAGE);
	write_all(&pair, &from, &to[1]);
	prefetch_all(&pair, &to[2], 0);
	prefetch_all(&pair, &to[3], IBV_ADVISE_MR_FLAG_FLUSH);
	for (int i = 0; i < 4; i++)
		print_message("  %s: %lu of %lu pages on node %d\n", ways[i], pages_on_node(to[i].p), PAGES,
			      NODE);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pages_on_node(to[i].p), PAGES);
}

static void bound_main(void *unused)
{
	unsigned long mask = 1ul << NODE;

	(void)unused;
	assert_int_equal(syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof(mask)), 0);
	expect_node();
}

static void test_policy(void **state)
{
	(void)state;
	need_two_nodes();
	tenant_run(NULL, bound_main, NULL);
}

static void confined_main(void *unused)
{
	(void)unused;
	expect_node();
}

static void test_cpuset(void **state)
{
	struct cgroup *cgroup;

	(void)state;
	need_two_nodes();
	cgroup = cgroup_make("owner", "cpuset");
	cgroup_set(cgroup, "cpuset.mems", "1");
	tenant_run(cgroup, confined_main, NULL);
}

/* --- I/O -------------------------------------------------------------------------------- */

#define FILE_LEN (4 * MIB)
#define BYTES_A_SECOND MIB

/* The file is read in once, by a process that reads all of it. */
static void reader_main(void *p)
{
	struct rc rc = rc_default();
	struct ibv_send_wr wr;
	struct ibv_sge list;
	struct pair pair;
	struct ibv_mr *mr;
	struct buf into;
	uint64_t begin;

	rc.timeout = 0;
	pair_open(&pair, &rc);
	need_odp(pair.a.ctx);
	mr = reg(pair.b.pd, p, FILE_LEN, IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND);
	into = buf_anon(pair.a.pd, FILE_LEN, ALL_ACCESS);
	list = sge(&into, 0, FILE_LEN);
	wr = (struct ibv_send_wr){
		.wr_id = 1, .opcode = IBV_WR_RDMA_READ, .sg_list = &list, .num_sge = 1,
		.send_flags = IBV_SEND_SIGNALED, .wr.rdma = { (uintptr_t)p, mr->rkey },
	};
	begin = now_ms();
	post_send(&pair.a, &wr);
	expect_wc(pair.a.scq, 1, IBV_WC_SUCCESS);
	print_message("  READ of %lu MiB: %lu ms\n", FILE_LEN / MIB, (unsigned long)(now_ms() - begin));
	assert_true(now_ms() - begin > FILE_LEN * 1000 / BYTES_A_SECOND / 2);
}

/* A mapped file without a page in memory. */
static void *file_not_read(dev_t *device)
{
	int fd = ext4_open("io");
	struct stat st;
	void *p;

	assert_int_equal(fstat(fd, &st), 0);
	*device = st.st_dev;
	p = scratch(FILE_LEN);
	memset(p, 7, FILE_LEN);
	assert_int_equal(write(fd, p, FILE_LEN), FILE_LEN);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, FILE_LEN, POSIX_FADV_DONTNEED), 0);
	return map_file(fd, FILE_LEN);
}

static void test_io(void **state)
{
	struct cgroup *cgroup;
	dev_t device;
	void *p;

	(void)state;
	p = file_not_read(&device);
	cgroup = cgroup_make("owner", "io");
	cgroup_throttle(cgroup, device, BYTES_A_SECOND);
	tenant_run(cgroup, reader_main, p);
}

/* --- how many workers ---------------------------------------------------------------------- */

#define CROWD 5
#define LANES 100u
#define WORKERS 56		/* of one user */
#define OTHERS 24		/* kernel threads that appear for other reasons */

static void stuck_lanes(void *arg)
{
	atomic_uint *lanes = arg;
	struct rc rc = rc_default();
	struct buf warm, cold;
	struct pair pair;
	int pager = pager_open();

	tenant_become_nobody();
	rc.send_wr = rc.recv_wr = rc.sge = 1;
	rc.inline_data = 0;
	pair.rc = rc;
	end_open(&pair.a, options.device, &rc);
	end_open(&pair.b, options.device, &rc);
	warm = buf_anon(pair.a.pd, PAGE, ALL_ACCESS);
	cold = buf_anon(pair.b.pd, LANES * PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	pager_never(pager, cold.p, LANES * PAGE);
	for (unsigned int i = 0; i < LANES; i++) {
		struct ibv_sge list = sge(&warm, 0, 8);
		struct ibv_send_wr wr = {
			.opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
			.wr.rdma = { (uintptr_t)cold.p + i * PAGE, cold.mr->rkey },
		};

		pair_open_qps(&pair);
		post_send(&pair.a, &wr);
		++*lanes;
	}
	for (;;)
		pause();
}

/* Another process of the same user, whose pages arrive at once. */
static void fellow_main(void *unused)
{
	struct rc rc = rc_default();
	struct buf from, to[2];
	struct pair pair;

	(void)unused;
	pair_open(&pair, &rc);
	from = buf_anon(pair.a.pd, PAGES * PAGE, ALL_ACCESS);
	for (int i = 0; i < 2; i++)
		to[i] = buf_anon(pair.b.pd, PAGES * PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	write_all(&pair, &from, &to[0]);
	prefetch_all(&pair, &to[1], 0);
}

static void test_workers(void **state)
{
	atomic_uint *lanes = map_shared(sizeof(*lanes));
	uint64_t end = now_ms() + 4 * PATIENCE;	/* time to make a thousand queue pairs */
	int before, now;

	(void)state;
	pager_open();	/* skips the test without userfaultfd */
	before = tasks_named("kworker");
	for (int i = 0; i < CROWD; i++)
		tenant_start_as_root(NULL, stuck_lanes, lanes);
	while (*lanes < CROWD * LANES) {
		assert_true(now_ms() < end);
		sleep_ms(10);
	}
	now = tasks_named("kworker");
	print_message("  %d threads of the kernel became %d\n", before, now);
	assert_true(now - before <= WORKERS + OTHERS);
	tenant_run(NULL, fellow_main, NULL);
}

/* --- as many processes as a workqueue takes work items ------------------------------------- */

#define PREFETCHERS 1060

static void prefetcher(struct end *end, int pager, atomic_uint *n)
{
	struct ibv_sge list;
	struct buf cold;
	struct rc rc = rc_default();

	end_open(end, options.device, &rc);
	cold = buf_anon(end->pd, 2 * PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	uffd_watch(pager, UFFD_MISSING, cold.p, 2 * PAGE);
	list = sge(&cold, 0, 2 * PAGE);
	assert_int_equal(odp_advise_mr(end->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0, &list, 1), 0);
	++*n;
	for (;;)
		pause();
}

static void prefetchers(void *arg)
{
	struct end end;
	int pager;

	for (int i = 0; i < PREFETCHERS; i++) {
		if (fork())
			continue;
		pager = pager_open();
		tenant_become_nobody();
		prefetcher(&end, pager, arg);
	}
	for (;;)
		pause();
}

static void test_prefetchers(void **state)
{
	atomic_uint *n = map_shared(sizeof(*n));
	struct cgroup *cgroup = cgroup_make("owner", "pids");
	uint64_t end = now_ms() + 20 * PATIENCE;

	(void)state;
	if (!options.full)
		skip_because("this takes %d processes: only with -f", PREFETCHERS);
	pager_open();	/* skips the test without userfaultfd */
	tenant_start_as_root(cgroup, prefetchers, n);
	while (*n < PREFETCHERS) {
		assert_true(now_ms() < end);
		sleep_ms(50);
	}
	print_message("  %d threads of the kernel\n", tasks_named("kworker"));
	fellow_main(NULL);
	tenant_run(NULL, fellow_main, NULL);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_policy),
	cmocka_unit_test(test_cpuset),
	cmocka_unit_test(test_io),
	cmocka_unit_test(test_workers),
	cmocka_unit_test(test_prefetchers),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("owner", tests, ARRAY_SIZE(tests));
}
