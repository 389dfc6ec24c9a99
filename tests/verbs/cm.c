// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/*
 * Connections by address: queue pairs that rdma_cm connects carry the right bytes, each side gets an event
 * for what the other does, and the kernel frees its state when both are gone.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cm.h"
#include "lib/mem.h"
#include "lib/mover.h"
#include "lib/pattern.h"
#include "lib/test.h"
#include "lib/wire.h"

static struct rc cm_rc(enum ibv_qp_type type)
{
	struct rc rc = rc_default();

	rc.type = type;
	rc.qkey = RDMA_UDP_QKEY;
	return rc;
}

/* --- reliable connections ------------------------------------------------------ */

/* Two connected sides, and the listener. */
struct joined {
	struct cm listener, a, b;
};

static void open_joined(struct joined *joined, bool v6)
{
	struct rc rc = cm_rc(IBV_QPT_RC);
	union cm_address address = cm_peer_address(v6);

	cm_listen(&joined->listener, &rc, &address);
	cm_resolve(&joined->a, &rc, &address);
	cm_join(&joined->a, &joined->b, &joined->listener);
}

static void post_buffers(struct cm *cm, int n)
{
	struct buf buf = buf_anon(cm->end.pd, PAGE, IBV_ACCESS_LOCAL_WRITE);
	struct ibv_sge list = sge(&buf, 0, PAGE);

	for (int i = 0; i < n; i++)
		post_recv(&cm->end, i, &list, 1);
}

static void expect_flushed(struct cm *cm, int n)
{
	expect_state(cm->end.qp, IBV_QPS_ERR);
	for (int i = 0; i < n; i++)
		expect_wc(cm->end.rcq, i, IBV_WC_WR_FLUSH_ERR);
}

/*
 * The first side disconnects and the second gets the event; then the first learns that the second has seen
 * it.
 */
static void part(struct cm *first, struct cm *second)
{
	post_buffers(first, 3);
	post_buffers(second, 5);
	assert_int_equal(rdma_disconnect(first->id), 0);
	cm_expect(second->channel, RDMA_CM_EVENT_DISCONNECTED);
	assert_int_equal(rdma_disconnect(second->id), 0);
	cm_expect(first->channel, RDMA_CM_EVENT_DISCONNECTED);
	expect_flushed(first, 3);
	expect_flushed(second, 5);
}

struct variant {
	bool v6;
	int odp;	/* 1: at the sender, 2: at the receiver */
};

static void test_rc(void **state)
{
	const struct variant *variant = *state;
	struct joined joined;
	struct mover mover;
	struct pair pair;

	open_joined(&joined, variant->v6);
	pair = cm_pair(&joined.a, &joined.b);
	if (variant->odp)
		need_odp(pair.a.ctx);
	mover_take(&mover, &pair, NULL, variant->odp & 1, variant->odp & 2);
	mover_sweep(&mover, MIB / 4);
	part(&joined.a, &joined.b);
}

/* Moves bytes in the other direction, and the other side disconnects. */
static void test_reverse_direction(void **state)
{
	struct joined joined;
	struct mover mover;
	struct pair pair;

	(void)state;
	open_joined(&joined, false);
	pair = cm_pair(&joined.b, &joined.a);
	mover_take(&mover, &pair, NULL, false, false);
	mover_sweep(&mover, MIB / 4);
	part(&joined.b, &joined.a);
}

/* Private data of request and reply, up to the maximum. */
static void test_private_data(void **state)
{
	static const size_t lengths[] = { 0, 1, 27, 56 };
	struct rc rc = cm_rc(IBV_QPT_RC);
	union cm_address address = cm_peer_address(false);
	struct cm listener;

	(void)state;
	cm_listen(&listener, &rc, &address);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct cm_event event;
		struct cm a, b;

		cm_resolve(&a, &rc, &address);
		cm_connect(&a, 10 + i, lengths[i]);
		event = cm_expect(listener.channel, RDMA_CM_EVENT_CONNECT_REQUEST);
		cm_heard(&event, 10 + i, lengths[i]);
		cm_take(&b, &listener, &event);
		cm_accept(&b, 20 + i, lengths[i] * 3);
		event = cm_expect(a.channel, RDMA_CM_EVENT_ESTABLISHED);
		cm_heard(&event, 20 + i, lengths[i] * 3);
		cm_expect(b.channel, RDMA_CM_EVENT_ESTABLISHED);
	}
}

enum { CROWD = 48 };

/* All requests are sent before the first one is answered. */
static void test_many_requests(void **state)
{
	struct cm *a = scratch(CROWD * sizeof(*a)), *b = scratch(CROWD * sizeof(*b)), listener;
	struct rc rc = cm_rc(IBV_QPT_RC);
	union cm_address address = cm_peer_address(false);

	(void)state;
	rc.send_wr = 16;
	rc.recv_wr = 16;
	cm_listen(&listener, &rc, &address);
	for (int i = 0; i < CROWD; i++)
		cm_resolve(&a[i], &rc, &address);
	for (int i = 0; i < CROWD; i++)
		cm_connect(&a[i], i, 8);
	for (int i = 0; i < CROWD; i++) {
		struct cm_event request = cm_expect(listener.channel,
						    RDMA_CM_EVENT_CONNECT_REQUEST);

		cm_take(&b[i], &listener, &request);
	}
	for (int i = 0; i < CROWD; i++)
		cm_accept(&b[i], i, 8);
	for (int i = 0; i < CROWD; i++) {
		cm_expect(a[i].channel, RDMA_CM_EVENT_ESTABLISHED);
		cm_expect(listener.channel, RDMA_CM_EVENT_ESTABLISHED);
	}
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(rdma_disconnect(a[i].id), 0);
	for (int i = 0; i < CROWD; i++) {
		struct cm_event event = cm_expect(listener.channel, RDMA_CM_EVENT_DISCONNECTED);

		assert_int_equal(rdma_disconnect(event.event.id), 0);
	}
	for (int i = 0; i < CROWD; i++)
		cm_expect(a[i].channel, RDMA_CM_EVENT_DISCONNECTED);
}

/* Every request completes when the connection ends while it is under way. */
static void test_end_under_load(void **state)
{
	enum { N = 64 };
	struct joined joined;
	struct buf src, dst;
	int flushed = 0;

	(void)state;
	open_joined(&joined, false);
	src = buf_anon(joined.a.end.pd, MIB, 0);
	dst = buf_anon(joined.b.end.pd, MIB, ALL_ACCESS);
	for (int i = 0; i < N; i++) {
		struct ibv_sge list = sge(&src, 0, MIB);
		struct ibv_send_wr wr = {
			.wr_id = i, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
			.send_flags = IBV_SEND_SIGNALED,
			.wr.rdma = { (uintptr_t)dst.p, dst.mr->rkey },
		};

		post_send(&joined.a.end, &wr);
	}
	assert_int_equal(rdma_disconnect(joined.b.id), 0);
	cm_expect(joined.a.channel, RDMA_CM_EVENT_DISCONNECTED);
	assert_int_equal(rdma_disconnect(joined.a.id), 0);
	for (int i = 0; i < N; i++) {
		struct ibv_wc wc = wait_wc(joined.a.end.scq);

		assert_int_equal(wc.wr_id, i);
		flushed += wc.status != IBV_WC_SUCCESS;
		if (flushed)
			assert_int_not_equal(wc.status, IBV_WC_SUCCESS);
	}
	expect_quiet(joined.a.end.scq, 10);
}

/* --- rejection ----------------------------------------------------------------- */

enum { CONSUMER_DEFINED = 28, NO_SUCH_SERVICE = 8 };

static void test_reject(void **state)
{
	union cm_address address = cm_peer_address(false);
	struct rc rc = cm_rc(IBV_QPT_RC);
	struct cm listener, a, b;
	struct cm_event event;
	uint8_t why[100];

	(void)state;
	pattern_fill(why, sizeof(why), 0, 77);
	cm_listen(&listener, &rc, &address);
	for (int i = 0; i < 3; i++) {
		cm_resolve(&a, &rc, &address);
		cm_connect(&a, 1, 4);
		event = cm_expect(listener.channel, RDMA_CM_EVENT_CONNECT_REQUEST);
		assert_int_equal(rdma_reject(event.event.id, why, sizeof(why)), 0);
		assert_int_equal(rdma_destroy_id(event.event.id), 0);
		event = cm_expect(a.channel, RDMA_CM_EVENT_REJECTED);
		assert_int_equal(event.event.status, CONSUMER_DEFINED);
		cm_heard(&event, 77, sizeof(why));
	}
	/* The listener still works. */
	cm_resolve(&a, &rc, &address);
	cm_join(&a, &b, &listener);
}

/* A connection request to a port without a listener. */
static void test_no_listener(void **state)
{
	union cm_address address = cm_peer_address(false);
	struct rc rc = cm_rc(IBV_QPT_RC);
	struct cm listener, a;
	struct cm_event event;

	(void)state;
	cm_listen(&listener, &rc, &address);
	undo(listener.id);
	cm_resolve(&a, &rc, &address);
	cm_connect(&a, 1, 0);
	event = cm_expect(a.channel, RDMA_CM_EVENT_REJECTED);
	assert_int_equal(event.event.status, NO_SUCH_SERVICE);
}

/* --- datagrams ----------------------------------------------------------------- */

static void test_ud(void **state)
{
	const struct variant *variant = *state;
	union cm_address address = cm_peer_address(variant->v6);
	struct rc rc = cm_rc(IBV_QPT_UD);
	struct cm listener, a, b;
	struct cm_event event;
	struct mover mover;
	struct ibv_ah *ah;
	struct pair pair;

	wire_in_order();
	cm_listen(&listener, &rc, &address);
	cm_resolve(&a, &rc, &address);
	cm_connect(&a, 3, 100);
	event = cm_expect(listener.channel, RDMA_CM_EVENT_CONNECT_REQUEST);
	cm_heard(&event, 3, 100);
	cm_take(&b, &listener, &event);
	cm_accept(&b, 4, 100);
	event = cm_expect(a.channel, RDMA_CM_EVENT_ESTABLISHED);
	cm_heard(&event, 4, 100);
	assert_int_equal(event.event.param.ud.qp_num, b.end.qp->qp_num);
	assert_int_equal(event.event.param.ud.qkey, RDMA_UDP_QKEY);

	ah = ibv_create_ah(a.end.pd, &event.event.param.ud.ah_attr);
	assert_non_null(ah);
	defer((undo_fn)ibv_destroy_ah, ah);
	pair = cm_pair(&a, &b);
	if (variant->odp)
		need_odp(pair.a.ctx);
	mover_take(&mover, &pair, ah, variant->odp & 1, variant->odp & 2);
	mover_sweep(&mover, 4096);
}

static void test_ud_reject(void **state)
{
	union cm_address address = cm_peer_address(false);
	struct rc rc = cm_rc(IBV_QPT_UD);
	struct cm listener, a;
	struct cm_event event;

	(void)state;
	cm_listen(&listener, &rc, &address);
	cm_resolve(&a, &rc, &address);
	cm_connect(&a, 3, 8);
	event = cm_expect(listener.channel, RDMA_CM_EVENT_CONNECT_REQUEST);
	assert_int_equal(rdma_reject(event.event.id, NULL, 0), 0);
	assert_int_equal(rdma_destroy_id(event.event.id), 0);
	event = cm_expect(a.channel, RDMA_CM_EVENT_UNREACHABLE);
	assert_int_not_equal(event.event.status, 0);
}

/* --- trouble ------------------------------------------------------------------- */

/* The wire duplicates and reorders management datagrams. */
static void test_bad_wire(void **state)
{
	struct joined joined;
	struct mover mover;
	struct pair pair;

	(void)state;
	wire_impair("delay 2ms 1ms duplicate 50%");
	open_joined(&joined, false);
	pair = cm_pair(&joined.a, &joined.b);
	mover_take(&mover, &pair, NULL, false, false);
	mover_move(&mover, &(struct message){ .opcode = IBV_WR_SEND, .len = 5000, .pieces = 1 });
	part(&joined.a, &joined.b);
}

static void connect_and_wait(void *arg)
{
	union cm_address *address = arg;
	struct rc rc = cm_rc(IBV_QPT_RC);
	struct cm a;

	cm_resolve(&a, &rc, address);
	cm_connect(&a, 1, 0);
	cm_expect(a.channel, RDMA_CM_EVENT_ESTABLISHED);
	pause();
}

/* A killed process cannot disconnect; the kernel does it. */
static void test_killed_process(void **state)
{
	union cm_address address = cm_peer_address(false);
	struct rc rc = cm_rc(IBV_QPT_RC);
	struct cm_event event;
	struct cm listener, b;
	int pid;

	(void)state;
	cm_listen(&listener, &rc, &address);
	pid = child_start(connect_and_wait, &address);
	event = cm_expect(listener.channel, RDMA_CM_EVENT_CONNECT_REQUEST);
	cm_take(&b, &listener, &event);
	cm_accept(&b, 1, 0);
	cm_expect(b.channel, RDMA_CM_EVENT_ESTABLISHED);
	kill(pid, SIGKILL);
	child_wait(pid);
	cm_expect(b.channel, RDMA_CM_EVENT_DISCONNECTED);
}

/* --- devices that are removed -------------------------------------------------- */

static int remove_link(void *unused)
{
	(void)unused;
	shell("rdma link delete rxe9 2>/dev/null; ip link delete cm0 2>/dev/null; true");
	return 0;
}

/* The kernel notifies one id after the other, and ends each connection then. */
static void expect_removal(struct rdma_event_channel *channel, int ids)
{
	while (ids) {
		struct cm_event event = cm_next(channel);

		if (event.event.event == RDMA_CM_EVENT_DEVICE_REMOVAL)
			ids--;
		else
			assert_int_equal(event.event.event, RDMA_CM_EVENT_DISCONNECTED);
	}
}

/* Every user of the device gets an event, and nothing in the kernel keeps the device. */
static void test_device_removal(void **state)
{
	struct rc rc = cm_rc(IBV_QPT_RC);
	union cm_address address;
	struct cm listener, a, b;

	(void)state;
	defer(remove_link, NULL);
	shell("ip link add cm0 type dummy && ip address add 198.51.100.1/24 dev cm0 &&"
	      "ip link set cm0 up && rdma link add rxe9 type rxe netdev cm0");
	address = cm_address("198.51.100.1");
	cm_listen_here(&listener, &rc, &address);
	cm_resolve(&a, &rc, &address);
	cm_join(&a, &b, &listener);
	shell("rdma link delete rxe9 &");
	expect_removal(a.channel, 1);
	expect_removal(listener.channel, 2);
}

static const struct variant variants[] = {
	{ false, 0 }, { false, 3 }, { true, 0 }, { true, 3 },
};

#define VARIANT(n, fn, name_) \
	{ .name = name_, .test_func = fn, .initial_state = (void *)&variants[n] }

static struct CMUnitTest tests[] = {
	VARIANT(0, test_rc, "rc"),
	VARIANT(1, test_rc, "rc odp"),
	VARIANT(2, test_rc, "rc v6"),
	VARIANT(3, test_rc, "rc v6 odp"),
	cmocka_unit_test(test_reverse_direction),
	cmocka_unit_test(test_private_data),
	cmocka_unit_test(test_many_requests),
	cmocka_unit_test(test_end_under_load),
	cmocka_unit_test(test_reject),
	cmocka_unit_test(test_no_listener),
	VARIANT(0, test_ud, "ud"),
	VARIANT(1, test_ud, "ud odp"),
	VARIANT(2, test_ud, "ud v6"),
	cmocka_unit_test(test_ud_reject),
	cmocka_unit_test(test_bad_wire),
	cmocka_unit_test(test_killed_process),
	cmocka_unit_test(test_device_removal),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("cm", tests, ARRAY_SIZE(tests));
}
