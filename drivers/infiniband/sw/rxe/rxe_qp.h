/* SPDX-License-Identifier: GPL-2.0 */
/* Queue pairs: the two halves, and how far each has come */
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
 * @wr_id: chosen by the consumer
 * @opcode: enum ib_wr_opcode, a row of rxe_wr_ops[]
 * @flags: enum ib_send_flags
 * @status: enum ib_wc_status that the request will complete with
 * @length: bytes of payload
 * @num_sge: number of elements of @sge
 * @first_psn: PSN of the first packet; valid once @started
 * @end_psn: PSN behind the last packet, or behind the last packet of the
 *	response; equals @first_psn if the request is executed locally
 * @started: the first packet has been sent
 * @imm_data: immediate data
 * @invalidate_rkey: of SEND with invalidate, and of local invalidate
 * @remote_addr: of RDMA and atomics
 * @rkey: of RDMA and atomics
 * @swap_add: of atomics: what to store, or to add
 * @compare: of compare and swap
 * @flush: of FLUSH: bytes, selectivity level and placement type
 * @mw: of bind: the window, its region, range and rights
 * @reg: of registration: the kernel's region, its new key and its rights
 * @sge: gather or scatter list
 * @inline_data: payload in place of @sge, with IB_SEND_INLINE and of ATOMIC
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
 * struct rxe_dest - the destination of a datagram
 * @av: address
 * @qpn: destination QP number
 * @qkey: Q_Key that the destination must have
 * @priority: of the packet, as skb->priority
 *
 * Stands behind the gather list or the inline data of a request.
 */
struct rxe_dest {
	struct rxe_av av;
	u32 qpn;
	u32 qkey;
	u32 priority;
};

/**
 * struct rxe_train - packets that will be sent together; empty between two
 *	turns of the task that fills it
 * @head: the first packet; the others are its fragments
 * @end: where the next packet is linked
 * @packets: number of packets; if 0, all other members are invalid
 * @size: bytes of the first packet, from BTH to ICRC
 * @last_size: bytes of the last packet
 */
struct rxe_train {
	struct sk_buff *head;
	struct sk_buff **end;
	unsigned int packets;
	unsigned int size;
	unsigned int last_size;
};

/**
 * struct rxe_recovery - what a requester knows of losses, pauses and errors
 * @acked: the responder has executed all PSNs before this one; ahead of sq.una
 *	while responses to earlier queries are missing
 * @recover: sq.psn when the requester went back; until sq.psn has reached it
 *	again, not everything has been retransmitted
 * @retries: left until IB_WC_RETRY_EXC_ERR
 * @rnr_retries: left until IB_WC_RNR_RETRY_EXC_ERR
 * @rnr_since: when the first RNR NAK since the last progress arrived; 0: none
 *	has
 * @went_back: lost packets have been retransmitted or requested again; NAKs
 *	that were under way at that time report the same loss once more
 * @lost_again: a loss was reported before all packets had been retransmitted
 * @probing: send one message at a time until there is progress: the responder
 *	was not ready, or is slow, and would get the whole window again and
 *	again
 * @fatal_nak: enum ib_wc_status of a NAK with which the responder has ended the
 *	connection; only responses that it sent before may still arrive; 0: none
 * @fatal_nak_psn: PSN of that NAK
 * @rnr_wait: nothing is sent until sq.rnr_timer fires
 * @no_memory: @rnr_wait is for lack of memory; the responder has not asked for
 *	it
 * @timed_out: set by sq.timer
 * @deadline: when packets under way must have made progress; 0: there are none
 * @timer_armed: sq.timer will fire
 *
 * Protected by sq.lock. All zeroes is the state of a new queue pair.
 */
struct rxe_recovery {
	u32 acked;
	u32 recover;
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
	bool timer_armed;
	ktime_t deadline;
};

/**
 * struct rxe_sq - the sending half of a QP
 * @lock: protects all members except those that @post_lock protects
 * @task: requester and completer
 * @ring: user space's ring; it has no buffer for the kernel's QPs
 * @room: bytes behind each private copy for a gather list or inline data;
 *	always enough for the word of an ATOMIC WRITE
 * @sig_all: every request completes with a CQE
 * @wqes: private copies; a user's are allocated by the first doorbell
 * @wqe_mask: number of @wqes - 1, which is the largest number in use at a time
 * @wqe_size: bytes of one private copy
 * @post_lock: protects @posted and the slots from @posted on; innermost, and
 *	taken with interrupts off
 * @posted: requests posted by a consumer in the kernel, free-running. The
 *	release in rxe_post_one() pairs with the acquire in rxe_req_fetch().
 * @prod: requests picked up, free-running as @cur and @cons are
 * @cur: the request being sent
 * @cons: the oldest request that is not complete. The release in
 *	rxe_sq_finish() pairs with the acquire in rxe_post_one().
 * @offset: bytes of @cur that have been sent
 * @psn: PSN of the next packet
 * @sent_psn: PSN behind the last packet ever sent; ahead of @psn while packets
 *	are being retransmitted
 * @una: the oldest PSN that is not acknowledged
 * @rd_atomic: queries under way, all of whose packets have been sent
 * @recovery: losses, pauses and errors
 * @drained_event: IB_EVENT_SQ_DRAINED has been raised
 * @timer: detects lost packets; fires at or before @recovery.deadline, and is
 *	started again if it fires before
 * @rnr_timer: see @recovery.rnr_wait
 * @scatter_timer: kicks the completer when @scatter has been busy for long
 * @responses: packets for the completer; has a lock of its own
 * @reorder: responses that arrived early, sorted by PSN
 * @dropped: responses were dropped for lack of room since the completer last
 *	requested them again; any context may set it
 * @train: request packets that will be sent together
 * @gather: fault on a page of the payload
 * @gather_for: the request that @gather is for, an index as @cur
 * @scatter: fault on a page that a response is copied to
 * @direct: fault on a page of either side of a direct copy; if the page cannot
 *	be had, the next packet is sent, and then the result is forgotten
 * @direct_late: @direct waits for a page of the responder that has been missing
 *	for so long that packets take over: the responder's RNR NAKs then count
 *	against @recovery.rnr_retries
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
	u32 rd_atomic;
	struct rxe_recovery recovery;
	bool drained_event;
	struct hrtimer timer;
	struct hrtimer rnr_timer;
	struct hrtimer scatter_timer;
	struct sk_buff_head responses;
	struct sk_buff_head reorder;
	bool dropped;
	struct rxe_train train;
	struct rxe_fault gather;
	u32 gather_for;
	struct rxe_fault scatter;
	struct rxe_fault direct;
	bool direct_late;
};

/**
 * struct rxe_replay - a query that was executed, for answering its duplicates
 * @kind: RXE_OP_READ, which is executed again; any other must not be
 * @first_psn: PSN of the request
 * @end_psn: PSN behind the last response
 * @rkey: of a READ
 * @addr: of a READ
 * @length: of a READ, bytes
 * @value: the word before an atomic changed it
 * @msn: MSN of the response
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
 * @lock: protects all members
 * @task: the responder
 * @queue: receive requests; always empty if the QP uses a shared receive queue
 * @pd: protection domain of the receive requests' memory; constant
 * @wqe: the receive request being filled; valid if @have_wqe
 * @have_wqe: enum rxe_taken: see @wqe
 * @psn: expected PSN
 * @msn: messages completed
 * @kind: of the message under way, RXE_OP_SEND or RXE_OP_WRITE, or RXE_OP_NONE
 * @addr: of the WRITE under way: destination of the next packet
 * @rkey: of the WRITE under way
 * @resid: bytes of the WRITE under way that have not arrived
 * @offset: bytes of the message under way that have arrived
 * @established: a packet has arrived
 * @last_wqe_event: IB_EVENT_QP_LAST_WQE_REACHED has been raised
 * @nak_sent: the NAK that asks for packets to be sent again, RXE_AETH_NAK_SEQ
 *	or RXE_AETH_RNR; 0: none since a packet was last executed
 * @ack_due: an ACK for @psn - 1 must be sent before anything else
 * @fault_psn: PSN of the packet, request or response, that @fault is for
 * @rnr_sent: the peer has been told to retry later, because of @fault
 * @reading: @read is under way
 * @read: the READ whose responses are being sent
 * @read_psn: PSN of the next response
 * @replays: the last queries, indexed by @num_replays; NULL until
 *	max_dest_rd_atomic is first set
 * @replay_mask: number of slots of @replays - 1; grows under modify_mutex
 * @num_replays: queries recorded since the QP was reset, free-running
 * @max_replays: max_dest_rd_atomic: duplicates of that many queries are
 *	answered
 * @requests: packets for the responder; has a lock of its own
 * @reorder: requests that arrived early, sorted by PSN
 * @dropped: requests were dropped for lack of room since the responder last
 *	asked for them; any context may set it
 * @train: responses that will be sent together
 * @fault: fault on a page that a packet needs
 * @timer: kicks the responder when @fault has been busy for long; in the error
 *	state, to check whether user space has posted receive requests
 * @flushed: when such requests were last found, in the error state; 0: the QP
 *	has just entered that state
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
	struct sk_buff_head reorder;
	bool dropped;
	struct rxe_train train;
	struct rxe_fault fault;
	struct hrtimer timer;
	ktime_t flushed;
};

/**
 * struct rxe_qp - a queue pair
 * @handle: the core's object, which may be freed before this one; only the two
 *	tasks and the verbs use it
 * @ib: copies of members of @handle, for code that has found the queue pair by
 *	number; constant. The CQs and the SRQ themselves go when @handle does.
 * @rcu: frees the queue pair, after all read sections that may have found it
 * @modify_mutex: serializes modify_qp and destroy_qp
 * @attr: as set by modify_qp; changed under modify_mutex, sq.lock and rq.lock
 * @rights: what the peer may do here, from @attr's access flags; locked as
 *	@attr
 * @state_lock: protects @state; innermost
 * @state: changed under @state_lock; read with READ_ONCE()
 * @user: its queues are user space's
 * @transport: enum ib_qp_type of its packets, UD for QP1; constant
 * @service: the transport's properties and operations; constant
 * @mtu: bytes of payload in a packet; locked as @attr
 * @av: the peer's address, locked as @attr; of a datagram QP the address that
 *	the last datagram was sent to, under sq.lock
 * @loopback: the peer is on this device; locked as @av
 * @src_port: UDP source port; locked as @av
 * @priority: of its packets, as skb->priority, for VLANs and queues; locked as
 *	@av
 * @dst: route to the peer, or NULL; the tasks use it under sq.lock or rq.lock,
 *	so it has a lock of its own
 * @dst_cookie: tells when @dst is out of date; under @dst_lock
 * @dst_lock: protects @dst and @dst_cookie
 * @mws: type 2 memory windows bound by it; under @mws_lock
 * @mws_lock: protects @mws; innermost
 * @pd_node: in the list of its protection domain; under the list's lock
 * @groups: struct rxe_member, multicast groups; under the device's groups_lock
 * @account: socket that counts its bytes in the queues of the network stack;
 *	NULL if acknowledgments pace it
 * @memcg: memory cgroup that is charged for @kept; NULL for the kernel's;
 *	constant
 * @kept: bytes of packets that wait for long (rxe_keep.c)
 * @sq: sending half
 * @rq: receiving half
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
 * struct rxe_qp_handle - the object that the core allocates and frees
 * @ib: the core's part
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

/* The PSN of the packet, request or response, that is being executed. */
static inline u32 rxe_rq_at(const struct rxe_rq *rq)
{
	return rq->reading ? rq->read_psn : rq->psn;
}

static inline struct rxe_swqe *rxe_sq_wqe(const struct rxe_sq *sq, u32 index)
{
	return sq->wqes + (index & sq->wqe_mask) * sq->wqe_size;
}

static inline struct rxe_dest *rxe_swqe_dest(const struct rxe_sq *sq,
					     const struct rxe_swqe *wqe)
{
	return (void *)wqe + sq->wqe_size - sizeof(struct rxe_dest);
}

/**
 * rxe_swqe_put() - append to a request's gather list or inline data
 * @sq: the request's send queue
 * @wqe: the request
 * @at: bytes that are there already
 * @data: what to append
 * @len: bytes to append
 *
 * Context: the code that fills the request, before the request is posted.
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

/**
 * rxe_resp_pass() - wait for accesses to memory by the receiving half
 * @qp: the queue pair
 *
 * The responder, or a requester that copies directly in its place
 * (rxe_direct.c), resolves a key and copies under one hold of rq.lock. So when
 * this returns, nothing is copied by a key that was gone before the call.
 *
 * Context: rq.lock not held; sq.lock may be held.
 */
static inline void rxe_resp_pass(struct rxe_qp *qp)
{
	spin_lock_bh(&qp->rq.lock);
	spin_unlock_bh(&qp->rq.lock);
}

/**
 * rxe_qp_find() - look up a queue pair
 * @rxe: the device
 * @qpn: QP number
 *
 * Context: RCU read section, for as long as the queue pair is used.
 * Return: the queue pair, or NULL.
 */
static inline struct rxe_qp *rxe_qp_find(struct rxe_dev *rxe, u32 qpn)
{
	struct rxe_qp *qp = rxe_table_near(&rxe->qps, qpn);

	return qp && qp->ib.qp_num == qpn ? qp : xa_load(&rxe->qps.all, qpn);
}

#endif /* RXE_QP_H */
