// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop ends:loop */
/*
 * Keys that reach more memory than their owner has named: who may give such a key to peers, in any way, and
 * that nobody can guess a key from other keys.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <rdma/ib_user_verbs.h>

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/uverbs.h"

#define NOBODY 65534
#define ODP IBV_ACCESS_ON_DEMAND
#define TIB (1024 * 1024 * MIB)

/* Drops all privileges of the process. Call it after opening the device: only root may open its file. */
static void drop_privileges(void)
{
	assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
}

static int error_of(struct ibv_pd *pd, void *p, size_t len, int access)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, p, len, access | ODP);
	int error = mr ? 0 : errno;

	if (mr)
		assert_int_equal(ibv_dereg_mr(mr), 0);
	return error;
}

/* Returns the end of a program's addresses, to a page. */
static uintptr_t end_of_addresses(struct ibv_pd *pd)
{
	uintptr_t low = PAGE, high = 1ul << 57;

	while (high - low > PAGE) {
		uintptr_t middle = (low + (high - low) / 2) & ~(PAGE - 1);

		if (error_of(pd, (void *)PAGE, middle - PAGE, IBV_ACCESS_LOCAL_WRITE))
			high = middle;
		else
			low = middle;
	}
	return low;
}

static const int lent[] = {
	ALL_ACCESS, IBV_ACCESS_REMOTE_READ, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
	IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC, IBV_ACCESS_MW_BIND,
	IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND,
};

/* Checks that a range of addresses can be registered with any access right of peers, or with none. */
static void range_is(struct ibv_pd *pd, void *p, size_t len, int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(lent); i++)
		if (error_of(pd, p, len, lent[i]) != error)
			fail_msg("%p and %zu bytes, rights 0x%x: errno %d, expected %d", p, len,
				 lent[i], error_of(pd, p, len, lent[i]), error);
	assert_int_equal(error_of(pd, p, len, IBV_ACCESS_LOCAL_WRITE), 0);
}

static void open_end(struct end *end)
{
	struct rc rc = rc_default();

	end_open(end, options.device, &rc);
	need_implicit(end->ctx);
}

static void wide_ranges_are(struct ibv_pd *pd, int error)
{
	uintptr_t top = end_of_addresses(pd);
	uint8_t *hole = map_anon(16 * PAGE);

	assert_int_equal(munmap(hole + 5 * PAGE, PAGE), 0);
	range_is(pd, NULL, SIZE_MAX, error);
	range_is(pd, (void *)PAGE, top - PAGE, error);
	range_is(pd, NULL, top, error);
	range_is(pd, NULL, top / 2, error);
	range_is(pd, (void *)(top / 2), top / 2, error);
	range_is(pd, (void *)(top - 64 * 1024 * MIB), 64 * 1024 * MIB, error);
	range_is(pd, hole, 16 * PAGE, error);
	range_is(pd, hole, 6 * PAGE - 100, error);
}

/* A program may give away the memory that it has mapped, however it has mapped it. */
static void buffers_are_granted(struct ibv_pd *pd)
{
	uint8_t *p = map_anon(16 * PAGE), *large = map_reserved(16 * TIB);

	assert_int_equal(mprotect(p + 4 * PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(mprotect(p + 8 * PAGE, PAGE, PROT_READ), 0);
	range_is(pd, p, 16 * PAGE, 0);
	range_is(pd, p + 100, 9000, 0);
	if (large)
		range_is(pd, large, 16 * TIB, 0);
}

static void child_without(void *arg)
{
	struct end end;

	(void)arg;
	open_end(&end);
	drop_privileges();
	wide_ranges_are(end.pd, EPERM);
	buffers_are_granted(end.pd);
}

static void child_with_all(void *arg)
{
	struct end end;

	(void)arg;
	open_end(&end);
	drop_privileges();
	wide_ranges_are(end.pd, 0);
	buffers_are_granted(end.pd);
}

static void must_pass(void (*child)(void *arg), void *arg)
{
	assert_int_equal(child_wait(child_start(child, arg)), 0);
}

static void need_implicit_device(void)
{
	struct end end;

	open_end(&end);
}

static void test_unprivileged(void **state)
{
	(void)state;
	need_implicit_device();
	must_pass(child_without, NULL);
}

static void test_privileged(void **state)
{
	struct end end;

	(void)state;
	open_end(&end);
	wide_ranges_are(end.pd, 0);
	buffers_are_granted(end.pd);
}

static void test_parameter(void **state)
{
	struct end end;

	(void)state;
	open_end(&end);
	set_parameter("rdma_rxe", "implicit_remote", "2");
	must_pass(child_with_all, NULL);
	set_parameter("rdma_rxe", "implicit_remote", "0");
	must_pass(child_without, NULL);
	wide_ranges_are(end.pd, EPERM);
	buffers_are_granted(end.pd);
}

/* --- reregistration ------------------------------------------------------------------------ */

static int reregister(struct ibv_mr *mr, int flags, void *p, size_t len, int access)
{
	struct ib_uverbs_rereg_mr_resp answer;
	struct ib_uverbs_rereg_mr command = {
		.mr_handle = mr->handle, .flags = flags, .start = (uintptr_t)p, .length = len,
		.hca_va = (uintptr_t)p, .access_flags = access, .pd_handle = mr->pd->handle,
	};

	return uverbs_command(mr->context->cmd_fd, IB_USER_VERBS_CMD_REREG_MR, &command,
			      sizeof(command), &answer, sizeof(answer));
}

/*
 * The parameter forbids it to everybody, so the test need not become another user, whose commands the core
 * would refuse.
 */
static void test_registered_anew(void **state)
{
	struct ibv_mr *implicit, *buffer;
	uint8_t *p = map_anon(4 * PAGE);
	struct end end;

	(void)state;
	open_end(&end);
	set_parameter("rdma_rxe", "implicit_remote", "0");
	implicit = reg(end.pd, NULL, SIZE_MAX, IBV_ACCESS_LOCAL_WRITE | ODP);
	buffer = reg(end.pd, p, 4 * PAGE, ALL_ACCESS | ODP);
	for (size_t i = 0; i < ARRAY_SIZE(lent); i++) {
		assert_int_equal(reregister(implicit, IBV_REREG_MR_CHANGE_ACCESS, NULL, 0,
					    lent[i] | ODP), EPERM);
		assert_int_equal(reregister(buffer, IBV_REREG_MR_CHANGE_TRANSLATION |
					    IBV_REREG_MR_CHANGE_ACCESS, (void *)PAGE, TIB,
					    lent[i] | ODP), EPERM);
	}
	assert_int_equal(reregister(buffer, IBV_REREG_MR_CHANGE_TRANSLATION, (void *)PAGE, TIB, 0),
			 EPERM);
	assert_int_equal(reregister(buffer, IBV_REREG_MR_CHANGE_ACCESS, NULL, 0, ALL_ACCESS | ODP), 0);
	assert_int_equal(reregister(buffer, IBV_REREG_MR_CHANGE_ACCESS, NULL, 0,
				    IBV_ACCESS_LOCAL_WRITE | ODP), 0);
	/* Unmapped memory cannot be given away again. */
	assert_int_equal(munmap(p + PAGE, PAGE), 0);
	assert_int_equal(reregister(buffer, IBV_REREG_MR_CHANGE_ACCESS, NULL, 0, ALL_ACCESS | ODP),
			 EPERM);
}

/* --- windows ------------------------------------------------------------------------------- */

static enum ibv_wc_status bind(struct end *end, struct ibv_mw *mw, struct ibv_mr *mr, void *p,
			       size_t len)
{
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_BIND_MW,
		.bind_mw = {
			.mw = mw, .rkey = ibv_inc_rkey(mw->rkey),
			.bind_info = {
				.mr = mr, .addr = (uintptr_t)p, .length = len,
				.mw_access_flags = IBV_ACCESS_REMOTE_READ,
			},
		},
	};
	enum ibv_wc_status status;

	post_send(end, &wr);
	status = wait_wc(end->scq).status;
	if (status == IBV_WC_SUCCESS)
		mw->rkey = wr.bind_mw.rkey;
	return status;
}

/* The library binds a window of type 1 by a request of its own, with a key that it chooses. */
static enum ibv_wc_status bind_type1(struct end *end, struct ibv_mw *mw, struct ibv_mr *mr, void *p,
				     size_t len)
{
	struct ibv_mw_bind bind = {
		.wr_id = 1, .send_flags = IBV_SEND_SIGNALED,
		.bind_info = {
			.mr = mr, .addr = (uintptr_t)p, .length = len,
			.mw_access_flags = IBV_ACCESS_REMOTE_READ,
		},
	};

	assert_int_equal(ibv_bind_mw(end->qp, mw, &bind), 0);
	return wait_wc(end->scq).status;
}

struct binding {
	enum ibv_mw_type type;
	enum ibv_wc_status (*bind)(struct end *end, struct ibv_mw *mw, struct ibv_mr *mr, void *p,
				   size_t len);
};

static const struct binding bindings[] = {
	{ IBV_MW_TYPE_2, bind }, { IBV_MW_TYPE_1, bind_type1 },
};

static struct ibv_mw *window(struct ibv_pd *pd, enum ibv_mw_type type)
{
	struct ibv_mw *mw = ibv_alloc_mw(pd, type);

	assert_non_null(mw);
	defer((undo_fn)ibv_dealloc_mw, mw);
	return mw;
}

/* A granted key cannot be used through a window once the administrator has forbidden it. */
static void test_windows(void **state)
{
	const struct binding *binding = *state;
	uint8_t *p = map_anon(PAGE);
	struct rc rc = rc_default();
	struct ibv_mr *all, *buffer;
	struct pair pair;

	rc.access |= IBV_ACCESS_MW_BIND;
	pair_open(&pair, &rc);
	need_implicit(pair.a.ctx);
	all = reg(pair.a.pd, NULL, SIZE_MAX, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND | ODP);
	buffer = reg(pair.a.pd, p, PAGE, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND | ODP);
	for (int wanted = 0; wanted < 2; wanted++) {
		struct ibv_mw *mw = window(pair.a.pd, binding->type);
		struct ibv_mw *other = window(pair.a.pd, binding->type);

		if (wanted)
			set_parameter("rdma_rxe", "implicit_remote", "0");
		assert_int_equal(binding->bind(&pair.a, other, buffer, p, PAGE), IBV_WC_SUCCESS);
		assert_int_equal(binding->bind(&pair.a, mw, all, p, 100),
				 wanted ? IBV_WC_MW_BIND_ERR : IBV_WC_SUCCESS);
	}
}

/* --- guessing ------------------------------------------------------------------------------ */

#define KEYS 128

static void keys_are_random(const uint32_t *keys)
{
	int near = 0, same[4] = { 0 };

	for (int i = 1; i < KEYS; i++) {
		near += (keys[i] >> 8) - (keys[i - 1] >> 8) + 64 < 128;
		for (int byte = 0; byte < 4; byte++)
			same[byte] += (keys[i] >> 8 * byte & 0xff) == (keys[i - 1] >> 8 * byte & 0xff);
	}
	assert_in_range(near, 0, 3);
	for (int byte = 0; byte < 4; byte++)
		assert_in_range(same[byte], 0, 12);
}

/* The next key is not close to the last one. */
static void test_keys(void **state)
{
	uint8_t *p = map_anon(PAGE);
	struct rc rc = rc_default();
	uint32_t keys[KEYS];
	struct end end;

	(void)state;
	end_open(&end, options.device, &rc);
	for (size_t k = 0; k < ARRAY_SIZE(lent); k++) {
		for (int i = 0; i < KEYS; i++)
			keys[i] = reg(end.pd, p, PAGE, lent[k])->rkey;
		keys_are_random(keys);
	}
	for (int i = 0; i < KEYS; i++)
		keys[i] = window(end.pd, i % 2 ? IBV_MW_TYPE_2 : IBV_MW_TYPE_1)->rkey;
	keys_are_random(keys);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_unprivileged),
	cmocka_unit_test(test_privileged),
	cmocka_unit_test(test_parameter),
	cmocka_unit_test(test_registered_anew),
	{ .name = "windows of type 2", .test_func = test_windows, .initial_state = (void *)&bindings[0] },
	{ .name = "windows of type 1", .test_func = test_windows, .initial_state = (void *)&bindings[1] },
	cmocka_unit_test(test_keys),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("reach", tests, ARRAY_SIZE(tests));
}
