// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop */
/*
 * A link on a slow network: datagrams wait in the network's queue. Each queue pair may queue only its own
 * share, and a sender on another link does not wait.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/remote.h"
#include "lib/test.h"
#include "lib/wire.h"

#define BYTES 2048
#define QUEUED_MOST (768 * 1024)	/* of one queue pair, at most */

static int remove_links(void *unused)
{
	(void)unused;
	shell("rdma link delete rxe8 2>/dev/null; rdma link delete rxe9 2>/dev/null;"
	      "ip link delete fast0 2>/dev/null; ip link delete slow0 2>/dev/null; true");
	return 0;
}

/* The destination does not exist, which a sender of datagrams cannot see. */
static void make_links(void)
{
	defer(remove_links, remove_links);
	shell("ip link add fast0 type dummy && ip link add slow0 type dummy &&"
	      "ip address add 198.51.100.1/25 dev fast0 && ip address add 198.51.100.129/25 dev slow0 &&"
	      "ip link set fast0 mtu 4200 up && ip link set slow0 mtu 4200 up &&"
	      "rdma link add rxe8 type rxe netdev fast0 && rdma link add rxe9 type rxe netdev slow0");
	if (!shell_works("tc qdisc add dev slow0 root tbf rate 1mbit burst 20kb limit 16mb"))
		skip_because("the kernel has no token bucket filter");
}

struct sender {
	struct end end;
	struct buf buf;
	struct ibv_ah *ah;
	int posted, done;
};

static void sender_open(struct sender *sender, const char *device, const char *from, uint8_t to)
{
	struct rc rc = rc_default();
	struct end peer;

	*sender = (struct sender){};
	rc.type = IBV_QPT_UD;
	rc.sq_sig_all = true;
	rc.send_wr = 127;
	rc.cqe = 127;
	end_open(&sender->end, device, &rc);
	end_speak_from(&sender->end, from);
	sender->buf = buf_anon(sender->end.pd, BYTES, ALL_ACCESS);
	sender->end.qp = end_qp(&sender->end, &rc);
	qp_init(sender->end.qp, &rc);
	qp_rtr(sender->end.qp, &sender->end, &rc, &sender->end.gid, 0);
	qp_rts(sender->end.qp, &rc);
	peer = sender->end;
	peer.gid.raw[15] = to;
	sender->ah = end_ah(&sender->end, &peer);
}

/* Sends for @ms; returns how many datagrams were sent. */
static int send_for(struct sender *sender, unsigned int ms)
{
	struct ibv_sge list = sge(&sender->buf, 0, BYTES);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
		.wr.ud = { sender->ah, 77, rc_default().qkey },
	}, *bad;
	uint64_t end = now_ms() + ms;
	int before = sender->done;
	struct ibv_wc wc[16];

	while (now_ms() < end) {
		while (sender->posted - sender->done < 64 && !ibv_post_send(sender->end.qp, &wr, &bad))
			sender->posted++;
		sender->done += ibv_poll_cq(sender->end.scq, 16, wc);
	}
	return sender->done - before;
}

static long queued_bytes(void)
{
	unsigned long bytes = 0;
	char unit[8] = "";
	FILE *tc = popen("tc -s qdisc show dev slow0 | sed -n 's/.*backlog \\([0-9]*\\)\\([KM]\\{0,1\\}\\)b.*/\\1 \\2/p'",
			 "re");

	assert_non_null(tc);
	assert_true(fscanf(tc, "%lu %7[KM]", &bytes, unit) >= 1);
	pclose(tc);
	return bytes * (unit[0] == 'M' ? MIB : unit[0] == 'K' ? 1024 : 1);
}

static void flood(void *arg)
{
	atomic_bool *full = arg;
	struct sender slow;

	sender_open(&slow, "rxe9", "198.51.100.129", 130);
	send_for(&slow, 500 * options.slow);
	*full = true;
	send_for(&slow, PATIENCE);
}

static void test_own_account(void **state)
{
	atomic_bool *full = map_shared(sizeof(*full));
	struct sender fast;
	int alone, beside;

	(void)state;
	make_links();
	sender_open(&fast, "rxe8", "198.51.100.1", 2);
	alone = send_for(&fast, 500 * options.slow);
	child_start(flood, full);
	for (uint64_t end = now_ms() + PATIENCE; !*full && now_ms() < end;)
		sleep_ms(10);
	assert_true(*full);
	beside = send_for(&fast, 500 * options.slow);
	print_message("  %d datagrams alone, %d beside a link with %ld KiB in its queue\n", alone, beside,
		      queued_bytes() / 1024);
	/* Two busy senders may have to share one CPU. */
	assert_true(beside > alone / 5);
	assert_true(queued_bytes() < QUEUED_MOST);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = { cmocka_unit_test(test_own_account) };

	parse_options(argc, argv);
	return run_group("slowlink", tests, ARRAY_SIZE(tests));
}
