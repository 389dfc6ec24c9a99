// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/lanes.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/test.h"

#define PIECES 3
#define ACCESS (ALL_ACCESS | IBV_ACCESS_FLUSH_GLOBAL)
#define SLOWEST (8ul * PATIENCE)	/* limit for one request while memory is reclaimed */

/* One step of a lane: a request, or something that the CPU does to the lane's memory. */
struct step {
	const char *name;
	enum ibv_wr_opcode opcode;
	bool outward;		/* the area is the requester's memory, not its peer's */
	void (*before)(struct lane *lane);	/* called before the request */
	void (*by_cpu)(struct lane *lane);	/* instead of a request */
	bool gives_up;		/* discards bytes */
	bool (*fits)(const struct kind *kind);
};

struct lane {
	struct lanes *lanes;
	unsigned int number;
	const char *kind;
	struct pair pair;
	struct ibv_qp_ex *ex;		/* of pair.a's queue pair */
	struct buf near, far;		/* pinned memory at the requester and at its peer */
	struct area *area;
	struct ibv_mr *near_area, *far_area;
	uint8_t *at, *want;		/* the lane's part, and its expected bytes */
	size_t span;
	struct dice dice;

	const struct step *step;	/* NULL: no step under way */
	size_t offset, len;
	uint64_t steps, since, operand, swap;
	unsigned int missing;		/* outstanding completions */
	char what[160];
};

/* --- the CPU's side ----------------------------------------------------------------- */

static uint8_t *lane_at(const struct lane *lane)
{
	return lane->at + lane->offset;
}

static uint8_t *lane_want(const struct lane *lane)
{
	return lane->want + lane->offset;
}

/* Makes some pages equal to others, so that KSM finds something to merge. */
static void new_bytes(struct lane *lane, void *to)
{
	if (dice_one_in(&lane->dice, 3))
		memset(to, 1 + dice_below(&lane->dice, 3), lane->len);
	else
		pattern_fill(to, lane->len, 0, dice_roll(&lane->dice));
}

static void whole_pages(struct lane *lane)
{
	size_t end = (lane->offset + lane->len + PAGE - 1) & ~(PAGE - 1);

	lane->offset &= ~(PAGE - 1);
	lane->len = end - lane->offset;
}

static void want_backing(struct lane *lane)
{
	const struct area *area = lane->area;

	if (area->kind->backing == ZEROES)
		memset(lane_want(lane), 0, lane->len);
	else if (area->kind->backing == ITS_FILE)
		memcpy(lane_want(lane), area->file + (lane_at(lane) - area->at), lane->len);
}

static void give_up(struct lane *lane)
{
	whole_pages(lane);
	assert_int_equal(madvise(lane_at(lane), lane->len, MADV_DONTNEED), 0);
	want_backing(lane);
}

static void map_anew(struct lane *lane)
{
	const struct area *area = lane->area;
	uint8_t *p;

	whole_pages(lane);
	p = mmap(lane_at(lane), lane->len, PROT_READ | PROT_WRITE, area->map_flags | MAP_FIXED,
		 area->fd, lane_at(lane) - area->p);
	assert_ptr_equal(p, lane_at(lane));
	want_backing(lane);
}

static void punch(struct lane *lane)
{
	whole_pages(lane);
	assert_int_equal(madvise(lane_at(lane), lane->len, MADV_REMOVE), 0);
	memset(lane_want(lane), 0, lane->len);
}

/* Bytes written after MADV_FREE must be kept, although the page table entry is clean. */
static void free_lazily(struct lane *lane)
{
	whole_pages(lane);
	assert_int_equal(madvise(lane_at(lane), lane->len, MADV_FREE), 0);
}

static void protect_and_back(struct lane *lane)
{
	whole_pages(lane);
	assert_int_equal(mprotect(lane_at(lane), lane->len, PROT_NONE), 0);
	assert_int_equal(mprotect(lane_at(lane), lane->len, PROT_READ), 0);
	assert_int_equal(mprotect(lane_at(lane), lane->len, PROT_READ | PROT_WRITE), 0);
}

static void rewrite(struct lane *lane)
{
	new_bytes(lane, lane_want(lane));
	memcpy(lane_at(lane), lane_want(lane), lane->len);
}

static void look(struct lane *lane)
{
	memcpy(lane->near.p, lane_at(lane), lane->len);
	same_bytes(lane->near.p, lane_want(lane), lane->len, lane->what);
}

/* --- steps --------------------------------------------------------------------------- */

static bool any(const struct kind *kind)
{
	(void)kind;
	return true;
}

static bool has_small_pages(const struct kind *kind)
{
	return !kind->hugetlb;
}

static bool is_anonymous(const struct kind *kind)
{
	return kind->backing == ZEROES && !kind->hugetlb;
}

static bool is_shared(const struct kind *kind)
{
	return kind->backing == ITSELF && !kind->hugetlb;
}

static bool can_flush(const struct kind *kind)
{
	(void)kind;
	return HAVE_FLUSH;
}

static const struct step steps[] = {
	{ "write", IBV_WR_RDMA_WRITE, .fits = any },
	{ "write with immediate", IBV_WR_RDMA_WRITE_WITH_IMM, .fits = any },
	{ "write to lazily freed memory", IBV_WR_RDMA_WRITE, .before = free_lazily,
	  .fits = is_anonymous },
	{ "read", IBV_WR_RDMA_READ, .fits = any },
	{ "send", IBV_WR_SEND, .fits = any },
	{ "send with immediate", IBV_WR_SEND_WITH_IMM, .fits = any },
	{ "fetch-and-add", IBV_WR_ATOMIC_FETCH_AND_ADD, .fits = any },
	{ "compare-and-swap", IBV_WR_ATOMIC_CMP_AND_SWP, .fits = any },
	{ "atomic write", IBV_WR_ATOMIC_WRITE, .fits = any },
	{ "flush", IBV_WR_FLUSH, .fits = can_flush },
	{ "write from the area", IBV_WR_RDMA_WRITE, .outward = true, .fits = any },
	{ "read into the area", IBV_WR_RDMA_READ, .outward = true, .fits = any },
	{ "send from the area", IBV_WR_SEND, .outward = true, .fits = any },
	{ "atomic's result", IBV_WR_ATOMIC_FETCH_AND_ADD, .outward = true, .fits = any },
	{ "discarded", .by_cpu = give_up, .gives_up = true, .fits = has_small_pages },
	{ "mapped again", .by_cpu = map_anew, .gives_up = true, .fits = has_small_pages },
	{ "hole punched", .by_cpu = punch, .gives_up = true, .fits = is_shared },
	{ "protected and restored", .by_cpu = protect_and_back, .fits = has_small_pages },
	{ "CPU writes", .by_cpu = rewrite, .fits = any },
	{ "CPU reads", .by_cpu = look, .fits = any },
};

static const struct step plain_write = { .name = "fill", .opcode = IBV_WR_RDMA_WRITE };
static const struct step plain_read = { .name = "check", .opcode = IBV_WR_RDMA_READ };

static bool is_word(const struct step *step)
{
	return step->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ||
	       step->opcode == IBV_WR_ATOMIC_CMP_AND_SWP || step->opcode == IBV_WR_ATOMIC_WRITE;
}

static bool is_fetch(const struct step *step)
{
	return step->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ||
	       step->opcode == IBV_WR_ATOMIC_CMP_AND_SWP;
}

static bool is_send(const struct step *step)
{
	return step->opcode == IBV_WR_SEND || step->opcode == IBV_WR_SEND_WITH_IMM;
}

static bool has_immediate(const struct step *step)
{
	return step->opcode == IBV_WR_SEND_WITH_IMM || step->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
}

/* Returns whether the bytes go into the area. */
static bool is_into(const struct step *step)
{
	return (step->opcode == IBV_WR_RDMA_READ) == step->outward;
}

static struct buf *lane_other(struct lane *lane)
{
	return lane->step->outward ? &lane->far : &lane->near;
}

static uint64_t word_at(const void *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static void set_word(void *p, uint64_t word)
{
	memcpy(p, &word, sizeof(word));
}

/* --- a request ------------------------------------------------------------------------ */

/* Stores the bytes that go into the area at their source, and expects them in the area. */
static void request_prepare(struct lane *lane)
{
	const struct step *step = lane->step;
	struct buf *other = lane_other(lane);

	if (step->opcode == IBV_WR_FLUSH)
		return;
	if (is_fetch(step) && !step->outward) {
		bool matches = dice_one_in(&lane->dice, 2);

		lane->operand = dice_roll(&lane->dice);
		lane->swap = dice_roll(&lane->dice);
		if (step->opcode == IBV_WR_ATOMIC_CMP_AND_SWP && matches)
			lane->operand = word_at(lane_want(lane));
	} else if (is_fetch(step)) {
		lane->operand = dice_roll(&lane->dice);
		set_word(other->p, dice_roll(&lane->dice));
		memcpy(lane_want(lane), other->p, lane->len);
	} else if (is_into(step)) {
		new_bytes(lane, other->p);
		memcpy(lane_want(lane), other->p, lane->len);
	} else {
		memset(other->p, 0x5a, lane->len);
	}
}

static void fetch_check(struct lane *lane)
{
	uint64_t old = word_at(lane_want(lane));

	same_bytes(lane->near.p, &old, sizeof(old), lane->what);
	if (lane->step->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD)
		set_word(lane_want(lane), old + lane->operand);
	else if (old == lane->operand)
		set_word(lane_want(lane), lane->swap);
}

static void request_check(struct lane *lane)
{
	const struct step *step = lane->step;

	if (step->opcode == IBV_WR_FLUSH)
		return;
	if (is_fetch(step)) {
		if (!step->outward)
			fetch_check(lane);
	} else if (!is_into(step)) {
		same_bytes(lane_other(lane)->p, lane_want(lane), lane->len, lane->what);
	}
}

/* Splits @len bytes from @addr on into one or several elements. */
static int pieces(struct lane *lane, uint64_t addr, uint32_t lkey, struct ibv_sge *list)
{
	size_t done = 0;
	int n = 0;

	while (n < PIECES - 1 && lane->len - done > 8 && dice_one_in(&lane->dice, 3)) {
		size_t part = 1 + dice_below(&lane->dice, lane->len - done - 1);

		list[n++] = (struct ibv_sge){ addr + done, part, lkey };
		done += part;
	}
	list[n++] = (struct ibv_sge){ addr + done, lane->len - done, lkey };
	return n;
}

static int pieces_of_area(struct lane *lane, const struct ibv_mr *mr, struct ibv_sge *list)
{
	return pieces(lane, (uintptr_t)lane_at(lane), mr->lkey, list);
}

static int pieces_of_buf(struct lane *lane, const struct buf *buf, struct ibv_sge *list)
{
	return pieces(lane, (uintptr_t)buf->p, buf->mr->lkey, list);
}

static void post_arrival(struct lane *lane)
{
	struct ibv_sge list[PIECES];
	int n = 0;

	if (is_send(lane->step))
		n = lane->step->outward ? pieces_of_buf(lane, &lane->far, list) :
					  pieces_of_area(lane, lane->far_area, list);
	else if (!has_immediate(lane->step))
		return;
	post_recv(&lane->pair.b, lane->steps, list, n);
	lane->missing++;
}

/* Posts the opcodes that ibv_post_send() does not have. */
static void post_ex(struct lane *lane)
{
	uint64_t to = (uintptr_t)lane_at(lane);

	ibv_wr_start(lane->ex);
	lane->ex->wr_id = lane->steps;
	lane->ex->wr_flags = 0;
	if (lane->step->opcode == IBV_WR_FLUSH)
		ibv_wr_flush(lane->ex, lane->far_area->rkey, to, lane->len, IBV_FLUSH_GLOBAL,
			     IBV_FLUSH_RANGE);
	else
		ibv_wr_atomic_write(lane->ex, lane->far_area->rkey, to, lane->near.p);
	assert_int_equal(ibv_wr_complete(lane->ex), 0);
}

static void set_remote(const struct lane *lane, struct ibv_send_wr *wr)
{
	uint64_t addr = lane->step->outward ? (uintptr_t)lane->far.p : (uintptr_t)lane_at(lane);
	uint32_t rkey = lane->step->outward ? lane->far.mr->rkey : lane->far_area->rkey;

	if (is_fetch(lane->step)) {
		wr->wr.atomic.remote_addr = addr;
		wr->wr.atomic.rkey = rkey;
		wr->wr.atomic.compare_add = lane->operand;
		wr->wr.atomic.swap = lane->swap;
	} else if (!is_send(lane->step)) {
		wr->wr.rdma.remote_addr = addr;
		wr->wr.rdma.rkey = rkey;
	}
}

static void request_post(struct lane *lane)
{
	struct ibv_sge list[PIECES];
	struct ibv_send_wr wr = {
		.wr_id = lane->steps, .opcode = lane->step->opcode, .sg_list = list,
		.imm_data = htobe32((uint32_t)lane->steps),
	};

	lane->missing = 1;
	if (wr.opcode == IBV_WR_FLUSH || wr.opcode == IBV_WR_ATOMIC_WRITE) {
		post_ex(lane);
		return;
	}
	wr.num_sge = lane->step->outward ? pieces_of_area(lane, lane->near_area, list) :
					   pieces_of_buf(lane, &lane->near, list);
	set_remote(lane, &wr);
	post_arrival(lane);
	post_send(&lane->pair.a, &wr);
}

static void completion_check(const struct lane *lane, const struct ibv_wc *wc, bool arrival)
{
	if (wc->status != IBV_WC_SUCCESS)
		fail_msg("%s: completed with %s", lane->what, ibv_wc_status_str(wc->status));
	if (wc->wr_id != lane->steps)
		fail_msg("%s: completion of step %llu", lane->what,
			 (unsigned long long)wc->wr_id);
	if (!arrival)
		return;
	assert_int_equal(wc->byte_len, lane->len);
	if (has_immediate(lane->step))
		assert_int_equal(be32toh(wc->imm_data), (uint32_t)lane->steps);
}

/* --- a lane ---------------------------------------------------------------------------- */

static void step_begin(struct lane *lane, const struct step *step)
{
	lane->step = step;
	lane->since = now_ms();
	lane->steps++;
	snprintf(lane->what, sizeof(lane->what),
		 "seed %llu, %s, lane %u (%s), step %llu, %s: %zu bytes at %zu",
		 (unsigned long long)options.seed, lane->lanes->name, lane->number, lane->kind,
		 (unsigned long long)lane->steps, step->name, lane->len, lane->offset);
	if (step->by_cpu) {
		step->by_cpu(lane);
		return;
	}
	if (step->before)
		step->before(lane);
	request_prepare(lane);
	request_post(lane);
}

static bool may(const struct lane *lane, const struct step *step)
{
	return step->fits(lane->area->kind) &&
	       (!lane->lanes->rdma_only || !step->by_cpu || step->gives_up);
}

static void lane_begin(struct lane *lane)
{
	const struct step *step;

	do
		step = &steps[dice_below(&lane->dice, ARRAY_SIZE(steps))];
	while (!may(lane, step));
	lane->len = 1 + dice_below(&lane->dice, dice_one_in(&lane->dice, 4) ? LANE_MOST : 5000);
	lane->offset = dice_below(&lane->dice, lane->span - lane->len);
	if (is_word(step)) {
		lane->len = 8;
		lane->offset &= ~7ul;
	}
	step_begin(lane, step);
}

/* Polls for completions; returns true when nothing is under way any more. */
static bool lane_poll(struct lane *lane)
{
	struct ibv_wc wc;

	while (lane->missing) {
		bool arrival = false;

		if (ibv_poll_cq(lane->pair.a.scq, 1, &wc) != 1) {
			if (ibv_poll_cq(lane->pair.b.rcq, 1, &wc) != 1)
				break;
			arrival = true;
		}
		completion_check(lane, &wc, arrival);
		lane->missing--;
	}
	if (lane->missing && now_ms() - lane->since > SLOWEST)
		fail_msg("%s: did not complete within %llu ms", lane->what, (unsigned long long)SLOWEST);
	return !lane->missing;
}

static void lane_end(struct lane *lane)
{
	struct lanes *lanes = lane->lanes;

	if (!lane->step->by_cpu) {
		request_check(lane);
		lanes->messages++;
		lanes->bytes += lane->len;
	}
	lanes->steps++;
	lane->step = NULL;
}

void lanes_run(struct lanes *lanes, uint64_t until)
{
	bool busy = true;

	while (busy) {
		bool more = now_ms() < until;

		busy = more;
		for (unsigned int i = 0; i < lanes->n; i++) {
			struct lane *lane = lanes->lane[i];

			if (!lane->step && more)
				lane_begin(lane);
			if (lane->step && lane_poll(lane))
				lane_end(lane);
			busy |= lane->step != NULL;
		}
		sched_yield();
	}
}

/* Runs one request of @step after the other over all of the memory, in all lanes at once. */
static void lanes_sweep(struct lanes *lanes, const struct step *step)
{
	bool busy = true;

	for (size_t at = 0; busy; at += LANE_MOST) {
		busy = false;
		for (unsigned int i = 0; i < lanes->n; i++) {
			struct lane *lane = lanes->lane[i];

			if (at >= lane->span)
				continue;
			lane->offset = at;
			lane->len = lane->span - at < LANE_MOST ? lane->span - at : LANE_MOST;
			step_begin(lane, step);
			busy = true;
		}
		for (unsigned int i = 0; i < lanes->n; i++) {
			struct lane *lane = lanes->lane[i];

			if (!lane->step)
				continue;
			while (!lane_poll(lane))
				sched_yield();
			lane_end(lane);
		}
	}
}

void lanes_fill(struct lanes *lanes)
{
	lanes_sweep(lanes, &plain_write);
}

void lanes_check(struct lanes *lanes)
{
	lanes_sweep(lanes, &plain_read);
}

static void lane_connect(struct lane *lane, const char *peer)
{
	struct rc rc = rc_default();

	rc.timeout = 18;	/* 1 s: the events of the memory slow the machine down */
	rc.mtu = lane->number % 2 ? IBV_MTU_4096 : IBV_MTU_1024;
	rc.access = ACCESS;
	rc.send_wr = rc.recv_wr = 4;
	rc.cqe = 16;
	lane->pair.rc = rc;
	end_open(&lane->pair.a, options.device, &rc);
	end_open(&lane->pair.b, peer, &rc);
	lane->pair.a.qp = end_qp_ex(&lane->pair.a, &rc,
				    IBV_QP_EX_WITH_FLUSH | IBV_QP_EX_WITH_ATOMIC_WRITE);
	lane->pair.b.qp = end_qp(&lane->pair.b, &rc);
	lane->ex = ibv_qp_to_qp_ex(lane->pair.a.qp);
	pair_connect(&lane->pair);
}

/* Pinned, and not inherited by a fork. */
static struct buf staging(struct ibv_pd *pd)
{
	size_t len = LANE_MOST + 2 * PAGE;	/* a message, and the pages around it */
	uint8_t *p = map_shared(len);

	return (struct buf){ .p = p, .len = len, .fd = -1, .mr = reg(pd, p, len, ACCESS) };
}

void lanes_add(struct lanes *lanes, struct area *area, size_t from, size_t len, const char *peer)
{
	struct lane *lane = scratch(sizeof(*lane));

	assert_true(lanes->n < LANES_MAX && len > LANE_MOST);
	*lane = (struct lane){
		.lanes = lanes, .number = lanes->n, .kind = area->kind->name, .area = area,
		.at = area->at + from, .want = area->want + from, .span = len,
		.dice = { .seed = lanes->seed * LANES_MAX + lanes->n },
	};
	lane_connect(lane, peer);
	need_odp(lane->pair.a.ctx);
	lane->near = staging(lane->pair.a.pd);
	lane->far = staging(lane->pair.b.pd);
	lane->near_area = reg(lane->pair.a.pd, lane->at, len, ACCESS | IBV_ACCESS_ON_DEMAND);
	lane->far_area = reg(lane->pair.b.pd, lane->at, len, ACCESS | IBV_ACCESS_ON_DEMAND);
	lanes->lane[lanes->n++] = lane;
}
