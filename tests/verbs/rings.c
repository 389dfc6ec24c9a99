// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * A process that writes all over the rings that it shares with the driver while the driver works on them, and
 * a process that maps rings of others: only the guilty process is harmed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/dice.h"
#include "lib/witness.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/ring.h"
#include "lib/test.h"
#include "lib/uverbs.h"
#include "lib/zone.h"

/* Memory shared by all processes of a test. */
static void *map_common(size_t len)
{
	int fd;

	return map_memfd(len, &fd);
}

/* --- scribbling -------------------------------------------------------------------- */

/* In the order in which the test makes them. RQ may be a shared receive queue's. */
enum { SCQ, RCQ, RQ, SQ, RINGS };
enum { OPEN, SOURCE, CLOSED, ZONES };

/* State that the processes share. */
struct common {
	uint64_t guard;			/* the third process's memory, and its keys */
	uint32_t guard_key;
	volatile bool ready, stop;
	volatile uint64_t episodes, doorbells, completions;
};

struct culprit {
	struct common *common;
	int pid;
	struct dice dice;
	struct pair pair;
	struct ring rings[RINGS];
	struct zone zones[ZONES];
	uint32_t produced, received;
};

static uint64_t roll(struct culprit *culprit, uint64_t n)
{
	return dice_below(&culprit->dice, n);
}

static struct rxe_sge random_sge(struct culprit *culprit)
{
	const struct zone *zone = &culprit->zones[roll(culprit, 3) ? OPEN : roll(culprit, ZONES)];
	struct rxe_sge sge = {
		.addr = (uintptr_t)zone_inside(zone) + roll(culprit, ZONE / 2),
		.length = roll(culprit, 5000),
		.lkey = zone->mr->lkey,
	};

	switch (roll(culprit, 16)) {
	case 0:
		sge.addr = dice_size(&culprit->dice);
		break;
	case 1:
		sge.length = dice_size(&culprit->dice);
		break;
	case 2:
		sge.lkey = dice_roll(&culprit->dice);
		break;
	case 3:
		sge.addr = culprit->common->guard;
		break;
	case 4:
		sge.addr = culprit->common->guard;
		sge.lkey = culprit->common->guard_key;
		break;
	}
	return sge;
}

/* @room: bytes of the slot from @dma on. */
static void fill_list(struct culprit *culprit, struct rxe_dma_info *dma, size_t room)
{
	uint32_t n = roll(culprit, 5);

	for (uint32_t i = 0; i < n && sizeof(*dma) + (i + 1) * sizeof(dma->sge[0]) <= room; i++)
		dma->sge[i] = random_sge(culprit);
	dma->num_sge = roll(culprit, 16) ? n : dice_size(&culprit->dice);
	dma->length = roll(culprit, 2) ? roll(culprit, 80) : dice_size(&culprit->dice);
	dma->resid = dice_size(&culprit->dice);
	dma->cur_sge = dice_size(&culprit->dice);
	dma->sge_offset = dice_size(&culprit->dice);
}

static void fill_remote(struct culprit *culprit, struct rxe_send_wr *wr)
{
	struct rxe_sge target = random_sge(culprit);

	memset(&wr->wr, 0, sizeof(wr->wr));
	wr->wr.atomic.remote_addr = target.addr & (roll(culprit, 2) ? ~7ull : ~0ull);
	if (wr->opcode == IBV_WR_ATOMIC_CMP_AND_SWP || wr->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD)
		wr->wr.atomic.rkey = target.lkey;
	else
		wr->wr.rdma.rkey = target.lkey;
	if (!roll(culprit, 16)) {
		for (size_t i = 0; i < sizeof(wr->wr.mw) / 4; i++)
			((uint32_t *)&wr->wr)[i] = dice_size(&culprit->dice);
	}
}

static void fill_receive(struct culprit *culprit, uint32_t index)
{
	const struct ring *ring = &culprit->rings[RQ];
	struct rxe_recv_wqe *wqe = ring_slot(ring, index);

	fill_list(culprit, &wqe->dma, (1u << ring->shift) - offsetof(struct rxe_recv_wqe, dma));
}

/* Writes a request that is mostly correct. */
static void fill_send(struct culprit *culprit, uint32_t index)
{
	const struct ring *ring = &culprit->rings[SQ];
	struct rxe_send_wqe *wqe = ring_slot(ring, index);

	wqe->wr.wr_id = dice_roll(&culprit->dice);
	wqe->wr.opcode = roll(culprit, 16) ? roll(culprit, 16) : dice_size(&culprit->dice);
	wqe->wr.send_flags = roll(culprit, 4) ? roll(culprit, 16) : dice_size(&culprit->dice);
	wqe->wr.ex.imm_data = dice_roll(&culprit->dice);
	fill_remote(culprit, &wqe->wr);
	fill_list(culprit, &wqe->dma, (1u << ring->shift) - offsetof(struct rxe_send_wqe, dma));
}

static void scribble_index(struct culprit *culprit, struct ring *ring)
{
	uint32_t *words[] = { &ring->buf->producer_index, &ring->buf->consumer_index,
			      &ring->buf->index_mask, &ring->buf->log2_elem_size };
	volatile uint32_t *word = words[roll(culprit, 8) ? roll(culprit, 2) : roll(culprit, 4)];

	if (roll(culprit, 2))
		*word += roll(culprit, 5) - 2;
	else
		*word = dice_size(&culprit->dice);
}

static void scribble(struct culprit *culprit)
{
	struct ring *ring = &culprit->rings[roll(culprit, RINGS)];
	void *slot = ring_slot(ring, roll(culprit, ring->mask + 1));
	size_t words = ring->bytes / 4;

	switch (roll(culprit, 6)) {
	case 0:
		scribble_index(culprit, ring);
		break;
	case 1:
		((volatile uint32_t *)ring->buf)[roll(culprit, words)] = dice_size(&culprit->dice);
		break;
	case 2:
		memset(slot, dice_roll(&culprit->dice), 1u << ring->shift);
		break;
	case 3:
		fill_receive(culprit, roll(culprit, 64));
		break;
	default:
		fill_send(culprit, roll(culprit, 64));
		break;
	}
}

/* A process, not a thread: on uml, threads of a process do not run at the same time. */
static void scribbler(void *arg)
{
	struct culprit *culprit = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have exited before this line. */
	if (getppid() != culprit->pid)
		return;
	culprit->dice.seed = ~culprit->dice.seed;
	for (;;)
		scribble(culprit);
}

/* --- working meanwhile ------------------------------------------------------------- */

static void produce(struct ring *ring, uint32_t *index)
{
	__atomic_store_n(&ring->buf->producer_index, ++*index & ring->mask, __ATOMIC_RELEASE);
}

static void post_receive(struct culprit *culprit)
{
	struct ring *ring = &culprit->rings[RQ];
	struct rxe_recv_wqe *wqe = ring_slot(ring, culprit->received);

	wqe->wr_id = culprit->received;
	fill_receive(culprit, culprit->received);
	produce(ring, &culprit->received);
}

static void post_request(struct culprit *culprit)
{
	struct ring *ring = &culprit->rings[SQ];

	fill_send(culprit, culprit->produced);
	produce(ring, &culprit->produced);
	raw_doorbell(culprit->pair.a.qp);
	culprit->common->doorbells++;
}

/* Marks all completions as read; only the driver knows how many there were. */
static void empty_cq(struct culprit *culprit, int cq)
{
	struct rxe_queue_buf *buf = culprit->rings[cq].buf;

	culprit->common->completions += (buf->producer_index - buf->consumer_index) &
					culprit->rings[cq].mask;
	__atomic_store_n(&buf->consumer_index, buf->producer_index, __ATOMIC_RELEASE);
}

/* The other end depends on what it is sent, and has requests of its own for the scribbled queue pair. */
static void other_end(struct culprit *culprit)
{
	struct end *b = &culprit->pair.b;
	struct ibv_sge list = { (uintptr_t)zone_inside(&culprit->zones[OPEN]), 3000,
				culprit->zones[OPEN].mr->lkey };
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1 }, *bad;
	struct ibv_recv_wr recv = { .sg_list = &list, .num_sge = 1 }, *bad_recv;
	struct ibv_wc wc[8];

	ibv_post_recv(b->qp, &recv, &bad_recv);
	ibv_post_send(b->qp, &wr, &bad);
	while (ibv_poll_cq(b->scq, 8, wc) > 0 || ibv_poll_cq(b->rcq, 8, wc) > 0)
		;
}

/* The scribbled end goes last: it sends as soon as it may, and it may send anything. */
static void reconnect(struct culprit *culprit)
{
	struct end *a = &culprit->pair.a, *b = &culprit->pair.b;
	struct rc *rc = &culprit->pair.rc;

	qp_to(a->qp, IBV_QPS_RESET);
	qp_to(b->qp, IBV_QPS_RESET);
	qp_init(a->qp, rc);
	qp_init(b->qp, rc);
	qp_rtr(a->qp, a, rc, &b->gid, b->qp->qp_num);
	qp_rtr(b->qp, b, rc, &a->gid, a->qp->qp_num);
	qp_rts(b->qp, rc);
	qp_rts(a->qp, rc);
	culprit->produced = culprit->received = 0;
}

static void step(struct culprit *culprit)
{
	post_receive(culprit);
	post_request(culprit);
	if (!roll(culprit, 4))
		other_end(culprit);
	empty_cq(culprit, SCQ);
	empty_cq(culprit, RCQ);
	if (!roll(culprit, 16) && qp_state(culprit->pair.a.qp) == IBV_QPS_ERR)
		reconnect(culprit);
}

static void collect_events(struct ibv_context *ctx)
{
	struct ibv_async_event event;

	assert_int_equal(fcntl(ctx->async_fd, F_SETFL, O_NONBLOCK), 0);
	while (!ibv_get_async_event(ctx, &event))
		ibv_ack_async_event(&event);
}

static uint32_t corner(struct culprit *culprit, uint32_t usual, uint32_t most)
{
	uint32_t corners[] = { 0, 1, usual, most };

	return corners[roll(culprit, ARRAY_SIZE(corners))];
}

/* Capabilities of the scribbled queue pair, and of its completion queues: a small one overflows. */
static struct rc corners(struct culprit *culprit, const struct rc *usual)
{
	struct rc rc = *usual;

	rc.sge = corner(culprit, usual->sge, 32);
	rc.inline_data = corner(culprit, usual->inline_data, 512);
	rc.send_wr = corner(culprit, usual->send_wr, 511);
	rc.recv_wr = corner(culprit, usual->recv_wr, 511);
	rc.cqe = corner(culprit, usual->cqe, 4095) ?: usual->cqe;
	return rc;
}

static void culprit_open(struct culprit *culprit)
{
	struct rc rc = rc_default(), own = corners(culprit, &rc);
	struct ibv_pd *pd;

	rc.timeout = 8;		/* 1 ms */
	rc.access |= IBV_ACCESS_FLUSH_GLOBAL;
	culprit->pair.rc = rc;
	end_open(&culprit->pair.b, options.device, &rc);
	culprit->pair.b.qp = end_qp(&culprit->pair.b, &rc);
	end_open(&culprit->pair.a, options.device, &own);
	/* The device refuses a shared receive queue without requests or elements. */
	if (roll(culprit, 2))
		end_srq(&culprit->pair.a, own.recv_wr ?: 1, own.sge ?: 1);
	culprit->pair.a.qp = end_qp(&culprit->pair.a, &own);
	rings_find(culprit->rings, RINGS);
	reconnect(culprit);
	pd = culprit->pair.a.pd;
	culprit->zones[OPEN] = zone_make(pd, ALL_ACCESS | IBV_ACCESS_MW_BIND |
					 IBV_ACCESS_FLUSH_GLOBAL, true);
	culprit->zones[SOURCE] = zone_make(pd, IBV_ACCESS_REMOTE_READ, false);
	culprit->zones[CLOSED] = zone_make(pd, 0, false);
}

/* One process: makes rings and a scribbler, works, and ends in order or without any. */
static void culprit_run(struct culprit *culprit)
{
	struct common *common = culprit->common;
	int pid;

	culprit_open(culprit);
	culprit->pid = getpid();
	pid = child_start(scribbler, culprit);
	for (int i = 0; i < 300; i++)
		step(culprit);
	if (!roll(culprit, 4))
		_exit(0);
	kill(pid, SIGKILL);
	child_wait(pid);
	for (int i = 0; i < ZONES; i++)
		zone_check(&culprit->zones[i]);
	collect_events(culprit->pair.a.ctx);
	collect_events(culprit->pair.b.ctx);
	undo(culprit->pair.a.qp);
	if (roll(culprit, 2))
		undo(culprit->pair.a.rcq);
	common->completions++;
}

static void culprit_child(void *arg)
{
	struct culprit *culprit = scratch(sizeof(*culprit));
	struct common *common = arg;

	*culprit = (struct culprit){
		.common = common, .dice.seed = options.seed * 1000003 + common->episodes,
	};
	culprit_run(culprit);
}

/* --- the third process -------------------------------------------------------------- */

static void guard_child(void *arg)
{
	struct common *common = arg;
	struct rc rc = rc_default();
	struct zone zone;
	struct end end;

	end_open(&end, options.device, &rc);
	zone = zone_make(end.pd, ALL_ACCESS, false);
	common->guard = (uintptr_t)zone_inside(&zone);
	common->guard_key = zone.mr->rkey;
	common->ready = true;
	while (!common->stop) {
		zone_check(&zone);
		sleep_ms(10);
	}
	zone_check(&zone);
}

static struct common *guarded(int *guard)
{
	struct common *common = map_common(sizeof(*common));

	*guard = child_start(guard_child, common);
	for (uint64_t end = now_ms() + PATIENCE; !common->ready; sleep_ms(1))
		assert_true(now_ms() < end);
	return common;
}

/* --- scribbled rings ---------------------------------------------------------------- */

static void episode(struct common *common)
{
	int pid = child_start(culprit_child, common), status = child_wait(pid);

	if (status)
		fail_msg("seed %llu, episode %llu: the culprit's status is %#x",
			 (unsigned long long)options.seed, (unsigned long long)common->episodes,
			 status);
	common->episodes++;
}

static void test_scribbled(void **state)
{
	uint64_t episodes = options.count ?: options.full ? 1000 : 30, messages;
	struct witness witness = witness_start();
	struct common *common;
	int guard;

	(void)state;
	common = guarded(&guard);
	while (common->episodes < episodes) {
		episode(common);
		witness_lives(&witness);
	}
	common->stop = true;
	assert_int_equal(child_wait(guard), 0);
	messages = witness_stop(&witness);
	printf("# %llu episodes, %llu doorbells, %llu completions; %llu honest messages\n",
	       (unsigned long long)episodes, (unsigned long long)common->doorbells,
	       (unsigned long long)common->completions, (unsigned long long)messages);
	assert_true(common->completions > common->doorbells / 4);
}

/* --- a ring without an end ------------------------------------------------------------ */

struct endless {
	struct end end;
	struct ring ring;
	volatile bool *go;
};

/* Posts a new receive request for each one that is taken. */
static void refill(void *arg)
{
	struct endless *endless = arg;
	struct rxe_queue_buf *buf = endless->ring.buf;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	*endless->go = true;
	for (;;)
		__atomic_store_n(&buf->producer_index,
				 (buf->consumer_index - 1) & endless->ring.mask, __ATOMIC_RELAXED);
}

/* A second is far more than the transition needs, and far less than it takes if it does not end. */
static void to_error(void *arg)
{
	struct endless *endless = arg;
	uint64_t start;

	while (!*endless->go)
		sleep_ms(1);
	start = now_ms();
	qp_to(endless->end.qp, IBV_QPS_ERR);
	qp_to(endless->end.qp, IBV_QPS_RESET);
	assert_true(now_ms() - start < 1000ul * options.slow);
}

/* A regression: flushing went on, under a lock, as long as there was something to flush. */
static void test_endless_flush(void **state)
{
	struct rc rc = rc_default();
	struct ring rings[RINGS];
	struct endless endless;
	int pid;

	(void)state;
	rc.recv_wr = 1 << 18;	/* so many that the scheduler may run other tasks for a moment */
	rc.sge = 1;
	end_open(&endless.end, options.device, &rc);
	endless.end.qp = end_qp(&endless.end, &rc);
	qp_init(endless.end.qp, &rc);
	rings_find(rings, RINGS);
	endless.ring = rings[RQ];
	endless.go = map_common(PAGE);
	pid = child_start(to_error, &endless);
	child_start(refill, &endless);
	assert_int_equal(child_wait(pid), 0);
}

/* --- mapping ------------------------------------------------------------------------ */

static void *map_ring(int fd, uint64_t offset, size_t bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, offset);

	return p == MAP_FAILED ? NULL : p;
}

static void refused(int fd, uint64_t offset, size_t bytes)
{
	assert_null(map_ring(fd, offset, bytes, MAP_SHARED));
	assert_int_equal(errno, EINVAL);
}

static size_t pages(size_t bytes)
{
	return (bytes + PAGE - 1) & -PAGE;
}

static void cq_make(int fd, struct raw_cq *cq)
{
	assert_int_equal(raw_cq_create(fd, 100, cq), 0);
	assert_true(cq->bytes > 100 * sizeof(struct ib_uverbs_wc));
}

static void test_map_foreign(void **state)
{
	struct ibv_context *mine = device_open(options.device), *other = device_open(options.device);
	struct raw_cq cq;
	void *ring;

	(void)state;
	cq_make(mine->cmd_fd, &cq);
	refused(other->cmd_fd, cq.offset, cq.bytes);
	ring = map_ring(mine->cmd_fd, cq.offset, cq.bytes, MAP_SHARED);
	assert_non_null(ring);
	refused(other->cmd_fd, cq.offset, cq.bytes);
	refused(mine->cmd_fd, cq.offset, cq.bytes);
	assert_int_equal(munmap(ring, cq.bytes), 0);
	refused(mine->cmd_fd, cq.offset, cq.bytes);
	assert_int_equal(raw_cq_destroy(mine->cmd_fd, &cq), 0);
}

static void test_map_sizes(void **state)
{
	struct ibv_context *ctx = device_open(options.device);
	struct raw_cq cq;
	void *ring;

	(void)state;
	cq_make(ctx->cmd_fd, &cq);
	refused(ctx->cmd_fd, cq.offset, pages(cq.bytes) + PAGE);
	refused(ctx->cmd_fd, cq.offset, 1ul << 40);
	refused(ctx->cmd_fd, cq.offset + PAGE, PAGE);
	refused(ctx->cmd_fd, 1ull << 62, PAGE);
	/* A mapping may be shorter than the ring. */
	ring = map_ring(ctx->cmd_fd, cq.offset, PAGE, MAP_SHARED);
	assert_non_null(ring);
	assert_ptr_equal(mremap(ring, PAGE, 2 * PAGE, MREMAP_MAYMOVE), MAP_FAILED);
	assert_int_equal(munmap(ring, PAGE), 0);
	assert_int_equal(raw_cq_destroy(ctx->cmd_fd, &cq), 0);
}

static void test_map_after_destroy(void **state)
{
	struct ibv_context *ctx = device_open(options.device);
	struct raw_cq cq;
	uint8_t *ring;

	(void)state;
	cq_make(ctx->cmd_fd, &cq);
	assert_int_equal(raw_cq_destroy(ctx->cmd_fd, &cq), 0);
	refused(ctx->cmd_fd, cq.offset, cq.bytes);

	cq_make(ctx->cmd_fd, &cq);
	ring = map_ring(ctx->cmd_fd, cq.offset, cq.bytes, MAP_SHARED);
	assert_non_null(ring);
	assert_int_equal(raw_cq_destroy(ctx->cmd_fd, &cq), 0);
	memset(ring, 0xa5, pages(cq.bytes));
	assert_int_equal(ring[cq.bytes - 1], 0xa5);
	assert_int_equal(munmap(ring, cq.bytes), 0);
}

/* Changes a mapping while completions are added to the ring behind it. */
static void test_map_changed(void **state)
{
	struct rc rc = rc_default();
	struct ring rings[RINGS];
	struct pair pair;
	void *old;

	(void)state;
	rc.timeout = 8;
	pair_open(&pair, &rc);
	rings_find(rings, RINGS);
	old = rings[SCQ].buf;
	for (int i = 0; i < 60; i++) {
		static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
		struct ibv_send_wr wr = { .wr_id = i, .opcode = IBV_WR_RDMA_WRITE };

		assert_int_equal(mprotect(old, rings[SCQ].bytes, protections[i % 3]), 0);
		if (i % 7 == 0)
			madvise(old, rings[SCQ].bytes, i % 2 ? MADV_DONTNEED : MADV_PAGEOUT);
		ibv_post_send(pair.b.qp, &wr, &(struct ibv_send_wr *){ NULL });
		sleep_ms(1);
	}
	assert_int_equal(mprotect(old, rings[SCQ].bytes, PROT_READ | PROT_WRITE), 0);
}

/* A child that shares the mapping, and a child that outlives the queue's owner. */
static void test_map_inherited(void **state)
{
	struct ibv_context *ctx = ibv_open_device(device_open(options.device)->device);
	struct raw_cq cq;
	uint8_t *ring;
	int pid, go[2], status;
	char byte;

	(void)state;
	assert_non_null(ctx);
	assert_int_equal(pipe(go), 0);
	cq_make(ctx->cmd_fd, &cq);
	ring = map_ring(ctx->cmd_fd, cq.offset, cq.bytes, MAP_SHARED);
	assert_non_null(ring);
	pid = fork();
	if (!pid) {
		close(go[1]);
		if (read(go[0], &byte, 1) == 0)
			memset(ring, 0x5a, pages(cq.bytes));
		_exit(0);
	}
	assert_int_equal(raw_cq_destroy(ctx->cmd_fd, &cq), 0);
	assert_int_equal(munmap(ring, cq.bytes), 0);
	assert_int_equal(ibv_close_device(ctx), 0);
	close(go[0]);
	close(go[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A private mapping becomes the process's own copy when it writes. */
static void test_map_private(void **state)
{
	struct ibv_context *ctx = device_open(options.device);
	struct raw_cq cq;
	uint8_t *ring;

	(void)state;
	cq_make(ctx->cmd_fd, &cq);
	ring = map_ring(ctx->cmd_fd, cq.offset, cq.bytes, MAP_PRIVATE);
	if (ring) {
		memset(ring, 0xff, pages(cq.bytes));
		assert_int_equal(munmap(ring, cq.bytes), 0);
	}
	assert_int_equal(raw_cq_destroy(ctx->cmd_fd, &cq), 0);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_map_foreign),
	cmocka_unit_test(test_map_sizes),
	cmocka_unit_test(test_map_after_destroy),
	cmocka_unit_test(test_map_changed),
	cmocka_unit_test(test_map_inherited),
	cmocka_unit_test(test_map_private),
	cmocka_unit_test(test_endless_flush),
	cmocka_unit_test(test_scribbled),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("rings", tests, ARRAY_SIZE(tests));
}
