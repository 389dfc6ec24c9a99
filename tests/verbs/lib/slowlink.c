// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "lib/slowlink.h"
#include "lib/test.h"
#include "lib/wire.h"

#define BYTES 2048

static int remove_links(void *unused)
{
	(void)unused;
	shell("rdma link delete " FAST_LINK " 2>/dev/null; rdma link delete " SLOW_LINK " 2>/dev/null;"
	      "ip link delete fast0 2>/dev/null; ip link delete slow0 2>/dev/null; true");
	return 0;
}

void slowlink_make(void)
{
	defer(remove_links, remove_links);
	shell("ip link add fast0 type dummy && ip link add slow0 type dummy &&"
	      "ip address add " FAST_ADDRESS "/25 dev fast0 && ip address add " SLOW_ADDRESS "/25 dev slow0 &&"
	      "ip link set fast0 mtu 4200 up && ip link set slow0 mtu 4200 up &&"
	      "rdma link add " FAST_LINK " type rxe netdev fast0 &&"
	      "rdma link add " SLOW_LINK " type rxe netdev slow0");
	if (!shell_works("tc qdisc add dev slow0 root tbf rate 1mbit burst 20kb limit 16mb"))
		skip_because("the kernel has no token bucket filter");
}

long slowlink_queued(void)
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

void sender_open(struct sender *sender, enum ibv_qp_type type, const char *device, const char *address)
{
	struct rc rc = rc_default();
	struct end peer;

	*sender = (struct sender){};
	rc.type = type;
	rc.mtu = IBV_MTU_2048;
	rc.sq_sig_all = true;
	rc.send_wr = 127;
	rc.cqe = 127;
	end_open(&sender->end, device, &rc);
	end_speak_from(&sender->end, address);
	sender->buf = buf_anon(sender->end.pd, BYTES, ALL_ACCESS);
	sender->end.qp = end_qp(&sender->end, &rc);
	qp_init(sender->end.qp, &rc);
	peer = sender->end;
	peer.gid.raw[15]++;
	qp_rtr(sender->end.qp, &sender->end, &rc, &peer.gid, 77);
	qp_rts(sender->end.qp, &rc);
	if (type == IBV_QPT_UD)
		sender->ah = end_ah(&sender->end, &peer);
}

int sender_run(struct sender *sender, unsigned int ms)
{
	struct ibv_sge list = sge(&sender->buf, 0, BYTES);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_SEND, .sg_list = &list, .num_sge = 1,
	}, *bad;
	uint64_t end = now_ms() + ms;
	int before = sender->done;
	struct ibv_wc wc[16];

	if (sender->ah) {
		wr.wr.ud.ah = sender->ah;
		wr.wr.ud.remote_qpn = 77;
		wr.wr.ud.remote_qkey = rc_default().qkey;
	}
	while (now_ms() < end) {
		while (sender->posted - sender->done < 64 && !ibv_post_send(sender->end.qp, &wr, &bad))
			sender->posted++;
		sender->done += ibv_poll_cq(sender->end.scq, 16, wc);
	}
	return sender->done - before;
}
