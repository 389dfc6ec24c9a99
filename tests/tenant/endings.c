// SPDX-License-Identifier: GPL-2.0
/*
 * A storm: processes are killed in the middle of traffic from and to memory that a user-space pager serves,
 * that is a file on a file system which freezes and thaws, or for which their control group is full. Their
 * peers get an error and go on, and a victim beside them keeps its bytes and its time.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <linux/fs.h>

#include "kit/cgroup.h"
#include "kit/frozen.h"
#include "kit/pager.h"
#include "kit/victim.h"
#include "lib/dice.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/system.h"
#include "lib/test.h"

#define LEN (256 * 1024ul)
#define DEPTH 8
#define FULL (1536 * 1024ul)	/* bytes of the control group: less than the process would have */

enum memory { PAGED, FROZEN, FULL_GROUP, MEMORIES };

static const char *const names[MEMORIES] = {
	"a user-space pager", "a file system that freezes", "a full control group",
};

/* A process that is going to be killed, and the one at the other end. */
struct ending {
	enum memory memory;
	struct cgroup *cgroup;
	unsigned int number;
	uint64_t dice;
	struct address dying, killer;
};

static struct rc impatient(void)
{
	struct rc rc = rc_default();

	rc.timeout = 12;	/* 17 ms */
	rc.retry_cnt = 2;
	rc.rnr_retry = 3;
	return rc;
}

/* --- the one that is killed ------------------------------------------------------------ */

static struct pager_rules some_rules(uint64_t dice)
{
	static const struct pager_rules rules[] = {
		{ .never = true }, { .delay_ms = 2 }, { .resident = 8 }, { .delay_ms = 1, .resident = 3 },
	};

	return rules[dice % ARRAY_SIZE(rules)];
}

static struct buf its_memory(const struct ending *ending, struct ibv_pd *pd)
{
	struct buf buf = { .len = LEN, .fd = -1 };
	char name[32];

	snprintf(name, sizeof(name), "ending-%u", ending->number);
	buf.p = ending->memory == FROZEN ? ext4_map(name, LEN) : map_anon(LEN);
	if (ending->memory == PAGED)
		pager_start(pager_open(), buf.p, LEN, some_rules(ending->dice));
	buf.mr = reg(pd, buf.p, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	return buf;
}

static void post_some(struct end *end, struct buf *buf, const struct address *to, unsigned int i)
{
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_RDMA_WRITE,
	};
	size_t at = i * 7 * PAGE % (LEN / 2);
	struct ibv_sge list = sge(buf, at, LEN / 4);

	post_to(end, opcodes[i % ARRAY_SIZE(opcodes)], &list, to, (LEN / 2 - at) / PAGE * PAGE);
}

/* Keeps requests under way until an error; where it goes on its own, it goes on for ever. */
static void traffic(struct end *end, struct buf *buf, const struct address *to, int *pid, uint64_t when)
{
	uint64_t limit = now_ms() + PATIENCE;
	unsigned int posted = 0, done = 0;
	struct ibv_wc wc = {};

	while (wc.status == IBV_WC_SUCCESS) {
		for (; posted < done + DEPTH; posted++)
			post_some(end, buf, to, posted);
		if (pid && *pid && now_ms() >= when) {
			undo((void *)(intptr_t)*pid);
			*pid = 0;
		}
		if (ibv_poll_cq(end->scq, 1, &wc) == 1)
			done++;
		else
			wc.status = IBV_WC_SUCCESS;
		if (pid && now_ms() > limit)
			fail_msg("the traffic still runs after %d ms", PATIENCE);
	}
}

static void dying_child(void *arg)
{
	struct ending *ending = arg;
	struct rc rc = impatient();
	struct end end;
	struct buf buf;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	end_open(&end, options.peer, &rc);
	end.qp = end_qp(&end, &rc);
	buf = its_memory(ending, end.pd);
	if (ending->memory == FULL_GROUP)
		cgroup_enter(ending->cgroup);
	address_tell(&ending->dying, &end, &buf);
	address_wait(&ending->killer);
	end_join(&end, &rc, &ending->killer);
	traffic(&end, &buf, &ending->killer, NULL, 0);
	for (;;)
		pause();
}

/* --- the one that goes on -------------------------------------------------------------- */

static void outlive(struct end *end, struct buf *buf, struct ending *ending)
{
	uint64_t ms = ending->dice / 16 % 40;
	struct rc rc = impatient();
	int pid;

	ending->dying.known = ending->killer.known = false;
	end->qp = end_qp(end, &rc);
	address_tell(&ending->killer, end, buf);
	pid = child_start(dying_child, ending);
	address_wait(&ending->dying);
	end_join(end, &rc, &ending->dying);
	traffic(end, buf, &ending->dying, &pid, now_ms() + ms);
	if (pid)
		undo((void *)(intptr_t)pid);
	for (struct ibv_wc wc; ibv_poll_cq(end->scq, 1, &wc) == 1;)
		;
	undo(end->qp);
}

/* Freezes and thaws, until the test's end. */
struct weather {
	int fd;
	atomic_bool stop;
	atomic_uint frosts;
	pthread_t thread;
};

static void *weather_run(void *arg)
{
	struct weather *weather = arg;

	while (!weather->stop) {
		if (!ioctl(weather->fd, FIFREEZE, 0)) {
			sleep_ms(15);
			ioctl(weather->fd, FITHAW, 0);
			weather->frosts++;
		}
		sleep_ms(10);
	}
	return NULL;
}

static int weather_end(void *object)
{
	struct weather *weather = object;

	weather->stop = true;
	pthread_join(weather->thread, NULL);
	return close(weather->fd);
}

static struct weather *weather_start(void)
{
	struct weather *weather = scratch(sizeof(*weather));

	*weather = (struct weather){ .fd = open(need_ext4(), O_RDONLY | O_CLOEXEC) };
	assert_true(weather->fd >= 0);
	assert_int_equal(pthread_create(&weather->thread, NULL, weather_run, weather), 0);
	defer(weather_end, weather);
	return weather;
}

/* What the kind needs; the test is skipped where the kernel does not have it. */
static struct cgroup *prepare(enum memory memory, struct weather **weather)
{
	struct cgroup *cgroup;
	char limit[32];

	*weather = NULL;
	if (memory == PAGED)
		pager_open();
	if (memory == FROZEN)
		*weather = weather_start();
	if (memory != FULL_GROUP)
		return NULL;
	need_swap();
	cgroup = cgroup_make("endings", "memory");
	snprintf(limit, sizeof(limit), "%lu", FULL);
	cgroup_set(cgroup, "memory.max", limit);
	return cgroup;
}

static void test_endings(void **state)
{
	enum memory memory = (uintptr_t)*state;
	unsigned int n = options.count ? options.count : options.full ? 2000 : 40;
	struct ending *ending = map_shared(sizeof(*ending));
	struct dice dice = { .seed = options.seed + memory };
	struct rc rc = impatient();
	struct victim_figures figures;
	struct weather *weather;
	struct victim *victim;
	struct cgroup *cgroup;
	struct end end;
	struct buf buf;

	cgroup = prepare(memory, &weather);
	end_open(&end, options.device, &rc);
	need_odp(end.ctx);
	buf = buf_anon(end.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	victim = victim_start();
	for (unsigned int i = 0; i < n; i++) {
		*ending = (struct ending){ .memory = memory, .cgroup = cgroup, .number = i % 8,
					   .dice = dice_roll(&dice) };
		outlive(&end, &buf, ending);
	}
	figures = victim_watch(victim, 200);
	print_message("%u processes ended", n);
	if (weather)
		print_message(", %u frosts", weather->frosts);
	if (cgroup)
		print_message(", %ld times at the limit",
			      cgroup_number(cgroup, "memory.events", "max "));
	print_message("; the victim works\n");
	assert_true(figures.rounds > 0);
	victim_stop(victim);
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[MEMORIES];

	parse_options(argc, argv);
	for (uintptr_t i = 0; i < MEMORIES; i++)
		tests[i] = (struct CMUnitTest){
			.name = names[i], .test_func = test_endings, .initial_state = (void *)i,
		};
	return run_group("endings", tests, ARRAY_SIZE(tests));
}
