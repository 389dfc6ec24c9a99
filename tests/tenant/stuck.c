// SPDX-License-Identifier: GPL-2.0
/* CI: debug */
/*
 * A fault in a file system that does not answer cannot be interrupted. Nobody waits for it: a verb, a close,
 * an exit or the deletion of a link returns at once, and the stuck worker keeps what it uses.
 */
#include <signal.h>
#include <stdatomic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/tenant.h"
#include "libodp/odp.h"
#include "lib/frozen.h"
#include "lib/mem.h"
#include "lib/nldev.h"
#include "lib/pager.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/system.h"
#include "lib/test.h"

#define LEN (64 * 1024ul)
#define LINK "rxe9"
#define NETDEV "stuck0"

/* Without the fix it takes as long as the file system is frozen. */
#define PROMPT_MS (3000ul * options.slow)

struct stage {
	const char *device;
	atomic_bool ready, frozen, stuck, done;
	atomic_ulong took_ms;
};

struct scene {
	struct stage *stage;
	struct pair pair;
	struct buf from, spare;
	struct ibv_mr *mr;
	uint8_t *p;		/* the address to write to */
	size_t len;
};

static void wait_until(atomic_bool *flag)
{
	uint64_t end = now_ms() + PATIENCE;

	while (!*flag) {
		if (now_ms() > end)
			fail_msg("the expected state was not reached");
		sleep_ms(2);
	}
}

/* --- stuck accesses ----------------------------------------------------------- */

static void post_stuck(struct scene *scene, enum ibv_wr_opcode opcode)
{
	struct ibv_sge list = sge(&scene->from, 0, scene->len);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = opcode, .sg_list = &list, .num_sge = 1,
		.send_flags = IBV_SEND_SIGNALED,
	};

	if (opcode == IBV_WR_RDMA_WRITE) {
		wr.wr.rdma.remote_addr = (uintptr_t)scene->p;
		wr.wr.rdma.rkey = scene->mr->rkey;
	} else {
		wr.wr.atomic.remote_addr = (uintptr_t)scene->p;
		wr.wr.atomic.rkey = scene->mr->rkey;
		wr.wr.atomic.compare_add = 1;
	}
	post_send(&scene->pair.a, &wr);
}

/* The requester itself waits for its peer's page, on the same device. */
static void stuck_write(struct scene *scene)
{
	post_stuck(scene, IBV_WR_RDMA_WRITE);
}

/* The responder waits for the page. */
static void stuck_atomic(struct scene *scene)
{
	post_stuck(scene, IBV_WR_ATOMIC_FETCH_AND_ADD);
}

static void prefetch(struct scene *scene, uint32_t flags)
{
	struct ibv_sge list = { (uintptr_t)scene->p, PAGE, scene->mr->lkey };

	odp_advise_mr(scene->pair.b.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, flags, &list, 1);
}

static void stuck_prefetch(struct scene *scene)
{
	prefetch(scene, 0);
}

static void *prefetch_and_wait(void *arg)
{
	prefetch(arg, IBV_ADVISE_MR_FLAG_FLUSH);
	return NULL;
}

static void stuck_flush(struct scene *scene)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, prefetch_and_wait, scene), 0);
}

/* --- what is destroyed then ---------------------------------------------------- */

static void nothing(struct scene *scene)
{
	(void)scene;
}

static void reset(struct scene *scene)
{
	qp_to(scene->pair.a.qp, IBV_QPS_RESET);
	qp_to(scene->pair.b.qp, IBV_QPS_RESET);
	/* The queue pairs work again, with other memory. */
	pair_connect(&scene->pair);
	scene->mr = scene->spare.mr;
	scene->p = scene->spare.p;
	post_stuck(scene, IBV_WR_RDMA_WRITE);
	expect_wc(scene->pair.a.scq, 1, IBV_WC_SUCCESS);
}

static void destroy(struct scene *scene)
{
	undo(scene->pair.a.qp);
	undo(scene->pair.b.qp);
}

static void deregister(struct scene *scene)
{
	undo(scene->mr);
}

static void destroy_all(struct scene *scene)
{
	destroy(scene);
	deregister(scene);
}

/*
 * A mapped ring keeps the file open that close(2) has closed. In the middle of a fault this would wait: the
 * fault holds the process's own mmap_lock.
 */
static void unmap_rings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (strstr(line, "/uverbs") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			assert_int_equal(munmap((void *)start, end - start), 0);
	}
	fclose(maps);
}

/* The process goes on, and the kernel destroys all that it has made. */
static void close_device(struct scene *scene)
{
	unmap_rings();
	assert_int_equal(close(scene->pair.a.ctx->cmd_fd), 0);
	assert_int_equal(close(scene->pair.b.ctx->cmd_fd), 0);
}

struct scenario {
	const char *name;
	void (*stick)(struct scene *scene);
	void (*go)(struct scene *scene);
	bool link;	/* the link is deleted, too, while the process still runs */
	bool deep;	/* the fault begins outside the frozen file, so its worker cannot know before */
};

static const struct scenario scenarios[] = {
	{ .name = "WRITE: exit", .stick = stuck_write, .go = nothing },
	{ .name = "WRITE: reset", .stick = stuck_write, .go = reset },
	{ .name = "WRITE: destroy_qp, dereg_mr", .stick = stuck_write, .go = destroy_all },
	{ .name = "WRITE: dereg_mr", .stick = stuck_write, .go = deregister },
	{ .name = "WRITE: close", .stick = stuck_write, .go = close_device },
	{ .name = "WRITE: link deleted", .stick = stuck_write, .go = nothing, .link = true },
	{ .name = "atomic: exit", .stick = stuck_atomic, .go = nothing },
	{ .name = "atomic: reset", .stick = stuck_atomic, .go = reset },
	{ .name = "atomic: destroy_qp, dereg_mr", .stick = stuck_atomic, .go = destroy_all },
	{ .name = "atomic: close", .stick = stuck_atomic, .go = close_device },
	{ .name = "atomic: link deleted", .stick = stuck_atomic, .go = nothing, .link = true },
	{ .name = "prefetch: exit", .stick = stuck_prefetch, .go = nothing },
	{ .name = "prefetch: dereg_mr", .stick = stuck_prefetch, .go = deregister },
	{ .name = "prefetch: close", .stick = stuck_prefetch, .go = close_device },
	{ .name = "prefetch: link deleted", .stick = stuck_prefetch, .go = nothing, .link = true },
	{ .name = "prefetch that is waited for: exit", .stick = stuck_flush, .go = nothing },
	{ .name = "prefetch that is waited for: dereg_mr", .stick = stuck_flush, .go = deregister },
	{ .name = "prefetch that is waited for: link deleted", .stick = stuck_flush, .go = nothing, .link = true },
	{ .name = "in the middle of a fault: exit", .stick = stuck_write, .go = nothing, .deep = true },
	{ .name = "in the middle of a fault: dereg_mr", .stick = stuck_write, .go = deregister, .deep = true },
	{ .name = "in the middle of a fault: link deleted", .stick = stuck_write, .go = nothing, .link = true,
	  .deep = true },
};

/* --- the tenant ----------------------------------------------------------------- */

struct play {
	const struct scenario *scenario;
	struct stage *stage;
};

/* A page of anonymous memory, and the file mapped behind it. */
static uint8_t *map_behind(uint8_t *file)
{
	uint8_t *p = map_anon(PAGE + LEN);

	assert_ptr_equal(mremap(file, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE), p + PAGE);
	return p;
}

static void scene_open(struct scene *scene, bool deep)
{
	struct rc rc = rc_default();
	uint8_t *p = ext4_map("stuck", LEN);

	memset(p, 1, LEN);
	assert_int_equal(msync(p, LEN, MS_SYNC), 0);
	if (deep)
		p = map_behind(p);
	scene->p = deep ? p + PAGE - 8 : p;
	scene->len = deep ? 16 : 8;
	tenant_become_nobody();
	rc.timeout = 0;
	options.device = options.peer = scene->stage->device;
	pair_open(&scene->pair, &rc);
	need_odp(scene->pair.a.ctx);
	scene->mr = reg(scene->pair.b.pd, p, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	scene->from = buf_anon(scene->pair.a.pd, PAGE, ALL_ACCESS);
	scene->spare = buf_anon(scene->pair.b.pd, PAGE, ALL_ACCESS);
	memset(scene->from.p, 2, PAGE);
}

static void tenant_main(void *arg)
{
	const struct play *play = arg;
	struct scene scene = { .stage = play->stage };
	uint64_t begin;

	scene_open(&scene, play->scenario->deep);
	play->stage->ready = true;
	wait_until(&play->stage->frozen);
	play->scenario->stick(&scene);
	sleep_ms(300);
	play->stage->stuck = true;
	begin = now_ms();
	play->scenario->go(&scene);
	play->stage->took_ms = now_ms() - begin;
	play->stage->done = true;
	for (;;)
		pause();
}

/* --- the link -------------------------------------------------------------------- */

static int link_remove(void *unused)
{
	(void)unused;
	return system("rdma link delete " LINK " 2>/dev/null; ip link delete " NETDEV " 2>/dev/null") & 0;
}

static void link_make(void)
{
	defer(link_remove, link_remove);
	if (system("ip link add " NETDEV " type veth peer name stuck1 && ip link set stuck1 up && "
		   "ip address add 198.51.100.9/24 dev " NETDEV " && ip link set " NETDEV " up && "
		   "rdma link add " LINK " type rxe netdev " NETDEV " && { udevadm settle; true; } && "
		   "[ -e /sys/class/infiniband/" LINK " ]"))
		skip_because("this machine cannot make links");
}

static int within(int pid, unsigned int ms)
{
	uint64_t begin = now_ms();
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ms() - begin > ms)
			return -1;
		sleep_ms(5);
	}
	return now_ms() - begin;
}

static void link_delete(void)
{
	int pid = fork(), ms;

	if (!pid) {
		execlp("rdma", "rdma", "link", "delete", LINK, NULL);
		_exit(1);
	}
	ms = within(pid, PROMPT_MS);
	if (ms < 0)
		ext4_thaw();
	print_message("  rdma link delete: %d ms\n", ms);
	assert_true(ms >= 0);
	assert_int_not_equal(access("/sys/class/infiniband/" LINK, F_OK), 0);
}

/* --- the meeting ------------------------------------------------------------------ */

struct objects {
	char text[512];
};

static struct objects count_objects(void)
{
	struct objects objects = {};
	int fd = nldev_open();

	nldev_resources(fd, nldev_index(fd, options.device), objects.text, sizeof(objects.text));
	return objects;
}

static void test_scenario(void **state)
{
	struct play play = { .scenario = *state, .stage = map_shared(sizeof(struct stage)) };
	struct objects before = count_objects();
	struct stage *stage = play.stage;
	uint64_t end;
	int pid, ms;

	need_ext4();
	stage->device = options.device;
	if (play.scenario->link) {
		link_make();
		stage->device = LINK;
	}
	pid = tenant_start_as_root(NULL, tenant_main, &play);
	wait_until(&stage->ready);
	ext4_freeze();
	stage->frozen = true;
	wait_until(&stage->stuck);
	if (play.scenario->link)
		link_delete();
	for (end = now_ms() + PROMPT_MS; !stage->done && now_ms() < end; )
		sleep_ms(5);
	if (!stage->done)
		ext4_thaw();
	assert_true(stage->done);
	print_message("  the verbs: %lu ms\n", stage->took_ms);
	if (play.scenario->go == close_device)
		assert_string_equal(count_objects().text, before.text);
	kill(pid, SIGKILL);
	ms = within(pid, PROMPT_MS);
	ext4_thaw();
	print_message("  exit: %d ms\n", ms);
	assert_true(ms >= 0);
	/* The stuck fault has ended, and its worker gives back what it used. */
	for (end = now_ms() + PATIENCE; file_number("/sys/module/ib_umem_odp/refcnt", "") > 1; sleep_ms(5))
		assert_true(now_ms() < end);
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[ARRAY_SIZE(scenarios)];

	parse_options(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		tests[i] = (struct CMUnitTest){
			.name = scenarios[i].name, .test_func = test_scenario,
			.initial_state = (void *)&scenarios[i],
		};
	return run_group("stuck", tests, ARRAY_SIZE(tests));
}
