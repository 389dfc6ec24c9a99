// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire debian:wire */
/* One region for all of a process's memory: ibv_reg_mr(pd, NULL, SIZE_MAX, ...). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/test.h"

#define LEN (3 * PAGE + 123)
#define NOBODY 65534

struct rig {
	struct pair pair;
	struct ibv_mr *a, *b;	/* regions over everything, one for each end */
};

static struct ibv_mr *everything(struct ibv_pd *pd, int access)
{
	return ibv_reg_mr(pd, NULL, SIZE_MAX, access | IBV_ACCESS_ON_DEMAND);
}

static struct ibv_mr *reg_everything(struct ibv_pd *pd)
{
	return reg(pd, NULL, SIZE_MAX, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

static void rig_open(struct rig *rig)
{
	struct rc rc = rc_default();

	pair_open(&rig->pair, &rc);
	need_implicit(rig->pair.a.ctx);
	rig->a = reg_everything(rig->pair.a.pd);
	rig->b = reg_everything(rig->pair.b.pd);
}

static void rdma(struct rig *rig, enum ibv_wr_opcode opcode, void *local, void *remote,
		 uint32_t len, enum ibv_wc_status status)
{
	struct ibv_sge list = { (uintptr_t)local, len, rig->a->lkey };

	pair_rdma(&rig->pair, opcode, list, (uintptr_t)remote, rig->b->rkey, status);
}

static void write_is_right(struct rig *rig, uint8_t *from, uint8_t *to, const char *what)
{
	static uint64_t seed = 1;

	pattern_fill(from, LEN, 0, ++seed);
	rdma(rig, IBV_WR_RDMA_WRITE, from, to, LEN, IBV_WC_SUCCESS);
	pattern_check(to, LEN, 0, seed, what);
}

static void test_write_and_read(void **state)
{
	uint8_t *from, *to;
	struct rig rig;

	(void)state;
	rig_open(&rig);
	from = map_anon(LEN + PAGE);
	to = map_anon(LEN + PAGE);
	write_is_right(&rig, from + 7, to + 1001, "written");
	pattern_fill(to + 5, LEN, 0, 99);
	rdma(&rig, IBV_WR_RDMA_READ, from + 3000, to + 5, LEN, IBV_WC_SUCCESS);
	pattern_check(from + 3000, LEN, 0, 99, "read");
}

static void test_send(void **state)
{
	uint8_t *from = map_anon(LEN + PAGE), *to = map_anon(LEN + PAGE);
	struct ibv_sge into, list;
	struct ibv_send_wr wr = {
		.wr_id = 2, .opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
	};
	struct rig rig;

	(void)state;
	rig_open(&rig);
	into = (struct ibv_sge){ (uintptr_t)to + 9, LEN, rig.b->lkey };
	list = (struct ibv_sge){ (uintptr_t)from + 4090, LEN, rig.a->lkey };
	pattern_fill(from + 4090, LEN, 0, 5);
	post_recv(&rig.pair.b, 3, &into, 1);
	post_send(&rig.pair.a, &wr);
	expect_wc(rig.pair.a.scq, 2, IBV_WC_SUCCESS);
	expect_wc(rig.pair.b.rcq, 3, IBV_WC_SUCCESS);
	pattern_check(to + 9, LEN, 0, 5, "sent");
}

static void test_atomic(void **state)
{
	uint64_t *word = map_anon(PAGE), *old = map_anon(PAGE);
	struct ibv_sge list;
	struct ibv_send_wr wr = {
		.wr_id = 4, .opcode = IBV_WR_ATOMIC_FETCH_AND_ADD, .sg_list = &list, .num_sge = 1,
	};
	struct rig rig;

	(void)state;
	rig_open(&rig);
	list = (struct ibv_sge){ (uintptr_t)old, 8, rig.a->lkey };
	word[17] = 1000;
	wr.wr.atomic.remote_addr = (uintptr_t)&word[17];
	wr.wr.atomic.compare_add = 11;
	wr.wr.atomic.rkey = rig.b->rkey;
	post_send(&rig.pair.a, &wr);
	expect_wc(rig.pair.a.scq, 4, IBV_WC_SUCCESS);
	assert_int_equal(*old, 1000);
	assert_int_equal(word[17], 1011);
}

/* Writes to memory that is mapped later, at another place, and in place of an older mapping. */
static void test_later_mappings(void **state)
{
	uint8_t *from, *to;
	struct rig rig;
	int fd;

	(void)state;
	rig_open(&rig);
	from = map_anon(LEN + PAGE);
	for (int i = 0; i < 4; i++) {
		to = map_anon(LEN + PAGE);
		write_is_right(&rig, from, to, "a mapping made later");
	}
	assert_ptr_equal(mmap(to, LEN + PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), to);
	write_is_right(&rig, from, to + 1, "a mapping in place of another");
	to = map_memfd(LEN + PAGE, &fd);
	write_is_right(&rig, from, to, "a file");
}

static void test_stack_and_data(void **state)
{
	static uint8_t data[LEN];
	uint8_t stack[LEN];
	struct rig rig;

	(void)state;
	rig_open(&rig);
	write_is_right(&rig, data, stack, "the stack");
	write_is_right(&rig, stack, data, "the data segment");
}

/* Two adjacent mappings, with nothing mapped behind them. */
static void test_edges(void **state)
{
	uint8_t *from, *two;
	struct rig rig;

	(void)state;
	rig_open(&rig);
	from = map_anon(LEN + PAGE);
	two = map_anon(8 * PAGE);
	assert_int_equal(mprotect(two + 4 * PAGE, 4 * PAGE, PROT_READ), 0);
	assert_int_equal(mprotect(two + 4 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
	write_is_right(&rig, from, two + 2 * PAGE, "over two mappings");
	rdma(&rig, IBV_WR_RDMA_WRITE, from, two + 5 * PAGE, LEN, IBV_WC_REM_ACCESS_ERR);
}

static void refused(void *remote)
{
	struct rig rig;

	rig_open(&rig);
	rdma(&rig, IBV_WR_RDMA_WRITE, map_anon(PAGE), remote, 64, IBV_WC_REM_ACCESS_ERR);
}

static void test_unmapped_memory(void **state)
{
	(void)state;
	refused((void *)8);
	refused((void *)0x7ffffffff000);
	refused((void *)0xffff888000000000);
	refused((void *)-64);
}

/* --- who may give a key to peers ------------------------------------------------------------ */

static int error_of(struct ibv_pd *pd, int access)
{
	struct ibv_mr *mr = everything(pd, access);
	int error = mr ? 0 : errno;

	if (mr)
		assert_int_equal(ibv_dereg_mr(mr), 0);
	return error;
}

struct wish {
	int local, remote;	/* expected errno */
};

static void nobody_child(void *arg)
{
	const struct wish *wish = arg;
	struct rc rc = rc_default();
	struct end end;

	/* Opened as root: only root may open the device file. */
	end_open(&end, options.device, &rc);
	assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
	assert_int_equal(error_of(end.pd, IBV_ACCESS_LOCAL_WRITE), wish->local);
	assert_int_equal(error_of(end.pd, ALL_ACCESS), wish->remote);
	assert_int_equal(error_of(end.pd, IBV_ACCESS_REMOTE_READ), wish->remote);
}

static void nobody_gets(int remote)
{
	struct wish wish = { .remote = remote };

	assert_int_equal(child_wait(child_start(nobody_child, &wish)), 0);
}

static void test_policy(void **state)
{
	struct rc rc = rc_default();
	struct end end;

	(void)state;
	end_open(&end, options.device, &rc);
	need_implicit(end.ctx);
	nobody_gets(EPERM);
	assert_int_equal(error_of(end.pd, ALL_ACCESS), 0);
	set_parameter("rdma_rxe", "implicit_remote", "2");
	nobody_gets(0);
	set_parameter("rdma_rxe", "implicit_remote", "0");
	nobody_gets(EPERM);
	assert_int_equal(error_of(end.pd, ALL_ACCESS), EPERM);
	assert_int_equal(error_of(end.pd, IBV_ACCESS_LOCAL_WRITE), 0);
}

/* The key of a region gives no hint of the key of the implicit region. */
static void test_keys_are_not_guessed(void **state)
{
	struct rc rc = rc_default();
	struct end end;
	uint32_t last = 0;
	int near = 0;

	(void)state;
	end_open(&end, options.device, &rc);
	need_implicit(end.ctx);
	for (int i = 0; i < 64; i++) {
		uint32_t key = reg_everything(end.pd)->rkey >> 8;

		near += i && key - last + 64 < 128;
		last = key;
	}
	assert_in_range(near, 0, 2);
}

static void test_only_exact_range_is_implicit(void **state)
{
	struct rc rc = rc_default();
	struct end end;

	(void)state;
	end_open(&end, options.device, &rc);
	need_implicit(end.ctx);
	assert_null(ibv_reg_mr(end.pd, NULL, SIZE_MAX, ALL_ACCESS));
	assert_null(ibv_reg_mr(end.pd, (void *)PAGE, SIZE_MAX, ALL_ACCESS | IBV_ACCESS_ON_DEMAND));
	assert_null(ibv_reg_mr(end.pd, NULL, SIZE_MAX - PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND));
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_write_and_read),
	cmocka_unit_test(test_send),
	cmocka_unit_test(test_atomic),
	cmocka_unit_test(test_later_mappings),
	cmocka_unit_test(test_stack_and_data),
	cmocka_unit_test(test_edges),
	cmocka_unit_test(test_unmapped_memory),
	cmocka_unit_test(test_policy),
	cmocka_unit_test(test_keys_are_not_guessed),
	cmocka_unit_test(test_only_exact_range_is_implicit),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("implicit", tests, ARRAY_SIZE(tests));
}
