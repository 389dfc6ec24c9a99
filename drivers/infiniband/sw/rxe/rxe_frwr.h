/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_frwr.c: regions that the kernel registers by requests */
#ifndef RXE_FRWR_H
#define RXE_FRWR_H

#include <linux/spinlock.h>
#include <rdma/ib_verbs.h>

struct rxe_mr;
struct rxe_place;
struct rxe_qp;
struct rxe_swqe;

/**
 * struct rxe_frwr - pages of a region that the kernel registers by requests
 * @lock: held while the key is changed and while bytes are copied, so no copy
 *	is under way after an invalidation; innermost, as a leaf's lock
 * @max_pages: size of @pages
 * @num_pages: pages in the list; it and @pages change only while the key is
 *	free
 * @rcu: frees the list
 * @pages: addresses in the kernel's mapping, each of one page of the region
 */
struct rxe_frwr {
	spinlock_t lock;
	u32 max_pages;
	u32 num_pages;
	struct rcu_head rcu;
	u64 pages[] __counted_by(max_pages);
};

struct ib_mr *rxe_alloc_mr(struct ib_pd *pd, enum ib_mr_type type,
			   u32 max_num_sg);
int rxe_map_mr_sg(struct ib_mr *ibmr, struct scatterlist *sg, int num_sg,
		  unsigned int *sg_offset);
int rxe_frwr_register(struct rxe_qp *qp, const struct rxe_swqe *wqe);
int rxe_frwr_invalidate(struct rxe_qp *qp, u32 rkey);
void rxe_frwr_close(struct rxe_mr *mr);
void *rxe_frwr_pointer(const struct rxe_place *place, u64 skip, u32 *room);

#endif /* RXE_FRWR_H */
