/* SPDX-License-Identifier: GPL-2.0 */
/* A consumer of kernel verbs: two connected queue pairs, and memory on both sides. */
#ifndef CONSUMER_H
#define CONSUMER_H

#include <linux/completion.h>
#include <linux/scatterlist.h>
#include <rdma/ib_verbs.h>

#include "verbs_test.h"

#define BUF_LEN		(128 * 1024)
#define CALLS		128		/* requests of one side under way, at most */
#define REGION_PAGES	8

/* A posted work request. */
struct call {
	struct ib_cqe cqe;
	struct completion done;
	struct ib_wc wc;
};

struct side {
	struct ib_device *dev;
	struct ib_pd *pd;
	struct ib_cq *scq, *rcq;
	struct ib_srq *srq;
	struct ib_qp *qp;
	const struct ib_gid_attr *gid;
	u8 *buf;		/* BUF_LEN bytes */
	u64 addr;		/* DMA address of buf */
	struct call *calls;
	unsigned int next_call;
	enum ib_poll_context poll;
};

/* Pages that are not adjacent, and a memory region to register them with. */
struct region {
	struct side *side;
	struct ib_mr *mr;
	struct page *pages[REGION_PAGES];
	struct scatterlist sg[REGION_PAGES];
	struct ib_reg_wr wr;
	u32 offset;		/* of the first byte, in the first page */
	u32 len;
};

struct rig {
	struct side a, b;
	struct verbs_test_run *run;
};

struct rig_how {
	enum ib_poll_context poll;
	bool srq;		/* b receives from a shared queue */
};

int rig_open(struct rig *rig, struct verbs_test_run *run, struct ib_device *a,
	     struct ib_device *b, const struct rig_how *how);
void rig_close(struct rig *rig);

/* Notes the first failure of a test. Returns -EIO. */
__printf(2, 3) int failed(struct rig *rig, const char *fmt, ...);

/* The next call, for the wr_cqe of a work request. Calls are reused in turn. */
struct call *call_new(struct side *side);
/* Waits for the call's completion, which must have @status. */
int call_expect(struct rig *rig, struct side *side, struct ib_cq *cq, struct call *call,
		enum ib_wc_status status);

int post_recv(struct rig *rig, struct side *side, u32 at, u32 len, struct call **call);
int post_send(struct rig *rig, struct side *side, struct ib_send_wr *wr, struct call **call);
/* Posts @wr and waits for its completion. */
int do_send(struct rig *rig, struct side *side, struct ib_send_wr *wr, enum ib_wc_status status);

static inline struct ib_sge side_sge(struct side *side, u32 at, u32 len)
{
	return (struct ib_sge){ .addr = side->addr + at, .length = len,
				.lkey = side->pd->local_dma_lkey };
}

int region_open(struct rig *rig, struct side *side, struct region *region);
void region_close(struct region *region);
/* Fills in region->wr with a new key: registers @len bytes from @offset on with @access. */
int region_prepare(struct rig *rig, struct region *region, u32 offset, u32 len, int access);
/* The same, and waits until the region is registered. */
int region_register(struct rig *rig, struct region *region, u32 offset, u32 len, int access);

void fill(u8 *p, u32 len, u32 seed);
void region_fill(struct region *region, u32 seed);
int check(struct rig *rig, const u8 *p, u32 len, u32 seed, const char *what);
/* Checks @len bytes from @skip on; all other bytes of the region must be zeroes. */
int region_check(struct rig *rig, struct region *region, u32 skip, u32 len, u32 seed);

struct consumer_test {
	const char *name;
	int (*fn)(struct rig *rig);
	struct rig_how how;
};

extern const struct consumer_test consumer_tests[];

#endif
