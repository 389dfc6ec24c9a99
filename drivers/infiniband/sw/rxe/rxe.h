/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The objects of the driver and the locks that protect them. Each file's
 * interface is in the section of its name.
 *
 * Lock order, outermost first; an arrow is "may be taken inside":
 *
 *	qp->modify_mutex		verbs that change a QP; sleeps
 *	  qp->sq.lock			requester and completer
 *	    qp->rq.lock			responder; both only by modify_qp
 *	      srq->lock			a shared receive queue's consumer
 *	        cq->lock		a completion queue's producer
 *	          qp->state_lock
 *	        mw->lock		a memory window's binding
 *	        frwr->lock		a region of the kernel's
 *	        sq.post_lock, recvq.post_lock	what the kernel has posted
 *
 * All but the mutex are spinning locks, taken with bottom halves off; those that
 * a consumer in the kernel takes by posting and polling, which it may do in any
 * context (post_lock, and cq->lock of its CQs), with interrupts off. A leaf
 * lock of ib_umem_odp is taken inside sq.lock or rq.lock, never the other way
 * round. Nothing is delivered to another QP, and no completion handler runs,
 * while a lock is held: that goes through tasks (rxe_task.c).
 *
 * QPs and memory keys are looked up under RCU.
 */
#ifndef RXE_H
#define RXE_H

#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/idr.h>
#include <linux/if_ether.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/refcount.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/dst.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "rxe_limits.h"

struct rxe_qp;
struct rxe_service;
struct rxe_swqe;

/* --- rxe_task.c: work that runs to completion ---------------------------- */

/**
 * struct rxe_task - something to be done, by one processor at a time
 * @pending: kicks not yet answered; who makes it 1 owns the task
 * @node: in a processor's run list; the owner's
 * @fn: does a bounded part of the work; returns true if there is more
 * @later: what more there is, is for a worker: softirqs are to run before; @fn's
 * @stays: what it sends is to go its way in order: it does not change the
 *	processor while that may still have something of it; constant
 * @cpu: where it ran last; the owner's
 * @ran: when, in jiffies; the owner's
 * @work: takes the task to a worker when a processor has done enough
 */
struct rxe_task {
	atomic_t pending;
	struct list_head node;
	bool (*fn)(struct rxe_task *task);
	bool later;
	bool stays;
	int cpu;
	unsigned long ran;
	struct work_struct work;
};

void rxe_task_init(struct rxe_task *task, bool (*fn)(struct rxe_task *task));
void rxe_task_kick(struct rxe_task *task);
void rxe_task_kick_apart(struct rxe_task *task);
void rxe_task_drain(struct rxe_task *task);
int rxe_task_module_init(void);
void rxe_task_module_exit(void);

/* --- rxe_counters.c ------------------------------------------------------ */

enum rxe_counter {
	RXE_CNT_SENT_PKTS,
	RXE_CNT_RCVD_PKTS,
	RXE_CNT_DUP_REQ,
	RXE_CNT_OUT_OF_SEQ_REQ,
	RXE_CNT_RCV_RNR,
	RXE_CNT_SND_RNR,
	RXE_CNT_RCV_SEQ_ERR,
	RXE_CNT_COMPLETER_RETRY,
	RXE_CNT_TIMEOUT_RETRY,
	RXE_CNT_RETRY_EXCEEDED,
	RXE_CNT_RNR_RETRY_EXCEEDED,
	RXE_CNT_SEND_ERR,
	RXE_CNT_ICRC_ERR,
	RXE_CNT_DROPPED,
	RXE_CNT_LINK_DOWNED,
	RXE_CNT_RDMA_SEND,
	RXE_CNT_RDMA_RECV,
	RXE_CNT_PAGE_FAULT_WAITS,
	RXE_CNT_PAGE_FAULT_RNR,
	RXE_NUM_COUNTERS,
};

struct rxe_counters {
	u64 value[RXE_NUM_COUNTERS];
};

/* --- the device ---------------------------------------------------------- */

/**
 * enum rxe_dev_flags - bits of struct rxe_dev's flags
 * @RXE_DEV_OPEN: it receives packets: between rxe_net_open() and _close()
 * @RXE_DEV_UP: what was last said of its link
 */
enum rxe_dev_flags {
	RXE_DEV_OPEN,
	RXE_DEV_UP,
};

/**
 * struct rxe_dev - a link
 * @ib: what the core knows
 * @ndev: the netdev below; a reference is held as long as the device lives
 * @ndev_tracker: of that reference
 * @qps: by QP number; RCU
 * @keys: struct rxe_key by key >> 8; RCU
 * @next_key: where the search for a free key begins
 * @next_qpn: where the search for a free QP number begins
 * @counters: per processor
 * @odp: what ib_umem_odp knows
 * @mmaps: ring buffers waiting for their mmap()
 * @mmaps_lock: protects @mmaps and @next_mmap; held while one is mapped
 * @next_mmap: offset of the next one
 * @ahs: user space's address handles by number
 * @next_ah: where the search for a free number begins
 * @srqs: numbers of shared receive queues
 * @groups: multicast groups; RCU
 * @num_groups: of them
 * @groups_lock: protects @groups and @num_groups; sleeps; RTNL is taken inside
 * @flags: enum rxe_dev_flags
 */
struct rxe_dev {
	struct ib_device ib;
	struct net_device *ndev;
	netdevice_tracker ndev_tracker;
	struct xarray qps;
	struct xarray keys;
	u32 next_key;
	u32 next_qpn;
	struct rxe_counters __percpu *counters;
	struct umem_odp_device odp;
	struct list_head mmaps;
	struct mutex mmaps_lock;
	u64 next_mmap;
	struct xarray ahs;
	u32 next_ah;
	struct ida srqs;
	struct list_head groups;
	u32 num_groups;
	struct mutex groups_lock;
	unsigned long flags;
};

static inline struct rxe_dev *to_rxe(struct ib_device *ib)
{
	return container_of(ib, struct rxe_dev, ib);
}

static inline void rxe_count(struct rxe_dev *rxe, enum rxe_counter counter)
{
	this_cpu_inc(rxe->counters->value[counter]);
}

struct rxe_ucontext {
	struct ib_ucontext ib;
};

struct rxe_pd {
	struct ib_pd ib;
};

struct rxe_ah {
	struct ib_ah ib;
	struct rxe_av av;
	struct rdma_ah_attr attr;
	u32 num;
};

static inline struct rxe_pd *to_rpd(struct ib_pd *ib)
{
	return container_of(ib, struct rxe_pd, ib);
}

static inline struct rxe_ah *to_rah(struct ib_ah *ib)
{
	return container_of(ib, struct rxe_ah, ib);
}

/* --- rxe_ring.c: rings shared with user space --------------------------- */

/**
 * struct rxe_ring - a ring in memory that user space maps
 * @buf: shared; user space may write any byte of it at any time
 * @bytes: size of @buf
 * @mask: number of slots - 1; the ring holds at most @mask elements
 * @elem_shift: log2 of a slot's size
 *
 * Neither @mask nor @elem_shift is ever read back from @buf. The index that is
 * the kernel's is kept elsewhere and only published here.
 */
struct rxe_ring {
	struct rxe_queue_buf *buf;
	size_t bytes;
	u32 mask;
	u32 elem_shift;
};

int rxe_ring_init(struct rxe_ring *ring, u32 elems, size_t elem_size);
void rxe_ring_free(struct rxe_ring *ring);

static inline void *rxe_ring_slot(const struct rxe_ring *ring, u32 index)
{
	return ring->buf->data +
	       ((size_t)(index & ring->mask) << ring->elem_shift);
}

/* Where user space's producer stands; what it wrote before can be read. */
static inline u32 rxe_ring_producer(const struct rxe_ring *ring)
{
	return smp_load_acquire(&ring->buf->producer_index) & ring->mask;
}

/* Where user space's consumer stands; its slots may be written again. */
static inline u32 rxe_ring_consumer(const struct rxe_ring *ring)
{
	return smp_load_acquire(&ring->buf->consumer_index) & ring->mask;
}

static inline void rxe_ring_publish_producer(struct rxe_ring *ring, u32 index)
{
	smp_store_release(&ring->buf->producer_index, index & ring->mask);
}

static inline void rxe_ring_publish_consumer(struct rxe_ring *ring, u32 index)
{
	smp_store_release(&ring->buf->consumer_index, index & ring->mask);
}

/* --- rxe_mmap.c ---------------------------------------------------------- */

int rxe_mmap(struct ib_ucontext *context, struct vm_area_struct *vma);
int rxe_mmap_offer(struct rxe_dev *rxe, struct ib_ucontext *context,
		   struct rxe_ring *ring, struct mminfo *info);
void rxe_mmap_withdraw(struct rxe_dev *rxe, struct rxe_ring *ring);

/* --- rxe_cq.c ------------------------------------------------------------ */

/**
 * struct rxe_cq - a completion queue
 * @ib: what the core knows
 * @lock: protects what follows; of the kernel's, taken with interrupts off
 * @ring: of struct ib_uverbs_wc for user space, of struct ib_wc for the kernel
 * @producer: free-running
 * @consumer: free-running; only used for the kernel
 * @armed: enum ib_cq_notify_flags, 0 if not armed
 * @overflowed: a completion was lost; nothing more is added
 * @due: what @notify has to tell
 * @notify: calls the handlers, outside of locks
 * @user: @ring is user space's
 */
struct rxe_cq {
	struct ib_cq ib;
	spinlock_t lock;
	struct rxe_ring ring;
	u32 producer;
	u32 consumer;
	u8 armed;
	bool overflowed;
	u8 due;
	struct rxe_task notify;
	bool user;
};

static inline struct rxe_cq *to_rcq(struct ib_cq *ib)
{
	return container_of(ib, struct rxe_cq, ib);
}

void rxe_cq_post(struct rxe_cq *cq, const struct ib_wc *wc, bool solicited);

/* --- rxe_mr.c: memory regions and keys ----------------------------------- */

enum rxe_key_type {
	RXE_KEY_MR,
	RXE_KEY_MW,
	RXE_KEY_FREE_MR,	/* the kernel's, not registered at present */
};

/**
 * struct rxe_key - what an lkey or rkey names
 * @type: what it is embedded in; constant but for the kernel's regions, whose
 *	frwr->lock protects it and @value
 * @value: the key as users have it: index << 8 | variant
 * @refs: one for being registered, one for each fault under way
 * @gone: @refs came to 0
 */
struct rxe_key {
	enum rxe_key_type type;
	u32 value;
	refcount_t refs;
	struct completion gone;
};

/**
 * struct rxe_frwr - pages of a region that the kernel registers by requests
 * @lock: held by who changes the key, and by who copies, so that nobody does any
 *	more when the region has been invalidated; innermost, as a leaf's lock
 * @max_pages: room in @pages
 * @num_pages: of @pages; this and they change only while the key is free
 * @pages: the kernel's addresses, each of the region's page size
 */
struct rxe_frwr {
	spinlock_t lock;
	u32 max_pages;
	u32 num_pages;
	u64 pages[] __counted_by(max_pages);
};

/**
 * struct rxe_mr - a memory region
 * @ib: what the core knows; @ib.iova and @ib.length bound it
 * @key: how it is found
 * @umem: its memory, a process's; NULL: the kernel's
 * @frwr: the pages, if it is the kernel's; NULL: its addresses are pointers
 * @access: IB_ACCESS_* flags; of @frwr's, changed while the key is free
 * @implicit: it is the whole address space
 * @num_mw: memory windows bound to it; negative: there will be none any more
 */
struct rxe_mr {
	struct ib_mr ib;
	struct rxe_key key;
	struct ib_umem_odp *umem;
	struct rxe_frwr *frwr;
	int access;
	bool implicit;
	atomic_t num_mw;
};

static inline struct rxe_mr *to_rmr(struct ib_mr *ib)
{
	return container_of(ib, struct rxe_mr, ib);
}

/**
 * struct rxe_place - a place in a region that has been checked
 * @mr: the region
 * @offset: bytes from its start
 * @key: by which it was found; not of a window
 */
struct rxe_place {
	struct rxe_mr *mr;
	u64 offset;
	u32 key;
};

int rxe_lkey_resolve(struct rxe_dev *rxe, struct ib_pd *pd, u32 lkey, u64 addr,
		     u64 len, int access, struct rxe_place *place);
int rxe_rkey_resolve(struct rxe_qp *qp, u32 rkey, u64 addr, u64 len,
		     int access, struct rxe_place *place);
int rxe_rkey_check(struct rxe_qp *qp, u32 rkey, int access);
int rxe_rkey_invalidate(struct rxe_qp *qp, u32 rkey);
bool rxe_mr_hold(struct rxe_mr *mr);
void rxe_mr_release(struct rxe_mr *mr);

/* --- rxe_mw.c ------------------------------------------------------------ */

/**
 * struct rxe_mw - a memory window
 * @ib: what the core knows
 * @key: how it is found
 * @lock: protects what follows
 * @mr: what it is bound to, or NULL
 * @qp: for type 2B: by which it was bound, and may be used
 * @addr: first byte, in the region's address space
 * @length: bytes
 * @access: IB_ACCESS_REMOTE_* and IB_ZERO_BASED
 * @closed: it is going and cannot be bound any more
 */
struct rxe_mw {
	struct ib_mw ib;
	struct rxe_key key;
	spinlock_t lock;
	struct rxe_mr *mr;
	struct rxe_qp *qp;
	u64 addr;
	u64 length;
	int access;
	bool closed;
};

static inline struct rxe_mw *to_rmw(struct ib_mw *ib)
{
	return container_of(ib, struct rxe_mw, ib);
}

int rxe_mw_bind(struct rxe_qp *qp, const struct rxe_swqe *wqe);

/* --- rxe_fault.c: waiting for pages -------------------------------------- */

/**
 * struct rxe_fault - a page that a task waits for
 * @work: makes it present
 * @qp: whose page it is; held while @busy
 * @task: kicked then
 * @role: what @qp does with it, for people
 * @busy: the task is parked; set by the task, cleared by the worker
 * @result: 0, or why the access can never succeed: what umem_odp_fault() gave
 * @mr: held while @busy
 * @offset: bytes from the region's start
 * @len: bytes that will be accessed from there on
 * @write: kind of access
 * @since: when the task was parked
 * @limit: makes @worker give up
 * @worker: who runs @work; constant while @limit may fire
 */
struct rxe_fault {
	struct work_struct work;
	struct rxe_qp *qp;
	struct rxe_task *task;
	const char *role;
	bool busy;
	int result;
	struct rxe_mr *mr;
	u64 offset;
	u64 len;
	bool write;
	ktime_t since;
	struct timer_list limit;
	struct task_struct *worker;
};

void rxe_fault_init(struct rxe_fault *fault, struct rxe_qp *qp,
		    struct rxe_task *task, const char *role);
int rxe_fault_start(struct rxe_fault *fault, const struct rxe_place *place,
		    u64 len, bool write);
void rxe_fault_drain(struct rxe_fault *fault);

static inline bool rxe_fault_busy(const struct rxe_fault *fault)
{
	return smp_load_acquire(&fault->busy);
}

/* --- rxe_recvq.c: receive requests --------------------------------------- */

/**
 * struct rxe_rwqe - a receive work request, a private copy
 * @wr_id: the user's
 * @length: bytes of all @sge
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
bool rxe_recvq_take(struct rxe_recvq *queue, struct rxe_rwqe *wqe);
int rxe_recvq_post(struct rxe_recvq *queue, const struct ib_recv_wr *wr,
		   const struct ib_recv_wr **bad_wr);
int rxe_recvq_move(struct rxe_recvq *queue, struct rxe_ring *ring, u32 wrs);

/* --- rxe_srq.c ------------------------------------------------------------ */

/**
 * struct rxe_srq - a shared receive queue
 * @ib: what the core knows
 * @user: @queue is user space's
 * @num: what names it
 * @lock: protects what follows
 * @queue: the requests
 * @limit: with fewer left, an event is due; 0: it is not armed
 * @due: events to be raised
 * @notify: raises them, outside of locks
 */
struct rxe_srq {
	struct ib_srq ib;
	bool user;
	u32 num;
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

bool rxe_srq_take(struct rxe_srq *srq, struct rxe_rwqe *wqe);

/* --- queue pairs --------------------------------------------------------- */

/**
 * struct rxe_swqe - a send work request, a private copy
 * @wr_id: the user's
 * @opcode: enum ib_wr_opcode
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
 * @compare_add: of atomics
 * @swap: of atomics
 * @flush: of FLUSH: how much, how far, and how
 * @mw: of bind: what to bind and where
 * @reg: of registration: the kernel's region, its new key, and rights
 * @sge: gather or scatter list
 * @inline_data: payload, in place of @sge, with IB_SEND_INLINE and of ATOMIC
 *	WRITE
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
			u64 compare_add;
			u64 swap;
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
 *
 * Behind the gather list or the inline data of a request that is a datagram.
 */
struct rxe_dest {
	struct rxe_av av;
	u32 qpn;
	u32 qkey;
};

/**
 * struct rxe_sq - the sending half of a QP
 * @lock: protects everything in here, but for what @post_lock protects
 * @task: requester and completer
 * @ring: user space's; NULL buffer for the kernel's QPs
 * @max_sge: what each request may have
 * @max_inline: bytes
 * @sig_all: every request completes with a CQE
 * @wqes: private copies; as many slots as @ring, of @wqe_size bytes
 * @wqe_size: bytes of a slot
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
 * @rnr_in_row: RNR NAKs since there was progress, up to where they no longer
 *	make a difference
 * @went_back: a lost response has been asked for again; packets that were on
 *	their way then will say once more that it is lost
 * @last_word: enum ib_wc_status: the peer has ended the connection with a NAK,
 *	and nothing but what it sent before is still to come; 0: it has not
 * @last_word_psn: of that NAK
 * @rnr_wait: nothing is sent until @rnr_timer fires
 * @no_memory: that is for want of memory, not because the peer has said so
 * @timed_out: set by @timer
 * @deadline: when what is under way must have made progress; 0: nothing is
 * @timer_armed: @timer will fire
 * @drained_event: IB_EVENT_SQ_DRAINED has been raised
 * @timer: lost packets; fires at or before @deadline, and again if before
 * @rnr_timer: see @rnr_wait
 * @responses: packets for the completer; has a lock of its own
 * @gather: a page of the payload that is missing
 * @gather_for: the request that @gather is for, an index as @cur
 * @scatter: a page for a response that is missing
 */
struct rxe_sq {
	spinlock_t lock;
	struct rxe_task task;
	struct rxe_ring ring;
	u32 max_sge;
	u32 max_inline;
	bool sig_all;
	void *wqes;
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
	u32 retries;
	u32 rnr_retries;
	u32 rnr_in_row;
	bool went_back;
	u8 last_word;
	u32 last_word_psn;
	bool rnr_wait;
	bool no_memory;
	bool timed_out;
	ktime_t deadline;
	bool timer_armed;
	bool drained_event;
	struct hrtimer timer;
	struct hrtimer rnr_timer;
	struct sk_buff_head responses;
	struct rxe_fault gather;
	u32 gather_for;
	struct rxe_fault scatter;
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
 * @have_wqe: see @wqe
 * @psn: expected
 * @msn: messages completed
 * @kind: of the message under way, RXE_OP_SEND or RXE_OP_WRITE, or RXE_OP_NONE
 * @addr: of the WRITE under way: where the next packet goes
 * @rkey: of the WRITE under way
 * @resid: bytes of the WRITE under way still to come
 * @offset: bytes of the message under way that have arrived
 * @established: a packet has come in
 * @last_wqe_event: IB_EVENT_QP_LAST_WQE_REACHED has been raised
 * @nak_sent: a sequence error has been answered; the next ones are not
 * @ack_due: an ACK for @psn - 1 has to be sent before anything else is
 * @fault_psn: of the packet, in or out, that @place is for
 * @fault_long: the fault in @place lasts; set by @fault_timer
 * @rnr_sent: the peer has been told to wait for it
 * @reading: @read is under way
 * @read: the READ whose responses are being sent
 * @read_psn: of the next response
 * @replays: the last @max_replays READs and atomics
 * @num_replays: recorded since the QP was reset, free-running
 * @max_replays: max_dest_rd_atomic
 * @requests: packets for the responder; has a lock of its own
 * @place: a page that is missing
 * @fault_timer: tells the responder that a fault has become a long one
 */
struct rxe_rq {
	spinlock_t lock;
	struct rxe_task task;
	struct rxe_recvq queue;
	struct ib_pd *pd;
	struct rxe_rwqe wqe;
	bool have_wqe;
	u32 psn;
	u32 msn;
	u8 kind;
	u64 addr;
	u32 rkey;
	u32 resid;
	u32 offset;
	bool established;
	bool last_wqe_event;
	bool nak_sent;
	bool ack_due;
	u32 fault_psn;
	bool fault_long;
	bool rnr_sent;
	bool reading;
	struct rxe_replay read;
	u32 read_psn;
	struct rxe_replay replays[RXE_MAX_RD_ATOMIC];
	u32 num_replays;
	u32 max_replays;
	struct sk_buff_head requests;
	struct rxe_fault place;
	struct hrtimer fault_timer;
};

/**
 * struct rxe_qp - a queue pair
 * @ib: what the core knows
 * @refs: one for being registered, one for each packet being delivered
 * @gone: @refs came to 0
 * @modify_mutex: serialises modify_qp and destroy_qp
 * @attr: as set by modify_qp; changed under modify_mutex, sq.lock and rq.lock
 * @state_lock: protects @state; innermost
 * @state: changed under @state_lock; read with READ_ONCE()
 * @user: its queues are user space's
 * @transport: enum ib_qp_type of its packets, UD for QP1; constant
 * @service: what its transport does; constant
 * @mtu: bytes of payload in a packet; as @attr
 * @av: the peer's address; as @attr; of datagrams the last one's, under sq.lock
 * @loopback: the peer is on this device; as @av
 * @src_port: UDP source port; as @av
 * @dst: route to the peer, or NULL; under sq.lock or rq.lock by the tasks, so
 *	it has a lock of its own
 * @dst_cookie: tells when @dst is out of date; under @dst_lock
 * @dst_lock: protects @dst and @dst_cookie
 * @num_mw: type 2 memory windows bound by it
 * @sq: sending
 * @rq: receiving
 */
struct rxe_qp {
	struct ib_qp ib;
	refcount_t refs;
	struct completion gone;
	struct mutex modify_mutex;
	struct ib_qp_attr attr;
	spinlock_t state_lock;
	enum ib_qp_state state;
	bool user;
	u8 transport;
	const struct rxe_service *service;
	u32 mtu;
	struct rxe_av av;
	bool loopback;
	u16 src_port;
	struct dst_entry *dst;
	u32 dst_cookie;
	spinlock_t dst_lock;
	atomic_t num_mw;
	struct rxe_sq sq;
	struct rxe_rq rq;
};

static inline struct rxe_qp *to_rqp(struct ib_qp *ib)
{
	return container_of(ib, struct rxe_qp, ib);
}

static inline struct rxe_dev *qp_rxe(const struct rxe_qp *qp)
{
	return to_rxe(qp->ib.device);
}

static inline enum ib_qp_state rxe_qp_state(const struct rxe_qp *qp)
{
	return READ_ONCE(qp->state);
}

static inline struct rxe_swqe *rxe_swqe(const struct rxe_sq *sq, u32 index)
{
	return sq->wqes + (index & sq->ring.mask) * sq->wqe_size;
}

static inline struct rxe_dest *rxe_swqe_dest(const struct rxe_sq *sq,
					     const struct rxe_swqe *wqe)
{
	return (void *)wqe + sq->wqe_size - sizeof(struct rxe_dest);
}

/* rxe_rc.c, rxe_uc.c, rxe_ud.c */
extern const struct rxe_service rxe_rc;
extern const struct rxe_service rxe_uc;
extern const struct rxe_service rxe_ud;

/* rxe_qp.c */
void rxe_qp_error(struct rxe_qp *qp);
void rxe_qp_send_error(struct rxe_qp *qp);
void rxe_qp_event(struct rxe_qp *qp, enum ib_event_type event);

/*
 * The QP of a number, with a reference for rxe_qp_put(), or NULL. Caller: in an
 * RCU read section.
 */
static inline struct rxe_qp *rxe_qp_find(struct rxe_dev *rxe, u32 qpn)
{
	struct rxe_qp *qp = xa_load(&rxe->qps, qpn);

	return qp && refcount_inc_not_zero(&qp->refs) ? qp : NULL;
}

static inline void rxe_qp_put(struct rxe_qp *qp)
{
	if (refcount_dec_and_test(&qp->refs))
		complete(&qp->gone);
}

/* --- transport: called by the verbs -------------------------------------- */

/* rxe_transport.c */
int rxe_transport_init(struct rxe_qp *qp);
void rxe_transport_reset(struct rxe_qp *qp);
void rxe_transport_store(struct rxe_qp *qp, int mask);
void rxe_transport_modified(struct rxe_qp *qp, int mask);
void rxe_transport_drain(struct rxe_qp *qp);

/* rxe_req.c */
int rxe_req_doorbell(struct rxe_qp *qp);
/* rxe_kernel.c */
int rxe_kernel_post_send(struct rxe_qp *qp, const struct ib_send_wr *wr,
			 const struct ib_send_wr **bad_wr);
int rxe_kernel_post_recv(struct rxe_qp *qp, const struct ib_recv_wr *wr,
			 const struct ib_recv_wr **bad_wr);

/* --- rxe_net.c: UDP/IP --------------------------------------------------- */

int rxe_net_module_init(void);
void rxe_net_module_exit(void);
int rxe_net_open(struct rxe_dev *rxe);
void rxe_net_close(struct rxe_dev *rxe);

/* --- rxe_device.c -------------------------------------------------------- */

int rxe_device_add(const char *name, struct net_device *ndev);
void rxe_device_removing(struct rxe_dev *rxe);

extern const struct ib_device_ops rxe_device_ops;

#endif /* RXE_H */
