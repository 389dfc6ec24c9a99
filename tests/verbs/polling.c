// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * A program that polls the last byte of a message finds all other bytes written, as with hardware that writes
 * the last bytes last: no completion is needed.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "lib/dice.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/test.h"

#define LONGEST (3 * PAGE)

/* The message that a thread waits for; the main thread changes it between two messages. */
struct watch {
	atomic_uint round;	/* number of the message to wait for; 0: stop */
	atomic_uint seen;	/* number of the last message seen */
	uint8_t *at;
	size_t len;
	unsigned int torn;	/* messages that were incomplete */
};

static bool all_are(const volatile uint8_t *p, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] != value)
			return false;
	}
	return true;
}

static void *watch_run(void *arg)
{
	struct watch *watch = arg;
	unsigned int round = 0, next;

	for (;;) {
		const volatile uint8_t *last;

		while ((next = atomic_load_explicit(&watch->round, memory_order_acquire)) == round)
			;
		round = next;
		if (!round)
			return NULL;
		last = watch->at + watch->len - 1;
		while (*last != (uint8_t)round)
			;
		atomic_thread_fence(memory_order_acquire);
		/* From the end: the bytes that were written last are checked first. */
		for (size_t n = watch->len < 64 ? watch->len : 64; n; n--) {
			if (last[1 - (ptrdiff_t)n] != (uint8_t)round) {
				watch->torn++;
				break;
			}
		}
		if (!all_are(watch->at, watch->len, round))
			watch->torn++;
		atomic_store(&watch->seen, round);
	}
}

struct polling {
	struct pair pair;
	struct buf from, to;
	struct watch watch;
	struct dice dice;
};

/* Uses the values 1 to 255, so that each message differs from the one before. */
static void one_message(struct polling *x, unsigned int round, enum ibv_wr_opcode opcode)
{
	size_t len = 1 + dice_below(&x->dice, dice_one_in(&x->dice, 2) ? 64 : LONGEST - 64);
	size_t align = dice_one_in(&x->dice, 2) ? 8 : 1;
	size_t at = dice_below(&x->dice, LONGEST - len + 1) / align * align;
	bool read = opcode == IBV_WR_RDMA_READ;
	struct buf *local = read ? &x->to : &x->from, *remote = read ? &x->from : &x->to;
	struct ibv_sge list = sge(local, read ? at : 0, len);
	struct ibv_send_wr wr = {
		.wr_id = round, .opcode = opcode, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { (uintptr_t)remote->p + (read ? 0 : at), remote->mr->rkey },
	};
	uint64_t end = now_ms() + PATIENCE;

	memset(x->from.p, round, len);
	memset(x->to.p, ~round, LONGEST);
	x->watch.at = x->to.p + at;
	x->watch.len = len;
	atomic_store_explicit(&x->watch.round, round, memory_order_release);
	post_send(&x->pair.a, &wr);
	expect_wc(x->pair.a.scq, round, IBV_WC_SUCCESS);
	while (atomic_load(&x->watch.seen) != round)
		assert_true(now_ms() < end);
}

static void polled(enum ibv_wr_opcode opcode)
{
	/* A number of messages, or as many as there is time for: two CPUs have to take turns for each. */
	uint64_t end = now_ms() + (options.full ? 60000 : 1000);
	unsigned int n = 0;
	struct polling *x = scratch(sizeof(*x));
	struct rc rc = rc_default();
	pthread_t thread;

	/* The polling thread occupies a CPU. */
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip_because("there is only one CPU");
	memset(x, 0, sizeof(*x));
	x->dice.seed = options.seed;
	pair_open(&x->pair, &rc);
	x->from = buf_anon(opcode == IBV_WR_RDMA_READ ? x->pair.b.pd : x->pair.a.pd, LONGEST,
			   ALL_ACCESS);
	x->to = buf_anon(opcode == IBV_WR_RDMA_READ ? x->pair.a.pd : x->pair.b.pd, LONGEST,
			 ALL_ACCESS);
	assert_int_equal(pthread_create(&thread, NULL, watch_run, &x->watch), 0);
	while (options.count ? n < options.count : now_ms() < end)
		one_message(x, ++n, opcode);
	atomic_store(&x->watch.round, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (x->watch.torn)
		fail_msg("seed %llu: of %u messages %u were incomplete when their last byte was written",
			 (unsigned long long)options.seed, n, x->watch.torn);
}

static void test_write(void **state)
{
	(void)state;
	polled(IBV_WR_RDMA_WRITE);
}

static void test_read(void **state)
{
	(void)state;
	polled(IBV_WR_RDMA_READ);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_write),
	cmocka_unit_test(test_read),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("polling", tests, ARRAY_SIZE(tests));
}
