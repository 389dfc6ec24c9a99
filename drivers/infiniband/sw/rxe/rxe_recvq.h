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
 * @wr_id: the user's
 * @length: bytes of all @sge, but no more than a message may have
 * @num_sge: of @sge
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
 * enum rxe_taken - what a queue of receive requests had
 * @RXE_TAKEN_NONE: nothing
 * @RXE_TAKEN: a request
 * @RXE_TAKEN_BAD: one with more elements than it may have, of which only the
 *	wr_id has been taken; it can only complete with an error
 */
enum rxe_taken {
	RXE_TAKEN_NONE,
	RXE_TAKEN,
	RXE_TAKEN_BAD,
};

/**
 * struct rxe_recvq - receive requests that wait
 * @ring: user space's; no buffer for the kernel's
 * @max_sge: what each request may have
 * @kernel_wqes: the kernel's, slots of @kernel_wqe_size bytes by index & mask;
 *	NULL for user space's
 * @kernel_wqe_size: bytes of a struct rxe_rwqe with @max_sge elements
 * @post_lock: protects @kernel_prod and the slots from there on; innermost, and
 *	taken with interrupts off
 * @kernel_prod: requests of the kernel's, free-running; read with acquire
 * @cons: requests taken, free-running; read with acquire by who posts
 *
 * Protected by its owner's lock, but for what @post_lock protects.
 */
struct rxe_recvq {
	struct rxe_ring ring;
	u32 max_sge;
	void *kernel_wqes;
	size_t kernel_wqe_size;
	spinlock_t post_lock;
	u32 kernel_prod;
	u32 cons;
};

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
