// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * Methods of the kernel's verbs, called as the library calls them except for one thing: this test intercepts
 * every ioctl of the library and changes an attribute, its length or its pointer. Several processes do so,
 * and some exit in the middle.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "lib/census.h"
#include "lib/dice.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/test.h"
#include "lib/witness.h"

#define PROCESSES 3
#define ARENA (64 * PAGE)
#define MAX_ATTRS 32
#define KEPT 8

/* --- between the library and the kernel ------------------------------------------------- */

struct tally {
	volatile uint64_t methods, spoiled, accepted, killed;
};

/* The state of this process. */
static struct tally *tally;
static struct dice dice;
static bool spoil;
static uint8_t *arena;

static uint64_t roll(uint64_t n)
{
	return dice_below(&dice, n);
}

/* Counts of objects stay small: this test must not use up the memory. */
static uint64_t tame(uint64_t value)
{
	return (uint32_t)value > 4096 && (uint32_t)value < 1 << 23 ? value % 4096 : value;
}

/* The kernel writes to some of these pointers: they must not point to memory that the process needs. */
static uint64_t pointer(void)
{
	uint64_t pointers[] = { 0, 8, (uintptr_t)arena, (uintptr_t)arena + ARENA - 4, 1ull << 47,
				-8ull, 0xffffffff81000000 };

	return pointers[roll(ARRAY_SIZE(pointers))];
}

static void spoil_attr(struct ib_uverbs_attr *attr)
{
	switch (roll(6)) {
	case 0:
		attr->attr_id = roll(2) ? roll(16) : roll(16) | roll(2) << 12;
		break;
	case 1:
		/* A longer attribute must lie where there is enough memory. */
		attr->data = attr->data > 1 << 20 ? (uintptr_t)arena : attr->data;
		attr->len = roll(2) ? roll(72) : dice_size(&dice);
		break;
	case 2:
		attr->flags ^= 1 << roll(16);
		break;
	case 3:
		attr->attr_data.reserved = dice_size(&dice);
		break;
	default:
		attr->data = attr->len > 8 ? pointer() : roll(2) ? roll(64) : tame(dice_size(&dice));
		break;
	}
}

static void spoil_header(struct ib_uverbs_ioctl_hdr *header)
{
	switch (roll(6)) {
	case 0:
		header->object_id = roll(2) ? roll(24) : dice_size(&dice);
		break;
	case 1:
		header->method_id = roll(2) ? roll(12) : dice_size(&dice);
		break;
	case 2:
		header->num_attrs = roll(2) ? roll(MAX_ATTRS) : dice_size(&dice);
		break;
	case 3:
		header->length = dice_size(&dice);
		break;
	case 4:
		header->driver_id = dice_size(&dice);
		break;
	default:
		header->reserved1 = dice_size(&dice);
		break;
	}
}

/* Changes a copy: responses still go to the library's own buffers. */
static int spoiled_call(int fd, unsigned long request, const struct ib_uverbs_ioctl_hdr *right)
{
	uint64_t space[(sizeof(*right) + MAX_ATTRS * sizeof(right->attrs[0])) / 8] = {};
	struct ib_uverbs_ioctl_hdr *header = (void *)space;
	int ret;

	memcpy(header, right, right->length);
	if (roll(4) && header->num_attrs)
		spoil_attr(&header->attrs[roll(header->num_attrs)]);
	else
		spoil_header(header);
	tally->spoiled++;
	ret = syscall(SYS_ioctl, fd, request, header);
	tally->accepted += !ret;
	return ret;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request != RDMA_VERBS_IOCTL || !tally)
		return syscall(SYS_ioctl, fd, request, arg);
	tally->methods++;
	if (spoil && ((struct ib_uverbs_ioctl_hdr *)arg)->num_attrs <= MAX_ATTRS)
		return spoiled_call(fd, request, arg);
	return syscall(SYS_ioctl, fd, request, arg);
}

/* --- calls of the library ---------------------------------------------------------------- */

struct user {
	struct end end;
	struct rc rc;
	struct ibv_pd *pd;
	struct ibv_mr *mrs[KEPT];
	struct ibv_mw *mws[KEPT];
	struct ibv_cq *cqs[KEPT];
	struct ibv_qp *qps[KEPT];
	struct ibv_ah *ahs[KEPT];
	struct ibv_srq *srqs[KEPT];
	struct ibv_comp_channel *channel;
};

static void use_mr(struct user *user, struct ibv_mr **mr)
{
	uint8_t *at = arena + roll(ARENA / 2);
	int access = roll(2) ? ALL_ACCESS : roll(0x80);

	if (!*mr)
		*mr = ibv_reg_mr(user->pd, at, 1 + roll(ARENA / 2),
				 access | (roll(2) ? IBV_ACCESS_ON_DEMAND : 0));
	else if (!ibv_dereg_mr(*mr))
		*mr = NULL;
}

static void use_mw(struct user *user, struct ibv_mw **mw)
{
	if (!*mw)
		*mw = ibv_alloc_mw(user->pd, 1 + roll(2));
	else if (!ibv_dealloc_mw(*mw))
		*mw = NULL;
}

/* A size of a queue or of its requests: none, one, any, or the maximum. */
static uint32_t corner(uint32_t usual, uint32_t most)
{
	uint32_t corners[] = { 0, 1, 1 + roll(usual), most };

	return corners[roll(ARRAY_SIZE(corners))];
}

/* The maximal number of entries would use up much of the machine's memory; so it would below. */
static void use_cq(struct user *user, struct ibv_cq **cq)
{
	struct ibv_cq_init_attr_ex attr = { .cqe = corner(100, 4095), .wc_flags = roll(0x100) };

	if (*cq && roll(2))
		ibv_resize_cq(*cq, corner(300, 4095));
	else if (*cq && !ibv_destroy_cq(*cq))
		*cq = NULL;
	else if (!*cq && roll(2))
		*cq = ibv_create_cq(user->end.ctx, corner(100, 4095), NULL,
				    roll(2) ? user->channel : NULL, 0);
	else if (!*cq)
		*cq = ibv_cq_ex_to_cq(ibv_create_cq_ex(user->end.ctx, &attr));
}

static void use_srq(struct user *user, struct ibv_srq **srq)
{
	struct ibv_srq_init_attr init = {
		.attr = { corner(60, 1023), corner(8, 32), corner(60, 1023) },
	};

	if (!*srq)
		*srq = ibv_create_srq(user->pd, &init);
	else if (roll(2))
		ibv_modify_srq(*srq, &init.attr, 1 + roll(3));
	else if (roll(2))
		ibv_query_srq(*srq, &init.attr);
	else if (!ibv_destroy_srq(*srq))
		*srq = NULL;
}

static struct ibv_qp *make_qp(struct user *user)
{
	struct ibv_qp_init_attr_ex attr = {
		.send_cq = user->end.scq, .recv_cq = user->end.rcq, .pd = user->pd,
		.qp_type = roll(8) ? IBV_QPT_RC : 2 + roll(8),
		.srq = roll(2) ? user->srqs[roll(KEPT)] : NULL,
		.comp_mask = IBV_QP_INIT_ATTR_PD,
		.cap = { corner(60, 1023), corner(60, 1023), corner(8, 32), corner(8, 32),
			 corner(100, 512) },
	};

	if (roll(2)) {
		attr.comp_mask |= IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
		attr.send_ops_flags = roll(0x200);
	}
	return ibv_create_qp_ex(user->end.ctx, &attr);
}

static void use_qp(struct user *user, struct ibv_qp **qp)
{
	struct ibv_qp_attr attr = { .qp_state = roll(7) };
	struct ibv_qp_init_attr init;

	if (!*qp) {
		*qp = make_qp(user);
	} else if (!roll(3)) {
		if (!ibv_destroy_qp(*qp))
			*qp = NULL;
	} else if (roll(2)) {
		ibv_modify_qp(*qp, &attr, IBV_QP_STATE | (roll(2) ? roll(1 << 21) : 0));
	} else {
		ibv_query_qp(*qp, &attr, IBV_QP_STATE, &init);
	}
}

static void use_ah(struct user *user, struct ibv_ah **ah)
{
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = 1,
		.grh = { .dgid = user->end.gid, .sgid_index = user->end.gid_index },
	};

	if (!*ah)
		*ah = ibv_create_ah(user->pd, &attr);
	else if (!ibv_destroy_ah(*ah))
		*ah = NULL;
}

static void use_device(struct user *user)
{
	struct ibv_device_attr_ex attr;
	struct ibv_gid_entry entry;
	struct ibv_port_attr port;

	ibv_query_device_ex(user->end.ctx, NULL, &attr);
	ibv_query_port(user->end.ctx, 1, &port);
	ibv_query_gid_ex(user->end.ctx, 1, roll(4), &entry, 0);
}

static void use_one(struct user *user)
{
	int i = roll(KEPT);

	switch (roll(9)) {
	case 0:
		use_mr(user, &user->mrs[i]);
		break;
	case 1:
		use_mw(user, &user->mws[i]);
		break;
	case 2:
	case 3:
		use_cq(user, &user->cqs[i]);
		break;
	case 4:
	case 5:
		use_qp(user, &user->qps[i]);
		break;
	case 6:
		use_ah(user, &user->ahs[i]);
		break;
	case 7:
		use_srq(user, &user->srqs[i]);
		break;
	default:
		use_device(user);
		break;
	}
}

/* --- processes --------------------------------------------------------------------------- */

struct life {
	struct tally *tally;
	uint64_t seed;
};

/* The library believes what it is told, so a changed response may crash it. */
static void life(void *arg)
{
	const struct life *own = arg;
	struct user user = { .rc = rc_default() };
	int fatal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE };
	uint64_t steps;

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		signal(fatal[i], SIG_DFL);
	dice.seed = own->seed;
	arena = map_anon(ARENA);
	end_open(&user.end, options.device, &user.rc);
	user.pd = user.end.pd;
	user.channel = user.end.events;
	tally = own->tally;
	steps = 100 + roll(400);
	while (steps--) {
		spoil = roll(2);
		use_one(&user);
	}
	_exit(0);
}

static bool ended(int pid)
{
	siginfo_t info = {};

	assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	return info.si_pid;
}

static bool in_futex(int pid)
{
	char path[32];
	long call = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	file = fopen(path, "r");
	if (file && fscanf(file, "%ld", &call) != 1)
		call = -1;
	if (file)
		fclose(file);
	return call == SYS_futex;
}

/*
 * A process with one thread that waits for another thread was told by a changed response of events that never
 * happened: the library waits. A process that waits for anything else must exit.
 */
static int life_wait(int pid)
{
	uint64_t start = now_ms(), end = start + PATIENCE;

	while (!ended(pid) && now_ms() < end) {
		if (now_ms() - start > 1000ul * options.slow && in_futex(pid))
			kill(pid, SIGKILL);
		sleep_ms(1);
	}
	return child_wait(pid);
}

static void lives(struct tally *shared, uint64_t round)
{
	struct life own[PROCESSES];
	int pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++) {
		own[i] = (struct life){ shared, (options.seed * 1000003 + round) * PROCESSES + i };
		pids[i] = child_start(life, &own[i]);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status = life_wait(pids[i]);

		if (WIFEXITED(status) && status)
			fail_msg("seed %llu, round %llu: process %d has ended with %#x",
				 (unsigned long long)options.seed, (unsigned long long)round, i, status);
		shared->killed += WIFSIGNALED(status);
	}
}

static void test_methods(void **state)
{
	uint64_t count = options.count ?: options.full ? 300000 : 10000, messages, round = 0;
	struct witness witness = witness_start();
	struct census before = census_take();
	struct tally *shared;
	int fd;

	(void)state;
	shared = map_memfd(sizeof(*shared), &fd);
	for (; shared->methods < count; round++) {
		lives(shared, round);
		witness_lives(&witness);
	}
	census_same(&before);
	messages = witness_stop(&witness);
	printf("# %llu methods in %llu rounds: %llu spoiled, %llu of them accepted; %llu processes crashed "
	       "in their library; %llu honest messages\n", (unsigned long long)shared->methods,
	       (unsigned long long)round, (unsigned long long)shared->spoiled,
	       (unsigned long long)shared->accepted, (unsigned long long)shared->killed,
	       (unsigned long long)messages);
	assert_true(shared->spoiled > count / 4);
	assert_true(shared->accepted > 0);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_methods),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("methods", tests, ARRAY_SIZE(tests));
}
