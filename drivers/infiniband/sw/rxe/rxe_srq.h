/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_srq.c: receive queues that queue pairs share */
#ifndef RXE_SRQ_H
#define RXE_SRQ_H

#include "rxe_recvq.h"
#include "rxe_task.h"

/**
 * struct rxe_srq - a shared receive queue
 * @ib: the core's part
 * @user: @queue is user space's
 * @num: the queue's number
 * @resize_lock: serializes changes of the size; sleeps; @lock is taken inside
 * @lock: protects the following members
 * @queue: the requests
 * @limit: an event is raised when fewer requests are left; 0: not armed
 * @due: events to be raised
 * @notify: raises them, without locks
 */
struct rxe_srq {
	struct ib_srq ib;
	bool user;
	u32 num;
	struct mutex resize_lock;
	spinlock_t lock;
	struct rxe_recvq queue;
	u32 limit;
	u32 due;
	struct rxe_task notify;
};

static inline struct rxe_srq *to_rsrq(struct ib_srq *ib)
{
	return container_of(ib, struct rxe_srq, ib);
}

enum rxe_taken rxe_srq_take(struct rxe_srq *srq, struct rxe_rwqe *wqe);

int rxe_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *init,
		   struct ib_udata *udata);
int rxe_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr,
		   enum ib_srq_attr_mask mask, struct ib_udata *udata);
int rxe_query_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr);
int rxe_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata);
int rxe_post_srq_recv(struct ib_srq *ibsrq, const struct ib_recv_wr *wr,
		      const struct ib_recv_wr **bad_wr);

#endif /* RXE_SRQ_H */
