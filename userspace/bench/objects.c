// SPDX-License-Identifier: GPL-2.0
/*
 * The time to make and to destroy each kind of object. Where the kernel does not expedite RCU's grace periods
 * (rcu_normal=1, real-time kernels), a verb that waits for one takes tens of milliseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define ROUNDS 200
#define TIME_NS 1000000000ull
#define RCU_NORMAL "/sys/kernel/rcu_normal"

static void *page;

static void *region_make(struct link *link)
{
	return ibv_reg_mr(link->a.pd, page, PAGE, IBV_ACCESS_LOCAL_WRITE);
}

static int region_destroy(void *mr)
{
	return ibv_dereg_mr(mr);
}

static void *odp_make(struct link *link)
{
	return ibv_reg_mr(link->a.pd, page, PAGE, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
}

static void *window_make(struct link *link)
{
	return ibv_alloc_mw(link->a.pd, IBV_MW_TYPE_2);
}

static int window_destroy(void *mw)
{
	return ibv_dealloc_mw(mw);
}

static void *address_make(struct link *link)
{
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = 1,
		.grh = { .dgid = link->b.gid, .sgid_index = link->a.gid_index, .hop_limit = 64 },
	};

	return ibv_create_ah(link->a.pd, &attr);
}

static int address_destroy(void *ah)
{
	return ibv_destroy_ah(ah);
}

static void *cq_make(struct link *link)
{
	return ibv_create_cq(link->a.ctx, 16, NULL, NULL, 0);
}

static int cq_destroy(void *cq)
{
	return ibv_destroy_cq(cq);
}

static void *qp_make(struct link *link)
{
	struct ibv_qp_init_attr init = {
		.send_cq = link->a.cq, .recv_cq = link->a.cq, .qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
	};

	return ibv_create_qp(link->a.pd, &init);
}

static int qp_destroy(void *qp)
{
	return ibv_destroy_qp(qp);
}

static const struct kind {
	const char *name;
	void *(*make)(struct link *link);
	int (*destroy)(void *object);
} kinds[] = {
	{ "region pinned", region_make, region_destroy },
	{ "region odp", odp_make, region_destroy },
	{ "window", window_make, window_destroy },
	{ "address", address_make, address_destroy },
	{ "completion queue", cq_make, cq_destroy },
	{ "queue pair", qp_make, qp_destroy },
};

/* Returns false if the device refuses the object. */
static bool measure_one(struct link *link, const struct kind *kind, struct samples *make,
			struct samples *destroy)
{
	uint64_t start = now_ns();
	void *object = kind->make(link);

	samples_add(make, now_ns() - start);
	if (!object)
		return false;
	start = now_ns();
	if (kind->destroy(object))
		die(errno, "%s: cannot destroy a %s", options.device, kind->name);
	samples_add(destroy, now_ns() - start);
	return true;
}

static void measure(struct link *link, const struct kind *kind, const char *rcu)
{
	uint64_t until = now_ns() + TIME_NS;
	struct samples make, destroy;
	bool can = true;

	samples_open(&make, ROUNDS);
	samples_open(&destroy, ROUNDS);
	while (can && samples_more(&make, until))
		can = measure_one(link, kind, &make, &destroy);
	if (can) {
		row_begin("objects");
		row_text("object", kind->name);
		row_text("rcu", rcu);
		row_number("make_us", samples_at(&make, 500) / 1e3, 2);
		row_number("destroy_us", samples_at(&destroy, 500) / 1e3, 2);
		row_end();
	} else {
		note("%s refuses a %s: %s", options.device, kind->name, strerror(errno));
	}
	samples_close(&make);
	samples_close(&destroy);
}

static void measure_all(struct link *link, const char *rcu)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].make != odp_make || options.odp)
			measure(link, &kinds[i], rcu);
	}
}

/* Returns the former value, or 0 without the right to change it. */
static char rcu_normal(char value)
{
	int fd = open(RCU_NORMAL, O_RDWR | O_CLOEXEC);
	char old = 0;

	if (fd < 0 || pread(fd, &old, 1, 0) != 1 || pwrite(fd, &value, 1, 0) != 1)
		old = 0;
	if (fd >= 0)
		close(fd);
	return old;
}

void bench_objects(void)
{
	struct link link;
	char before;

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		die(errno, "cannot map a page");
	memset(page, 1, PAGE);
	link_open(&link, 1, 4);
	before = rcu_normal('0');
	measure_all(&link, before ? "expedited" : "as it is");
	if (before) {
		rcu_normal('1');
		measure_all(&link, "normal");
		rcu_normal(before);
	}
	link_close(&link);
	munmap(page, PAGE);
}
