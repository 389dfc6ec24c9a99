// SPDX-License-Identifier: GPL-2.0
#include "lib/cold.h"

/* One fault covers at most one of the driver's leaves. */
#define LEAF (2 * MIB)

/* Memory within one leaf if it fits, so that one fault is enough. */
static struct buf buf_in_leaf(struct ibv_pd *pd, size_t len, int access)
{
	uint8_t *p = map_anon(2 * len);
	size_t left = LEAF - (uintptr_t)p % LEAF;

	if (left < len)
		p += left;
	return (struct buf){ .p = p, .len = len, .fd = -1, .mr = reg(pd, p, len, access) };
}

void cold_open(struct cold *rig, size_t len)
{
	struct rc rc = rc_default();

	pair_open(&rig->pair, &rc);
	need_odp(rig->pair.a.ctx);
	rig->local = buf_anon(rig->pair.a.pd, len, ALL_ACCESS);
	rig->cold = buf_in_leaf(rig->pair.b.pd, len, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

void cold_rdma(struct cold *rig, enum ibv_wr_opcode opcode, size_t offset, size_t len)
{
	struct ibv_sge list = sge(&rig->local, offset, len);
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = opcode, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { (uintptr_t)rig->cold.p + offset, rig->cold.mr->rkey },
	};

	post_send(&rig->pair.a, &wr);
	expect_wc(rig->pair.a.scq, 1, IBV_WC_SUCCESS);
}
