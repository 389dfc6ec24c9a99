// SPDX-License-Identifier: GPL-2.0
#include "lib/rig.h"

/* One fault covers at most one of the driver's leaves. */
#define LEAF (2 * MIB)

void rig_open_bufs(struct rig *rig, size_t len)
{
	int odp = odp_access(rig->pair.a.ctx);

	rig->a = buf_anon(rig->pair.a.pd, len, ALL_ACCESS | odp);
	rig->b = buf_anon(rig->pair.b.pd, len, ALL_ACCESS | odp);
}

void rig_open_local(struct rig *rig, const struct rc *rc, size_t len)
{
	pair_open(&rig->pair, rc);
	need_odp(rig->pair.a.ctx);
	rig->a = buf_anon(rig->pair.a.pd, len, ALL_ACCESS);
}

/* Memory within one leaf if it fits, so that one fault is enough. */
static struct buf buf_in_leaf(struct ibv_pd *pd, size_t len, int access)
{
	uint8_t *p = map_anon(2 * len);
	size_t left = LEAF - (uintptr_t)p % LEAF;

	if (left < len)
		p += left;
	return (struct buf){ .p = p, .len = len, .fd = -1, .mr = reg(pd, p, len, access) };
}

void rig_open_cold(struct rig *rig, size_t len)
{
	struct rc rc = rc_default();

	rig_open_local(rig, &rc, len);
	rig->b = buf_in_leaf(rig->pair.b.pd, len, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
}

void rig_rdma_ends(struct rig *rig, enum ibv_wr_opcode opcode, size_t offset, size_t len,
		   enum ibv_wc_status status)
{
	pair_rdma(&rig->pair, opcode, sge(&rig->a, offset, len), (uintptr_t)rig->b.p + offset,
		  rig->b.mr->rkey, status);
}

void rig_rdma(struct rig *rig, enum ibv_wr_opcode opcode, size_t offset, size_t len)
{
	rig_rdma_ends(rig, opcode, offset, len, IBV_WC_SUCCESS);
}
