// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/*
 * Regions far larger than the memory, registered by a user who may pin 64 KiB: an on-demand region costs
 * nothing and pins nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/wire.h"

#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define NOBODY 65534
#define MESSAGE (20 * 1024 + 7)

static int become_root(void *unused)
{
	(void)unused;
	return seteuid(0);
}

static int raise_limit(void *object)
{
	return setrlimit(RLIMIT_MEMLOCK, object);
}

/* From here on the process has no privileges, and may pin 64 KiB of memory. */
static void become_nobody(void)
{
	struct rlimit *old = scratch(sizeof(*old)), low = { .rlim_cur = 64 * 1024 };

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, old), 0);
	low.rlim_max = old->rlim_max;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	defer(raise_limit, old);
	assert_int_equal(seteuid(NOBODY), 0);
	defer(become_root, &options);
}

static void *reserve(size_t len)
{
	void *p = map_reserved(len);

	if (!p)
		skip_because("a program cannot have %zu GiB of addresses here", len / GIB);
	return p;
}

static void rdma(struct pair *pair, struct buf *local, enum ibv_wr_opcode opcode, uint64_t addr,
		 uint32_t rkey)
{
	pair_rdma(pair, opcode, sge(local, 0, MESSAGE), addr, rkey, IBV_WC_SUCCESS);
}

static void nothing_pinned(void)
{
	assert_int_equal(file_number("/proc/self/status", "VmPin:"), 0);
	assert_int_equal(file_number("/proc/self/status", "VmLck:"), 0);
}

/* Accesses offsets of the region that are far from each other. */
static void touch(struct pair *pair, struct buf *local, uint8_t *p, size_t len, uint32_t rkey)
{
	const size_t offsets[] = { 0, 2 * MIB - 100, GIB - 5, len / 2 + 3, len - MESSAGE };

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		uint8_t *at = p + offsets[i];

		pattern_fill(local->p, MESSAGE, 0, i);
		rdma(pair, local, IBV_WR_RDMA_WRITE, (uintptr_t)at, rkey);
		pattern_check(at, MESSAGE, 0, i, "written far away");
		memset(local->p, 0, MESSAGE);
		rdma(pair, local, IBV_WR_RDMA_READ, (uintptr_t)at, rkey);
		pattern_check(local->p, MESSAGE, 0, i, "read far away");
	}
}

static void test_size(void **state)
{
	size_t len = *(const size_t *)*state;
	struct rc rc = rc_default();
	uint64_t start, took;
	struct pair pair;
	struct buf local;
	struct ibv_mr *mr;
	uint8_t *p;

	become_nobody();
	pair_open(&pair, &rc);
	need_odp(pair.a.ctx);
	local = buf_anon(pair.a.pd, MESSAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	p = reserve(len);
	start = now_ms();
	mr = reg(pair.b.pd, p, len, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	took = now_ms() - start;
	if (took > 1000)
		fail_msg("registering %zu GiB took %d ms", len / GIB, (int)took);
	touch(&pair, &local, p, len, mr->rkey);
	nothing_pinned();
}

/* The limit applies to a pinned region. */
static void test_limit_holds(void **state)
{
	struct rc rc = rc_default();
	struct end end;

	(void)state;
	become_nobody();
	end_open(&end, options.device, &rc);
	assert_null(ibv_reg_mr(end.pd, map_anon(MIB), MIB, ALL_ACCESS));
	assert_int_equal(errno, ENOMEM);
	nothing_pinned();
}

/* One region for everything that a program has now and will have later. */
static void test_implicit(void **state)
{
	struct rc rc = rc_default();
	struct pair pair;
	struct buf local;
	struct ibv_mr *mr;

	(void)state;
	pair_open(&pair, &rc);
	need_implicit(pair.a.ctx);
	local = buf_anon(pair.a.pd, MESSAGE, ALL_ACCESS);
	mr = reg(pair.b.pd, NULL, SIZE_MAX, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	touch(&pair, &local, reserve(4 * GIB), 4 * GIB, mr->rkey);
}

/* Waits longer than PATIENCE: millions of packets take that long. */
static void wait_long(struct end *end)
{
	uint64_t limit = now_ms() + 20 * PATIENCE;
	struct ibv_wc wc;

	while (!ibv_poll_cq(end->scq, 1, &wc)) {
		if (now_ms() > limit)
			fail_msg("the message has not arrived after %d ms", 20 * PATIENCE);
		sleep_ms(10);
	}
	assert_int_equal(wc.status, IBV_WC_SUCCESS);
}

#define PARTS 32ul
#define MOST_PART (2 * GIB / PARTS)

/* Repeats the same memory in the list: uml cannot map as many pages as the message has. */
static void fill_parts(struct ibv_sge *list, const struct buf *buf, size_t len)
{
	for (size_t i = 0; i < PARTS; i++)
		list[i] = sge(buf, 0, len / PARTS + (i ? 0 : len % PARTS));
}

/* Sends one message of @len bytes and one behind it: both ends have the right PSN. */
static void longest(struct pair *pair, struct buf *from, struct buf *to, size_t len)
{
	struct ibv_sge list[PARTS];
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_SEND, .sg_list = list, .num_sge = PARTS,
	};

	pattern_fill(from->p, from->len, 0, len);
	memset(to->p, 0, to->len);
	fill_parts(list, to, len);
	post_recv(&pair->b, 2, list, PARTS);
	post_recv(&pair->b, 3, NULL, 0);
	fill_parts(list, from, len);
	post_send(&pair->a, &wr);
	wait_long(&pair->a);
	assert_int_equal(expect_wc(pair->b.rcq, 2, IBV_WC_SUCCESS).byte_len, len);
	pattern_check(to->p, len / PARTS + len % PARTS, 0, len, "a long message");
	wr.num_sge = 0;
	post_send(&pair->a, &wr);
	expect_wc(pair->a.scq, 1, IBV_WC_SUCCESS);
	expect_wc(pair->b.rcq, 3, IBV_WC_SUCCESS);
}

/* A message of the maximal length that the device reports, also with the MTU that takes the most packets. */
static void test_longest(void **state)
{
	struct rc rc = rc_default();
	struct ibv_port_attr port;
	struct buf from, to;
	struct pair pair;

	(void)state;
	if (have_wire())
		skip_because("millions of packets take too long over a wire");
	rc.mtu = IBV_MTU_256;
	rc.sge = PARTS;
	pair_open(&pair, &rc);
	assert_int_equal(ibv_query_port(pair.a.ctx, 1, &port), 0);
	assert_int_equal(port.max_msg_sz, 2 * GIB);
	from = buf_anon(pair.a.pd, MOST_PART + PAGE, ALL_ACCESS);
	to = buf_anon(pair.b.pd, MOST_PART + PAGE, ALL_ACCESS);
	longest(&pair, &from, &to, GIB + 1);
	if (options.full)
		longest(&pair, &from, &to, port.max_msg_sz);
}

static const size_t sizes[] = {
	2 * GIB, 4 * GIB, 5 * GIB + PAGE, 8 * GIB, 64 * GIB, TIB, 16 * TIB,
};

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[ARRAY_SIZE(sizes) + 3];
	static char names[ARRAY_SIZE(sizes)][32];
	size_t n = 0;

	parse_options(argc, argv);
	for (; n < ARRAY_SIZE(sizes); n++) {
		snprintf(names[n], sizeof(names[n]), "%zu MiB", sizes[n] / MIB);
		tests[n] = (struct CMUnitTest){
			.name = names[n], .test_func = test_size, .initial_state = (void *)&sizes[n],
		};
	}
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_limit_holds);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_implicit);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_longest);
	return run_group("large", tests, n);
}
