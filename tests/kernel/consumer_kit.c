// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <rdma/ib_cache.h>

#include "consumer.h"

int failed(struct rig *rig, const char *fmt, ...)
{
	va_list args;

	if (!rig->run->failure[0]) {
		va_start(args, fmt);
		vsnprintf(rig->run->failure, sizeof(rig->run->failure), fmt, args);
		va_end(args);
	}
	return -EIO;
}

/* --- calls --------------------------------------------------------------------- */

static void call_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct call *call = container_of(wc->wr_cqe, struct call, cqe);

	call->wc = *wc;
	complete(&call->done);
}

struct call *call_new(struct side *side)
{
	struct call *call = &side->calls[side->next_call++ % CALLS];

	memset(&call->wc, 0, sizeof(call->wc));
	call->cqe.done = call_done;
	init_completion(&call->done);
	return call;
}

static bool call_wait(struct rig *rig, struct side *side, struct ib_cq *cq, struct call *call)
{
	unsigned long end = jiffies + 15 * HZ * max(rig->run->slow, 1U);

	if (side->poll != IB_POLL_DIRECT)
		return wait_for_completion_timeout(&call->done, end - jiffies);
	while (!try_wait_for_completion(&call->done)) {
		if (time_after(jiffies, end))
			return false;
		ib_process_cq_direct(cq, -1);
		cond_resched();
	}
	return true;
}

int call_expect(struct rig *rig, struct side *side, struct ib_cq *cq, struct call *call,
		enum ib_wc_status status)
{
	if (!call_wait(rig, side, cq, call))
		return failed(rig, "no completion, expected: %s", ib_wc_status_msg(status));
	if (call->wc.status != status)
		return failed(rig, "completion: %s; expected: %s",
			      ib_wc_status_msg(call->wc.status), ib_wc_status_msg(status));
	return 0;
}

int post_recv(struct rig *rig, struct side *side, u32 at, u32 len, struct call **call)
{
	struct ib_sge list = side_sge(side, at, len);
	struct ib_recv_wr wr = { .sg_list = &list, .num_sge = 1 };
	int ret;

	*call = call_new(side);
	wr.wr_cqe = &(*call)->cqe;
	ret = side->srq ? ib_post_srq_recv(side->srq, &wr, NULL) :
			  ib_post_recv(side->qp, &wr, NULL);
	return ret ? failed(rig, "post_recv: %d", ret) : 0;
}

int post_send(struct rig *rig, struct side *side, struct ib_send_wr *wr, struct call **call)
{
	int ret;

	*call = call_new(side);
	wr->wr_cqe = &(*call)->cqe;
	wr->send_flags |= IB_SEND_SIGNALED;
	ret = ib_post_send(side->qp, wr, NULL);
	return ret ? failed(rig, "post_send: %d", ret) : 0;
}

int do_send(struct rig *rig, struct side *side, struct ib_send_wr *wr, enum ib_wc_status status)
{
	struct call *call;

	return post_send(rig, side, wr, &call) ?: call_expect(rig, side, side->scq, call, status);
}

/* --- sides --------------------------------------------------------------------- */

static const struct ib_gid_attr *side_gid(struct ib_device *dev)
{
	const struct ib_gid_attr *attr;
	int i;

	for (i = 0; i < 64; i++) {
		attr = rdma_get_gid_attr(dev, 1, i);
		if (IS_ERR(attr))
			continue;
		if (attr->gid_type == IB_GID_TYPE_ROCE_UDP_ENCAP &&
		    ipv6_addr_v4mapped((const struct in6_addr *)&attr->gid))
			return attr;
		rdma_put_gid_attr(attr);
	}
	return NULL;
}

static int side_open_srq(struct side *side)
{
	struct ib_srq_init_attr attr = {
		.srq_type = IB_SRQT_BASIC, .attr = { .max_wr = CALLS, .max_sge = 1 },
	};
	struct ib_srq *srq = ib_create_srq(side->pd, &attr);

	if (IS_ERR(srq))
		return PTR_ERR(srq);
	side->srq = srq;
	return 0;
}

static int side_open_qp(struct side *side)
{
	struct ib_qp_init_attr init = {
		.send_cq = side->scq, .recv_cq = side->rcq, .srq = side->srq,
		.qp_type = IB_QPT_RC, .sq_sig_type = IB_SIGNAL_REQ_WR,
		.cap = {
			.max_send_wr = CALLS, .max_recv_wr = CALLS,
			.max_send_sge = 2, .max_recv_sge = 2, .max_inline_data = 64,
		},
	};
	struct ib_qp *qp = ib_create_qp(side->pd, &init);

	if (IS_ERR(qp))
		return PTR_ERR(qp);
	side->qp = qp;
	return 0;
}

static int side_open(struct side *side, struct ib_device *dev, const struct rig_how *how,
		     bool srq)
{
	int ret;

	side->dev = dev;
	side->poll = how->poll;
	side->gid = side_gid(dev);
	side->calls = kcalloc(CALLS, sizeof(*side->calls), GFP_KERNEL);
	side->buf = kzalloc(BUF_LEN, GFP_KERNEL);
	if (!side->gid || !side->calls || !side->buf)
		return -ENOMEM;
	side->addr = ib_dma_map_single(dev, side->buf, BUF_LEN, DMA_BIDIRECTIONAL);
	side->pd = ib_alloc_pd(dev, 0);
	if (IS_ERR(side->pd)) {
		ret = PTR_ERR(side->pd);
		side->pd = NULL;
		return ret;
	}
	side->scq = ib_alloc_cq(dev, NULL, 2 * CALLS, 0, how->poll);
	side->rcq = ib_alloc_cq(dev, NULL, 2 * CALLS, 0, how->poll);
	if (IS_ERR(side->scq) || IS_ERR(side->rcq))
		return -ENOMEM;
	ret = srq ? side_open_srq(side) : 0;
	return ret ?: side_open_qp(side);
}

static void side_close(struct side *side)
{
	if (side->qp) {
		ib_drain_qp(side->qp);
		ib_destroy_qp(side->qp);
	}
	if (side->srq)
		ib_destroy_srq(side->srq);
	if (!IS_ERR_OR_NULL(side->rcq))
		ib_free_cq(side->rcq);
	if (!IS_ERR_OR_NULL(side->scq))
		ib_free_cq(side->scq);
	if (side->pd)
		ib_dealloc_pd(side->pd);
	if (side->addr)
		ib_dma_unmap_single(side->dev, side->addr, BUF_LEN, DMA_BIDIRECTIONAL);
	if (side->gid)
		rdma_put_gid_attr(side->gid);
	kfree(side->buf);
	kfree(side->calls);
}

/* --- connecting ---------------------------------------------------------------- */

static int side_init(struct side *side)
{
	struct ib_qp_attr attr = {
		.qp_state = IB_QPS_INIT, .port_num = 1,
		.qp_access_flags = IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE |
				   IB_ACCESS_REMOTE_ATOMIC,
	};

	return ib_modify_qp(side->qp, &attr, IB_QP_STATE | IB_QP_PORT | IB_QP_PKEY_INDEX |
					     IB_QP_ACCESS_FLAGS);
}

static int side_join(struct side *side, struct side *to)
{
	struct ib_qp_attr attr = {
		.qp_state = IB_QPS_RTR, .path_mtu = IB_MTU_1024, .dest_qp_num = to->qp->qp_num,
		.rq_psn = 100, .max_dest_rd_atomic = 8, .min_rnr_timer = 1,
	};
	int ret;

	attr.ah_attr.type = rdma_ah_find_type(side->dev, 1);
	rdma_ah_set_port_num(&attr.ah_attr, 1);
	rdma_ah_set_grh(&attr.ah_attr, (union ib_gid *)&to->gid->gid, 0, side->gid->index, 64, 0);
	ret = ib_modify_qp(side->qp, &attr,
			   IB_QP_STATE | IB_QP_AV | IB_QP_PATH_MTU | IB_QP_DEST_QPN |
			   IB_QP_RQ_PSN | IB_QP_MAX_DEST_RD_ATOMIC | IB_QP_MIN_RNR_TIMER);
	if (ret)
		return ret;
	attr = (struct ib_qp_attr){
		.qp_state = IB_QPS_RTS, .sq_psn = 100, .timeout = 17, .retry_cnt = 7,
		.rnr_retry = 7, .max_rd_atomic = 8,
	};
	return ib_modify_qp(side->qp, &attr,
			    IB_QP_STATE | IB_QP_SQ_PSN | IB_QP_TIMEOUT | IB_QP_RETRY_CNT |
			    IB_QP_RNR_RETRY | IB_QP_MAX_QP_RD_ATOMIC);
}

int rig_open(struct rig *rig, struct verbs_test_run *run, struct ib_device *a,
	     struct ib_device *b, const struct rig_how *how)
{
	int ret;

	memset(rig, 0, sizeof(*rig));
	rig->run = run;
	ret = side_open(&rig->a, a, how, false) ?: side_open(&rig->b, b, how, how->srq) ?:
	      side_init(&rig->a) ?: side_init(&rig->b) ?:
	      side_join(&rig->a, &rig->b) ?: side_join(&rig->b, &rig->a);
	if (!ret)
		return 0;
	failed(rig, "cannot connect two queue pairs: %d", ret);
	rig_close(rig);
	return ret;
}

void rig_close(struct rig *rig)
{
	side_close(&rig->a);
	side_close(&rig->b);
}

/* --- bytes --------------------------------------------------------------------- */

static u8 byte_at(u32 i, u32 seed)
{
	u32 x = (i + seed * 0x9e3779b9) * 0x85ebca6b;

	return (x ^ x >> 15) >> 3 | 1;
}

void fill(u8 *p, u32 len, u32 seed)
{
	u32 i;

	for (i = 0; i < len; i++)
		p[i] = byte_at(i, seed);
}

int check(struct rig *rig, const u8 *p, u32 len, u32 seed, const char *what)
{
	u32 i;

	for (i = 0; i < len; i++)
		if (p[i] != byte_at(i, seed))
			return failed(rig, "%s: byte %u of %u is %#x, not %#x", what, i, len,
				      p[i], byte_at(i, seed));
	return 0;
}

/* --- regions ------------------------------------------------------------------- */

static u8 *region_byte(struct region *region, u32 i)
{
	u32 at = region->offset + i;

	return (u8 *)page_address(region->pages[at / PAGE_SIZE]) + at % PAGE_SIZE;
}

void region_fill(struct region *region, u32 seed)
{
	u32 i;

	for (i = 0; i < region->len; i++)
		*region_byte(region, i) = byte_at(i, seed);
}

int region_check(struct rig *rig, struct region *region, u32 skip, u32 len, u32 seed)
{
	u32 i;

	for (i = 0; i < REGION_PAGES * PAGE_SIZE; i++) {
		u32 at = i - region->offset - skip;
		u8 got = *((u8 *)page_address(region->pages[i / PAGE_SIZE]) + i % PAGE_SIZE);
		u8 want = at < len ? byte_at(at, seed) : 0;

		if (got != want)
			return failed(rig, "a region: byte %d of %u is %#x, not %#x", (int)at, len,
				      got, want);
	}
	return 0;
}

static void region_clear(struct region *region)
{
	int i;

	for (i = 0; i < REGION_PAGES; i++)
		clear_page(page_address(region->pages[i]));
}

int region_open(struct rig *rig, struct side *side, struct region *region)
{
	struct ib_mr *mr;
	int i;

	memset(region, 0, sizeof(*region));
	region->side = side;
	/* The last page first, so that pages are not merged into one piece. */
	for (i = REGION_PAGES - 1; i >= 0; i--) {
		region->pages[i] = alloc_page(GFP_KERNEL);
		if (!region->pages[i])
			return failed(rig, "no memory");
	}
	mr = ib_alloc_mr(side->pd, IB_MR_TYPE_MEM_REG, REGION_PAGES);
	if (IS_ERR(mr))
		return failed(rig, "ib_alloc_mr: %ld", PTR_ERR(mr));
	region->mr = mr;
	return 0;
}

void region_close(struct region *region)
{
	int i;

	if (region->mr)
		ib_dereg_mr(region->mr);
	for (i = 0; i < REGION_PAGES; i++)
		if (region->pages[i])
			__free_page(region->pages[i]);
}

int region_prepare(struct rig *rig, struct region *region, u32 offset, u32 len, int access)
{
	u32 n = DIV_ROUND_UP(offset + len, PAGE_SIZE), i, left = len, at = offset;
	int mapped;

	region->offset = offset;
	region->len = len;
	region_clear(region);
	sg_init_table(region->sg, n);
	for (i = 0; i < n; i++) {
		u32 part = min_t(u32, left, PAGE_SIZE - at);

		sg_set_page(&region->sg[i], region->pages[i], part, at);
		left -= part;
		at = 0;
	}
	if (ib_dma_map_sg(region->side->dev, region->sg, n, DMA_BIDIRECTIONAL) != n)
		return failed(rig, "ib_dma_map_sg");
	mapped = ib_map_mr_sg(region->mr, region->sg, n, NULL, PAGE_SIZE);
	if (mapped != n || region->mr->length != len)
		return failed(rig, "ib_map_mr_sg: %d of %u", mapped, n);
	ib_update_fast_reg_key(region->mr, ib_inc_rkey(region->mr->rkey));
	region->wr = (struct ib_reg_wr){
		.wr = { .opcode = IB_WR_REG_MR },
		.mr = region->mr, .key = region->mr->rkey, .access = access,
	};
	return 0;
}

int region_register(struct rig *rig, struct region *region, u32 offset, u32 len, int access)
{
	return region_prepare(rig, region, offset, len, access) ?:
	       do_send(rig, region->side, &region->wr.wr, IB_WC_SUCCESS);
}
