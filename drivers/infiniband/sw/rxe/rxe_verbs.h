/* SPDX-License-Identifier: GPL-2.0 */
/* What the verbs half has for itself; struct ib_device_ops is made of it. */
#ifndef RXE_VERBS_H
#define RXE_VERBS_H

#include "rxe_qp.h"

#define RXE_PORT		1
#define RXE_ACCESS_REMOTE					\
	(IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_READ |	\
	 IB_ACCESS_REMOTE_ATOMIC)

/* rxe_device.c */
enum ib_mtu rxe_active_mtu(struct rxe_dev *rxe);
void rxe_device_link_changed(struct rxe_dev *rxe);

/* rxe_counters.c */
struct rdma_hw_stats *rxe_alloc_hw_port_stats(struct ib_device *ibdev,
					      u32 port);
int rxe_get_hw_stats(struct ib_device *ibdev, struct rdma_hw_stats *stats,
		     u32 port, int index);
u64 rxe_counter_sum(struct rxe_dev *rxe, enum rxe_counter counter);

/* rxe_mad.c */
int rxe_process_mad(struct ib_device *ibdev, int flags, u32 port,
		    const struct ib_wc *wc, const struct ib_grh *grh,
		    const struct ib_mad *in, struct ib_mad *out,
		    size_t *out_size, u16 *out_pkey_index);

/* rxe_pd.c */
int rxe_alloc_ucontext(struct ib_ucontext *ibcontext, struct ib_udata *udata);
void rxe_dealloc_ucontext(struct ib_ucontext *ibcontext);
void rxe_disassociate_ucontext(struct ib_ucontext *ibcontext);
int rxe_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
int rxe_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
void rxe_pd_add(struct rxe_qp *qp);
void rxe_pd_remove(struct rxe_qp *qp);
void rxe_pd_pass(struct ib_pd *ibpd);

/* rxe_ah.c */
u32 rxe_av_priority(u8 sl, u8 traffic_class);
u32 rxe_ah_priority(const struct rxe_ah *ah);
int rxe_av_from_attr(struct rxe_dev *rxe, struct rxe_av *av,
		     const struct rdma_ah_attr *attr);
int rxe_av_from_user(struct rxe_dev *rxe, struct rxe_av *av,
		     const struct rxe_av *user);
bool rxe_av_is_local(struct rxe_dev *rxe, const struct rxe_av *av);
int rxe_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *init,
		  struct ib_udata *udata);
int rxe_modify_ah(struct ib_ah *ibah, struct rdma_ah_attr *attr);
int rxe_query_ah(struct ib_ah *ibah, struct rdma_ah_attr *attr);
int rxe_destroy_ah(struct ib_ah *ibah, u32 flags);

/* rxe_cq.c */
int rxe_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		  struct compat_create_cq_attrs *attrs);
int rxe_resize_cq(struct ib_cq *ibcq, compat_resize_cqe cqe,
		  struct ib_udata *udata);
int rxe_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata);
int rxe_poll_cq(struct ib_cq *ibcq, int num, struct ib_wc *wc);
int rxe_req_notify_cq(struct ib_cq *ibcq, enum ib_cq_notify_flags flags);

/* rxe_srq.c */
int rxe_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *init,
		   struct ib_udata *udata);
int rxe_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr,
		   enum ib_srq_attr_mask mask, struct ib_udata *udata);
int rxe_query_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr);
int rxe_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata);
int rxe_post_srq_recv(struct ib_srq *ibsrq, const struct ib_recv_wr *wr,
		      const struct ib_recv_wr **bad_wr);

/* rxe_mr.c */
int rxe_key_reserve(struct rxe_dev *rxe, struct rxe_key *key,
		    enum rxe_key_type type, bool secret);
void rxe_key_publish(struct rxe_dev *rxe, struct rxe_key *key);
void rxe_key_erase(struct rxe_dev *rxe, struct rxe_key *key);
struct rxe_key *rxe_key_find(struct rxe_dev *rxe, u32 value,
			     enum rxe_key_type type);
int rxe_mr_give_key(struct rxe_mr *mr, enum rxe_key_type type, bool secret);
struct rxe_mr *rxe_mr_find(struct rxe_dev *rxe, struct ib_pd *pd, u32 value);
bool rxe_mr_contains(const struct rxe_mr *mr, u64 addr, u64 len);
struct ib_mr *rxe_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 iova,
			      int access, compat_dmah_param
			      struct ib_udata *udata);
struct ib_mr *rxe_rereg_user_mr(struct ib_mr *ibmr, int flags, u64 start,
				u64 length, u64 iova, int access,
				struct ib_pd *pd, struct ib_udata *udata);
int rxe_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata);

/* rxe_kmem.c */
struct ib_mr *rxe_get_dma_mr(struct ib_pd *pd, int access);

/* rxe_frwr.c */
struct ib_mr *rxe_alloc_mr(struct ib_pd *pd, enum ib_mr_type type,
			   u32 max_num_sg);
int rxe_map_mr_sg(struct ib_mr *ibmr, struct scatterlist *sg, int num_sg,
		  unsigned int *sg_offset);
int rxe_frwr_invalidate(struct rxe_qp *qp, u32 rkey);
void rxe_frwr_close(struct rxe_mr *mr);

/* rxe_advise.c */
int rxe_advise_mr(struct ib_pd *pd, enum ib_uverbs_advise_mr_advice advice,
		  u32 flags, struct ib_sge *sge, u32 num_sge,
		  struct uverbs_attr_bundle *attrs);

/* rxe_restrack.c */
int rxe_fill_res_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr);
int rxe_fill_stat_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr);

/* rxe_mw.c */
int rxe_alloc_mw(struct ib_mw *ibmw, struct ib_udata *udata);
int rxe_dealloc_mw(struct ib_mw *ibmw);
int rxe_mw_invalidate(struct rxe_qp *qp, u32 rkey);
int rxe_mw_resolve(struct rxe_qp *qp, u32 rkey, u64 addr, u64 len, int access,
		   struct rxe_place *place);
void rxe_mw_forget_qp(struct rxe_qp *qp);

/* rxe_qp.c */
int rxe_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *init,
		  struct ib_udata *udata);
int rxe_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		  struct ib_udata *udata);
int rxe_query_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		 struct ib_qp_init_attr *init);
int rxe_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata);
int rxe_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
		  const struct ib_send_wr **bad_wr);
int rxe_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
		  const struct ib_recv_wr **bad_wr);

/* rxe_mcast.c */
int rxe_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid);
int rxe_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid);
void rxe_mcast_forget_qp(struct rxe_qp *qp);
int rxe_mcast_init(struct rxe_dev *rxe);
void rxe_mcast_destroy(struct rxe_dev *rxe);

#endif /* RXE_VERBS_H */
