// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/*
 * Memory pressure: traffic from and to on-demand memory four times as large as its owner's limit; and an
 * owner that the OOM killer kills while a peer writes into its memory.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cgroup.h"
#include "lib/lanes.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/system.h"
#include "lib/test.h"

#define LIMIT (8 * MIB)
#define AREA (4 * LIMIT)
#define MOST (64 * 1024ul)	/* bytes of a message, at most */

/* --- swapping ------------------------------------------------------------------------ */

#define LANES 4

struct rig {
	struct area area;
	struct lanes lanes;
};

/* The test's own memory is locked; the area is mapped later and is not. */
static void rig_open(struct rig *rig, const struct cgroup *cgroup)
{
	*rig = (struct rig){ .lanes = { .name = "swapping", .seed = options.seed } };
	rig->lanes.rdma_only = true;
	rig->area = area_open_all(kinds, AREA);
	for (int i = 0; i < LANES; i++)
		lanes_add(&rig->lanes, &rig->area, i * (AREA / LANES), AREA / LANES,
			  i % 2 ? options.device : options.peer);
	assert_int_equal(mlockall(MCL_CURRENT), 0);
	assert_int_equal(munlock(rig->area.p, AREA), 0);
	assert_int_equal(madvise(rig->area.p, AREA, MADV_DONTNEED), 0);
	memset(rig->area.want, 0, AREA);
	cgroup_enter(cgroup);
}

static void check_by_cpu(struct rig *rig, const struct cgroup *cgroup)
{
	uint8_t *got = scratch(AREA);

	cgroup_set(cgroup, "memory.max", "max");
	memcpy(got, rig->area.p, AREA);
	same_bytes(got, rig->area.want, AREA, "the CPU's view at the end");
}

static uint64_t duration(void)
{
	return 1000 * (options.count ? options.count : options.full ? 600 : 5);
}

static void test_swapping(void **state)
{
	struct rig *rig = scratch(sizeof(*rig));
	struct lanes *lanes = &rig->lanes;
	struct cgroup *cgroup;
	long out, in;

	(void)state;
	need_swap();
	out = file_number("/proc/vmstat", "pswpout ");
	in = file_number("/proc/vmstat", "pswpin ");
	cgroup = cgroup_make_small("pressure", LIMIT);
	rig_open(rig, cgroup);
	lanes_fill(lanes);
	lanes_run(lanes, now_ms() + duration());
	lanes_check(lanes);
	out = file_number("/proc/vmstat", "pswpout ") - out;
	in = file_number("/proc/vmstat", "pswpin ") - in;
	print_message("%llu messages, %llu MiB; %ld times at the limit, %ld pages swapped out, %ld in\n",
		      (unsigned long long)lanes->messages, (unsigned long long)(lanes->bytes / MIB),
		      cgroup_number(cgroup, "memory.events", "max "), out, in);
	assert_true(out >= (long)((AREA - LIMIT) / PAGE / 2));
	assert_int_equal(cgroup_number(cgroup, "memory.events", "oom_kill "), 0);
	check_by_cpu(rig, cgroup);
}

/* --- the OOM killer -------------------------------------------------------------------- */

struct meeting {
	const struct cgroup *cgroup;
	struct address owner, peer;
};

static void owner_child(void *arg)
{
	struct meeting *meeting = arg;
	struct rc rc = rc_default();
	struct end end;
	struct buf buf;

	end_open(&end, options.peer, &rc);
	end.qp = end_qp(&end, &rc);
	buf = buf_anon(end.pd, AREA, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	cgroup_enter(meeting->cgroup);
	address_tell(&meeting->owner, &end, &buf);
	address_wait(&meeting->peer);
	end_join(&end, &rc, &meeting->peer);
	for (;;)
		pause();
}

static void wait_for_memory(const struct cgroup *cgroup)
{
	uint64_t end = now_ms() + PATIENCE;

	while (cgroup_number(cgroup, "memory.current", "") > (long)MIB) {
		if (now_ms() > end)
			fail_msg("%ld bytes are still charged",
				 cgroup_number(cgroup, "memory.current", ""));
		sleep_ms(10);
	}
}

/* Writes until an error; returns how many bytes the peer has taken. */
static size_t flood(struct end *end, struct buf *buf, const struct address *to)
{
	enum ibv_wc_status status = IBV_WC_SUCCESS;
	size_t at;

	for (at = 0; at < AREA && status == IBV_WC_SUCCESS; at += MOST) {
		struct ibv_sge list = sge(buf, 0, MOST);

		post_to(end, IBV_WR_RDMA_WRITE, &list, to, at);
		status = wait_wc(end->scq).status;
	}
	if (status != IBV_WC_REM_ACCESS_ERR && status != IBV_WC_REM_OP_ERR &&
	    status != IBV_WC_RETRY_EXC_ERR)
		fail_msg("after %zu MiB: %s", at / MIB, ibv_wc_status_str(status));
	return at;
}

static void test_oom(void **state)
{
	struct meeting *meeting = map_shared(sizeof(*meeting));
	struct rc rc = rc_default();
	struct cgroup *cgroup;
	struct end end;
	struct buf buf;
	size_t bytes;
	int pid;

	(void)state;
	rc.timeout = 12;	/* 17 ms */
	cgroup = cgroup_make_small("pressure", LIMIT);
	cgroup_try(cgroup, "memory.swap.max", "0");
	meeting->cgroup = cgroup;
	pid = child_start(owner_child, meeting);
	end_open(&end, options.device, &rc);
	need_odp(end.ctx);
	end.qp = end_qp(&end, &rc);
	buf = buf_anon(end.pd, MOST, ALL_ACCESS);
	address_tell(&meeting->peer, &end, &buf);
	address_wait(&meeting->owner);
	end_join(&end, &rc, &meeting->owner);
	bytes = flood(&end, &buf, &meeting->owner);
	assert_int_equal(child_wait(pid), SIGKILL);
	assert_true(cgroup_number(cgroup, "memory.events", "oom_kill ") > 0);
	wait_for_memory(cgroup);
	print_message("killed after %zu MiB\n", bytes / MIB);
	assert_in_range(bytes, LIMIT / 2, 2 * LIMIT);
}

static struct CMUnitTest tests[] = {
	{ .name = "four times the limit", .test_func = test_swapping },
	{ .name = "the OOM killer kills the owner", .test_func = test_oom },
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("pressure", tests, ARRAY_SIZE(tests));
}
