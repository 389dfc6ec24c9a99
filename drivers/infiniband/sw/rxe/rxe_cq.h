/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_cq.c: completion queues */
#ifndef RXE_CQ_H
#define RXE_CQ_H

#include <rdma/ib_verbs.h>

#include "rxe_ring.h"
#include "rxe_task.h"

/**
 * struct rxe_cq - a completion queue
 * @ib: the RDMA core's part
 * @resize_lock: serializes resize commands; sleeps; @lock is taken inside
 * @lock: protects the members from @ring to @due; a kernel consumer's queue
 *	takes it with interrupts off
 * @ring: the CQEs: struct ib_uverbs_wc for user space, struct ib_wc for a
 *	kernel consumer
 * @producer: index of the next CQE to add; free-running
 * @consumer: index of the next CQE to poll; free-running; only used for kernel
 *	consumers
 * @armed: enum ib_cq_notify_flags, 0 if not armed
 * @overflowed: a completion was lost; no more completions are added
 * @due: @notify must call the completion handler
 * @notify: the task that calls the completion handler, outside of locks
 * @user: @ring is mapped by user space; constant
 */
struct rxe_cq {
	struct ib_cq ib;
	struct mutex resize_lock;
	spinlock_t lock;
	struct rxe_ring ring;
	u32 producer;
	u32 consumer;
	u8 armed;
	bool overflowed;
	bool due;
	struct rxe_task notify;
	bool user;
};

static inline struct rxe_cq *to_rcq(struct ib_cq *ib)
{
	return container_of(ib, struct rxe_cq, ib);
}

int rxe_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		  struct compat_create_cq_attrs *attrs);
int rxe_resize_cq(struct ib_cq *ibcq, compat_resize_cqe cqe,
		  struct ib_udata *udata);
int rxe_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata);
int rxe_poll_cq(struct ib_cq *ibcq, int num, struct ib_wc *wc);
int rxe_req_notify_cq(struct ib_cq *ibcq, enum ib_cq_notify_flags flags);
bool rxe_cq_post(struct rxe_cq *cq, const struct ib_wc *wc, bool solicited);

#endif /* RXE_CQ_H */
