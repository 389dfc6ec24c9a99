// SPDX-License-Identifier: GPL-2.0
/* CI: debug:wire */
/*
 * Correct packets made by hand are accepted as a peer's packets: whole, in fragments, with IP options, in a
 * train of one frame, and as responses. So the packets of packets.c are wrong only where that test makes them
 * wrong.
 */
#include <string.h>

#include "lib/attack.h"
#include "lib/forge.h"
#include "lib/pattern.h"
#include "lib/spoil.h"
#include "lib/test.h"
#include "lib/wire.h"

/* Sends a SEND that is executed after everything before it. */
static void barrier(struct attack *attack, struct target *target, uint8_t opcode)
{
	struct roce roce = plain(target, opcode);
	struct ibv_sge list = local_sge(attack, PAGE);

	post_recv(&target->end, 99, &list, 1);
	roce.payload = 100;
	roce.ieth = target->window->rkey;
	roce.psn = target->psn++;
	roce_build(&attack->spare, &target->path, &roce);
	queue(attack, &attack->spare);
	flush(attack);
	expect_wc(target->end.rcq, 99, IBV_WC_SUCCESS);
	pattern_check(zone_inside(&attack->zones[LOCAL]), 100, 0, roce.psn, "a forged send");
}

static struct roce forged_write(struct attack *attack, struct target *target, uint32_t len)
{
	struct roce roce = plain(target, ROCE_WRITE_ONLY);

	aim(attack, target, &roce, len);
	roce.payload = len;
	roce.psn = target->psn++;
	roce_build(&attack->spare, &target->path, &roce);
	return roce;
}

static void landed(const struct roce *roce)
{
	pattern_check((void *)(uintptr_t)roce->va, roce->length, 0, roce->psn, "a forged write");
}

static void forge_write(struct attack *attack, struct target *target)
{
	struct roce roce = forged_write(attack, target, 201);

	queue(attack, &attack->spare);
	barrier(attack, target, ROCE_SEND_ONLY);
	landed(&roce);
}

/* Writes through a memory window, which the same peer then invalidates: afterwards the key is invalid. */
static void forge_window(struct attack *attack, struct target *target)
{
	struct roce roce, last;

	post_bind(attack, target);
	expect_wc(target->end.scq, REQUESTS, IBV_WC_SUCCESS);
	roce = forged_write(attack, target, 99);
	roce.rkey = target->window->rkey;
	roce.va = (uintptr_t)zone_inside(&attack->zones[OPEN]) + PAGE;
	roce_build(&attack->spare, &target->path, &roce);
	queue(attack, &attack->spare);
	barrier(attack, target, ROCE_SEND_ONLY_INV);
	landed(&roce);

	last = roce;
	last.psn = target->psn;
	roce_build(&attack->spare, &target->path, &last);
	queue(attack, &attack->spare);
	flush(attack);
	expect_state(target->end.qp, IBV_QPS_ERR);
	landed(&roce);
}

static void forge_fragments(struct attack *attack, struct target *target)
{
	struct roce roce;
	int n;

	target->path.id = 0xf0;		/* packets.c may have left some fragments behind */
	roce = forged_write(attack, target, 250);
	n = frame_fragment(&attack->spare, 64, attack->pieces, ARRAY_SIZE(attack->pieces));
	assert_int_equal(n, 5);
	for (int i = 0; i < n; i++)
		queue(attack, &attack->pieces[i]);
	barrier(attack, target, ROCE_SEND_ONLY);
	landed(&roce);
}

static void forge_options(struct attack *attack, struct target *target)
{
	struct roce roce = forged_write(attack, target, 250);

	frame_options(&attack->spare);
	queue(attack, &attack->spare);
	barrier(attack, target, ROCE_SEND_ONLY);
	landed(&roce);
}

static void forge_train(struct attack *attack, struct target *target)
{
	struct roce roce[3];

	if (!frames_can_merge())
		return;
	for (int i = 0; i < 3; i++) {
		roce[i] = forged_write(attack, target, 120);
		attack->pieces[i] = attack->spare;
		if (!target->path.v6)
			frame_ip(&attack->pieces[i])[5] = i;
		frame_seal(&attack->pieces[i]);
	}
	frame_merge(&attack->spare, attack->pieces, 3);
	queue(attack, &attack->spare);
	barrier(attack, target, ROCE_SEND_ONLY);
	landed(&roce[2]);
}

/* Sends a copy with a wrong checksum, which must not be written, and must not count as a gap. */
static void forge_badly(struct attack *attack, struct target *target)
{
	struct roce roce = forged_write(attack, target, 77);
	uint8_t *at = (void *)(uintptr_t)roce.va, before[77];

	memcpy(before, at, sizeof(before));
	bad_icrc(attack, &attack->spare);
	queue(attack, &attack->spare);
	target->psn--;
	barrier(attack, target, ROCE_SEND_ONLY);
	same_bytes(at, before, sizeof(before), "a write with a wrong ICRC");
}

static void forge_answers(struct attack *attack, struct target *target)
{
	uint32_t mtu = mtu_bytes(target->rc.mtu), len = 2 * mtu + 5;
	struct roce roce;

	post_request(attack, target, IBV_WR_RDMA_READ, len);
	post_request(attack, target, IBV_WR_SEND, 3);
	post_request(attack, target, IBV_WR_ATOMIC_FETCH_AND_ADD, 8);
	while (next_response(target, &roce)) {
		roce.original = 0x1122334455667788;
		roce_build(&attack->spare, &target->path, &roce);
		queue(attack, &attack->spare);
	}
	flush(attack);
	for (int i = 0; i < 3; i++)
		expect_wc(target->end.scq, i, IBV_WC_SUCCESS);
	assert_int_equal(*(uint64_t *)zone_inside(&attack->zones[LOCAL]), 0x1122334455667788);
	pattern_check(zone_inside(&attack->zones[LOCAL]) + 2 * mtu, 5, 0, target->rc.psn + 2,
		      "a forged read");
}

static void test_right(void **state)
{
	static void (*const forge[])(struct attack *attack, struct target *target) = {
		forge_write, forge_window, forge_fragments, forge_options,
		forge_train, forge_badly, forge_answers,
	};
	struct attack *attack = attack_open();

	(void)state;
	/* Nobody retransmits a hand-made packet that arrives too early. */
	wire_in_order();
	for (size_t i = 0; i < RELIABLE * ARRAY_SIZE(forge); i++) {
		struct target *target = &attack->targets[i % RELIABLE];

		target->rc.timeout = 0;
		connect_target(target, 1000);
		forge[i / RELIABLE](attack, target);
	}
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
	};

	parse_options(argc, argv);
	return run_group("forged", tests, ARRAY_SIZE(tests));
}
