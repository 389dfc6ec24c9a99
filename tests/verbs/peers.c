// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/*
 * A peer that dies, disappears or takes its memory away in the middle of traffic: the survivor's requests all
 * complete, the last of them with errors, and nothing hangs.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/async.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/test.h"
#include "lib/wire.h"

#define LEN (64 * 1024)
#define DEPTH 16
#define STRIKE (4 * DEPTH)	/* the request that is under way when something happens to the peer */

static struct rc impatient(void)
{
	struct rc rc = rc_default();

	rc.timeout = options.slow > 1 ? 16 : 14;	/* 268 or 67 ms */
	rc.retry_cnt = 3;
	return rc;
}

/* A peer in a process of its own, which only receives and responds. */
struct peer {
	struct end end;
	struct buf local;
	int pid;
	struct {
		struct address child, parent;
		atomic_bool ready;	/* the child has posted its receive requests */
	} *shared;
};

static void end_make(struct end *end, struct buf *buf, const char *device)
{
	struct rc rc = impatient();

	end_open(end, device, &rc);
	end->qp = end_qp(end, &rc);
	*buf = buf_anon(end->pd, LEN, ALL_ACCESS | odp_access(end->ctx));
}

static void peer_child(void *arg)
{
	struct rc rc = impatient();
	struct peer *peer = arg;
	struct ibv_wc wc;
	struct end end;
	struct buf buf;

	end_make(&end, &buf, options.peer);
	address_tell(&peer->shared->child, &end, &buf);
	address_wait(&peer->shared->parent);
	end_join(&end, &rc, &peer->shared->parent);
	for (int i = 0; i < DEPTH; i++) {
		struct ibv_sge list = sge(&buf, 0, LEN);

		post_recv(&end, i, &list, 1);
	}
	peer->shared->ready = true;
	for (;;) {
		struct ibv_sge list = sge(&buf, 0, LEN);

		if (ibv_poll_cq(end.rcq, 1, &wc) == 1 && wc.status == IBV_WC_SUCCESS)
			post_recv(&end, 0, &list, 1);
		else
			sleep_ms(1);
	}
}

static void peer_open(struct peer *peer)
{
	uint64_t limit = now_ms() + PATIENCE;
	struct rc rc = impatient();

	peer->shared = map_shared(sizeof(*peer->shared));
	peer->pid = child_start(peer_child, peer);
	end_make(&peer->end, &peer->local, options.device);
	address_tell(&peer->shared->parent, &peer->end, &peer->local);
	address_wait(&peer->shared->child);
	end_join(&peer->end, &rc, &peer->shared->child);
	while (!peer->shared->ready) {
		assert_true(now_ms() < limit);
		sleep_ms(1);
	}
}

static const enum ibv_wr_opcode opcodes[] = {
	IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_SEND, IBV_WR_ATOMIC_FETCH_AND_ADD,
};

/* Posts one of the opcodes in turn. */
static void post_some(struct end *end, struct buf *local, uint64_t addr, uint32_t rkey,
		      unsigned int i)
{
	enum ibv_wr_opcode opcode = opcodes[i % ARRAY_SIZE(opcodes)];
	bool atomic = opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
	struct ibv_sge list = sge(local, 0, atomic ? 8 : LEN);
	struct ibv_send_wr wr = {
		.wr_id = i, .opcode = opcode, .sg_list = &list, .num_sge = 1,
	};

	if (atomic) {
		wr.wr.atomic.remote_addr = addr;
		wr.wr.atomic.rkey = rkey;
	} else {
		wr.wr.rdma.remote_addr = addr;
		wr.wr.rdma.rkey = rkey;
	}
	post_send(end, &wr);
}

#define STATUS(name) (1u << IBV_WC_##name)
/* A dying process may lose its memory before its queue pair. */
#define DYING (STATUS(RETRY_EXC_ERR) | STATUS(REM_ACCESS_ERR) | STATUS(REM_OP_ERR))

/*
 * Keeps DEPTH requests to the peer under way and calls @strike in the middle of the traffic. The first
 * request that fails has one of the @statuses.
 */
static void traffic(struct end *end, struct buf *local, const struct address *peer,
		    void (*strike)(void *arg), void *arg, unsigned int statuses)
{
	unsigned int posted = 0, done = 0;
	struct ibv_wc wc = { .status = IBV_WC_SUCCESS };
	uint64_t limit = now_ms() + PATIENCE;

	while (wc.status == IBV_WC_SUCCESS) {
		for (; posted < done + DEPTH; posted++)
			post_some(end, local, peer->addr, peer->rkey, posted);
		if (done == STRIKE)
			strike(arg);
		wc = wait_wc(end->scq);
		assert_int_equal(wc.wr_id, done);
		done++;
		if (now_ms() > limit)
			fail_msg("the traffic still runs after %d ms", PATIENCE);
	}
	if (done <= STRIKE)
		fail_msg("a failure before the event: %s", ibv_wc_status_str(wc.status));
	if (!(1u << wc.status & statuses))
		fail_msg("the first failure: %s", ibv_wc_status_str(wc.status));
	for (; done < posted; done++)
		expect_wc(end->scq, done, IBV_WC_WR_FLUSH_ERR);
	expect_state(end->qp, IBV_QPS_ERR);
}

static void kill_peer(void *arg)
{
	struct peer *peer = arg;

	kill(peer->pid, SIGKILL);
}

static void test_killed(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		struct peer peer;

		peer_open(&peer);
		traffic(&peer.end, &peer.local, &peer.shared->child, kill_peer, &peer, DYING);
		child_wait(peer.pid);
	}
}

/* A process that is killed with its own requests under way leaves nothing behind. */
static void sender_child(void *unused)
{
	struct rc rc = impatient();
	struct pair *pair = scratch(sizeof(*pair));
	struct buf local, remote;
	unsigned int i = 0;

	(void)unused;
	pair_open(pair, &rc);
	local = buf_anon(pair->a.pd, LEN, ALL_ACCESS);
	remote = buf_anon(pair->b.pd, LEN, ALL_ACCESS);
	for (;; i++) {
		struct ibv_sge list = sge(&remote, 0, LEN);

		if (opcodes[i % ARRAY_SIZE(opcodes)] == IBV_WR_SEND)
			post_recv(&pair->b, i, &list, 1);
		post_some(&pair->a, &local, (uintptr_t)remote.p, remote.mr->rkey, i);
		if (i >= DEPTH)
			wait_wc(pair->a.scq);
	}
}

static void test_killed_senders(void **state)
{
	(void)state;
	for (int round = 0; round < 10; round++) {
		int pid = child_start(sender_child, NULL);

		sleep_ms(20 + 7 * round);
		kill(pid, SIGKILL);
		assert_true(child_wait(pid) == SIGKILL);
	}
}

struct rig {
	struct pair pair;
	struct buf local, remote;
	struct address address;
};

static void rig_open(struct rig *rig)
{
	struct rc rc = impatient();

	rc.recv_wr = 4 * DEPTH;
	pair_open(&rig->pair, &rc);
	rig->local = buf_anon(rig->pair.a.pd, LEN, ALL_ACCESS);
	rig->remote = buf_anon(rig->pair.b.pd, LEN, ALL_ACCESS);
	address_tell(&rig->address, &rig->pair.b, &rig->remote);
	for (int i = 0; i < 4 * DEPTH; i++) {
		struct ibv_sge list = sge(&rig->remote, 0, LEN);

		post_recv(&rig->pair.b, i, &list, 1);
	}
}

static void destroy_qp(void *arg)
{
	struct rig *rig = arg;

	undo(rig->pair.b.qp);
}

static void test_qp_destroyed(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	traffic(&rig.pair.a, &rig.local, &rig.address, destroy_qp, &rig, STATUS(RETRY_EXC_ERR));
}

/* The queue pair is destroyed with its own requests under way, which then never complete. */
static void test_own_qp_destroyed(void **state)
{
	struct rig rig;

	(void)state;
	for (int round = 0; round < 10; round++) {
		rig_open(&rig);
		for (int i = 0; i < 2 * DEPTH; i++)
			post_some(&rig.pair.a, &rig.local, rig.address.addr, rig.address.rkey, i);
		undo(rig.pair.a.qp);
	}
}

static void qp_to_error(void *arg)
{
	struct rig *rig = arg;

	qp_to(rig->pair.b.qp, IBV_QPS_ERR);
}

static void test_qp_in_error(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	traffic(&rig.pair.a, &rig.local, &rig.address, qp_to_error, &rig, STATUS(RETRY_EXC_ERR));
}

/* The memory is deregistered, unmapped and mapped again: no peer may touch the new memory. */
static void take_memory(struct rig *rig)
{
	undo(rig->remote.mr);
	buf_remap(&rig->remote);
}

/* Writes until a WRITE is refused. */
static void writes(struct rig *rig)
{
	struct ibv_sge list = sge(&rig->local, 0, LEN);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { .remote_addr = rig->address.addr, .rkey = rig->address.rkey },
	};

	for (; wr.wr_id < 3 * DEPTH; wr.wr_id++)
		post_send(&rig->pair.a, &wr);
	take_memory(rig);
	for (uint64_t i = 0; i < wr.wr_id; i++) {
		struct ibv_wc wc = wait_wc(rig->pair.a.scq);

		assert_int_equal(wc.wr_id, i);
		assert_true(wc.status == IBV_WC_SUCCESS || wc.status == IBV_WC_REM_ACCESS_ERR ||
			    wc.status == IBV_WC_WR_FLUSH_ERR);
	}
}

static void test_memory_taken(void **state)
{
	struct rc rc = impatient();
	struct rig rig;

	(void)state;
	for (int odp = 0; odp < 2; odp++) {
		static const uint8_t zeroes[LEN];

		pair_open(&rig.pair, &rc);
		if (odp && !device_has_odp(rig.pair.a.ctx))
			return;
		rig.local = buf_anon(rig.pair.a.pd, LEN, ALL_ACCESS);
		rig.remote = buf_anon(rig.pair.b.pd, LEN,
				      ALL_ACCESS | (odp ? IBV_ACCESS_ON_DEMAND : 0));
		address_tell(&rig.address, &rig.pair.b, &rig.remote);
		memset(rig.local.p, 0xff, LEN);
		writes(&rig);
		same_bytes(rig.remote.p, zeroes, LEN, "the new memory");
	}
}

/* The peer's netdev goes down and comes up again. */
static void link_down(void *unused)
{
	(void)unused;
	shell("ip -n peer link set veth1 down");
}

static int link_up(void *unused)
{
	(void)unused;
	shell("ip -n peer link set veth1 up");
	wait_reachable("", "192.0.2.2");
	return 0;
}

static void test_netdev_down(void **state)
{
	struct ibv_port_attr port;
	struct rig rig;

	(void)state;
	need_wire();
	rig_open(&rig);
	defer(link_up, NULL);
	traffic(&rig.pair.a, &rig.local, &rig.address, link_down, NULL, STATUS(RETRY_EXC_ERR));
	wait_event(rig.pair.b.ctx, IBV_EVENT_PORT_ERR);
	assert_int_equal(ibv_query_port(rig.pair.b.ctx, 1, &port), 0);
	assert_int_not_equal(port.state, IBV_PORT_ACTIVE);
	undo(NULL);
	wait_event(rig.pair.b.ctx, IBV_EVENT_PORT_ACTIVE);
	assert_int_equal(ibv_query_port(rig.pair.b.ctx, 1, &port), 0);
	assert_int_equal(port.state, IBV_PORT_ACTIVE);
	pair_connect(&rig.pair);
	post_some(&rig.pair.a, &rig.local, rig.address.addr, rig.address.rkey, 0);
	expect_wc(rig.pair.a.scq, 0, IBV_WC_SUCCESS);
}

/* The peer's device is deleted while in use; the peer's process may keep it until the process exits. */
static void delete_link(void *arg)
{
	struct peer *peer = arg;

	shell("rdma link delete rxe1 & sleep 0.3");
	kill(peer->pid, SIGKILL);
}

static int add_link(void *unused)
{
	(void)unused;
	shell("for i in $(seq 100); do [ -e /sys/class/infiniband/rxe1 ] || break; sleep 0.1; done;"
	      "ip netns exec peer rdma link add rxe1 type rxe netdev veth1;"
	      "udevadm settle 2>/dev/null; [ -e /sys/class/infiniband/rxe1 ]");
	return 0;
}

static void test_link_deleted(void **state)
{
	struct peer peer;

	(void)state;
	need_wire();
	defer(add_link, NULL);
	peer_open(&peer);
	traffic(&peer.end, &peer.local, &peer.shared->child, delete_link, &peer, DYING);
	child_wait(peer.pid);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_killed),
	cmocka_unit_test(test_killed_senders),
	cmocka_unit_test(test_qp_destroyed),
	cmocka_unit_test(test_own_qp_destroyed),
	cmocka_unit_test(test_qp_in_error),
	cmocka_unit_test(test_memory_taken),
	cmocka_unit_test(test_netdev_down),
	cmocka_unit_test(test_link_deleted),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("peers", tests, ARRAY_SIZE(tests));
}
