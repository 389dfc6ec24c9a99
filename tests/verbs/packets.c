// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/*
 * Packets that no honest peer would send. They are aimed at queue pairs of this process, whose numbers, PSNs
 * and keys the attacker knows; half of them are wrong in one thing only. Memory outside of what they may
 * reach stays unchanged, and a connection beside them does not notice.
 *
 * On a kernel that records which code they reach (KCOV), there is a second attacker: it starts from stories
 * that reached new code.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/attack.h"
#include "lib/corpus.h"
#include "lib/cover.h"
#include "lib/forge.h"
#include "lib/spoil.h"
#include "lib/test.h"
#include "lib/witness.h"

#define RECVS 4

struct raid {
	struct attack *attack;
	struct witness witness;
	struct cover *cover;	/* NULL if the kernel cannot record coverage */
	uint64_t wrong, stories;
	uint64_t received, answered, failed, unreliable;
	bool over;
};

/* --- sending ----------------------------------------------------------------------- */

/* Only packets aimed at the honest process's queue pairs on purpose may reach them. */
static bool at_honest(const struct raid *raid, struct frame *frame)
{
	uint8_t *qpn = frame_bth(frame) + 5;
	uint32_t n = qpn[0] << 16 | qpn[1] << 8 | qpn[2];

	return n == witness_qpn(&raid->witness, 0) || n == witness_qpn(&raid->witness, 1);
}

/* Splits some packets into fragments, of which one may be lost, duplicated or misplaced. */
static void queue_fragments(struct attack *attack, struct frame *frame)
{
	int n = frame_fragment(frame, 8 * (1 + roll(attack, 100)), attack->pieces,
			       ARRAY_SIZE(attack->pieces));
	bool harmed = roll(attack, 2);
	int victim = roll(attack, n);

	for (int i = 0; i < n; i++) {
		int piece = (i + (harmed && roll(attack, 2) ? victim : 0)) % n;

		if (!harmed || i != victim || roll(attack, 2))
			queue(attack, &attack->pieces[piece]);
	}
}

static void send_frame(struct raid *raid, struct frame *frame)
{
	struct attack *attack = raid->attack;

	if (at_honest(raid, frame))
		return;
	if (frame->len > FRAME_LINK + 48 && !roll(attack, 48))
		queue_fragments(attack, frame);
	else
		queue(attack, frame);
}

static void send_right(struct raid *raid, const struct target *target, const struct roce *roce)
{
	roce_build(&raid->attack->spare, &target->path, roce);
	send_frame(raid, &raid->attack->spare);
}

static void send_wrong(struct raid *raid, const struct target *target, struct roce roce)
{
	struct attack *attack = raid->attack;

	if (roll(attack, 3)) {
		spoil_fields(attack, &roce);
		roce_build(&attack->spare, &target->path, &roce);
	} else {
		roce_build(&attack->spare, &target->path, &roce);
		spoil_bytes(attack, &attack->spare);
	}
	raid->wrong++;
	send_frame(raid, &attack->spare);
}

/* Sends packets of one size as one frame, as if the link's offload had merged them. */
static void send_train(struct raid *raid, struct target *target)
{
	struct attack *attack = raid->attack;
	int n = 2 + roll(attack, 7), victim = roll(attack, 4 * n);
	uint32_t len = roll(attack, mtu_bytes(target->rc.mtu));

	if (target->rest || target->rc.type == IBV_QPT_UD || !frames_can_merge())
		return;
	for (int i = 0; i < n; i++) {
		struct roce roce = plain(target, ROCE_WRITE_ONLY);

		aim(attack, target, &roce, len);
		roce.payload = len;
		roce.psn = target->psn;
		target->psn = (target->psn + 1) & 0xffffff;
		roce_build(&attack->pieces[i], &target->path, &roce);
		if (!target->path.v6)
			frame_ip(&attack->pieces[i])[5] = i;
		frame_seal(&attack->pieces[i]);
		if (i == victim)
			flipped(attack, &attack->pieces[i]);
		if (at_honest(raid, &attack->pieces[i]))
			return;
	}
	frame_merge(&attack->spare, attack->pieces, n);
	queue(attack, &attack->spare);
	attack->sent += n - 1;
}

/* A packet that would end a connection or complete its requests, if it came from the real peer. */
static struct roce tempting(struct raid *raid, int end)
{
	static const uint8_t opcodes[] = { ROCE_ACK, ROCE_ACK, ROCE_READ_FIRST, ROCE_READ_MIDDLE,
					   ROCE_READ_LAST, ROCE_READ_ONLY, ROCE_ATOMIC_ACK };
	struct attack *attack = raid->attack;
	struct roce roce = next_request(attack, &attack->targets[0]);

	if (!end) {
		roce.opcode = opcodes[roll(attack, ARRAY_SIZE(opcodes))];
		roce.aeth = (roll(attack, 2) ? 0x1f : 0x60 + roll(attack, 4)) << 24;
	}
	roce.qpn = witness_qpn(&raid->witness, end);
	roce.psn = (witness_psn(&raid->witness) + roll(attack, 24)) & 0xffffff;
	return roce;
}

/*
 * Sends a packet that is correct except for the thing that must stop it, to a queue pair that must not
 * notice.
 */
static void send_to_honest(struct raid *raid)
{
	static void (*const harmless[])(struct attack *attack, struct frame *frame) = {
		bad_icrc, udp_sum, other_port, spoofed,
	};
	struct attack *attack = raid->attack;
	struct roce roce = tempting(raid, attack->loop ? roll(attack, 2) : 0);
	struct roce_path path = attack->targets[0].path;

	if (!attack->loop)
		path.src[3] = 2;
	roce_build(&attack->spare, &path, &roce);
	harmless[roll(attack, ARRAY_SIZE(harmless))](attack, &attack->spare);
	raid->wrong++;
	queue(attack, &attack->spare);
}

#define MAD 256
#define GSI_QKEY 0x80010000

/* A connection manager's datagram to queue pair 1, of which only the first header is correct. */
static void send_mad(struct raid *raid, const struct target *target)
{
	struct attack *attack = raid->attack;
	struct roce roce = {
		.opcode = ROCE_UD | ROCE_SEND_ONLY, .pkey = 0xffff, .qpn = 1, .qkey = GSI_QKEY,
		.source = 1, .psn = roll(attack, 1 << 24),
		.payload = roll(attack, 8) ? MAD : roll(attack, 2 * MAD),
	};
	uint8_t *mad;

	roce_build(&attack->spare, &target->path, &roce);
	mad = frame_bth(&attack->spare) + 12 + 8;
	if (roce.payload >= 24) {
		mad[0] = 1;			/* version */
		mad[1] = roll(attack, 8) ? 7 : roll(attack, 256);	/* class: communication */
		mad[2] = 2;			/* and its version */
		mad[3] = 3;			/* method: send */
		mad[16] = 0;
		mad[17] = 0x10 + roll(attack, 16);	/* attribute: REQ, REP, ... */
	}
	frame_seal(&attack->spare);
	raid->wrong++;
	queue(attack, &attack->spare);
}

/* --- stories ----------------------------------------------------------------------- */

static void post_recvs(struct attack *attack, struct target *target)
{
	struct ibv_sge list = local_sge(attack, ZONE / 2);

	for (int i = 0; i < RECVS; i++)
		post_recv(&target->end, i, &list, 1);
}

/* Posts requests of the target's own. */
static void post_requests(struct attack *attack, struct target *target)
{
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_SEND, IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_RDMA_READ,
		IBV_WR_ATOMIC_FETCH_AND_ADD, IBV_WR_ATOMIC_CMP_AND_SWP,
	};
	int n = roll(attack, REQUESTS);

	while (target->n_requests < n) {
		enum ibv_wr_opcode opcode = opcodes[roll(attack, ARRAY_SIZE(opcodes))];

		post_request(attack, target, opcode, is_atomic(opcode) ? 8 :
			     roll(attack, 4 * mtu_bytes(target->rc.mtu)));
	}
}

static bool is_unreliable(const struct attack *attack, uint32_t qpn)
{
	for (int i = RELIABLE; i < TARGETS; i++) {
		if (attack->targets[i].end.qp->qp_num == qpn)
			return true;
	}
	return false;
}

static void collect(struct raid *raid, struct ibv_cq *cq, uint64_t *good)
{
	struct ibv_wc wc[16];
	int n;

	while ((n = ibv_poll_cq(cq, ARRAY_SIZE(wc), wc)) > 0) {
		for (int i = 0; i < n; i++) {
			(*(wc[i].status == IBV_WC_SUCCESS ? good : &raid->failed))++;
			raid->unreliable += wc[i].status == IBV_WC_SUCCESS &&
					    is_unreliable(raid->attack, wc[i].qp_num);
		}
	}
	assert_int_equal(n, 0);
}

static void collect_events(struct attack *attack)
{
	struct ibv_async_event event;

	while (!ibv_get_async_event(attack->targets[0].end.ctx, &event))
		ibv_ack_async_event(&event);
}

static void packet(struct raid *raid, struct target *target)
{
	struct attack *attack = raid->attack;
	struct roce roce;
	bool wrong = roll(attack, 2);

	if (!roll(attack, 64)) {
		send_train(raid, target);
		return;
	}
	if (!roll(attack, 3) || !next_response(target, &roce))
		roce = next_request(attack, target);
	if (wrong)
		send_wrong(raid, target, roce);
	if (!wrong || roll(attack, 4))
		send_right(raid, target, &roce);
}

static void story(struct raid *raid)
{
	struct attack *attack = raid->attack;
	struct target *target = &attack->targets[roll(attack, TARGETS)];

	connect_target(target, roll(attack, 1 << 24));
	post_recvs(attack, target);
	if (target->rc.type == IBV_QPT_RC) {
		if (!roll(attack, 4))
			post_bind(attack, target);
		post_requests(attack, target);
	}
	for (int n = 1 + roll(attack, 24); n--;)
		packet(raid, target);
	if (!roll(attack, 2))
		send_to_honest(raid);
	if (!roll(attack, 4))
		send_mad(raid, target);
	flush(attack);
	collect(raid, target->end.rcq, &raid->received);
	collect(raid, target->end.scq, &raid->answered);
	raid->stories++;
}

/* --- raids ------------------------------------------------------------------------- */

static void check(struct raid *raid)
{
	struct zone *zones = raid->attack->zones;

	collect_events(raid->attack);
	witness_lives(&raid->witness);
	for (int i = 0; i < ZONES; i++)
		zone_check(&zones[i]);
	for (int i = DEMAND; i <= LOCAL; i++)
		assert_int_equal(madvise(zone_inside(&zones[i]), ZONE, MADV_DONTNEED), 0);
}

static int say_where(void *object)
{
	struct raid *raid = object;

	if (!raid->over)
		printf("# seed %llu, story %llu, packet %llu\n", (unsigned long long)options.seed,
		       (unsigned long long)raid->stories, (unsigned long long)raid->attack->sent);
	return 0;
}

static struct raid *raid_open(void)
{
	struct raid *raid = scratch(sizeof(*raid));

	*raid = (struct raid){ .witness = witness_start(), .attack = attack_open() };
	raid->cover = cover_open();
	defer(say_where, raid);
	return raid;
}

/* Checks that enough packets were correct to have an effect. */
static void raid_over(struct raid *raid, uint64_t start)
{
	uint64_t sent = raid->attack->sent, took = now_ms() - start;
	uint64_t honest_messages = witness_stop(&raid->witness);

	printf("# %llu packets (%llu wrong) in %llu ms; %llu received (%llu by UC and UD), "
	       "%llu answered, %llu failed; %llu honest messages\n",
	       (unsigned long long)sent, (unsigned long long)raid->wrong,
	       (unsigned long long)took, (unsigned long long)raid->received,
	       (unsigned long long)raid->unreliable, (unsigned long long)raid->answered,
	       (unsigned long long)raid->failed, (unsigned long long)honest_messages);
	if (raid->cover)
		printf("# %zu code locations, %zu steps between them\n",
		       raid->cover->places.n, raid->cover->ways.n);
	assert_true(raid->received > sent / 100);
	assert_true(raid->unreliable > sent / 1000);
	assert_true(raid->answered > sent / 100);
	assert_true(raid->failed > sent / 100);
	raid->over = true;
}

/* Lets @next tell stories until there were enough packets, @few in the short version. */
static void fight(struct raid *raid, uint64_t few, void (*next)(struct raid *raid, void *arg),
		  void *arg)
{
	uint64_t count = options.count ?: options.full ? 1000000 : few, start = now_ms();

	while (raid->attack->sent < count) {
		next(raid, arg);
		if (raid->stories % 32 == 0)
			check(raid);
	}
	check(raid);
	raid_over(raid, start);
}

static void any_story(struct raid *raid, void *unused)
{
	(void)unused;
	story(raid);
	if (raid->cover)
		cover_collect(raid->cover);
}

static void test_hostile(void **state)
{
	(void)state;
	fight(raid_open(), 40000, any_story, NULL);
}

static void better_story(struct raid *raid, void *arg)
{
	struct corpus *corpus = arg;
	struct tape tape;

	corpus_draw(corpus, &tape);
	raid->attack->dice.tape = &tape;
	story(raid);
	raid->attack->dice.tape = NULL;
	if (cover_collect(raid->cover))
		corpus_keep(corpus, &tape);
}

static void test_guided(void **state)
{
	struct corpus *corpus = corpus_make(~options.seed);

	(void)state;
	need_cover();
	fight(raid_open(), 10000, better_story, corpus);
	printf("# %zu stories kept\n", corpus->n);
	assert_true(corpus->n > 0);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_guided),
	};

	parse_options(argc, argv);
	return run_group("packets", tests, ARRAY_SIZE(tests));
}
