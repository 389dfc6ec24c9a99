/* SPDX-License-Identifier: GPL-2.0 */
/* Queue pairs: what is sent and received, and how far that has come */
#ifndef RXE_QP_H
#define RXE_QP_H

#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <net/dst.h>

#include "rxe.h"
#include "rxe_fault.h"
#include "rxe_limits.h"
#include "rxe_recvq.h"
#include "rxe_task.h"

struct mem_cgroup;
struct rxe_service;
struct sock;

/**
 * struct rxe_swqe - a send work request, a private copy
 * @wr_id: the user's
 * @opcode: enum ib_wr_opcode, a row of rxe_wr_ops[]
 * @flags: enum ib_send_flags
 * @status: enum ib_wc_status that it is going to complete with
 * @length: bytes of payload
 * @num_sge: of @sge
 * @first_psn: of its first packet; valid once @started
 * @end_psn: after its last packet, or the last response to it; @first_psn for
 *	what is done locally
 * @started: its first packet has been sent
 * @imm_data: immediate data
 * @invalidate_rkey: of SEND with invalidate, and local invalidate
 * @remote_addr: of RDMA and atomics
 * @rkey: of RDMA and atomics
 * @swap_add: of atomics: what to store or to add
 * @compare: of compare and swap
 * @flush: of FLUSH: how much, how far, and how
 * @mw: of bind: what to bind and where
 * @reg: of registration: the kernel's region, its new key, and rights
 * @sge: gather or scatter list
 * @inline_data: payload, in place of @sge, with IB_SEND_INLINE and of ATOMIC
 *	WRITE; both have rxe_sq.room bytes, and rxe_swqe_put() fills them
 */
struct rxe_swqe {
	u64 wr_id;
	u32 opcode;
	u32 flags;
	u32 status;
	u32 length;
	u32 num_sge;
	u32 first_psn;
	u32 end_psn;
	bool started;
	union {
		__be32 imm_data;
		u32 invalidate_rkey;
	};
	union {
		struct {
			u64 remote_addr;
			u64 swap_add;
			u64 compare;
			u32 rkey;
			struct {
				u32 length;
				u8 type;
				u8 level;
			} flush;
		};
		struct {
			u64 addr;
			u64 length;
			u32 mr_lkey;
			u32 mw_rkey;
			u32 new_rkey;
			u32 access;
		} mw;
		struct {
			struct ib_mr *mr;
			u32 key;
			int access;
		} reg;
	};
	union {
		DECLARE_FLEX_ARRAY(struct rxe_sge, sge);
		DECLARE_FLEX_ARRAY(u8, inline_data);
	};
};

/**
 * struct rxe_dest - where a datagram goes
 * @av: the address
 * @qpn: the QP there
 * @qkey: that it is to have
 * @priority: of its packet, as skb->priority
 *
 * Behind the gather list or the inline data of a request that is a datagram.
 */
struct rxe_dest {
	struct rxe_av av;
	u32 qpn;
	u32 qkey;
	u32 priority;
};

/**
 * struct rxe_train - packets about to leave together; empty between two turns of
 *	the task that fills it
 * @head: the first of them, which the others are fragments of
 * @end: where the next one is hung up
 * @packets: how many; 0: none, and the rest means nothing
 * @size: bytes of the first: BTH to ICRC
 * @last_size: of the last
 */
struct rxe_train {
	struct sk_buff *head;
	struct sk_buff **end;
	unsigned int packets;
	unsigned int size;
	unsigned int last_size;
};

/**
 * struct rxe_sq - the sending half of a QP
 * @lock: protects everything in here, but for what @post_lock protects
 * @task: requester and completer
 * @ring: user space's; NULL buffer for the kernel's QPs
 * @room: bytes behind each private copy for a gather list or inline data;
 *	enough for the word of an ATOMIC WRITE, whatever was asked for
 * @sig_all: every request completes with a CQE
 * @wqes: private copies; a user's are made by the first doorbell
 * @wqe_mask: number of @wqes - 1; so many are used at a time at most
 * @wqe_size: bytes of one
 * @post_lock: protects @posted and the slots from @posted on; innermost, and
 *	taken with interrupts off
 * @posted: requests of the kernel's, running freely; read with acquire
 * @prod: requests picked up; this and the next two run freely
 * @cur: the request being sent
 * @cons: the oldest request not completed; read with acquire by who posts
 * @offset: bytes of @cur that have been sent
 * @psn: of the next packet
 * @sent_psn: after the last one that was ever sent; ahead of @psn while packets
 *	are being sent again
 * @una: the oldest PSN not acknowledged
 * @rd_atomic: READs and atomics under way, all of which has been asked for
 * @retries: left until IB_WC_RETRY_EXC_ERR
 * @rnr_retries: left until IB_WC_RNR_RETRY_EXC_ERR
 * @rnr_since: when the first RNR NAK after some progress came; 0: none has
 * @acked: up to here the peer has executed everything; beyond @una where answers
 *	to queries before are still missing
 * @recover: what had been sent when it was gone back; @psn is behind that until
 *	all of it has been sent again
 * @went_back: what was lost has been sent or asked for again; packets that were
 *	on their way then will say once more that it is lost
 * @lost_again: packets said so before all had been sent again
 * @probing: one message at a time until there is progress: the peer was not ready,
 *	or is slow to answer, and is not to be given all of it again, and again
 * @fatal_nak: enum ib_wc_status: the peer has ended the connection with a NAK,
 *	and nothing but what it sent before is still to come; 0: it has not
 * @fatal_nak_psn: of that NAK
 * @rnr_wait: nothing is sent until @rnr_timer fires
 * @no_memory: that is for want of memory, not because the peer has said so
 * @timed_out: set by @timer
 * @deadline: when what is under way must have made progress; 0: nothing is
 * @timer_armed: @timer will fire
 * @drained_event: IB_EVENT_SQ_DRAINED has been raised
 * @timer: lost packets; fires at or before @deadline, and again if before
 * @rnr_timer: see @rnr_wait
 * @scatter_timer: kicks the completer when the fault in @scatter has become a long one
 * @responses: packets for the completer; has a lock of its own
 * @early: those that came before their turn
 * @dropped: responses found no room since they were last asked for; set by anybody
 * @train: requests about to leave
 * @gather: a page of the payload that is missing
 * @gather_for: the request that @gather is for, an index as @cur
 * @scatter: a page for a response that is missing
 * @direct: a page of either side that is missing, where it goes without packets;
 *	if it cannot be had, the next goes by a packet, and then this is forgotten
 * @direct_late: @direct waits for a page of the peer that has been missing for so
 *	long that packets take over: the peer's RNR NAKs count against @rnr_retries
 */
struct rxe_sq {
	spinlock_t lock;
	struct rxe_task task;
	struct rxe_ring ring;
	u32 room;
	bool sig_all;
	void *wqes;
	u32 wqe_mask;
	size_t wqe_size;
	spinlock_t post_lock;
	u32 posted;
	u32 prod;
	u32 cur;
	u32 cons;
	u32 offset;
	u32 psn;
	u32 sent_psn;
	u32 una;
	u32 acked;
	u32 recover;
	u32 rd_atomic;
	u32 retries;
	u32 rnr_retries;
	ktime_t rnr_since;
	bool went_back;
	bool lost_again;
	bool probing;
	u8 fatal_nak;
	u32 fatal_nak_psn;
	bool rnr_wait;
	bool no_memory;
	bool timed_out;
	ktime_t deadline;
	bool timer_armed;
	bool drained_event;
	struct hrtimer timer;
	struct hrtimer rnr_timer;
	struct hrtimer scatter_timer;
	struct sk_buff_head responses;
	struct sk_buff_head early;
	bool dropped;
	struct rxe_train train;
	struct rxe_fault gather;
	u32 gather_for;
	struct rxe_fault scatter;
	struct rxe_fault direct;
	bool direct_late;
};

/**
 * struct rxe_replay - what a duplicate READ or atomic is answered from
 * @kind: RXE_OP_READ, which is executed again; or what must not be
 * @first_psn: of the request
 * @end_psn: after the last response
 * @rkey: of a READ
 * @addr: of a READ
 * @length: of a READ, bytes
 * @value: the word as the atomic found it
 * @msn: of the answer
 */
struct rxe_replay {
	u8 kind;
	u32 first_psn;
	u32 end_psn;
	u32 rkey;
	u64 addr;
	u32 length;
	u64 value;
	u32 msn;
};

/**
 * struct rxe_rq - the receiving half of a QP
 * @lock: protects everything in here
 * @task: the responder
 * @queue: receive requests; empty for ever where there is a shared one
 * @pd: that the memory of receive requests must belong to; constant
 * @wqe: the request being filled; valid if @have_wqe
 * @have_wqe: enum rxe_taken: see @wqe
 * @psn: expected
 * @msn: messages completed
 * @kind: of the message under way, RXE_OP_SEND or RXE_OP_WRITE, or RXE_OP_NONE
 * @addr: of the WRITE under way: where the next packet goes
 * @rkey: of the WRITE under way
 * @resid: bytes of the WRITE under way still to come
 * @offset: bytes of the message under way that have arrived
 * @established: a packet has come in
 * @last_wqe_event: IB_EVENT_QP_LAST_WQE_REACHED has been raised
 * @nak_sent: what the last packet was refused with that has to come again:
 *	RXE_AETH_NAK_SEQ or RXE_AETH_RNR; 0: none since one was executed
 * @ack_due: an ACK for @psn - 1 has to be sent before anything else is
 * @fault_psn: of the packet, in or out, that @fault is for
 * @rnr_sent: the peer has been told to wait for it
 * @reading: @read is under way
 * @read: the READ whose responses are being sent
 * @read_psn: of the next response
 * @replays: the last READs and atomics, by @num_replays; none before there has
 *	been a max_dest_rd_atomic
 * @replay_mask: slots of @replays - 1; grows under modify_mutex
 * @num_replays: recorded since the QP was reset, free-running
 * @max_replays: of them, duplicates are answered from so many: max_dest_rd_atomic
 * @requests: packets for the responder; has a lock of its own
 * @early: those that came before their turn
 * @dropped: requests found no room since they were last asked for; set by anybody
 * @train: responses about to leave
 * @fault: a page that is missing
 * @timer: kicks the responder when the fault in @fault has become a long one; or, in
 *	the error state, to look whether user space has posted anything
 * @flushed: when it last had then; 0: the QP has come to this state now
 */
struct rxe_rq {
	spinlock_t lock;
	struct rxe_task task;
	struct rxe_recvq queue;
	struct ib_pd *pd;
	struct rxe_rwqe wqe;
	u8 have_wqe;
	u32 psn;
	u32 msn;
	u8 kind;
	u64 addr;
	u32 rkey;
	u32 resid;
	u32 offset;
	bool established;
	bool last_wqe_event;
	u8 nak_sent;
	bool ack_due;
	u32 fault_psn;
	bool rnr_sent;
	bool reading;
	struct rxe_replay read;
	u32 read_psn;
	struct rxe_replay *replays;
	u32 replay_mask;
	u32 num_replays;
	u32 max_replays;
	struct sk_buff_head requests;
	struct sk_buff_head early;
	bool dropped;
	struct rxe_train train;
	struct rxe_fault fault;
	struct hrtimer timer;
	ktime_t flushed;
};

/**
 * struct rxe_qp - a queue pair
 * @handle: the core's object, which goes when destroy_qp() returns: for the two
 *	tasks and the verbs only
 * @ib: copies of what the core knows, for whoever has found the queue pair;
 *	constant. The CQs and the SRQ themselves go when @handle does.
 * @rcu: frees it: who has found it in an RCU read section may have it until
 *	that ends
 * @modify_mutex: serialises modify_qp and destroy_qp
 * @attr: as set by modify_qp; changed under modify_mutex, sq.lock and rq.lock
 * @rights: of @attr's access flags, what the peer may do here; as @attr
 * @state_lock: protects @state; innermost
 * @state: changed under @state_lock; read with READ_ONCE()
 * @user: its queues are user space's
 * @transport: enum ib_qp_type of its packets, UD for QP1; constant
 * @service: what its transport does; constant
 * @mtu: bytes of payload in a packet; as @attr
 * @av: the peer's address; as @attr; of datagrams the last one's, under sq.lock
 * @loopback: the peer is on this device; as @av
 * @src_port: UDP source port; as @av
 * @priority: of its packets, for VLANs and queues: as skb->priority; as @av
 * @dst: route to the peer, or NULL; under sq.lock or rq.lock by the tasks, so
 *	it has a lock of its own
 * @dst_cookie: tells when @dst is out of date; under @dst_lock
 * @dst_lock: protects @dst and @dst_cookie
 * @mws: type 2 memory windows bound by it; under @mws_lock
 * @mws_lock: protects @mws; innermost
 * @pd_node: in the list of its protection domain's; under the list's lock
 * @groups: struct rxe_member, multicast groups; under the device's groups_lock
 * @account: what it has in the queues below, where nobody answers; else NULL
 * @memcg: is charged for @kept; NULL for the kernel's; constant
 * @kept: bytes of packets that wait for long (rxe_keep.c)
 * @sq: sending
 * @rq: receiving
 */
struct rxe_qp {
	struct ib_qp *handle;
	struct {
		struct ib_device *device;
		struct ib_pd *pd;
		struct ib_cq *send_cq;
		struct ib_cq *recv_cq;
		struct ib_srq *srq;
		enum ib_qp_type qp_type;
		u32 qp_num;
	} ib;
	struct rcu_head rcu;
	struct mutex modify_mutex;
	struct ib_qp_attr attr;
	int rights;
	spinlock_t state_lock;
	enum ib_qp_state state;
	bool user;
	u8 transport;
	const struct rxe_service *service;
	u32 mtu;
	struct rxe_av av;
	bool loopback;
	u16 src_port;
	u32 priority;
	struct dst_entry *dst;
	u32 dst_cookie;
	spinlock_t dst_lock;
	struct list_head mws;
	spinlock_t mws_lock;
	struct list_head pd_node;
	struct list_head groups;
	struct sock *account;
	struct mem_cgroup *memcg;
	atomic_t kept;
	struct rxe_sq sq;
	struct rxe_rq rq;
};

/**
 * struct rxe_qp_handle - what the core makes and frees for a queue pair
 * @ib: what the core knows
 * @qp: the queue pair
 */
struct rxe_qp_handle {
	struct ib_qp ib;
	struct rxe_qp *qp;
};

static inline struct rxe_qp *to_rqp(struct ib_qp *ib)
{
	return container_of(ib, struct rxe_qp_handle, ib)->qp;
}

static inline struct rxe_dev *qp_rxe(const struct rxe_qp *qp)
{
	return to_rxe(qp->ib.device);
}

static inline enum ib_qp_state rxe_qp_state(const struct rxe_qp *qp)
{
	return READ_ONCE(qp->state);
}

/* The PSN of what is being executed. */
static inline u32 rxe_rq_at(const struct rxe_rq *rq)
{
	return rq->reading ? rq->read_psn : rq->psn;
}

static inline struct rxe_swqe *rxe_swqe(const struct rxe_sq *sq, u32 index)
{
	return sq->wqes + (index & sq->wqe_mask) * sq->wqe_size;
}

static inline struct rxe_dest *rxe_swqe_dest(const struct rxe_sq *sq,
					     const struct rxe_swqe *wqe)
{
	return (void *)wqe + sq->wqe_size - sizeof(struct rxe_dest);
}

/**
 * rxe_swqe_put() - copy to the end of a request
 * @sq: its send queue
 * @wqe: the request
 * @at: bytes behind it that are taken already
 * @data: a part of its gather list, or of its inline data
 * @len: bytes
 *
 * Context: who fills the request.
 * Return: true; false: there is no room, and nothing was copied.
 */
static inline bool rxe_swqe_put(const struct rxe_sq *sq, struct rxe_swqe *wqe,
				size_t at, const void *data, size_t len)
{
	if (at > sq->room || len > sq->room - at)
		return false;
	memcpy(wqe->inline_data + at, data, len);
	return true;
}

/* Waits for a turn of the receiving half, or of a peer in its place (rxe_direct.c). */
static inline void rxe_resp_pass(struct rxe_qp *qp)
{
	spin_lock_bh(&qp->rq.lock);
	spin_unlock_bh(&qp->rq.lock);
}

/* The QP of a number, or NULL. Caller: in an RCU read section, as long as it uses it. */
static inline struct rxe_qp *rxe_qp_find(struct rxe_dev *rxe, u32 qpn)
{
	struct rxe_qp *qp = rxe_table_near(&rxe->qps, qpn);

	return qp && qp->ib.qp_num == qpn ? qp : xa_load(&rxe->qps.all, qpn);
}

#endif /* RXE_QP_H */
