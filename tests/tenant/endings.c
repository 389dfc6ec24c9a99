// SPDX-License-Identifier: GPL-2.0
/* CI: debug */
/*
 * A storm: processes are killed in the middle of traffic from and to memory that belongs to a user-space
 * pager, to a file on a freezing and thawing file system, or to a full control group. Their peers get an
 * error and go on, and a victim beside them keeps its bytes and its speed.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kit/victim.h"
#include "lib/dice.h"
#include "lib/hardship.h"
#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/test.h"

#define LEN (256 * 1024ul)
#define DEPTH 8
#define FULL (256 * 1024ul)	/* bytes of the control group: less than the process would use */

/* A process that will be killed, and the process at the other end. */
struct ending {
	const struct hardship *hardship;
	unsigned int number;
	uint64_t dice;
	struct address dying, killer;
};

/* --- the killed process ------------------------------------------------------------------ */

static void post_some(struct end *end, struct buf *buf, const struct address *to, unsigned int i)
{
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_RDMA_WRITE,
	};
	size_t at = i * 7 * PAGE % (LEN / 2);
	struct ibv_sge list = sge(buf, at, LEN / 4);

	post_to(end, opcodes[i % ARRAY_SIZE(opcodes)], &list, to, (LEN / 2 - at) / PAGE * PAGE);
}

static void dying_child(void *arg)
{
	struct ending *ending = arg;
	struct rc rc = rc_impatient();
	struct end end;
	struct buf buf;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	end_open(&end, options.peer, &rc);
	end.qp = end_qp(&end, &rc);
	buf = (struct buf){ .len = LEN, .fd = -1 };
	buf.p = hardship_map(ending->hardship, LEN, ending->number, ending->dice);
	buf.mr = reg(end.pd, buf.p, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	hardship_enter(ending->hardship);
	address_tell(&ending->dying, &end, &buf);
	address_wait(&ending->killer);
	end_join(&end, &rc, &ending->killer);
	traffic_until_error(&(struct traffic){ &end, &buf, &ending->killer, post_some, DEPTH }, NULL, 0);
	for (;;)
		pause();
}

/* --- the surviving process -------------------------------------------------------------- */

static void outlive(struct end *end, struct buf *buf, struct ending *ending)
{
	uint64_t ms = ending->dice / 16 % 40;
	struct rc rc = rc_impatient();
	int pid;

	ending->dying.known = ending->killer.known = false;
	end->qp = end_qp(end, &rc);
	address_tell(&ending->killer, end, buf);
	pid = child_start(dying_child, ending);
	address_wait(&ending->dying);
	end_join(end, &rc, &ending->dying);
	traffic_until_error(&(struct traffic){ end, buf, &ending->dying, post_some, DEPTH }, &pid,
			    now_ms() + ms);
	if (pid)
		undo((void *)(intptr_t)pid);
	for (struct ibv_wc wc; ibv_poll_cq(end->scq, 1, &wc) == 1;)
		;
	undo(end->qp);
}

static void test_endings(void **state)
{
	enum hardship_kind kind = (uintptr_t)*state;
	unsigned int n = options.count ? options.count : options.full ? 2000 : 40;
	struct ending *ending = map_shared(sizeof(*ending));
	struct dice dice = { .seed = options.seed + kind };
	struct rc rc = rc_impatient();
	struct victim_figures figures;
	struct hardship *hardship;
	struct victim *victim;
	struct end end;
	struct buf buf;

	hardship = hardship_begin(kind, "endings", FULL);
	end_open(&end, options.device, &rc);
	need_odp(end.ctx);
	buf = buf_anon(end.pd, LEN, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	victim = victim_start();
	for (unsigned int i = 0; i < n; i++) {
		*ending = (struct ending){ .hardship = hardship, .number = i % 8,
					   .dice = dice_roll(&dice) };
		outlive(&end, &buf, ending);
	}
	figures = victim_watch(victim, 200);
	print_message("%u processes ended; the victim works\n", n);
	hardship_tell(hardship);
	assert_true(figures.rounds > 0);
	victim_stop(victim);
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[HARDSHIPS - 1];

	parse_options(argc, argv);
	for (uintptr_t i = HARD_NOT + 1; i < HARDSHIPS; i++)
		tests[i - 1] = (struct CMUnitTest){
			.name = hardship_names[i], .test_func = test_endings, .initial_state = (void *)i,
		};
	return run_group("endings", tests, ARRAY_SIZE(tests));
}
