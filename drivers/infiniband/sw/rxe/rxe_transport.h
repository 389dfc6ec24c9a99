/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The transport: how packets go through it.
 *
 *	doorbell -> requester -> rxe_net_send() ~~> rxe_net_receive()
 *	                                             |          |
 *	   completions <- completer <- responses ----'          |
 *	                                  ^                     v
 *	                                  `---- responder <- requests
 *
 * rxe_net_send() takes a packet for a QP of the same device straight to that
 * QP's queue; others leave in trains (rxe_send.c). A queue is filled by anyone and
 * emptied by the task behind it.
 * Between two QPs of a device most of WRITE and READ goes without packets
 * (rxe_direct.c).
 *
 * What a QP may be asked for, and what its peer may expect, is its service: a
 * struct rxe_service for each transport.
 */
#ifndef RXE_TRANSPORT_H
#define RXE_TRANSPORT_H

#include <linux/udp.h>

#include "rxe_qp.h"
#include "rxe_wire.h"

/* What became of a request packet. */
enum rxe_verdict {
	RXE_DONE,		/* executed */
	RXE_DROPPED,		/* not executed, and not going to be */
	RXE_EARLY,		/* before its turn: to be kept */
	RXE_PARKED,		/* look at it again */
	RXE_FATAL,		/* the QP is in the error state */
};

/**
 * struct rxe_service - what is peculiar to a transport
 * @opcodes: where its opcodes begin: IB_OPCODE_RC and so on
 * @reliable: its packets are answered, and sent again if they are not
 * @requests: what may be sent, bits of enum ib_wr_opcode
 * @address: fills in where a packet goes; NULL: always to the same peer
 * @request: executes a request packet
 * @refuse: the peer has asked for what it may not have; syndrome and status are
 *	what it is told, if it is, and what a receive request completes with
 * @not_ready: there is no receive request for a packet
 *
 * @address is called with sq.lock held, the other three with rq.lock held.
 */
struct rxe_service {
	u8 opcodes;
	bool reliable;
	u32 requests;
	void (*address)(struct rxe_qp *qp, const struct rxe_swqe *wqe,
			struct rxe_headers *headers);
	enum rxe_verdict (*request)(struct rxe_qp *qp, struct sk_buff *skb);
	enum rxe_verdict (*refuse)(struct rxe_qp *qp, u32 psn, u8 syndrome,
				   enum ib_wc_status status);
	enum rxe_verdict (*not_ready)(struct rxe_qp *qp);
};

#define RXE_UD_REQUESTS						\
	(BIT(IB_WR_SEND) | BIT(IB_WR_SEND_WITH_IMM))

#define RXE_UC_REQUESTS						\
	(RXE_UD_REQUESTS | BIT(IB_WR_RDMA_WRITE) |		\
	 BIT(IB_WR_RDMA_WRITE_WITH_IMM) | BIT(IB_WR_BIND_MW) |	\
	 BIT(IB_WR_LOCAL_INV))

#define RXE_RC_REQUESTS						\
	(RXE_UC_REQUESTS | BIT(IB_WR_SEND_WITH_INV) |		\
	 BIT(IB_WR_RDMA_READ) | BIT(IB_WR_ATOMIC_CMP_AND_SWP) |	\
	 BIT(IB_WR_ATOMIC_FETCH_AND_ADD) |			\
	 BIT(IB_WR_ATOMIC_WRITE) | BIT(IB_WR_FLUSH))

/* rxe_net.c */
void rxe_net_deliver(struct rxe_qp *qp, struct sk_buff *skb);

/* Of a packet that begins with the BTH, behind IP and UDP. Caller: bottom halves are off. */
static inline void rxe_count_received(struct rxe_dev *rxe,
				      const struct sk_buff *skb)
{
	rxe_count(rxe, RXE_CNT_RCVD_PKTS);
	rxe_count_add(rxe, RXE_CNT_RCVD_BYTES,
		      skb->len + sizeof(struct udphdr) +
			      skb_network_header_len(skb));
}
void rxe_net_done(struct sk_buff_head *queue, struct sk_buff *skb);
struct sock *rxe_net_sock(struct net *net, __be16 protocol);

/* rxe_early.c */
void rxe_early_keep(struct rxe_qp *qp, struct sk_buff_head *early,
		    struct sk_buff_head *queue, struct sk_buff *skb);
void rxe_early_purge(struct sk_buff_head *early, struct sk_buff_head *queue);
struct sk_buff *rxe_early_peek(struct sk_buff_head *early, u32 psn);

/* rxe_keep.c */
void rxe_keep_init(struct rxe_qp *qp);
void rxe_keep_exit(struct rxe_qp *qp);
void rxe_drop(struct rxe_qp *qp, struct sk_buff *skb);
struct sk_buff *rxe_keep(struct rxe_qp *qp, struct sk_buff *skb);
void rxe_keep_waiting(struct rxe_qp *qp, struct sk_buff_head *queue,
		      const struct rxe_fault *fault, struct hrtimer *timer);

/* rxe_send.c */
int rxe_net_open_account(struct rxe_qp *qp);
void rxe_net_close_account(struct rxe_qp *qp);
bool rxe_net_is_full(const struct rxe_qp *qp);
bool rxe_net_is_up(const struct rxe_dev *rxe);
int rxe_net_send(struct rxe_qp *qp, struct rxe_train *train,
		 struct sk_buff *skb);
int rxe_net_flush(struct rxe_qp *qp, struct rxe_train *train);
void rxe_net_forget_route(struct rxe_qp *qp);

/* rxe_mcast.c */
void rxe_mcast_deliver(struct rxe_dev *rxe, const union ib_gid *gid,
		       struct sk_buff *skb);

/* rxe_comp.c: part of the sending task; caller holds sq.lock */
unsigned int rxe_comp_responses(struct rxe_qp *qp, unsigned int budget);
void rxe_comp_timeout(struct rxe_qp *qp);
void rxe_comp_fail(struct rxe_qp *qp, struct rxe_swqe *wqe,
		   enum ib_wc_status status);
void rxe_comp_retire(struct rxe_qp *qp);
void rxe_comp_progress(struct rxe_qp *qp, u32 una);
bool rxe_comp_flush(struct rxe_qp *qp);
void rxe_comp_arm(struct rxe_qp *qp);
bool rxe_comp_lost_again(struct rxe_qp *qp);

/* rxe_req.c: part of the sending task; caller holds sq.lock */
bool rxe_req_fetch(struct rxe_qp *qp);
unsigned int rxe_req_send(struct rxe_qp *qp, unsigned int budget);
void rxe_req_go_back(struct rxe_qp *qp);

/* rxe_direct.c: part of the sending task; caller holds sq.lock */
int rxe_direct_step(struct rxe_qp *qp, const struct rxe_swqe *wqe);

/* rxe_req.c: of any request, whoever has posted it */
enum ib_wc_status rxe_req_check(const struct rxe_qp *qp,
				const struct rxe_swqe *wqe);
enum ib_wc_status rxe_req_measure(struct rxe_swqe *wqe);

/* rxe_resp.c */
bool rxe_resp_task(struct rxe_task *task);

/* rxe_ud.c: part of the sending task; caller holds sq.lock */
enum ib_wc_status rxe_ud_fetch(struct rxe_qp *qp, struct rxe_swqe *wqe,
			       const struct rxe_send_wr *wr);
/* rxe_ud.c: any context */
int rxe_ud_post(struct rxe_qp *qp, struct rxe_swqe *wqe,
		const struct ib_ud_wr *wr);

/* rxe_copy.c */

/**
 * struct rxe_list - a gather or scatter list
 * @sge: its elements
 * @num_sge: how many
 * @access: 0 to gather, IB_ACCESS_LOCAL_WRITE to scatter
 * @pd: that its memory must belong to
 */
struct rxe_list {
	const struct rxe_sge *sge;
	u32 num_sge;
	int access;
	struct ib_pd *pd;
};

int rxe_list_copy(struct rxe_qp *qp, const struct rxe_list *list, u64 offset,
		  void *buf, u32 len, u64 rest, struct rxe_fault *fault);
int rxe_region_copy(struct rxe_qp *qp, u32 rkey, u64 addr, void *buf, u32 len,
		    u64 rest, int access, struct rxe_fault *fault);
int rxe_region_atomic(struct rxe_qp *qp, const struct rxe_headers *headers,
		      u64 *old, struct rxe_fault *fault);

/* rxe_frwr.c */
int rxe_frwr_register(struct rxe_qp *qp, const struct rxe_swqe *wqe);
void *rxe_frwr_pointer(const struct rxe_place *place, u64 skip, u32 *room);

/* rxe_kmem.c */
int rxe_kmem_copy(const struct rxe_place *place, void *buf, u32 len,
		  bool write);
int rxe_kmem_atomic(const struct rxe_place *place, enum umem_odp_atomic_op op,
		    u64 operand, u64 compare, u64 *old);

#endif /* RXE_TRANSPORT_H */
