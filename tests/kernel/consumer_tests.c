// SPDX-License-Identifier: GPL-2.0
#include "consumer.h"

#define REMOTE (IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE | \
		IB_ACCESS_REMOTE_ATOMIC)

/* --- SEND ---------------------------------------------------------------------- */

static int send_one(struct rig *rig, u32 len, unsigned int flags)
{
	struct ib_sge list = side_sge(&rig->a, 3, len);
	struct ib_send_wr wr = {
		.opcode = IB_WR_SEND_WITH_IMM, .ex.imm_data = cpu_to_be32(len),
		.sg_list = &list, .num_sge = 1, .send_flags = flags,
	};
	struct call *recv;
	int ret;

	fill(rig->a.buf + 3, len, len);
	memset(rig->b.buf, 0, BUF_LEN);
	ret = post_recv(rig, &rig->b, 17, len, &recv);
	if (!ret && flags & IB_SEND_INLINE)
		list.addr = (uintptr_t)rig->a.buf + 3;
	ret = ret ?: do_send(rig, &rig->a, &wr, IB_WC_SUCCESS) ?:
	      call_expect(rig, &rig->b, rig->b.rcq, recv, IB_WC_SUCCESS);
	if (ret)
		return ret;
	if (recv->wc.byte_len != len || recv->wc.opcode != IB_WC_RECV ||
	    !(recv->wc.wc_flags & IB_WC_WITH_IMM) || be32_to_cpu(recv->wc.ex.imm_data) != len ||
	    recv->wc.qp != rig->b.qp)
		return failed(rig, "a completion of %u bytes is wrong: %u bytes, opcode %d, flags %#x",
			      len, recv->wc.byte_len, recv->wc.opcode, recv->wc.wc_flags);
	if (rig->b.buf[16] || rig->b.buf[17 + len])
		return failed(rig, "a message of %u bytes was written beyond its buffer", len);
	return check(rig, rig->b.buf + 17, len, len, "a SEND");
}

static int test_send(struct rig *rig)
{
	static const u32 lengths[] = { 0, 1, 255, 1024, 1025, 4096, 60000, 100001 };
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < ARRAY_SIZE(lengths); i++)
		ret = send_one(rig, lengths[i], 0);
	for (i = 0; !ret && i <= 64; i++)
		ret = send_one(rig, i, IB_SEND_INLINE);
	return ret;
}

/* A full queue refuses a request, and does not lose the earlier ones. */
static int fill_queue(struct rig *rig, struct side *side)
{
	struct ib_qp_attr error = { .qp_state = IB_QPS_ERR };
	struct call *call = call_new(side);
	struct ib_recv_wr wr = { .wr_cqe = &call->cqe };
	const struct ib_recv_wr *bad;
	int taken = 0, ret;

	while (!(ret = ib_post_recv(side->qp, &wr, &bad)))
		taken++;
	if (ret != -ENOMEM || bad != &wr || taken < CALLS || taken > 2 * CALLS)
		failed(rig, "a full queue: error %d after %d requests", ret, taken);
	ret = ib_modify_qp(side->qp, &error, IB_QP_STATE);
	while (!ret && taken--)
		ret = call_expect(rig, side, side->rcq, call, IB_WC_WR_FLUSH_ERR);
	return ret ?: rig->run->failure[0] ? -EIO : 0;
}

static int test_full(struct rig *rig)
{
	struct ib_sge list = side_sge(&rig->a, 0, BUF_LEN);
	struct ib_rdma_wr wr = {
		.wr = { .opcode = IB_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 100 },
	};
	const struct ib_send_wr *bad;

	if (ib_post_send(rig->a.qp, &wr.wr, &bad) != -EINVAL || bad != &wr.wr)
		return failed(rig, "a scatter/gather list that is too long was accepted");
	return fill_queue(rig, &rig->b);
}

/* --- regions ------------------------------------------------------------------- */

static int access_region(struct rig *rig, enum ib_wr_opcode opcode, struct region *region,
			 u32 rkey, u32 skip, u32 len, enum ib_wc_status status)
{
	struct ib_sge list = side_sge(&rig->a, 5, len);
	struct ib_rdma_wr wr = {
		.wr = { .opcode = opcode, .sg_list = &list, .num_sge = 1 },
		.remote_addr = region->mr->iova + skip, .rkey = rkey,
	};

	return do_send(rig, &rig->a, &wr.wr, status);
}

static int write_and_read(struct rig *rig, struct region *region, u32 skip, u32 len)
{
	u32 rkey = region->mr->rkey;
	int ret;

	fill(rig->a.buf + 5, len, skip + len);
	ret = access_region(rig, IB_WR_RDMA_WRITE, region, rkey, skip, len, IB_WC_SUCCESS) ?:
	      region_check(rig, region, skip, len, skip + len);
	if (ret)
		return ret;
	region_fill(region, 77);
	memset(rig->a.buf, 0, BUF_LEN);
	ret = access_region(rig, IB_WR_RDMA_READ, region, rkey, 0, region->len, IB_WC_SUCCESS);
	return ret ?: check(rig, rig->a.buf + 5, region->len, 77, "a READ");
}

static int invalidate(struct rig *rig, struct region *region)
{
	struct ib_send_wr wr = {
		.opcode = IB_WR_LOCAL_INV, .ex.invalidate_rkey = region->mr->rkey,
	};

	return do_send(rig, region->side, &wr, IB_WC_SUCCESS);
}

/* Registers the region again and again, with a different range each time. */
static int use_region(struct rig *rig, struct region *region)
{
	static const u32 shapes[][4] = {
		/* offset, length, and the part that is written: offset, length */
		{ 0, PAGE_SIZE, 0, PAGE_SIZE },
		{ 0, 8 * PAGE_SIZE, 0, 8 * PAGE_SIZE },
		{ 100, 8 * PAGE_SIZE - 100, 0, 8 * PAGE_SIZE - 100 },
		{ 4095, 2, 0, 2 },
		{ 1234, 20000, 1, 19998 },
		{ 3000, 7000, 1096, 4096 },
		{ 8, 16, 3, 1 },
	};
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < ARRAY_SIZE(shapes); i++) {
		ret = region_register(rig, region, shapes[i][0], shapes[i][1], REMOTE) ?:
		      write_and_read(rig, region, shapes[i][2], shapes[i][3]) ?:
		      invalidate(rig, region);
	}
	return ret;
}

static int with_region(struct rig *rig, struct side *side,
		       int (*fn)(struct rig *rig, struct region *region))
{
	struct region region;
	int ret;

	ret = region_open(rig, side, &region) ?: fn(rig, &region);
	/* After the drain, no queue pair uses the region's memory. */
	ib_drain_qp(rig->a.qp);
	ib_drain_qp(rig->b.qp);
	region_close(&region);
	return ret;
}

static int test_region(struct rig *rig)
{
	return with_region(rig, &rig->b, use_region);
}

/* Some consumers replace the upper half of the IOVA. */
static int use_other_iova(struct rig *rig, struct region *region)
{
	int ret = region_prepare(rig, region, 123, 20000, REMOTE);

	region->mr->iova = (region->mr->iova & 0xffffffff) | 0x1234500000000;
	return ret ?: do_send(rig, region->side, &region->wr.wr, IB_WC_SUCCESS) ?:
	       write_and_read(rig, region, 3, 19990);
}

static int test_iova(struct rig *rig)
{
	return with_region(rig, &rig->b, use_other_iova);
}

/* Posts a registration and, in the same list, a SEND that announces it, as storage does. */
static int use_chain(struct rig *rig, struct region *region)
{
	struct ib_send_wr send = { .opcode = IB_WR_SEND };
	struct call *told, *call;
	int ret;

	ret = region_prepare(rig, region, 10, 5000, REMOTE) ?:
	      post_recv(rig, &rig->a, 0, 0, &told);
	if (ret)
		return ret;
	call = call_new(&rig->b);
	region->wr.wr.wr_cqe = &call->cqe;
	region->wr.wr.next = &send;
	call = call_new(&rig->b);
	send.wr_cqe = &call->cqe;
	send.send_flags = IB_SEND_SIGNALED;
	ret = ib_post_send(rig->b.qp, &region->wr.wr, NULL);
	if (ret)
		return failed(rig, "post_send of two: %d", ret);
	return call_expect(rig, &rig->a, rig->a.rcq, told, IB_WC_SUCCESS) ?:
	       write_and_read(rig, region, 0, 5000) ?:
	       call_expect(rig, &rig->b, rig->b.scq, call, IB_WC_SUCCESS);
}

static int test_chain(struct rig *rig)
{
	return with_region(rig, &rig->b, use_chain);
}

/* Uses the region's lkey as the source of a SEND. */
static int use_lkey(struct rig *rig, struct region *region)
{
	struct ib_sge list;
	struct ib_send_wr wr = { .opcode = IB_WR_SEND, .sg_list = &list, .num_sge = 1 };
	struct call *recv;
	int ret;

	ret = region_register(rig, region, 999, 10000, IB_ACCESS_LOCAL_WRITE) ?:
	      post_recv(rig, &rig->b, 1, 10000, &recv);
	if (ret)
		return ret;
	region_fill(region, 5);
	list = (struct ib_sge){ .addr = region->mr->iova, .length = 10000,
				.lkey = region->mr->lkey };
	return do_send(rig, &rig->a, &wr, IB_WC_SUCCESS) ?:
	       call_expect(rig, &rig->b, rig->b.rcq, recv, IB_WC_SUCCESS) ?:
	       check(rig, rig->b.buf + 1, 10000, 5, "a SEND from a region");
}

static int test_lkey(struct rig *rig)
{
	return with_region(rig, &rig->a, use_lkey);
}

static int use_atomic(struct rig *rig, struct region *region)
{
	struct ib_sge list = side_sge(&rig->a, 8, 8);
	struct ib_atomic_wr wr = {
		.wr = { .opcode = IB_WR_ATOMIC_FETCH_AND_ADD, .sg_list = &list, .num_sge = 1 },
		.compare_add = 7,
	};
	u64 *word;
	int ret, i;

	ret = region_register(rig, region, 24, 5000, REMOTE);
	word = page_address(region->pages[1]);
	wr.remote_addr = region->mr->iova + PAGE_SIZE - 24;
	wr.rkey = region->mr->rkey;
	for (i = 0; !ret && i < 100; i++)
		ret = do_send(rig, &rig->a, &wr.wr, IB_WC_SUCCESS);
	if (ret)
		return ret;
	if (*word != 700 || *(u64 *)(rig->a.buf + 8) != 693)
		return failed(rig, "adding 7 for 100 times gave %llu", *word);
	wr.wr.opcode = IB_WR_ATOMIC_CMP_AND_SWP;
	wr.compare_add = 700;
	wr.swap = 1;
	ret = do_send(rig, &rig->a, &wr.wr, IB_WC_SUCCESS);
	return ret ?: *word != 1 ? failed(rig, "compare and swap to 1 gave %llu", *word) : 0;
}

static int test_atomic(struct rig *rig)
{
	return with_region(rig, &rig->b, use_atomic);
}

/* --- what must be refused ------------------------------------------------------ */

static int expect_refused(struct rig *rig, struct region *region, u32 rkey)
{
	return access_region(rig, IB_WR_RDMA_WRITE, region, rkey, 0, 100, IB_WC_REM_ACCESS_ERR);
}

static int use_invalidated(struct rig *rig, struct region *region)
{
	return region_register(rig, region, 10, 5000, REMOTE) ?: invalidate(rig, region) ?:
	       expect_refused(rig, region, region->mr->rkey);
}

static int test_invalidated(struct rig *rig)
{
	return with_region(rig, &rig->b, use_invalidated);
}

static int use_old_key(struct rig *rig, struct region *region)
{
	int ret = region_register(rig, region, 10, 5000, REMOTE);
	u32 old = region->mr->rkey;

	return ret ?: invalidate(rig, region) ?:
	       region_register(rig, region, 10, 5000, REMOTE) ?:
	       write_and_read(rig, region, 0, 5000) ?: expect_refused(rig, region, old);
}

static int test_old_key(struct rig *rig)
{
	return with_region(rig, &rig->b, use_old_key);
}

static int use_before(struct rig *rig, struct region *region)
{
	int ret = region_prepare(rig, region, 10, 5000, REMOTE);

	return ret ?: expect_refused(rig, region, region->mr->rkey);
}

static int test_before(struct rig *rig)
{
	return with_region(rig, &rig->b, use_before);
}

static int use_no_right(struct rig *rig, struct region *region)
{
	return region_register(rig, region, 10, 5000, IB_ACCESS_REMOTE_READ) ?:
	       access_region(rig, IB_WR_RDMA_READ, region, region->mr->rkey, 0, 5000,
			     IB_WC_SUCCESS) ?:
	       expect_refused(rig, region, region->mr->rkey);
}

static int test_no_right(struct rig *rig)
{
	return with_region(rig, &rig->b, use_no_right);
}

static int use_beyond(struct rig *rig, struct region *region)
{
	return region_register(rig, region, 10, 5000, REMOTE) ?:
	       access_region(rig, IB_WR_RDMA_READ, region, region->mr->rkey, 1, 5000,
			     IB_WC_REM_ACCESS_ERR);
}

static int test_beyond(struct rig *rig)
{
	return with_region(rig, &rig->b, use_beyond);
}

/* Registers a region twice without an invalidation in between. */
static int use_twice(struct rig *rig, struct region *region)
{
	int ret = region_register(rig, region, 10, 5000, REMOTE);

	region->wr.wr.next = NULL;
	return ret ?: do_send(rig, &rig->b, &region->wr.wr, IB_WC_MW_BIND_ERR);
}

static int test_twice(struct rig *rig)
{
	return with_region(rig, &rig->b, use_twice);
}

static int use_remote_invalidate(struct rig *rig, struct region *region)
{
	struct ib_send_wr wr = { .opcode = IB_WR_SEND_WITH_INV };
	struct call *recv;
	int ret, i;

	for (i = 0; i < 3; i++) {
		ret = region_register(rig, region, 10, 5000, REMOTE) ?:
		      write_and_read(rig, region, 0, 5000) ?:
		      post_recv(rig, &rig->b, 0, 10, &recv);
		if (ret)
			return ret;
		wr.ex.invalidate_rkey = region->mr->rkey;
		ret = do_send(rig, &rig->a, &wr, IB_WC_SUCCESS) ?:
		      call_expect(rig, &rig->b, rig->b.rcq, recv, IB_WC_SUCCESS);
		if (ret)
			return ret;
		if (!(recv->wc.wc_flags & IB_WC_WITH_INVALIDATE) ||
		    recv->wc.ex.invalidate_rkey != region->mr->rkey)
			return failed(rig, "the completion does not name the invalidated key");
	}
	return expect_refused(rig, region, region->mr->rkey);
}

static int test_remote_invalidate(struct rig *rig)
{
	return with_region(rig, &rig->b, use_remote_invalidate);
}

/* --- draining, and posting in any context -------------------------------------- */

/* After a drain, every request has completed, in order. */
static int test_drain(struct rig *rig)
{
	struct ib_sge list = side_sge(&rig->a, 0, BUF_LEN);
	struct call *sends[50], *recvs[100];
	int ret = 0, i;

	for (i = 0; !ret && i < ARRAY_SIZE(recvs); i++)
		ret = post_recv(rig, &rig->b, 0, 10, &recvs[i]);
	for (i = 0; !ret && i < ARRAY_SIZE(sends); i++) {
		struct ib_rdma_wr wr = {
			.wr = { .opcode = IB_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1 },
			.remote_addr = rig->b.addr, .rkey = 0x12345,
		};

		/* The rkey is wrong, so no request can succeed. */
		ret = post_send(rig, &rig->a, &wr.wr, &sends[i]);
	}
	ib_drain_qp(rig->a.qp);
	ib_drain_qp(rig->b.qp);
	for (i = 0; !ret && i < ARRAY_SIZE(sends); i++)
		if (!try_wait_for_completion(&sends[i]->done) ||
		    sends[i]->wc.status == IB_WC_SUCCESS)
			ret = failed(rig, "request %d is not complete after the drain", i);
	for (i = 0; !ret && i < ARRAY_SIZE(recvs); i++)
		if (!try_wait_for_completion(&recvs[i]->done) ||
		    recvs[i]->wc.status != IB_WC_WR_FLUSH_ERR)
			ret = failed(rig, "receive request %d is not flushed after the drain", i);
	return ret;
}

/* A completion handler that takes the lock that its consumer holds while it posts. */
struct locked {
	spinlock_t lock;
	int events;
};

static void locked_event(struct ib_cq *cq, void *context)
{
	struct locked *locked = context;
	unsigned long flags;

	spin_lock_irqsave(&locked->lock, flags);
	locked->events++;
	spin_unlock_irqrestore(&locked->lock, flags);
}

static int locked_post(struct rig *rig, struct ib_qp *qp, struct locked *locked, int round)
{
	struct ib_send_wr wr = { .opcode = IB_WR_RDMA_WRITE, .send_flags = IB_SEND_SIGNALED };
	struct ib_rdma_wr write = { .wr = wr, .rkey = 1 };
	unsigned long flags;
	int ret;

	/* Posts in each context that a consumer may post in. */
	switch (round % 3) {
	case 0:
		spin_lock_irqsave(&locked->lock, flags);
		ret = ib_req_notify_cq(qp->send_cq, IB_CQ_NEXT_COMP);
		ret = ret ?: ib_post_send(qp, &write.wr, NULL);
		spin_unlock_irqrestore(&locked->lock, flags);
		break;
	case 1:
		local_bh_disable();
		ret = ib_req_notify_cq(qp->send_cq, IB_CQ_NEXT_COMP);
		ret = ret ?: ib_post_send(qp, &write.wr, NULL);
		local_bh_enable();
		break;
	default:
		ret = ib_req_notify_cq(qp->send_cq, IB_CQ_NEXT_COMP);
		ret = ret ?: ib_post_send(qp, &write.wr, NULL);
		break;
	}
	return ret ? failed(rig, "posting under a lock: %d", ret) : 0;
}

static int locked_wait(struct rig *rig, struct ib_cq *cq, struct locked *locked, int events)
{
	unsigned long end = jiffies + 15 * HZ * max(rig->run->slow, 1U), flags;
	struct ib_wc wc;
	int n = 0;

	while (!n || READ_ONCE(locked->events) != events) {
		if (time_after(jiffies, end))
			return failed(rig, "%d completions, %d events of %d", n, locked->events,
				      events);
		local_irq_save(flags);
		n += ib_poll_cq(cq, 1, &wc);
		local_irq_restore(flags);
		cond_resched();
	}
	return n == 1 && wc.status == IB_WC_SUCCESS ? 0 :
	       failed(rig, "%d completions: %s", n, ib_wc_status_msg(wc.status));
}

static int locked_rounds(struct rig *rig, struct ib_cq *cq, struct locked *locked)
{
	int ret = 0, i;

	for (i = 0; !ret && i < 300; i++)
		ret = locked_post(rig, rig->a.qp, locked, i) ?:
		      locked_wait(rig, cq, locked, i + 1);
	return ret;
}

static int test_locked(struct rig *rig)
{
	struct ib_cq *cq = rig->a.scq;
	struct locked locked = { .events = 0 };
	int ret;

	spin_lock_init(&locked.lock);
	/* Replaces the RDMA core's handler, which a direct queue does not need. */
	cq->comp_handler = locked_event;
	cq->cq_context = &locked;
	ret = locked_rounds(rig, cq, &locked);
	cq->comp_handler = NULL;
	return ret;
}

const struct consumer_test consumer_tests[] = {
	{ "send workqueue", test_send, { .poll = IB_POLL_WORKQUEUE } },
	{ "send softirq", test_send, { .poll = IB_POLL_SOFTIRQ } },
	{ "send direct", test_send, { .poll = IB_POLL_DIRECT } },
	{ "send srq", test_send, { .poll = IB_POLL_SOFTIRQ, .srq = true } },
	{ "full", test_full, { .poll = IB_POLL_WORKQUEUE } },
	{ "region", test_region, { .poll = IB_POLL_WORKQUEUE } },
	{ "region softirq", test_region, { .poll = IB_POLL_SOFTIRQ } },
	{ "iova", test_iova, { .poll = IB_POLL_WORKQUEUE } },
	{ "chain", test_chain, { .poll = IB_POLL_WORKQUEUE } },
	{ "lkey", test_lkey, { .poll = IB_POLL_WORKQUEUE } },
	{ "atomic", test_atomic, { .poll = IB_POLL_WORKQUEUE } },
	{ "before", test_before, { .poll = IB_POLL_WORKQUEUE } },
	{ "invalidated", test_invalidated, { .poll = IB_POLL_WORKQUEUE } },
	{ "old key", test_old_key, { .poll = IB_POLL_WORKQUEUE } },
	{ "no right", test_no_right, { .poll = IB_POLL_WORKQUEUE } },
	{ "beyond", test_beyond, { .poll = IB_POLL_WORKQUEUE } },
	{ "twice", test_twice, { .poll = IB_POLL_WORKQUEUE } },
	{ "remote invalidate", test_remote_invalidate, { .poll = IB_POLL_WORKQUEUE } },
	{ "drain", test_drain, { .poll = IB_POLL_WORKQUEUE } },
	{ "drain direct", test_drain, { .poll = IB_POLL_DIRECT } },
	{ "locked", test_locked, { .poll = IB_POLL_DIRECT } },
	{}
};
