// SPDX-License-Identifier: GPL-2.0
#include "lib/remote.h"
#include "lib/test.h"

void address_tell(struct address *address, const struct end *end, const struct buf *buf)
{
	address->gid = end->gid;
	address->qpn = end->qp->qp_num;
	address->rkey = buf->mr->rkey;
	address->addr = (uintptr_t)buf->p;
	address->len = buf->len;
	address->known = true;
}

void address_wait(const struct address *address)
{
	uint64_t end = now_ms() + PATIENCE;

	while (!address->known) {
		if (now_ms() > end)
			fail_msg("the other process published no address within %d ms", PATIENCE);
		sleep_ms(1);
	}
}

void end_join(struct end *end, const struct rc *rc, const struct address *to)
{
	qp_init(end->qp, rc);
	qp_rtr(end->qp, end, rc, &to->gid, to->qpn);
	qp_rts(end->qp, rc);
}

void post_to(struct end *end, enum ibv_wr_opcode opcode, struct ibv_sge *list,
	     const struct address *to, uint64_t offset)
{
	struct ibv_send_wr wr = {
		.wr_id = offset, .opcode = opcode, .sg_list = list, .num_sge = 1,
	};

	if (opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr.wr.atomic.remote_addr = to->addr + offset;
		wr.wr.atomic.rkey = to->rkey;
		wr.wr.atomic.compare_add = 1;
	} else {
		wr.wr.rdma.remote_addr = to->addr + offset;
		wr.wr.rdma.rkey = to->rkey;
	}
	post_send(end, &wr);
}

unsigned int traffic_until_error(const struct traffic *traffic, int *pid, uint64_t when)
{
	uint64_t limit = now_ms() + PATIENCE;
	unsigned int posted = 0, done = 0;
	struct ibv_wc wc = {};

	while (wc.status == IBV_WC_SUCCESS) {
		for (; posted < done + traffic->depth; posted++)
			traffic->post(traffic->end, traffic->buf, traffic->to, posted);
		if (pid && *pid && now_ms() >= when) {
			undo((void *)(intptr_t)*pid);
			*pid = 0;
		}
		/* The child's page may not arrive before the child is killed. */
		if (ibv_poll_cq(traffic->end->scq, 1, &wc) == 1)
			done++;
		else
			wc.status = IBV_WC_SUCCESS;
		if (pid && now_ms() > limit)
			fail_msg("the traffic still runs after %d ms", PATIENCE);
	}
	return posted - done;
}
