// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * Devices that disappear, and netdevs that change, under applications that use them: each application is told
 * or goes on, each can close what it has, nothing hangs, and new objects work.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/test.h"
#include "lib/wire.h"
#include "lib/witness.h"

#define LOADS 2
#define SLOTS 8
#define LEN (24 * 1024)

static unsigned int rounds(unsigned int many)
{
	return options.count ? options.count : options.full ? many : 1;
}

/* --- an application under load ------------------------------------------------- */

enum fate {
	GOES_ON,	/* every request succeeds */
	IS_TOLD,	/* an event reports the end of its device */
	MAY_FAIL,	/* requests may fail */
};

struct load {
	const char *device, *peer;
	enum fate fate;
	atomic_bool stop, failed;
	atomic_uint done;
	int pid;
};

struct app {
	struct pair pair;
	struct buf from, to, back;
	uint64_t seed[SLOTS];
};

static void app_open(struct app *app, const struct load *load)
{
	struct rc rc = rc_default();
	int access = ALL_ACCESS;

	rc.timeout = 17;	/* half a second: a link that flaps is back within 8 timeouts */
	app->pair.rc = rc;
	end_open(&app->pair.a, load->device, &rc);
	end_open(&app->pair.b, load->peer, &rc);
	app->pair.a.qp = end_qp(&app->pair.a, &rc);
	app->pair.b.qp = end_qp(&app->pair.b, &rc);
	pair_connect(&app->pair);
	if (device_has_odp(app->pair.a.ctx))
		access |= IBV_ACCESS_ON_DEMAND;
	app->from = buf_anon(app->pair.a.pd, SLOTS * LEN, access);
	app->back = buf_anon(app->pair.a.pd, SLOTS * LEN, access);
	app->to = buf_anon(app->pair.b.pd, SLOTS * LEN, access);
	for (int i = 0; i < 2; i++) {
		struct ibv_context *ctx = i ? app->pair.b.ctx : app->pair.a.ctx;

		assert_int_equal(fcntl(ctx->async_fd, F_SETFL, O_NONBLOCK), 0);
	}
}

static int app_post(struct app *app, int slot, uint64_t seed)
{
	struct ibv_sge from = sge(&app->from, slot * LEN, LEN);
	struct ibv_sge back = sge(&app->back, slot * LEN, LEN);
	uint64_t addr = (uintptr_t)app->to.p + slot * LEN;
	struct ibv_send_wr read = {
		.wr_id = slot, .opcode = IBV_WR_RDMA_READ, .sg_list = &back, .num_sge = 1,
		.wr.rdma = { addr, app->to.mr->rkey },
	};
	struct ibv_send_wr write = {
		.wr_id = SLOTS, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &from, .num_sge = 1,
		.wr.rdma = { addr, app->to.mr->rkey }, .next = &read,
	}, *bad;

	app->seed[slot] = seed;
	pattern_fill(app->from.p + slot * LEN, LEN, 0, seed);
	return ibv_post_send(app->pair.a.qp, &write, &bad);
}

static bool is_told(struct ibv_context *ctx)
{
	struct ibv_async_event event;

	while (!ibv_get_async_event(ctx, &event)) {
		ibv_ack_async_event(&event);
		if (event.event_type == IBV_EVENT_DEVICE_FATAL)
			return true;
	}
	return false;
}

static bool app_is_told(struct app *app)
{
	bool a = is_told(app->pair.a.ctx), b = is_told(app->pair.b.ctx);

	return a || b;
}

/* Handles one completion of a READ and checks its bytes; returns false if a request has failed. */
static bool app_step(struct app *app, struct load *load, const struct ibv_wc *wc)
{
	if (wc->status != IBV_WC_SUCCESS) {
		if (load->fate == GOES_ON)
			fail_msg("a request failed: %s", ibv_wc_status_str(wc->status));
		return false;
	}
	if (wc->wr_id == SLOTS)
		return true;
	load->done++;
	pattern_check(app->back.p + wc->wr_id * LEN, LEN, 0, app->seed[wc->wr_id], "the bytes read");
	return load->stop || !app_post(app, wc->wr_id, load->done + SLOTS);
}

/* Runs until stopped or until something fails; returns true if the device's end was reported. */
static bool app_run(struct app *app, struct load *load)
{
	struct ibv_wc wc;

	for (int slot = 0; slot < SLOTS; slot++) {
		if (app_post(app, slot, slot))
			return false;
	}
	while (!load->stop) {
		int n = ibv_poll_cq(app->pair.a.scq, 1, &wc);

		if (app_is_told(app))
			return true;
		sched_yield();
		if (n > 0 && !app_step(app, load, &wc))
			return false;
		if (!n)
			sleep_ms(0);
	}
	return false;
}

/* Destruction reports EIO if the device is gone; what matters is that it returns. */
static void app_close(struct app *app)
{
	struct end *ends[] = { &app->pair.a, &app->pair.b };

	ibv_dereg_mr(app->from.mr);
	ibv_dereg_mr(app->back.mr);
	ibv_dereg_mr(app->to.mr);
	for (int i = 0; i < 2; i++) {
		ibv_destroy_qp(ends[i]->qp);
		ibv_destroy_cq(ends[i]->scq);
		ibv_destroy_cq(ends[i]->rcq);
		ibv_dealloc_pd(ends[i]->pd);
		ibv_close_device(ends[i]->ctx);
	}
}

static void load_child(void *arg)
{
	struct load *load = arg;
	struct app *app = scratch(sizeof(*app));
	uint64_t end;
	bool told;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	app_open(app, load);
	told = app_run(app, load);
	load->failed = !load->stop;
	end = now_ms() + PATIENCE;
	while (load->fate == IS_TOLD && !told) {
		told = app_is_told(app);
		if (now_ms() > end)
			fail_msg("no IBV_EVENT_DEVICE_FATAL within %d ms", PATIENCE);
		sleep_ms(1);
	}
	app_close(app);
}

/* Starts applications on @device and @peer. */
static struct load *loads_start(const char *device, const char *peer, enum fate fate)
{
	struct load *loads = map_shared(LOADS * sizeof(*loads));
	uint64_t end = now_ms() + PATIENCE;

	for (int i = 0; i < LOADS; i++) {
		loads[i].device = device;
		loads[i].peer = peer;
		loads[i].fate = fate;
		loads[i].pid = child_start(load_child, &loads[i]);
	}
	for (int i = 0; i < LOADS; i++) {
		while (loads[i].done < 10) {
			if (now_ms() > end)
				fail_msg("the load does not start");
			sleep_ms(1);
		}
	}
	return loads;
}

static void loads_end(struct load *loads)
{
	for (int i = 0; i < LOADS; i++) {
		int status = child_wait(loads[i].pid);

		if (status)
			fail_msg("an application exited with %#x after %u messages", status,
				 loads[i].done);
	}
}

/* Each application must make progress from now on, unless it may fail and has failed. */
static void loads_stop(struct load *loads)
{
	uint64_t end = now_ms() + PATIENCE;

	for (int i = 0; i < LOADS; i++) {
		unsigned int done = loads[i].done;

		while (loads[i].done < done + 2 * SLOTS && !loads[i].failed) {
			if (now_ms() > end)
				fail_msg("an application makes no progress after %u messages", done);
			sleep_ms(1);
		}
	}
	for (int i = 0; i < LOADS; i++)
		loads[i].stop = true;
	loads_end(loads);
}

/* --- the test's own links: rxe9 on st0 - st1 with rxe8 in a namespace ---------------- */

#define NETNS "storm"

static int links_remove(void *unused)
{
	(void)unused;
	shell("for link in rxe8 rxe9; do [ ! -e /sys/class/infiniband/$link ] ||"
	      " rdma link delete $link 2>/dev/null; done;"
	      "ip link delete st0 2>/dev/null; ip netns delete " NETNS " 2>/dev/null;"
	      "for i in $(seq 150); do [ -e /sys/class/infiniband/rxe8 ] ||"
	      " [ -e /sys/class/infiniband/rxe9 ] || [ -e /sys/class/net/st0 ] || exit 0;"
	      " sleep 0.1; done; exit 1");
	return 0;
}

static void links_make(void)
{
	if (access("/sys/class/net/veth0", F_OK) || system("rdma link >/dev/null"))
		skip_because("this machine cannot make links");
	defer(links_remove, links_remove);
	shell("ip netns add " NETNS " &&"
	      "ip link add st0 mtu 4200 type veth peer name st1 mtu 4200 netns " NETNS " &&"
	      "ip address add 198.51.100.1/24 dev st0 && ip link set st0 up &&"
	      "ip -n " NETNS " link set lo up &&"
	      "ip -n " NETNS " address add 198.51.100.2/24 dev st1 &&"
	      "ip -n " NETNS " link set st1 up");
	shell("rdma link add rxe9 type rxe netdev st0 &&"
	      "ip netns exec " NETNS " rdma link add rxe8 type rxe netdev st1 &&"
	      "udevadm settle 2>/dev/null; [ -e /sys/class/infiniband/rxe8 ]");
}

struct blow {
	const char *device, *peer;
	enum fate fate;
	const char *command;
};

static void strike(const struct blow *blow, uint64_t dice)
{
	struct load *loads;

	links_make();
	loads = loads_start(blow->device, blow->peer, blow->fate);
	sleep_ms(dice % 30);
	shell("%s", blow->command);
	if (blow->fate == IS_TOLD)
		loads_end(loads);
	else
		loads_stop(loads);
	undo(links_remove);
}

static void test_blow(void **state)
{
	struct witness witness;

	witness = witness_start();
	for (unsigned int i = 0; i < rounds(20); i++)
		strike(*state, mix64(options.seed + i));
	witness_stop(&witness);
}

static const struct blow delete_own = { "rxe9", "rxe9", IS_TOLD, "rdma link delete rxe9" };
static const struct blow delete_peer = { "rxe9", "rxe8", IS_TOLD, "rdma link delete rxe8" };
static const struct blow netdev = { "rxe9", "rxe8", IS_TOLD, "ip link delete st0" };
static const struct blow netns = { "rxe9", "rxe8", IS_TOLD, "ip netns delete " NETNS };
static const struct blow moved = {
	"rxe9", "rxe9", IS_TOLD, "ip netns add storm2; ip link set st0 netns storm2;"
	"ip netns delete storm2"
};
static const struct blow mtu = {
	"rxe9", "rxe8", GOES_ON, "for mtu in 1500 4200 1200 4200 1300 4200; do"
	" ip link set st0 mtu $mtu; ip -n " NETNS " link set st1 mtu $mtu; done"
};
static const struct blow flap = {
	"rxe9", "rxe8", GOES_ON, "for i in 1 2; do ip link set st0 down; sleep 0.05;"
	" ip link set st0 up; sleep 0.05; ip -n " NETNS " link set st1 down; sleep 0.05;"
	" ip -n " NETNS " link set st1 up; sleep 0.05; done"
};
static const struct blow address = {
	"rxe9", "rxe8", MAY_FAIL, "for i in 1 2; do ip address del 198.51.100.1/24 dev st0;"
	" sleep 0.05; ip address add 198.51.100.1/24 dev st0; sleep 0.05; done"
};
static const struct blow renamed = {
	"rxe9", "rxe8", GOES_ON, "for i in 1 2 3; do rdma dev set rxe9 name rxe7;"
	" rdma dev set rxe7 name rxe9; done"
};

/* --- modules --------------------------------------------------------------------- */

#define MODULES "/run/vm/modules/"

static void need_own_modules(void)
{
	if (access(MODULES "rdma_rxe.ko", R_OK) || access("/sys/module/ib_umem_odp", F_OK))
		skip_because("the running driver is not from " MODULES);
}

static int modules_restore(void *unused)
{
	(void)unused;
	shell("[ -e /sys/module/ib_umem_odp ] || insmod " MODULES "ib_umem_odp.ko;"
	      "[ -e /sys/module/rdma_rxe ] || insmod " MODULES "rdma_rxe.ko;"
	      "[ -e /sys/class/infiniband/rxe0 ] || rdma link add rxe0 type rxe netdev veth0;"
	      "[ -e /sys/class/infiniband/rxe1 ] ||"
	      " ip netns exec peer rdma link add rxe1 type rxe netdev veth1;"
	      "udevadm settle 2>/dev/null; [ -e /sys/class/infiniband/rxe1 ]");
	return 0;
}

static void test_rmmod_core(void **state)
{
	struct load *loads;

	(void)state;
	need_own_modules();
	loads = loads_start(options.device, options.peer, GOES_ON);
	shell("! rmmod ib_umem_odp 2>/dev/null");
	loads_stop(loads);
}

/* Either the driver can be unloaded, and all applications are told, or it cannot, and all go on. */
static void test_rmmod(void **state)
{
	(void)state;
	need_own_modules();
	/* The kernel tests load it again when they need it. */
	shell("[ ! -e /sys/module/odp_test ] || rmmod odp_test");
	defer(modules_restore, modules_restore);
	for (unsigned int i = 0; i < rounds(20); i++) {
		struct load *loads = loads_start(options.device, options.peer, IS_TOLD);

		sleep_ms(mix64(options.seed + i) % 30);
		shell("rmmod rdma_rxe");
		loads_end(loads);
		shell("rmmod ib_umem_odp");
		modules_restore(NULL);
	}
	loads_stop(loads_start(options.device, options.peer, GOES_ON));
}

#define BLOW(text, blow) \
	{ .name = text, .test_func = test_blow, .initial_state = (void *)&(blow) }

static struct CMUnitTest tests[] = {
	BLOW("link deleted", delete_own),
	BLOW("link of the peer deleted", delete_peer),
	BLOW("netdev deleted", netdev),
	BLOW("network namespace deleted", netns),
	BLOW("netdev moved to a namespace that is deleted", moved),
	BLOW("MTU changed", mtu),
	BLOW("link down and up", flap),
	BLOW("address removed", address),
	BLOW("device renamed", renamed),
	{ .name = "ib_umem_odp removed", .test_func = test_rmmod_core },
	{ .name = "rdma_rxe removed", .test_func = test_rmmod },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("unplug", tests, ARRAY_SIZE(tests));
}
