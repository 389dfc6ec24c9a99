// SPDX-License-Identifier: GPL-2.0
#include "lib/pattern.h"
#include "lib/test.h"
#include "lib/transfer.h"

#define SEND_ID 1
#define RECV_ID 2

/* Returns whether the memory under test is at pair.b. */
static bool is_at_b(enum role role)
{
	return role == WRITTEN || role == READ_FROM || role == RECEIVED_INTO;
}

static bool is_send(enum role role)
{
	return role == RECEIVED_INTO || role == SENT_FROM;
}

bool role_is_target(enum role role)
{
	return role == WRITTEN || role == READ_INTO || role == RECEIVED_INTO;
}

void transfer_connect(struct transfer *transfer, enum role role, const struct rc *rc)
{
	transfer->role = role;
	pair_open(&transfer->pair, rc);
	need_odp(transfer->pair.a.ctx);
}

struct ibv_pd *transfer_pd(const struct transfer *transfer)
{
	return is_at_b(transfer->role) ? transfer->pair.b.pd : transfer->pair.a.pd;
}

void transfer_make_other(struct transfer *transfer, size_t len)
{
	struct ibv_pd *pd = is_at_b(transfer->role) ? transfer->pair.a.pd : transfer->pair.b.pd;

	transfer->other = buf_anon(pd, len, ALL_ACCESS);
	pattern_fill(transfer->other.p, len, 0, 4);
}

void transfer_post(struct transfer *transfer, size_t offset, size_t len, int n, size_t step)
{
	enum role role = transfer->role;
	struct buf *local = is_at_b(role) ? &transfer->other : &transfer->tested;
	struct buf *remote = is_at_b(role) ? &transfer->tested : &transfer->other;
	struct ibv_sge list[TRANSFER_SGES], into[TRANSFER_SGES];
	struct ibv_send_wr wr = {
		.wr_id = SEND_ID, .opcode = IBV_WR_RDMA_WRITE, .sg_list = list, .num_sge = n,
		.wr.rdma = { (uintptr_t)remote->p + offset, remote->mr->rkey },
	};

	assert_in_range(n, 1, TRANSFER_SGES);
	for (int i = 0; i < n; i++) {
		list[i] = sge(local, offset + i * step, len);
		into[i] = sge(remote, offset + i * step, len);
	}
	if (role == READ_FROM || role == READ_INTO)
		wr.opcode = IBV_WR_RDMA_READ;
	if (is_send(role)) {
		wr.opcode = IBV_WR_SEND;
		post_recv(&transfer->pair.b, RECV_ID, into, n);
	}
	post_send(&transfer->pair.a, &wr);
}

void transfer_expect(struct transfer *transfer)
{
	expect_wc(transfer->pair.a.scq, SEND_ID, IBV_WC_SUCCESS);
	if (is_send(transfer->role))
		expect_wc(transfer->pair.b.rcq, RECV_ID, IBV_WC_SUCCESS);
}
