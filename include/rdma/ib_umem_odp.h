/* SPDX-License-Identifier: GPL-2.0 */
/*
 * On-demand paging for RDMA drivers: memory regions that mirror an address
 * space instead of pinning it.
 *
 * How a driver uses it:
 *
 *	umem_odp_device_init(&dev, ibdev);                    once
 *	umem = umem_odp_get(&dev, addr, length, access);      at registration
 *	...
 *	n = umem_odp_write(umem, offset, payload, len);       any context
 *	if (n < len)                                          a page is missing
 *		umem_odp_request_start(request, umem, offset + n, len - n, flags),
 *		and go on when it is done;
 *	...
 *	umem_odp_put(umem);                                   at deregistration
 *
 * A region made by umem_odp_get_pinned() is used in the same way; its pages
 * never go missing.
 *
 * How long a call may keep a processor: umem_odp_read(), _write() and _copy() hold
 * a lock, with bottom halves off, for 256 KiB at most, and then let in who waits to
 * change the translations. Who calls them with bottom halves off already has to
 * bound what it copies in a row itself: 64 KiB take some 10 us. The others take no
 * longer for a longer region, or for more regions.
 */
#ifndef IB_UMEM_ODP_H
#define IB_UMEM_ODP_H

#include <linux/types.h>
#include <linux/atomic.h>
#include <linux/interval_tree.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>

struct ib_device;
struct ib_umem;
struct odp_mirror;
struct umem_odp_request;

/**
 * struct umem_odp_counters - what on-demand paging did, since the start
 * @faults: calls of umem_odp_fault() that had to ask the mm for pages
 * @pages_faulted: pages that those calls were for and made present
 * @fault_ns: time that those calls took, nanoseconds
 * @invalidations: callbacks of the mm that took away a translation or the
 *	right to write
 * @pages_invalidated: pages that they took it away from
 * @pages_prefetched: pages made present by prefetching
 */
struct umem_odp_counters {
	atomic64_t faults;
	atomic64_t pages_faulted;
	atomic64_t fault_ns;
	atomic64_t invalidations;
	atomic64_t pages_invalidated;
	atomic64_t pages_prefetched;
};

/**
 * struct umem_odp_device - a device that has on-demand regions
 * @ibdev: the device
 * @counters: of all its regions, those that are gone, too
 * @table_bytes: kernel memory of the tables of all its mirrors
 * @waiters: threads that wait for a prefetch; the core's, under @waiters_lock
 * @removing: nobody is to wait any more; under @waiters_lock
 * @waiters_lock: protects the two
 *
 * Part of the driver's own device, in the memory that ib_alloc_device() gave: a
 * fault that cannot be interrupted uses it after the device has been unregistered.
 */
struct umem_odp_device {
	struct ib_device *ibdev;
	struct umem_odp_counters counters;
	atomic_long_t table_bytes;
	struct list_head waiters;
	bool removing;
	spinlock_t waiters_lock;
};

/**
 * umem_odp_device_init() - before the first region
 * @dev: zeroed memory
 * @ibdev: the device
 */
static inline void umem_odp_device_init(struct umem_odp_device *dev,
					struct ib_device *ibdev)
{
	dev->ibdev = ibdev;
	INIT_LIST_HEAD(&dev->waiters);
	spin_lock_init(&dev->waiters_lock);
}

/**
 * umem_odp_device_removing() - the device is about to be unregistered
 * @dev: the device
 *
 * Threads that wait in umem_odp_prefetch() come back, and none waits any more. A
 * driver that calls umem_odp_prefetch() from a verb calls this before the core of
 * RDMA waits for verbs under way: from the remove() of an ib_client of its own.
 *
 * Context: process context.
 */
void umem_odp_device_removing(struct umem_odp_device *dev);

/**
 * struct ib_umem_odp - a memory region
 * @mirror: the translations the region uses; shared by every on-demand region
 *	of one (device, mm), private to a pinned region
 * @pinned: the pinned pages; NULL for an on-demand region
 * @refs: one until umem_odp_put(), one for each request under way
 * @gone: umem_odp_put() was called; the core's
 * @address: first byte, a user virtual address
 * @length: bytes; 0 from umem_odp_close() on
 * @writable: the region may be written to
 * @rcu: frees it
 * @node: the region among its mirror's; the core's
 * @counters: what was done for the region; an invalidation counts for each
 *	region that its range touches, but for no more than 32 of them, those
 *	with the lowest addresses: the mm does not wait for as many as there are
 * @stream_next: where a sequential stream of faults would go on (a hint,
 *	written without a lock)
 * @stream_bytes: what was looked ahead for behind that, bytes (a hint, written
 *	without a lock)
 * @short_bytes: what a fault asks for at most where memory was found too short
 *	for more; 0: it has not been (a hint, written without a lock)
 *
 * Everything but @refs, @gone, the length, the counters and the hints is constant.
 */
struct ib_umem_odp {
	struct odp_mirror *mirror;
	struct ib_umem *pinned;
	refcount_t refs;
	bool gone;
	u64 address;
	u64 length;
	bool writable;
	struct rcu_head rcu;
	struct interval_tree_node node;
	struct umem_odp_counters counters;
	u64 stream_next;
	u64 stream_bytes;
	u64 short_bytes;
};

/**
 * umem_odp_get() - register an on-demand region of the current process
 * @dev: device that will access the region
 * @address: user virtual address of the first byte; need not be mapped, now
 *	or later
 * @length: bytes, at least 1; %U64_MAX with an @address of 0 is the whole
 *	address space (implicit on-demand paging)
 * @access: IB_ACCESS_* flags; decide whether the region may be written
 *
 * Takes the same time and memory for any length: nothing is looked up,
 * faulted, pinned or locked.
 *
 * Context: process context of the owner; may sleep; takes no mmap lock.
 * Return: the region, or an ERR_PTR: -EINVAL for an empty range or one that
 * wraps or leaves the user address space, -ESRCH for a caller without an address
 * space (a kernel thread), -ENOMEM.
 */
struct ib_umem_odp *umem_odp_get(struct umem_odp_device *dev, u64 address,
				 u64 length, int access);

/**
 * umem_odp_get_pinned() - pin memory of the current process as a region
 * @dev: device that will access the region
 * @address: user virtual address of the first byte
 * @length: bytes, at least 1
 * @access: IB_ACCESS_* flags, as in umem_odp_get()
 *
 * Accounts the pages as ib_umem_get() does (RLIMIT_MEMLOCK, VmPin).
 *
 * Context: process context of the owner; may sleep.
 * Return: the region, or an ERR_PTR: what ib_umem_get() gives, -ESRCH for a caller
 * without an address space, or -ENOMEM.
 */
struct ib_umem_odp *umem_odp_get_pinned(struct umem_odp_device *dev,
					u64 address, u64 length, int access);

/**
 * umem_odp_close() - end all access through a region
 * @umem: the region
 *
 * When this returns, no copy and no atomic touches memory through the region, and
 * none will: whoever still calls has the answer that there is nothing. It waits for
 * accesses under way, leaf after leaf, not for an RCU grace period. A fault under way
 * goes on, which moves no bytes.
 *
 * Context: process context; may sleep. Its time grows with what has translations in
 * the region's range, not with the range.
 */
void umem_odp_close(struct ib_umem_odp *umem);

/**
 * umem_odp_put() - deregister a region
 * @umem: the region; no call on it may be under way but of those functions that take
 *	the region in an RCU read section, which is closed for them before
 *	(umem_odp_close()), and between umem_odp_hold() and umem_odp_release()
 *
 * Its prefetches are cancelled. Faults that a worker is at are left to it: they end
 * when they can be interrupted, and keep what they use until then.
 *
 * The last on-demand region of a (device, mm) takes the mirror with it. A page
 * that was written is marked dirty when its translation loses the right to write:
 * before the mm cleans or takes the page, and at the latest when the mirror goes.
 * It may not be marked yet when this returns. What who has found the region in
 * an RCU read section may still look at is freed after that.
 *
 * Context: process context; may sleep; no mmap lock held.
 */
void umem_odp_put(struct ib_umem_odp *umem);

/**
 * umem_odp_hold() - keep a region's memory beyond umem_odp_put()
 * @umem: the region; the caller is in an RCU read section in which it was found
 *
 * For umem_odp_prefetch(), which umem_odp_put() then ends.
 *
 * Context: any.
 * Return: false: it is gone.
 */
bool umem_odp_hold(struct ib_umem_odp *umem);

/**
 * umem_odp_release() - the end of umem_odp_hold()
 * @umem: the region, which may be gone then
 *
 * Context: process context; may sleep; no mmap lock held.
 */
void umem_odp_release(struct ib_umem_odp *umem);

/**
 * umem_odp_read() - copy out of a region
 * @umem: the region
 * @offset: bytes from the region's start
 * @dst: kernel memory to fill
 * @len: bytes; @offset + @len must lie inside the region (else nothing is
 *	copied)
 *
 * Context: any but hard interrupt; never sleeps.
 * Return: bytes copied. Fewer than @len: the page at @offset + that many is
 * not present, see umem_odp_fault(). So is a page whose memory turns out to have
 * failed while it is read, where the processor can go on after that (x86 with
 * recovery from machine checks): the mm is told, and the fault says -EHWPOISON.
 */
size_t umem_odp_read(struct ib_umem_odp *umem, u64 offset, void *dst,
		     size_t len);

/**
 * umem_odp_write() - copy into a region
 * @umem: the region, writable (else nothing is copied)
 * @offset: bytes from the region's start
 * @src: kernel memory to copy from
 * @len: bytes; @offset + @len must lie inside the region (else nothing is
 *	copied)
 *
 * A page that the CPU's page table does not let the process write counts as
 * missing, whatever made it read-only (copy-on-write, the zero page, KSM,
 * write-back, dirty tracking).
 *
 * Context: any but hard interrupt; never sleeps.
 * Return: bytes copied, as umem_odp_read().
 */
size_t umem_odp_write(struct ib_umem_odp *umem, u64 offset, const void *src,
		      size_t len);

/**
 * enum umem_odp_side - one of the two regions of umem_odp_copy()
 * @UMEM_ODP_TO: the one that is copied into
 * @UMEM_ODP_FROM: the other
 */
enum umem_odp_side {
	UMEM_ODP_TO,
	UMEM_ODP_FROM,
};

/**
 * umem_odp_copy() - copy from one region into another
 * @to: the region to copy into, writable (else nothing is copied)
 * @to_offset: bytes from its start
 * @from: the region to copy out of; may be @to, and of another process
 * @from_offset: bytes from its start
 * @len: bytes; must lie inside of both regions (else nothing is copied)
 * @missing: says whose page it is that is not present, if one is not
 *
 * Of ranges that overlap, what arrives is undefined, but for a range within one
 * page, which is moved.
 *
 * Context: any but hard interrupt; never sleeps.
 * Return: bytes copied. Fewer than @len: the page at that many bytes from the
 * offset in @missing is not present, see umem_odp_fault().
 */
size_t umem_odp_copy(struct ib_umem_odp *to, u64 to_offset,
		     struct ib_umem_odp *from, u64 from_offset, size_t len,
		     enum umem_odp_side *missing);

/**
 * enum umem_odp_atomic_op - what umem_odp_atomic() does
 * @UMEM_ODP_FETCH_ADD: add the operand
 * @UMEM_ODP_CMP_SWAP: store the operand where the word equals the comparand
 * @UMEM_ODP_SWAP: store the operand
 */
enum umem_odp_atomic_op {
	UMEM_ODP_FETCH_ADD,
	UMEM_ODP_CMP_SWAP,
	UMEM_ODP_SWAP,
};

/**
 * umem_odp_operate() - execute an atomic operation on a word of kernel memory
 * @word: the word
 * @op: the operation
 * @operand: what to add or to store
 * @compare: the comparand of UMEM_ODP_CMP_SWAP
 *
 * Context: any.
 * Return: the word as it was.
 */
static inline u64 umem_odp_operate(atomic64_t *word, enum umem_odp_atomic_op op,
				   u64 operand, u64 compare)
{
	switch (op) {
	case UMEM_ODP_CMP_SWAP:
		return atomic64_cmpxchg(word, compare, operand);
	case UMEM_ODP_SWAP:
		return atomic64_xchg(word, operand);
	default:
		return atomic64_fetch_add(operand, word);
	}
}

/**
 * umem_odp_atomic() - 64-bit atomic on a region
 * @umem: the region
 * @offset: bytes from the region's start; @umem->address + @offset must be a
 *	multiple of 8
 * @op: which operation
 * @operand: what to add or to store, in the CPU's byte order
 * @compare: the comparand of UMEM_ODP_CMP_SWAP
 * @old: receives the word as it was
 *
 * Atomic against the processors' own atomic instructions, too.
 *
 * Context: any but hard interrupt; never sleeps.
 * Return: 0; -EAGAIN where the page is not present or not writable, see
 * umem_odp_fault(); -EINVAL for a word that is unaligned or outside the
 * region; -EPERM for a region that may not be written.
 */
int umem_odp_atomic(struct ib_umem_odp *umem, u64 offset,
		    enum umem_odp_atomic_op op, u64 operand, u64 compare,
		    u64 *old);

/**
 * enum umem_odp_fault_flags - how umem_odp_fault() makes pages present
 * @UMEM_ODP_FAULT_WRITE: writable; without it readable is enough
 * @UMEM_ODP_FAULT_SNAPSHOT: only pages that the CPU has mapped; no page is
 *	faulted in (prefetch without page faults)
 * @UMEM_ODP_FAULT_PREFETCH: nobody waits for the pages: they are counted as
 *	prefetched, and nothing is guessed about what comes next
 */
enum umem_odp_fault_flags {
	UMEM_ODP_FAULT_WRITE = 1 << 0,
	UMEM_ODP_FAULT_SNAPSHOT = 1 << 1,
	UMEM_ODP_FAULT_PREFETCH = 1 << 2,
};

/**
 * umem_odp_fault() - make a range of a region present
 * @umem: the region
 * @offset: bytes from the region's start
 * @len: bytes that are going to be accessed, at least 1: pass the whole rest
 *	of the message, it is made present in batches
 * @flags: enum umem_odp_fault_flags
 *
 * Pages around the range that the CPU already has mapped are picked up on the
 * way. Concurrent faults on the same pages become one. A page can be taken
 * away again at any time: after a fault, try the access again.
 *
 * Progress: a call waits for the first page of the range and for no other. It
 * adds what comes without waiting, at most 16 MiB and for at most 100 ms, and
 * returns; where the first page was gone by then, it begins again with half as
 * much, so it returns within 300 ms of the coming of the first page. (A page that
 * a file system keeps a writer waiting for, or the allocator, can add its own
 * time once.) On return the first page has been present after all others of the
 * call. So who accesses what has come after each call comes to an end, in any
 * memory that can hold at the same time the pages of one access.
 *
 * A range that follows the last one of the region is taken for a stream. What
 * follows that is brought after the call, by a worker that waits for no page, and
 * not where the mapping has a userfaultfd.
 *
 * Context: process context; sleeps; no mmap lock and no lock of the kind that
 * reclaim takes may be held. Works from a kernel thread.
 * Return: bytes made present from @offset on, more than 0 and at most @len, often
 * fewer; or what the first page's trouble is:
 *
 * * -EFAULT: nothing is mapped there, or the region is pinned
 * * -EACCES: the mapping may not be read (PROT_NONE)
 * * -EPERM: write access to a mapping that is read-only, or to a region that
 *   may not be written
 * * -EOPNOTSUPP: the mapping is device memory (VM_IO, VM_PFNMAP), memory of
 *   memfd_secret(), or a shadow stack
 * * -ENXIO: beyond the end of the mapped file (the CPU would get SIGBUS)
 * * -EHWPOISON: the page's memory has failed
 * * -ENOMEM: no memory for the page or for its translation
 * * -ESRCH: the address space has been torn down
 * * -EBUSY: invalidated over and over for a second; try again
 * * -EINTR: a fatal signal came in
 * * -EAGAIN: UMEM_ODP_FAULT_SNAPSHOT, and the first page is not there
 * * -EINVAL: outside the region
 */
ssize_t umem_odp_fault(struct ib_umem_odp *umem, u64 offset, u64 len,
		       unsigned int flags);

/**
 * umem_odp_request_alloc() - a place to wait for pages without sleeping
 * @done: called at the end of each start, by a worker, with what umem_odp_fault()
 *	says; -EINTR: the worker's turn has ended, start again what is still wanted.
 *	May start the request again.
 * @context: for umem_odp_request_context()
 *
 * The memory is charged to the current process.
 *
 * Context: may sleep.
 * Return: the request, for umem_odp_request_free(); or NULL.
 */
struct umem_odp_request *
umem_odp_request_alloc(void (*done)(struct umem_odp_request *request,
				    long result), void *context);

/**
 * umem_odp_request_context() - what the request was allocated with
 * @request: the request
 */
void *umem_odp_request_context(const struct umem_odp_request *request);

/**
 * umem_odp_request_start() - have umem_odp_fault() called by a worker
 * @request: not under way: never started, or its done() has been called
 * @umem: the region; only this call uses it, the request has a reference of its own
 * @offset: as umem_odp_fault()
 * @len: as umem_odp_fault()
 * @flags: as umem_odp_fault()
 *
 * The worker is one of the user who registered the region, of whom each has a bounded
 * number, and has the memory policy, the cpuset's nodes, the block cgroup, the I/O
 * priority and the nice value of the process whose memory it is. -EBUSY and, for
 * half a second, -ENOMEM are tried again.
 *
 * Context: any but hard interrupt.
 * Return: 0, done() will be called, perhaps before this returns; or -EFAULT, and it
 * will not: the region is pinned or is being deregistered.
 */
int umem_odp_request_start(struct umem_odp_request *request,
			   struct ib_umem_odp *umem, u64 offset, u64 len,
			   unsigned int flags);

/**
 * umem_odp_request_free() - the end of a request, whether it is under way or not
 * @request: nobody starts it any more; may be NULL
 *
 * A worker that is at it is interrupted, and not waited for: a fault in a file
 * system may not end. done() is not called any more, nor under way, when this
 * returns.
 *
 * Context: may sleep, as long as done() takes; not from done().
 */
void umem_odp_request_free(struct umem_odp_request *request);

/**
 * umem_odp_settle() - give workers time to end what was left to them
 *
 * For the exit of a driver's module: this module can be unloaded then. Waits for a
 * second at most; where a worker takes longer, unloading this module fails with
 * EBUSY until it is done.
 *
 * Context: may sleep.
 */
void umem_odp_settle(void);

/**
 * umem_odp_prefetch() - make a range present before it is accessed
 * @umem: the region, on-demand
 * @offset: bytes from the region's start
 * @len: bytes
 * @flags: enum umem_odp_fault_flags; with UMEM_ODP_FAULT_SNAPSHOT pages that
 *	the CPU does not have are passed over
 *
 * A worker does it, so that a region can be deregistered (umem_odp_hold()) and a
 * device removed (umem_odp_device_removing()) while a fault cannot be interrupted.
 *
 * Context: as umem_odp_fault(); comes back after a fatal signal.
 * Return: 0; -EFAULT outside of the region, too; -EINVAL for a pinned region; -EIO:
 * the region or the device goes; else as umem_odp_fault(), with what lies before
 * the first page in trouble present.
 */
int umem_odp_prefetch(struct ib_umem_odp *umem, u64 offset, u64 len,
		      unsigned int flags);

/**
 * umem_odp_prefetch_async() - have a range made present, and do not wait
 * @umem: the region, on-demand
 * @offset: bytes from the region's start
 * @len: bytes
 * @flags: as umem_odp_prefetch()
 *
 * Requests of a process are served in turn, and one that takes long lets the others
 * go first. umem_odp_put() cancels those of the
 * region, and so does the end of the address space.
 *
 * Context: may sleep.
 * Return: 0; -EFAULT outside of the region; -EINVAL for a pinned region; -EPERM
 * to write to one that may not be written; -ENOMEM, or too many requests wait.
 */
int umem_odp_prefetch_async(struct ib_umem_odp *umem, u64 offset, u64 len,
			    unsigned int flags);

/**
 * enum umem_odp_page_state - what a mirror knows of a page
 * @UMEM_ODP_PRESENT: it can be read
 * @UMEM_ODP_WRITABLE: it can be written
 * @UMEM_ODP_DIRTY: it has been written and the mm does not know yet
 * @UMEM_ODP_HUGE: its translation is one entry for the whole leaf
 */
enum umem_odp_page_state {
	UMEM_ODP_PRESENT = 1 << 0,
	UMEM_ODP_WRITABLE = 1 << 1,
	UMEM_ODP_DIRTY = 1 << 2,
	UMEM_ODP_HUGE = 1 << 3,
};

/**
 * umem_odp_query() - the state of one page's translation
 * @umem: the region
 * @offset: bytes from the region's start, inside the region
 *
 * Context: any but hard interrupt; never sleeps. The answer may be old when
 * it arrives; for tests and for people.
 * Return: a set of enum umem_odp_page_state, 0 where there is none.
 */
unsigned int umem_odp_query(struct ib_umem_odp *umem, u64 offset);

/**
 * umem_odp_address() - get a region's address
 * @umem: the region
 *
 * Context: any.
 * Return: the first byte, a virtual address of the process that owns the memory.
 */
static inline u64 umem_odp_address(const struct ib_umem_odp *umem)
{
	return umem->address;
}

/**
 * umem_odp_same_owner() - compare the kind and the owner of two regions' memory
 * @a: a region of a device
 * @b: another region of that device
 *
 * Context: any.
 * Return: true if both are on-demand regions or both are pinned, and one address
 * space has registered both.
 */
bool umem_odp_same_owner(const struct ib_umem_odp *a,
			 const struct ib_umem_odp *b);

/**
 * struct umem_odp_mirror_stats - the size and the history of a mirror
 * @windows: windows (spans with a notifier)
 * @leaves: leaves that hold at least one translation, or did
 * @table_bytes: kernel memory of windows and leaves
 * @faults: asked of the mm
 * @invalidations: callbacks that took something away
 */
struct umem_odp_mirror_stats {
	u64 windows;
	u64 leaves;
	u64 table_bytes;
	u64 faults;
	u64 invalidations;
};

/**
 * umem_odp_mirror_stats() - what the mirror behind a region costs and did
 * @umem: the region
 * @stats: filled in
 *
 * Context: any; never sleeps.
 */
void umem_odp_mirror_stats(const struct ib_umem_odp *umem,
			   struct umem_odp_mirror_stats *stats);

#endif /* IB_UMEM_ODP_H */
