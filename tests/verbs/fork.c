// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/*
 * Processes that fork, exec and exit with the device open, and with a fault that nobody will ever answer. A
 * region belongs to the address space in which it was registered, whoever holds the device.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/test.h"
#include "lib/uffd.h"

#define LEN (64 * 1024)

struct rig {
	struct pair pair;
	struct buf from, to;
};

static void rig_open(struct rig *rig)
{
	struct rc rc = rc_default();

	pair_open(&rig->pair, &rc);
	need_odp(rig->pair.a.ctx);
	rig->from = buf_anon(rig->pair.a.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	rig->to = buf_anon(rig->pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

static void rdma(struct rig *rig, enum ibv_wr_opcode opcode, uint64_t addr, uint32_t rkey,
		 enum ibv_wc_status status)
{
	pair_rdma(&rig->pair, opcode, sge(&rig->from, 0, LEN), addr, rkey, status);
}

static void write_and_check(struct rig *rig, uint64_t seed, const char *what)
{
	pattern_fill(rig->from.p, LEN, 0, seed);
	rdma(rig, IBV_WR_RDMA_WRITE, (uintptr_t)rig->to.p, rig->to.mr->rkey, IBV_WC_SUCCESS);
	pattern_check(rig->to.p, LEN, 0, seed, what);
}

/* --- children --------------------------------------------------------------------- */

static void scribble(void *arg)
{
	struct rig *rig = arg;

	memset(rig->from.p, 0xee, LEN);
	memset(rig->to.p, 0xee, LEN);
}

static void test_children_exit(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	for (unsigned int i = 0; i < (options.full ? 500 : 30); i++) {
		int pid = child_start(scribble, &rig);

		write_and_check(&rig, i, "beside a child");
		assert_int_equal(child_wait(pid), 0);
		pattern_check(rig.to.p, LEN, 0, i, "after a child");
	}
}

/* Writes to half 0 or 1 of the peer's memory; the half is the wr_id. */
static int post_half(struct rig *rig, int half)
{
	struct ibv_sge list = sge(&rig->from, half * LEN / 2, LEN / 2);
	struct ibv_send_wr wr = {
		.wr_id = half, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { (uintptr_t)rig->to.p + half * LEN / 2, rig->to.mr->rkey },
	}, *bad;

	return ibv_post_send(rig->pair.a.qp, &wr, &bad);
}

/* A child shares the rings with its parent, but uverbs rejects the doorbell of another process. */
static void post_by_child(void *arg)
{
	struct rig *rig = arg;

	scribble(rig);
	assert_int_equal(post_half(rig, 0), EACCES);
}

/*
 * The request that the child left in the ring is sent with the parent's next request, with the parent's
 * bytes.
 */
static void test_child_posts(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	pattern_fill(rig.from.p, LEN, 0, 1);
	assert_int_equal(child_wait(child_start(post_by_child, &rig)), 0);
	expect_quiet(rig.pair.a.scq, 20);
	assert_int_equal(post_half(&rig, 1), 0);
	expect_wc(rig.pair.a.scq, 0, IBV_WC_SUCCESS);
	expect_wc(rig.pair.a.scq, 1, IBV_WC_SUCCESS);
	pattern_check(rig.from.p, LEN, 0, 1, "overwritten by the child");
	pattern_check(rig.to.p, LEN, 0, 1, "sent by the child and its parent");
}

struct own_region {
	struct rig *rig;
	struct address *address;
	atomic_bool *written;
};

static void region_of_child(void *arg)
{
	struct own_region *own = arg;
	struct buf buf = buf_anon(own->rig->pair.b.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	uint64_t end = now_ms() + PATIENCE;

	memset(own->rig->to.p, 0xee, LEN);
	address_tell(own->address, &own->rig->pair.b, &buf);
	while (!*own->written && now_ms() < end)
		sleep_ms(1);
	pattern_check(buf.p, LEN, 0, 7, "the child's region");
}

/* In a process of its own, whose exit takes the child's region away. */
static void parent_of_registrar(void *unused)
{
	struct address *address = map_shared(2 * sizeof(*address));
	atomic_bool *written = (void *)(address + 1);
	struct rig rig;
	struct own_region own = { &rig, address, written };
	int pid;

	(void)unused;
	rig_open(&rig);
	pid = child_start(region_of_child, &own);
	address_wait(address);
	pattern_fill(rig.from.p, LEN, 0, 7);
	rdma(&rig, IBV_WR_RDMA_WRITE, address->addr, address->rkey, IBV_WC_SUCCESS);
	*written = true;
	assert_int_equal(child_wait(pid), 0);
	rdma(&rig, IBV_WR_RDMA_WRITE, address->addr, address->rkey, IBV_WC_REM_ACCESS_ERR);
	pair_connect(&rig.pair);
	write_and_check(&rig, 8, "after the process of the child's region has exited");
}

static void test_child_registers(void **state)
{
	(void)state;
	need_odp(device_open(options.device));
	assert_int_equal(child_wait(child_start(parent_of_registrar, NULL)), 0);
}

static void exec_and_look(void *unused)
{
	(void)unused;
	execl("/bin/sh", "sh", "-c", "! ls -l /proc/self/fd | grep -q infiniband", NULL);
}

static void test_exec(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig);
	assert_int_equal(child_wait(child_start(exec_and_look, NULL)), 0);
	write_and_check(&rig, 1, "after a child's exec");
}

/* --- a device that outlives its opener ------------------------------------------------ */

enum how { KILLED, EXITS, DESTROYS, DEREGISTERS, ANSWERS };

struct meeting {
	struct address owner, peer;
	atomic_bool ready, leave, held, written;
	bool early;	/* opens the userfaultfd before the device */
	enum how how;	/* how the owner ends */
	int uffd;
};

static struct rc impatient(void)
{
	struct rc rc = rc_default();

	rc.timeout = 12;	/* 17 ms */
	return rc;
}

static void owner_meet(struct meeting *meeting, struct end *end, struct buf *buf)
{
	struct rc rc = impatient();

	end->qp = end_qp(end, &rc);
	*buf = buf_anon(end->pd, LEN, ALL_ACCESS | odp_access(end->ctx));
	address_tell(&meeting->owner, end, buf);
	address_wait(&meeting->peer);
	end_join(end, &rc, &meeting->peer);
}

static void wait_for(const atomic_bool *flag, const char *what)
{
	uint64_t end = now_ms() + PATIENCE;

	while (!*flag) {
		if (now_ms() > end)
			fail_msg("%s did not come within %d ms", what, PATIENCE);
		sleep_ms(1);
	}
}

static void peer_meet(struct meeting *meeting, struct end *end, struct buf *buf)
{
	struct rc rc = impatient();

	end_open(end, options.device, &rc);
	end->qp = end_qp(end, &rc);
	*buf = buf_anon(end->pd, LEN, ALL_ACCESS);
	address_tell(&meeting->peer, end, buf);
	address_wait(&meeting->owner);
	end_join(end, &rc, &meeting->owner);
}

/* The owner's child keeps the device open after its parent's exit. */
static void owner_with_heir(void *arg)
{
	struct meeting *meeting = arg;
	struct rc rc = impatient();
	struct end end;
	struct buf buf;

	end_open(&end, options.peer, &rc);
	owner_meet(meeting, &end, &buf);
	if (!fork()) {
		meeting->held = true;
		wait_for(&meeting->leave, "the end of the test");
		_exit(0);
	}
	wait_for(&meeting->held, "a child that holds the device");
	meeting->ready = true;
	sleep_ms(20);
}

static void test_device_outlives_owner(void **state)
{
	struct meeting *meeting = map_shared(sizeof(*meeting));
	struct ibv_wc wc = {};
	struct end end;
	struct buf buf;
	int pid = child_start(owner_with_heir, meeting);

	(void)state;
	peer_meet(meeting, &end, &buf);
	need_odp(end.ctx);
	wait_for(&meeting->ready, "the owner");
	while (wc.status == IBV_WC_SUCCESS) {
		struct ibv_sge list = sge(&buf, 0, LEN);

		post_to(&end, IBV_WR_RDMA_WRITE, &list, &meeting->owner, 0);
		wc = wait_wc(end.scq);
	}
	assert_int_equal(wc.status, IBV_WC_REM_ACCESS_ERR);
	meeting->leave = true;
	assert_int_equal(child_wait(pid), 0);
}

/* --- faults that nobody answers ---------------------------------------------------------- */

static void answer(struct meeting *meeting, struct buf *buf)
{
	uffd_answer(meeting->uffd, UFFD_MISSING, buf->p, buf->len, NULL);
	wait_for(&meeting->written, "the answered fault's bytes");
	pattern_check(buf->p, LEN, 0, 5, "written after a late answer");
}

static void owner_of_stuck(void *arg)
{
	struct meeting *meeting = arg;
	struct rc rc = impatient();
	struct end end;
	struct buf buf;

	if (meeting->early)
		meeting->uffd = uffd_open(UFFD_MISSING);
	end_open(&end, options.peer, &rc);
	if (!meeting->early)
		meeting->uffd = uffd_open(UFFD_MISSING);
	owner_meet(meeting, &end, &buf);
	uffd_watch(meeting->uffd, UFFD_MISSING, buf.p, buf.len);
	meeting->held = true;
	uffd_wait(meeting->uffd);
	meeting->ready = true;
	wait_for(&meeting->leave, "leave");
	if (meeting->how == DESTROYS)
		undo(end.qp);
	if (meeting->how == DEREGISTERS)
		undo(buf.mr);
	if (meeting->how == ANSWERS)
		answer(meeting, &buf);
}

struct stuck {
	bool early;		/* the userfaultfd is older than the device: files are closed in order */
	bool elsewhere;		/* another process holds the userfaultfd, too */
	enum how how;
};

static int take_fd(int pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), taken;

	assert_true(pidfd >= 0);
	taken = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	assert_true(taken >= 0);
	close(pidfd);
	return taken;
}

static int close_fd(void *object)
{
	return close((intptr_t)object - 1);
}

/* A peer's WRITE to an owner whose page never arrives, or arrives late. */
struct stuck_rig {
	struct meeting *meeting;
	struct end end;
	struct buf buf;
	int pid;
};

static void stuck_open(struct stuck_rig *rig, const struct stuck *stuck)
{
	struct ibv_sge list;

	need_uffd(UFFD_MISSING);
	need_odp(device_open(options.device));
	rig->meeting = map_shared(sizeof(*rig->meeting));
	rig->meeting->early = stuck->early;
	rig->meeting->how = stuck->how;
	rig->pid = child_start(owner_of_stuck, rig->meeting);
	peer_meet(rig->meeting, &rig->end, &rig->buf);
	wait_for(&rig->meeting->held, "the owner");
	pattern_fill(rig->buf.p, LEN, 0, 5);
	list = sge(&rig->buf, 0, LEN);
	post_to(&rig->end, IBV_WR_RDMA_WRITE, &list, &rig->meeting->owner, 0);
	wait_for(&rig->meeting->ready, "the fault");
}

static void test_stuck(void **state)
{
	const struct stuck *stuck = *state;
	struct stuck_rig rig;
	struct ibv_wc wc;

	stuck_open(&rig, stuck);
	if (stuck->elsewhere)
		defer(close_fd, (void *)(intptr_t)(take_fd(rig.pid, rig.meeting->uffd) + 1));
	expect_quiet(rig.end.scq, 50);
	if (stuck->how == KILLED)
		kill(rig.pid, SIGKILL);
	rig.meeting->leave = true;
	assert_int_equal(child_wait(rig.pid), stuck->how == KILLED ? SIGKILL : 0);
	wc = wait_wc(rig.end.scq);
	/* If the handler goes before the queue pair does, the page arrives and is written. */
	if (stuck->elsewhere || stuck->how == DESTROYS || stuck->how == DEREGISTERS)
		assert_int_not_equal(wc.status, IBV_WC_SUCCESS);
}

/* Answered later than the driver waits at a time. */
static void test_late_answer(void **state)
{
	struct stuck_rig rig;

	stuck_open(&rig, *state);
	expect_quiet(rig.end.scq, 2500);
	rig.meeting->leave = true;
	expect_wc(rig.end.scq, 0, IBV_WC_SUCCESS);
	rig.meeting->written = true;
	assert_int_equal(child_wait(rig.pid), 0);
}

static const struct stuck answers = { .how = ANSWERS };
static const struct stuck killed = { .how = KILLED };
static const struct stuck killed_early = { .early = true, .how = KILLED };
static const struct stuck killed_elsewhere = { .elsewhere = true, .how = KILLED };
static const struct stuck exits = { .how = EXITS };
static const struct stuck exits_elsewhere = { .elsewhere = true, .how = EXITS };
static const struct stuck destroys = { .how = DESTROYS };
static const struct stuck deregisters = { .how = DEREGISTERS };

#define STUCK(text, stuck) \
	{ .name = "a stuck fault, " text, .test_func = test_stuck, .initial_state = (void *)&(stuck) }

static struct CMUnitTest tests[] = {
	{ .name = "children exit", .test_func = test_children_exit },
	{ .name = "a child posts", .test_func = test_child_posts },
	{ .name = "a child registers", .test_func = test_child_registers },
	{ .name = "a child execs", .test_func = test_exec },
	{ .name = "the device outlives the owner", .test_func = test_device_outlives_owner },
	{ .name = "a late answer", .test_func = test_late_answer, .initial_state = (void *)&answers },
	STUCK("owner killed", killed),
	STUCK("owner with an older userfaultfd killed", killed_early),
	STUCK("owner exits", exits),
	STUCK("owner killed, its handler lives", killed_elsewhere),
	STUCK("owner exits, its handler lives", exits_elsewhere),
	STUCK("owner destroys its queue pair", destroys),
	STUCK("owner deregisters", deregisters),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("fork", tests, ARRAY_SIZE(tests));
}
