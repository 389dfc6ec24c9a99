/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_recvq.c: queues of receive requests */
#ifndef RXE_RECVQ_H
#define RXE_RECVQ_H

#include <linux/spinlock.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "rxe_limits.h"
#include "rxe_ring.h"

/**
 * struct rxe_rwqe - a receive work request, a private copy
 * @wr_id: chosen by the consumer
 * @length: bytes of all @sge, but not more than a message may have
 * @num_sge: number of elements of @sge
 * @sge: scatter list
 */
struct rxe_rwqe {
	u64 wr_id;
	u64 length;
	u32 num_sge;
	struct rxe_sge sge[RXE_MAX_SGE];
};

static_assert(offsetofend(struct rxe_rwqe, sge) == sizeof(struct rxe_rwqe));

/**
 * enum rxe_taken - result of taking a receive request
 * @RXE_TAKEN_NONE: the queue is empty
 * @RXE_TAKEN: a request was taken
 * @RXE_TAKEN_BAD: a request with too many elements was taken; only its wr_id is
 *	valid, and it can only complete with an error
 */
enum rxe_taken {
	RXE_TAKEN_NONE,
	RXE_TAKEN,
	RXE_TAKEN_BAD,
};

/**
 * struct rxe_recvq - a queue of receive requests
 * @ring: user space's ring; it has no buffer for the kernel's queues
 * @max_sge: largest number of elements of a request
 * @cons: requests taken, free-running. The release in rxe_recvq_take() pairs
 *	with the acquire in rxe_recvq_post_one().
 * @kernel_wqes: the kernel's requests, slots of @kernel_wqe_size bytes indexed
 *	by position & mask; NULL for user space's
 * @kernel_wqe_size: bytes of a struct rxe_rwqe with @max_sge elements
 * @post_lock: protects @kernel_prod and the slots from there on; innermost, and
 *	taken with interrupts off
 * @kernel_prod: requests posted by the kernel, free-running. The release in
 *	rxe_recvq_post_one() pairs with the acquire in rxe_recvq_left().
 * @owner_lock: lock of the QP's receiving half, or of the SRQ, that has the
 *	queue; constant
 *
 * @owner_lock protects all members except those that @post_lock protects.
 */
struct rxe_recvq {
	struct rxe_ring ring;
	u32 max_sge;
	u32 cons;
	void *kernel_wqes;
	size_t kernel_wqe_size;
	spinlock_t post_lock;
	u32 kernel_prod;
	spinlock_t *owner_lock;
};

/* A list element of a consumer in the kernel, in the form of user space's. */
static inline struct rxe_sge rxe_sge_of(const struct ib_sge *sge)
{
	return (struct rxe_sge){
		.addr = sge->addr,
		.length = sge->length,
		.lkey = sge->lkey,
	};
}

/* The length of a gather or scatter list in bytes. */
static inline u64 rxe_sge_total(const struct rxe_sge *sge, u32 num_sge)
{
	u64 length = 0;
	u32 i;

	for (i = 0; i < num_sge; i++)
		length += sge[i].length;
	return length;
}

int rxe_recvq_init(struct rxe_recvq *queue, u32 wrs, u32 max_sge, bool user);
void rxe_recvq_free(struct rxe_recvq *queue);
void rxe_recvq_reset(struct rxe_recvq *queue);
u32 rxe_recvq_left(const struct rxe_recvq *queue);
enum rxe_taken rxe_recvq_take(struct rxe_recvq *queue,
			      struct rxe_rwqe *wqe);
int rxe_recvq_post(struct rxe_recvq *queue, const struct ib_recv_wr *wr,
		   const struct ib_recv_wr **bad_wr);
void rxe_recvq_copy(const struct rxe_recvq *queue, struct rxe_ring *ring,
		    u32 cons, u32 left);
void rxe_recvq_switch(struct rxe_recvq *queue, struct rxe_ring *ring, u32 cons,
		      u32 left);

#endif /* RXE_RECVQ_H */
