// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * Commands to the kernel's verbs that no library would write: valid commands, and valid commands with one
 * field, length or pointer changed. Several processes send them; some fork or exit in the middle.
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
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "lib/census.h"
#include "lib/dice.h"
#include "lib/witness.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/uverbs.h"

#define PROCESSES 3
#define ARENA (64 * PAGE)
#define ANSWER (512 * 1024)	/* bytes of the response buffer; no command can ask for more */
#define MAX_WORDS 512
#define KEPT 12			/* objects kept of each type */

enum type { NONE, PD, MR, MW, CQ, QP, AH, CHANNEL, SRQ, TYPES };

/* The path and GID for valid addresses, read once. */
struct home {
	char path[96];
	union ibv_gid gid;
	uint8_t gid_index;
};

/* Counts of all processes together. */
struct tally {
	volatile uint64_t commands, done, made, forks;
};

struct fuzz {
	const struct home *home;
	struct tally *tally;
	struct dice dice;
	int fd;
	uint8_t *arena, *answer;
	uint32_t objects[TYPES][KEPT];
	int n[TYPES];
	uint64_t step;
};

static uint64_t roll(struct fuzz *fuzz, uint64_t n)
{
	return dice_below(&fuzz->dice, n);
}

static uint64_t size(struct fuzz *fuzz)
{
	return dice_size(&fuzz->dice);
}

/* Mostly the handle of an object of this process. */
static uint32_t handle(struct fuzz *fuzz, enum type type)
{
	if (!roll(fuzz, 32))
		type = 1 + roll(fuzz, TYPES - 1);
	if (!fuzz->n[type] || !roll(fuzz, 32))
		return roll(fuzz, 2) ? roll(fuzz, 64) : size(fuzz);
	return fuzz->objects[type][roll(fuzz, fuzz->n[type])];
}

/*
 * A count of things to make. Counts that would use up much of the machine's memory are not part of this test.
 */
static uint32_t amount(struct fuzz *fuzz, uint32_t usual)
{
	uint32_t n = roll(fuzz, 4) ? 1 + roll(fuzz, usual) : size(fuzz);

	return n > 4096 && n < 1 << 23 ? n % 4096 : n;
}

/* A size of a queue or of its requests: none, one, any, the maximum, or one more. */
static uint32_t corner(struct fuzz *fuzz, uint32_t usual, uint32_t most)
{
	uint32_t corners[] = { 0, 1, amount(fuzz, usual), most, most + 1 };

	return corners[roll(fuzz, ARRAY_SIZE(corners))];
}

/* --- valid commands ------------------------------------------------------------------ */

static void fill_nothing(struct fuzz *fuzz, void *body)
{
	(void)fuzz;
	(void)body;
}

static uint32_t access_flags(struct fuzz *fuzz)
{
	uint32_t flags = roll(fuzz, 2) ? ALL_ACCESS : roll(fuzz, 0x200);

	if (roll(fuzz, 2))
		flags |= IBV_ACCESS_ON_DEMAND;
	return roll(fuzz, 8) ? flags : size(fuzz);
}

static void fill_range(struct fuzz *fuzz, __u64 *start, __u64 *length, __u64 *iova)
{
	*start = (uintptr_t)fuzz->arena + roll(fuzz, ARENA / 2);
	*length = 1 + roll(fuzz, ARENA / 2);
	*iova = roll(fuzz, 2) ? *start : (size(fuzz) & -PAGE) | (*start & (PAGE - 1));
	if (!roll(fuzz, 4))
		*length = roll(fuzz, 4) ? size(fuzz) : 0;
	if (!roll(fuzz, 8))
		*start = *iova = roll(fuzz, 2) ? size(fuzz) : -*length;
}

static void fill_reg_mr(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_reg_mr *command = body;

	fill_range(fuzz, &command->start, &command->length, &command->hca_va);
	command->pd_handle = handle(fuzz, PD);
	command->access_flags = access_flags(fuzz);
}

static void fill_rereg_mr(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_rereg_mr *command = body;

	command->mr_handle = handle(fuzz, MR);
	command->flags = roll(fuzz, 8);
	fill_range(fuzz, &command->start, &command->length, &command->hca_va);
	command->pd_handle = handle(fuzz, PD);
	command->access_flags = access_flags(fuzz);
}

static void fill_alloc_mw(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_alloc_mw *command = body;

	command->pd_handle = handle(fuzz, PD);
	command->mw_type = 1 + roll(fuzz, 2);
}

static void fill_create_cq(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_create_cq *command = body;

	/* The maximum is in test_largest_cq(); it would use up much of the machine's memory here, too. */
	command->cqe = corner(fuzz, 300, 4095);
	command->comp_vector = roll(fuzz, 8) ? 0 : size(fuzz);
	command->comp_channel = roll(fuzz, 2) ? -1 : (int)handle(fuzz, CHANNEL);
}

static void fill_resize_cq(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_resize_cq *command = body;

	command->cq_handle = handle(fuzz, CQ);
	command->cqe = corner(fuzz, 1000, 4095);
}

static void fill_poll_cq(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_poll_cq *command = body;

	command->cq_handle = handle(fuzz, CQ);
	command->ne = roll(fuzz, 64);
}

static void fill_notify_cq(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_req_notify_cq *command = body;

	command->cq_handle = handle(fuzz, CQ);
	command->solicited_only = roll(fuzz, 3);
}

static void fill_create_qp(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_create_qp *command = body;

	command->pd_handle = handle(fuzz, PD);
	command->send_cq_handle = handle(fuzz, CQ);
	command->recv_cq_handle = handle(fuzz, CQ);
	/* The maximum would use up much of the machine's memory. */
	command->max_send_wr = corner(fuzz, 100, 2047);
	command->max_recv_wr = corner(fuzz, 100, 2047);
	command->max_send_sge = corner(fuzz, 32, 32);
	command->max_recv_sge = corner(fuzz, 32, 32);
	command->max_inline_data = corner(fuzz, 512, 512);
	command->sq_sig_all = roll(fuzz, 2);
	command->qp_type = roll(fuzz, 8) ? IBV_QPT_RC : roll(fuzz, 16);
	command->is_srq = !roll(fuzz, 4);
	command->srq_handle = command->is_srq ? handle(fuzz, SRQ) : 0;
}

static void fill_create_srq(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_create_srq *command = body;

	command->pd_handle = handle(fuzz, PD);
	command->max_wr = corner(fuzz, 100, 2047);
	command->max_sge = corner(fuzz, 32, 32);
	command->srq_limit = corner(fuzz, 100, 2047);
}

/* The driver's part is an address, where it tells the place of the new ring. */
static void fill_modify_srq(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_modify_srq *command = body;
	uint64_t at = (uintptr_t)fuzz->arena + roll(fuzz, ARENA);

	command->srq_handle = handle(fuzz, SRQ);
	command->attr_mask = roll(fuzz, 8) ? 1 + roll(fuzz, 3) : size(fuzz);
	command->max_wr = corner(fuzz, 100, 2047);
	command->srq_limit = corner(fuzz, 100, 2047);
	if (!roll(fuzz, 8))
		at = size(fuzz);
	memcpy(command->driver_data, &at, sizeof(at));
}

static void fill_query_srq(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_query_srq *command = body;

	command->srq_handle = handle(fuzz, SRQ);
}

static void fill_query_qp(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_query_qp *command = body;

	command->qp_handle = handle(fuzz, QP);
	command->attr_mask = size(fuzz);
}

static void fill_dest(struct fuzz *fuzz, struct ib_uverbs_qp_dest *dest)
{
	memcpy(dest->dgid, &fuzz->home->gid, sizeof(dest->dgid));
	dest->sgid_index = roll(fuzz, 16) ? fuzz->home->gid_index : size(fuzz);
	dest->hop_limit = 8;
	dest->is_global = !!roll(fuzz, 16);
	dest->port_num = roll(fuzz, 16) ? 1 : size(fuzz);
}

/* The state of the queue pair is unknown, so many transitions are refused. */
static void fill_modify_qp(struct fuzz *fuzz, void *body)
{
	static const uint32_t masks[] = {
		[IBV_QPS_RESET] = IBV_QP_STATE,
		[IBV_QPS_INIT] = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				 IBV_QP_ACCESS_FLAGS,
		[IBV_QPS_RTR] = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
				IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER,
		[IBV_QPS_RTS] = IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
				IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC,
		[IBV_QPS_SQD] = IBV_QP_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY,
		[IBV_QPS_SQE] = IBV_QP_STATE,
		[IBV_QPS_ERR] = IBV_QP_STATE,
	};
	struct ib_uverbs_modify_qp *command = body;
	uint32_t state = roll(fuzz, ARRAY_SIZE(masks));
	uint8_t *byte = &command->qp_state;

	fill_dest(fuzz, &command->dest);
	fill_dest(fuzz, &command->alt_dest);
	command->qp_handle = handle(fuzz, QP);
	command->attr_mask = masks[state];
	if (!roll(fuzz, 8))
		command->attr_mask ^= roll(fuzz, 2) ? 1u << roll(fuzz, 32) : size(fuzz);
	command->rq_psn = roll(fuzz, 1 << 24);
	command->sq_psn = roll(fuzz, 1 << 24);
	command->dest_qp_num = roll(fuzz, 256);
	command->qp_access_flags = access_flags(fuzz);
	command->qp_state = state;
	command->cur_qp_state = roll(fuzz, 7);
	command->path_mtu = 1 + roll(fuzz, 3);
	command->max_rd_atomic = roll(fuzz, 20);
	command->max_dest_rd_atomic = roll(fuzz, 20);
	command->min_rnr_timer = roll(fuzz, 32);
	command->port_num = 1;
	command->timeout = roll(fuzz, 20);
	command->retry_cnt = roll(fuzz, 8);
	command->rnr_retry = roll(fuzz, 8);
	if (!roll(fuzz, 8))
		byte[roll(fuzz, 14)] = size(fuzz);
}

static void fill_create_ah(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_create_ah *command = body;

	command->pd_handle = handle(fuzz, PD);
	memcpy(command->attr.grh.dgid, &fuzz->home->gid, 16);
	command->attr.grh.sgid_index = roll(fuzz, 16) ? fuzz->home->gid_index : size(fuzz);
	command->attr.is_global = !!roll(fuzz, 16);
	command->attr.port_num = roll(fuzz, 16) ? 1 : size(fuzz);
}

/* A process posts requests through its rings; this command carries requests itself. */
static void fill_post_send(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_post_send *command = body;

	command->qp_handle = handle(fuzz, QP);
	command->wqe_size = sizeof(struct ib_uverbs_send_wr);
	command->wr_count = roll(fuzz, 2);
	if (command->wr_count)
		command->send_wr[0] = (struct ib_uverbs_send_wr){
			.opcode = roll(fuzz, 20), .send_flags = size(fuzz),
		};
}

static void fill_post_recv(struct fuzz *fuzz, void *body)
{
	struct ib_uverbs_post_recv *command = body;

	command->qp_handle = handle(fuzz, QP);
	command->wqe_size = sizeof(struct ib_uverbs_recv_wr);
	command->wr_count = roll(fuzz, 2);
}

#define FILL_DESTROY(type, field, name)						\
static void fill_##name(struct fuzz *fuzz, void *body)				\
{										\
	struct ib_uverbs_##name *command = body;				\
										\
	command->field = handle(fuzz, type);					\
}

FILL_DESTROY(PD, pd_handle, dealloc_pd)
FILL_DESTROY(MR, mr_handle, dereg_mr)
FILL_DESTROY(MW, mw_handle, dealloc_mw)
FILL_DESTROY(CQ, cq_handle, destroy_cq)
FILL_DESTROY(QP, qp_handle, destroy_qp)
FILL_DESTROY(AH, ah_handle, destroy_ah)
FILL_DESTROY(SRQ, srq_handle, destroy_srq)

/* --- the table ------------------------------------------------------------------------- */

struct command {
	uint32_t id;
	void (*fill)(struct fuzz *fuzz, void *body);
	size_t in, out;		/* bytes behind the header, and of the response with the driver's part */
	bool answers;		/* begins with the address of the response */
	enum type makes, ends;
};

#define COMMAND(ID, name) \
	.id = IB_USER_VERBS_CMD_##ID, .in = sizeof(struct ib_uverbs_##name), .fill = fill_##name

static const struct command commands[] = {
	{ .id = IB_USER_VERBS_CMD_QUERY_DEVICE, .in = 8, .fill = fill_nothing, .answers = true,
	  .out = sizeof(struct ib_uverbs_query_device_resp) },
	{ .id = IB_USER_VERBS_CMD_ALLOC_PD, .in = 8, .fill = fill_nothing, .answers = true,
	  .out = sizeof(struct ib_uverbs_alloc_pd_resp), .makes = PD },
	{ .id = IB_USER_VERBS_CMD_CREATE_COMP_CHANNEL, .in = 8, .fill = fill_nothing,
	  .out = 4, .answers = true, .makes = CHANNEL },
	{ COMMAND(REG_MR, reg_mr), .out = sizeof(struct ib_uverbs_reg_mr_resp), .answers = true,
	  .makes = MR },
	{ COMMAND(REREG_MR, rereg_mr), .out = sizeof(struct ib_uverbs_rereg_mr_resp),
	  .answers = true },
	{ COMMAND(ALLOC_MW, alloc_mw), .out = sizeof(struct ib_uverbs_alloc_mw_resp),
	  .answers = true, .makes = MW },
	{ COMMAND(CREATE_CQ, create_cq), .answers = true, .makes = CQ,
	  .out = sizeof(struct ib_uverbs_create_cq_resp) + sizeof(struct rxe_create_cq_resp) },
	{ COMMAND(RESIZE_CQ, resize_cq), .answers = true,
	  .out = sizeof(struct ib_uverbs_resize_cq_resp) + sizeof(struct rxe_resize_cq_resp) },
	{ COMMAND(POLL_CQ, poll_cq), .answers = true,
	  .out = sizeof(struct ib_uverbs_poll_cq_resp) + 64 * sizeof(struct ib_uverbs_wc) },
	{ .id = IB_USER_VERBS_CMD_REQ_NOTIFY_CQ, .in = sizeof(struct ib_uverbs_req_notify_cq),
	  .fill = fill_notify_cq },
	{ COMMAND(CREATE_QP, create_qp), .answers = true, .makes = QP,
	  .out = sizeof(struct ib_uverbs_create_qp_resp) + sizeof(struct rxe_create_qp_resp) },
	{ COMMAND(QUERY_QP, query_qp), .out = sizeof(struct ib_uverbs_query_qp_resp),
	  .answers = true },
	{ COMMAND(MODIFY_QP, modify_qp) }, { COMMAND(MODIFY_QP, modify_qp) },
	{ COMMAND(MODIFY_QP, modify_qp) }, { COMMAND(MODIFY_QP, modify_qp) },
	{ COMMAND(CREATE_SRQ, create_srq), .answers = true, .makes = SRQ,
	  .out = sizeof(struct ib_uverbs_create_srq_resp) + sizeof(struct rxe_create_srq_resp) },
	{ .id = IB_USER_VERBS_CMD_MODIFY_SRQ, .fill = fill_modify_srq,
	  .in = sizeof(struct ib_uverbs_modify_srq) + sizeof(struct rxe_modify_srq_cmd) },
	{ COMMAND(QUERY_SRQ, query_srq), .out = sizeof(struct ib_uverbs_query_srq_resp),
	  .answers = true },
	{ COMMAND(CREATE_AH, create_ah), .answers = true, .makes = AH,
	  .out = sizeof(struct ib_uverbs_create_ah_resp) + sizeof(struct rxe_create_ah_resp) },
	{ .id = IB_USER_VERBS_CMD_POST_SEND, .fill = fill_post_send, .answers = true, .out = 4,
	  .in = sizeof(struct ib_uverbs_post_send) + sizeof(struct ib_uverbs_send_wr) },
	{ .id = IB_USER_VERBS_CMD_POST_RECV, .fill = fill_post_recv, .answers = true, .out = 4,
	  .in = sizeof(struct ib_uverbs_post_recv) + sizeof(struct ib_uverbs_recv_wr) },
	{ COMMAND(DEALLOC_PD, dealloc_pd), .ends = PD },
	{ COMMAND(DEREG_MR, dereg_mr), .ends = MR },
	{ COMMAND(DEALLOC_MW, dealloc_mw), .ends = MW },
	{ COMMAND(DESTROY_CQ, destroy_cq), .out = sizeof(struct ib_uverbs_destroy_cq_resp),
	  .answers = true, .ends = CQ },
	{ COMMAND(DESTROY_QP, destroy_qp), .out = sizeof(struct ib_uverbs_destroy_qp_resp),
	  .answers = true, .ends = QP },
	{ COMMAND(DESTROY_AH, destroy_ah), .ends = AH },
	{ COMMAND(DESTROY_SRQ, destroy_srq), .out = sizeof(struct ib_uverbs_destroy_srq_resp),
	  .answers = true, .ends = SRQ },
};

/* --- invalid commands, and sending ------------------------------------------------------- */

/* A command as the kernel receives it. */
struct message {
	struct ib_uverbs_cmd_hdr header;
	uint32_t words[MAX_WORDS];
};

static uint64_t pointer(struct fuzz *fuzz)
{
	uint64_t pointers[] = { 0, 8, (uintptr_t)fuzz->answer + 1, (uintptr_t)fuzz->answer + ANSWER - 8,
				1ull << 47, ~0ull - 7, 0xffffffff81000000 };

	return pointers[roll(fuzz, ARRAY_SIZE(pointers))];
}

/* Changes a word. Counts stay as amount() chose them; the other words may become anything. */
static void wrong_word(struct fuzz *fuzz, const struct command *command, struct message *message)
{
	size_t first = command->answers ? 2 : 0, n = command->in / 4;
	uint32_t value = size(fuzz);

	if (n > first)
		message->words[first + roll(fuzz, n - first)] =
			value > 4096 && value < 1 << 23 ? value % 4096 : value;
}

static void spoil(struct fuzz *fuzz, const struct command *command, struct message *message)
{
	uint64_t answer = pointer(fuzz);

	switch (roll(fuzz, 6)) {
	case 0:
		message->header.in_words = roll(fuzz, 4) ? roll(fuzz, command->in / 4 + 18) :
							   roll(fuzz, 65536);
		break;
	case 1:
		message->header.out_words = roll(fuzz, 4) ? roll(fuzz, 32) : roll(fuzz, 65536);
		break;
	case 2:
		if (command->answers)
			memcpy(message->words, &answer, sizeof(answer));
		break;
	case 3:
		message->header.command = roll(fuzz, 2) ? roll(fuzz, 64) :
					  message->header.command | 1u << (24 + roll(fuzz, 8));
		break;
	default:
		wrong_word(fuzz, command, message);
		break;
	}
}

static void keep(struct fuzz *fuzz, enum type type)
{
	uint32_t made;

	memcpy(&made, fuzz->answer, sizeof(made));
	fuzz->tally->made++;
	if (fuzz->n[type] == KEPT)
		fuzz->n[type]--;
	fuzz->objects[type][fuzz->n[type]++] = made;
}

/* Keeps account of a command that was sent unchanged; objects of other commands are not tracked. */
static void account(struct fuzz *fuzz, const struct command *command, uint32_t object)
{
	fuzz->tally->done++;
	if (command->makes)
		keep(fuzz, command->makes);
	for (int i = 0; command->ends && i < fuzz->n[command->ends]; i++) {
		uint32_t *objects = fuzz->objects[command->ends];

		if (objects[i] == object)
			objects[i--] = objects[--fuzz->n[command->ends]];
	}
}

static void run_command(struct fuzz *fuzz)
{
	const struct command *command = &commands[roll(fuzz, ARRAY_SIZE(commands))];
	uint64_t answer = (uintptr_t)fuzz->answer;
	struct message message = {};
	bool wrong = !roll(fuzz, 3);
	size_t len;

	command->fill(fuzz, message.words);
	if (command->answers)
		memcpy(message.words, &answer, sizeof(answer));
	message.header.command = command->id;
	message.header.in_words = (sizeof(message.header) + command->in) / 4;
	message.header.out_words = command->out / 4;
	if (wrong)
		spoil(fuzz, command, &message);
	len = message.header.in_words * 4ul;
	if (len < sizeof(message.header) || len > sizeof(message) || (wrong && !roll(fuzz, 8)))
		len = sizeof(message.header) + roll(fuzz, sizeof(message) - sizeof(message.header));
	fuzz->tally->commands++;
	if (write(fuzz->fd, &message, len) >= 0 && !wrong)
		account(fuzz, command, message.words[command->answers ? 2 : 0]);
}

/* --- processes ---------------------------------------------------------------------------- */

static void fuzz_open(struct fuzz *fuzz)
{
	struct ib_uverbs_get_context command = {};
	struct ib_uverbs_get_context_resp answer;

	fuzz->arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fuzz->answer = mmap(NULL, ANSWER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(fuzz->arena != MAP_FAILED && fuzz->answer != MAP_FAILED);
	fuzz->fd = open(fuzz->home->path, O_RDWR | O_CLOEXEC);
	assert_true(fuzz->fd >= 0);
	assert_int_equal(uverbs_command(fuzz->fd, IB_USER_VERBS_CMD_GET_CONTEXT, &command,
					sizeof(command), &answer, sizeof(answer)), 0);
}

/* Forks a process that goes on with the same objects at the same time. */
static void fork_one(struct fuzz *fuzz, uint64_t steps)
{
	int pid = fork();

	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fuzz->tally->forks++;
	fuzz->dice.seed = ~fuzz->dice.seed;
	while (steps--)
		run_command(fuzz);
	_exit(0);
}

/* Exits with all of its objects still there. */
static void fuzz_child(void *arg)
{
	struct fuzz *fuzz = arg;
	uint64_t steps = 300 + roll(fuzz, 300);

	fuzz_open(fuzz);
	signal(SIGCHLD, SIG_IGN);
	for (fuzz->step = 0; fuzz->step < steps; fuzz->step++) {
		if (!roll(fuzz, 200))
			fork_one(fuzz, roll(fuzz, 100));
		run_command(fuzz);
	}
}

static void home_find(struct home *home)
{
	struct rc rc = rc_default();
	struct end end;

	end_open(&end, options.device, &rc);
	home->gid = end.gid;
	home->gid_index = end.gid_index;
	snprintf(home->path, sizeof(home->path), "/dev/infiniband/%s",
		 end.ctx->device->dev_name);
}

static void round_of(const struct home *home, struct tally *tally, uint64_t round)
{
	struct fuzz fuzz[PROCESSES] = {};
	int pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++) {
		fuzz[i].home = home;
		fuzz[i].tally = tally;
		fuzz[i].dice.seed = (options.seed * 1000003 + round) * PROCESSES + i;
		pids[i] = child_start(fuzz_child, &fuzz[i]);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status = child_wait(pids[i]);

		if (status)
			fail_msg("seed %llu, round %llu: process %d has status %#x",
				 (unsigned long long)options.seed, (unsigned long long)round, i, status);
	}
}

static void test_commands(void **state)
{
	uint64_t count = options.count ?: options.full ? 300000 : 30000, messages, round = 0;
	struct witness witness;
	struct home home = {};
	struct tally *tally;
	struct census before;
	int fd;

	(void)state;
	tally = map_memfd(sizeof(*tally), &fd);
	home_find(&home);
	witness = witness_start();
	before = census_take();
	for (; tally->commands < count; round++) {
		round_of(&home, tally, round);
		witness_lives(&witness);
	}
	census_same(&before);
	messages = witness_stop(&witness);
	printf("# %llu commands in %llu rounds: %llu valid ones done, %llu objects made, %llu forks; "
	       "%llu honest messages\n", (unsigned long long)tally->commands,
	       (unsigned long long)round, (unsigned long long)tally->done,
	       (unsigned long long)tally->made, (unsigned long long)tally->forks,
	       (unsigned long long)messages);
	assert_true(tally->done > count / 8);
	assert_true(tally->made > count / 20);
}

/* Requests belong into the ring. Requests that came with the command once bypassed all checks. */
static void test_requests_in_command(void **state)
{
	struct {
		struct ib_uverbs_post_send core;
		struct ib_uverbs_send_wr wr;
	} command = { .core = { .wr_count = 1, .wqe_size = sizeof(struct ib_uverbs_send_wr) },
		      .wr = { .opcode = IBV_WR_RDMA_WRITE, .send_flags = IBV_SEND_SIGNALED } };
	struct ib_uverbs_post_send_resp answer;
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	command.core.qp_handle = pair.a.qp->handle;
	assert_int_equal(uverbs_command(pair.a.ctx->cmd_fd, IB_USER_VERBS_CMD_POST_SEND, &command,
					sizeof(command), &answer, sizeof(answer)), EINVAL);
	expect_quiet(pair.a.scq, 20);
}

/* Makes the largest completion queues that the device reports, one after the other. */
static void test_largest_cq(void **state)
{
	struct ibv_context *ctx = device_open(options.device);
	struct census before = census_take();
	struct ibv_device_attr attr;
	struct raw_cq cq;

	(void)state;
	assert_int_equal(ibv_query_device(ctx, &attr), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(raw_cq_create(ctx->cmd_fd, attr.max_cqe, &cq), 0);
		assert_int_equal(raw_cq_destroy(ctx->cmd_fd, &cq), 0);
	}
	assert_int_equal(raw_cq_create(ctx->cmd_fd, attr.max_cqe + 1, &cq), EINVAL);
	assert_int_equal(raw_cq_create(ctx->cmd_fd, ~0u, &cq), EINVAL);
	assert_int_equal(raw_cq_create(ctx->cmd_fd, 0, &cq), EINVAL);
	census_same(&before);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_requests_in_command),
	cmocka_unit_test(test_largest_cq),
	cmocka_unit_test(test_commands),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("commands", tests, ARRAY_SIZE(tests));
}
