/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IB_UMEM_ODP_H
#define IB_UMEM_ODP_H

/**
 * DOC: On-demand paging for RDMA drivers
 *
 * A memory region mirrors an address space instead of pinning it. A driver uses
 * it like this::
 *
 *	umem_odp_device_init(&dev, ibdev);                    once
 *	umem = umem_odp_get(&dev, addr, length, access);    at registration
 *	...
 *	n = umem_odp_write(umem, offset, payload, len);     in any context
 *	if (n < len)                                        a page is missing:
 *		umem_odp_request_start(request, umem, offset + n,
 *				       len - n, flags);
 *	...                                                 in its done(): again
 *	...
 *	umem_odp_put(umem);                                 at deregistration
 *
 * A region of umem_odp_get_pinned() is used in the same way; its pages are
 * never missing.
 *
 * How long a call may occupy a CPU: umem_odp_read(), umem_odp_write() and
 * umem_odp_copy() hold a lock with bottom halves off for 256 KiB at most, and
 * then let in writers that wait to change the translations. A caller that has
 * bottom halves off already must itself bound what it copies in a row: 64 KiB
 * take about 10 us. The other calls do not take longer for a longer region, or
 * for more regions.
 */

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
 * struct umem_odp_counters - what on-demand paging has done since the start
 * @faults: calls of umem_odp_fault() that had to ask the mm for pages
 * @pages_faulted: pages that were wanted by these calls and made present
 * @fault_ns: duration of these calls, nanoseconds
 * @invalidations: callbacks of the mm that removed a translation or the right
 *	to write
 * @pages_invalidated: pages that lost one of them
 * @pages_prefetched: pages that were made present by prefetching
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
 * @counters: of all regions of the device, including those that no longer exist
 * @table_bytes: kernel memory of the tables of all its mirrors
 * @waiters: threads that wait for a prefetch; private; protected by
 *	@waiters_lock
 * @removing: no thread may wait any more; protected by @waiters_lock
 * @waiters_lock: protects @waiters and @removing
 *
 * The struct is part of the driver's own device, in memory of
 * ib_alloc_device(). A fault that cannot be interrupted uses it after the
 * device has been unregistered.
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
 * umem_odp_device_init() - initialize a device before its first region
 * @dev: zeroed memory
 * @ibdev: the device
 *
 * Context: any.
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
 * Threads that wait in umem_odp_prefetch() return, and no thread waits any
 * more. A driver that calls umem_odp_prefetch() from a verb calls this function
 * before the RDMA core waits for verbs under way: from the remove() of an
 * ib_client of its own.
 *
 * Context: process context.
 */
void umem_odp_device_removing(struct umem_odp_device *dev);

/**
 * struct ib_umem_odp - a memory region
 * @mirror: the translations that the region uses; shared by all on-demand
 *	regions of a (device, mm), private to a pinned region
 * @pinned: the pinned pages; NULL for an on-demand region
 * @refs: one until umem_odp_put(), one for each request under way
 * @gone: umem_odp_put() was called; private
 * @address: first byte, a user virtual address
 * @length: bytes; 0 after umem_odp_close()
 * @writable: the region may be written
 * @rcu: frees the region
 * @node: node in the mirror's regions; private
 * @counters: what was done for the region. An invalidation is counted for the
 *	regions that its range touches, but at most for the 32 with the lowest
 *	addresses, so that the mm does not wait for any number of regions.
 * @stream_next: where a sequential stream of faults would continue (a hint,
 *	written without a lock)
 * @stream_bytes: how far behind that was looked ahead, bytes (a hint, written
 *	without a lock)
 * @short_bytes: the most that a fault asks for where memory was found too short
 *	for more, bytes; 0: memory was not short (a hint, written without a
 *	lock)
 *
 * Everything is constant except @refs, @gone, @length, @counters and the hints.
 * Drivers use the accessors below.
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
 * umem_odp_address() - the first byte of a region
 * @umem: the region
 *
 * Context: any.
 * Return: a user virtual address.
 */
static inline u64 umem_odp_address(const struct ib_umem_odp *umem)
{
	return umem->address;
}

/**
 * umem_odp_is_writable() - may a region be written?
 * @umem: the region
 *
 * Context: any.
 * Return: true if the region was registered for writing.
 */
static inline bool umem_odp_is_writable(const struct ib_umem_odp *umem)
{
	return umem->writable;
}

/**
 * umem_odp_get_counters() - the counters of a region
 * @umem: the region
 *
 * Context: any.
 * Return: the counters, which stay as long as the region.
 */
static inline const struct umem_odp_counters *
umem_odp_get_counters(const struct ib_umem_odp *umem)
{
	return &umem->counters;
}

/**
 * umem_odp_same_owner() - were two regions of a device registered by one mm?
 * @a: a region
 * @b: another region of the same device
 *
 * Context: any.
 * Return: true if both regions are of the same kind (on-demand or pinned) and
 * belong to one address space.
 */
bool umem_odp_same_owner(const struct ib_umem_odp *a,
			 const struct ib_umem_odp *b);

/**
 * umem_odp_get() - register an on-demand region of the current process
 * @dev: device that will access the region
 * @address: user virtual address of the first byte; need not be mapped, now or
 *	later
 * @length: bytes, at least 1; %U64_MAX with an @address of 0 means the whole
 *	address space (implicit on-demand paging)
 * @access: IB_ACCESS_* flags; they say whether the region may be written
 *
 * Time and memory do not depend on the length: nothing is looked up, faulted
 * in, pinned or locked.
 *
 * Context: process context of the owner; may sleep; takes no mmap lock.
 * Return: the region, or an ERR_PTR: -EINVAL for an empty range, or for one
 * that wraps or leaves the user address space; -ESRCH for a caller without an
 * address space (a kernel thread); -ENOMEM.
 */
struct ib_umem_odp *umem_odp_get(struct umem_odp_device *dev, u64 address,
				 u64 length, int access);

/**
 * umem_odp_get_pinned() - pin memory of the current process as a region
 * @dev: device that will access the region
 * @address: user virtual address of the first byte
 * @length: bytes, at least 1
 * @access: IB_ACCESS_* flags, as for umem_odp_get()
 *
 * Accounts the pages as ib_umem_get() does (RLIMIT_MEMLOCK, VmPin).
 *
 * Context: process context of the owner; may sleep.
 * Return: the region, or an ERR_PTR: an error of ib_umem_get(), -ESRCH for a
 * caller without an address space, or -ENOMEM.
 */
struct ib_umem_odp *umem_odp_get_pinned(struct umem_odp_device *dev,
					u64 address, u64 length, int access);

/**
 * umem_odp_close() - end all access through a region
 * @umem: the region
 *
 * When this function returns, no copy and no atomic accesses memory through the
 * region, and none will: later calls behave as for an empty region. The
 * function waits for accesses under way, leaf by leaf, and not for an RCU grace
 * period. A fault under way continues; it moves no bytes.
 *
 * Context: process context; may sleep. The time grows with the number of
 * translations in the region's range, not with the range.
 */
void umem_odp_close(struct ib_umem_odp *umem);

/**
 * umem_odp_put() - deregister a region
 * @umem: the region. No call on it may be under way, with two exceptions:
 *	functions that take the region in an RCU read section, for which
 *	umem_odp_close() ends it first; and calls between umem_odp_hold() and
 *	umem_odp_release().
 *
 * The region's prefetches are cancelled. Faults that a worker is serving are
 * left to the worker. They end when they can be interrupted, and until then
 * keep what they use.
 *
 * The last on-demand region of a (device, mm) destroys the mirror. A page that
 * was written is marked dirty when its translation loses the right to write:
 * before the mm cleans or takes the page, and at the latest when the mirror is
 * destroyed. So it may not be marked yet when this function returns. A caller
 * that has found the region in an RCU read section may look at it until the end
 * of that section.
 *
 * Context: process context; may sleep; no mmap lock held.
 */
void umem_odp_put(struct ib_umem_odp *umem);

/**
 * umem_odp_hold() - keep a region's memory beyond umem_odp_put()
 * @umem: the region, found in an RCU read section that the caller is in
 *
 * For umem_odp_prefetch(), which umem_odp_put() then ends.
 *
 * Context: any.
 * Return: false if the region no longer exists.
 */
bool umem_odp_hold(struct ib_umem_odp *umem);

/**
 * umem_odp_release() - undo umem_odp_hold()
 * @umem: the region, which may then cease to exist
 *
 * Context: process context; may sleep; no mmap lock held.
 */
void umem_odp_release(struct ib_umem_odp *umem);

/**
 * umem_odp_read() - copy out of a region
 * @umem: the region
 * @offset: bytes from the region's start
 * @dst: kernel memory to fill
 * @len: bytes; @offset + @len must lie inside the region (otherwise nothing is
 *	copied)
 *
 * A page whose memory fails while it is read counts as missing, if the CPU can
 * continue after that (x86 with recovery from machine checks). The mm is told,
 * and the fault returns -EHWPOISON.
 *
 * Context: any but hard interrupt; never sleeps.
 * Return: bytes copied. Fewer than @len: the page at @offset plus that number
 * is missing, see umem_odp_fault().
 */
size_t umem_odp_read(struct ib_umem_odp *umem, u64 offset, void *dst,
		     size_t len);

/**
 * umem_odp_write() - copy into a region
 * @umem: the region, writable (otherwise nothing is copied)
 * @offset: bytes from the region's start
 * @src: kernel memory to copy from
 * @len: bytes; @offset + @len must lie inside the region (otherwise nothing is
 *	copied)
 *
 * A page that the CPU's page table does not allow the process to write counts
 * as missing, whatever made it read-only (copy-on-write, the zero page, KSM,
 * write-back, dirty tracking).
 *
 * Context: any but hard interrupt; never sleeps.
 * Return: bytes copied, as umem_odp_read().
 */
size_t umem_odp_write(struct ib_umem_odp *umem, u64 offset, const void *src,
		      size_t len);

/**
 * enum umem_odp_side - one of the two regions of umem_odp_copy()
 * @UMEM_ODP_TO: the region that is copied into
 * @UMEM_ODP_FROM: the region that is copied out of
 */
enum umem_odp_side {
	UMEM_ODP_TO,
	UMEM_ODP_FROM,
};

/**
 * umem_odp_copy() - copy from one region into another
 * @to: the region to copy into, writable (otherwise nothing is copied)
 * @to_offset: bytes from its start
 * @from: the region to copy out of; may be @to, and may be another process's
 * @from_offset: bytes from its start
 * @len: bytes; must lie inside both regions (otherwise nothing is copied)
 * @missing: receives the side whose page is missing, if one is
 *
 * If the two ranges overlap, the result is undefined, unless they lie within
 * one page, which is copied as memmove() does.
 *
 * Context: any but hard interrupt; never sleeps.
 * Return: bytes copied. Fewer than @len: the page at that many bytes from the
 * offset of the side in @missing is missing, see umem_odp_fault().
 */
size_t umem_odp_copy(struct ib_umem_odp *to, u64 to_offset,
		     struct ib_umem_odp *from, u64 from_offset, size_t len,
		     enum umem_odp_side *missing);

/**
 * enum umem_odp_atomic_op - the operation of umem_odp_atomic()
 * @UMEM_ODP_FETCH_ADD: add the operand
 * @UMEM_ODP_CMP_SWAP: store the operand if the word equals the comparand
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
 * umem_odp_atomic() - 64-bit atomic operation on a region
 * @umem: the region
 * @offset: bytes from the region's start; @umem->address + @offset must be a
 *	multiple of 8
 * @op: the operation
 * @operand: the number to add or to store, in the CPU's byte order
 * @compare: the comparand of UMEM_ODP_CMP_SWAP
 * @old: receives the previous value of the word
 *
 * The operation is also atomic with respect to the CPUs' own atomic
 * instructions.
 *
 * Context: any but hard interrupt; never sleeps.
 * Return: 0; -EAGAIN if the page is missing or not writable, see
 * umem_odp_fault(); -EINVAL for a word that is unaligned or outside the region;
 * -EPERM for a region that may not be written.
 */
int umem_odp_atomic(struct ib_umem_odp *umem, u64 offset,
		    enum umem_odp_atomic_op op, u64 operand, u64 compare,
		    u64 *old);

/**
 * enum umem_odp_fault_flags - how umem_odp_fault() makes pages present
 * @UMEM_ODP_FAULT_WRITE: writable; without this flag readable is enough
 * @UMEM_ODP_FAULT_SNAPSHOT: only pages that the CPU has mapped; no page is
 *	faulted in (prefetch without page faults)
 * @UMEM_ODP_FAULT_PREFETCH: no access waits for the pages. They are counted as
 *	prefetched, and the pages that follow are not guessed.
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
 * @len: bytes that will be accessed, at least 1. Pass the whole rest of the
 *	message; it is made present in batches.
 * @flags: enum umem_odp_fault_flags
 *
 * Pages around the range that the CPU has already mapped are entered as well.
 * Concurrent faults on the same pages become one. A page can be taken away
 * again at any time: after a fault, try the access again.
 *
 * Progress: a call waits for the first page of the range and for no other. It
 * adds the pages that arrive without waiting, for at most 16 MiB and 100 ms,
 * and returns. If the first page is gone by then, it begins again with half as
 * many pages. So it returns within 300 ms after the first page has arrived. (A
 * page for which a file system makes a writer wait, or the allocator, can add
 * its own time once.) When the call returns, the first page was present after
 * all other pages of the call. So a caller that accesses what is present after
 * each call finishes, in any memory that can hold the pages of one access at
 * the same time.
 *
 * A range that follows the region's last one counts as part of a stream. After
 * the call, a worker faults in what follows it. The worker waits for no page,
 * and leaves mappings with a userfaultfd alone.
 *
 * Context: process context; sleeps; the caller holds no mmap lock, and no lock
 * of the kind that reclaim takes. Works from a kernel thread.
 * Return: bytes made present from @offset on, more than 0 and at most @len,
 * often fewer; or the error of the first page:
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
 * * -ESRCH: the address space has ended
 * * -EBUSY: invalidated over and over for a second; try again
 * * -EINTR: a fatal signal arrived
 * * -EAGAIN: UMEM_ODP_FAULT_SNAPSHOT, and the first page is missing
 * * -EINVAL: outside the region
 */
ssize_t umem_odp_fault(struct ib_umem_odp *umem, u64 offset, u64 len,
		       unsigned int flags);

/**
 * umem_odp_request_alloc() - allocate a request, to get pages without sleeping
 * @done: called by a worker at the end of each start, with the result of
 *	umem_odp_fault(). -EINTR: the worker's turn has ended; start again what
 *	is still wanted. May start the request again.
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
 * umem_odp_request_context() - get the context of a request
 * @request: the request
 *
 * Context: any.
 * Return: the context that was passed to umem_odp_request_alloc().
 */
void *umem_odp_request_context(const struct umem_odp_request *request);

/**
 * umem_odp_request_start() - have a worker call umem_odp_fault()
 * @request: not under way: never started, or its done() has been called
 * @umem: the region; only this call uses it, the request takes a reference of
 *	its own
 * @offset: as for umem_odp_fault()
 * @len: as for umem_odp_fault()
 * @flags: as for umem_odp_fault()
 *
 * The worker belongs to the user who registered the region; each user has a
 * bounded number of workers. The worker has the memory policy, the cpuset's
 * nodes, the block cgroup, the I/O priority and the nice value of the process
 * whose memory it is. The worker retries after -EBUSY and, for half a second,
 * after -ENOMEM.
 *
 * Context: any but hard interrupt.
 * Return: 0: done() will be called, perhaps before this function returns;
 * -EFAULT: the region is pinned or is being deregistered, and done() will not
 * be called.
 */
int umem_odp_request_start(struct umem_odp_request *request,
			   struct ib_umem_odp *umem, u64 offset, u64 len,
			   unsigned int flags);

/**
 * umem_odp_request_free() - free a request, whether or not it is under way
 * @request: the request, which nothing starts any more; may be NULL
 *
 * A worker that serves the request is interrupted. This function does not wait
 * for the worker, because a fault in a file system may never end. When this
 * function returns, done() is not being called, and it will not be called.
 *
 * Context: may sleep, as long as done() takes; not from done().
 */
void umem_odp_request_free(struct umem_odp_request *request);

/**
 * umem_odp_settle() - give workers time to finish abandoned requests
 *
 * For the exit of a driver's module: this module can be unloaded after that.
 * Waits for a second at most. If a worker takes longer, unloading this module
 * fails with EBUSY until the worker has finished.
 *
 * Context: may sleep.
 */
void umem_odp_settle(void);

/**
 * umem_odp_prefetch() - make a range present before it is accessed
 * @umem: the region, on-demand
 * @offset: bytes from the region's start
 * @len: bytes
 * @flags: enum umem_odp_fault_flags; with UMEM_ODP_FAULT_SNAPSHOT, pages that
 *	the CPU has not mapped are skipped
 *
 * A worker makes the faults. So a region can be deregistered (umem_odp_hold())
 * and a device removed (umem_odp_device_removing()) while a fault cannot be
 * interrupted.
 *
 * Context: as for umem_odp_fault(); returns after a fatal signal.
 * Return: 0; -EFAULT, also for a range outside the region; -EINVAL for a pinned
 * region; -EIO: the region or the device is going away; otherwise as
 * umem_odp_fault(), and the pages before the first failing page are present.
 */
int umem_odp_prefetch(struct ib_umem_odp *umem, u64 offset, u64 len,
		      unsigned int flags);

/**
 * umem_odp_prefetch_async() - start to make a range present, without waiting
 * @umem: the region, on-demand
 * @offset: bytes from the region's start
 * @len: bytes
 * @flags: as for umem_odp_prefetch()
 *
 * The requests of a process are served in turn; a request that takes long lets
 * the others go first. umem_odp_put() cancels the requests of a region, and so
 * does the end of the address space.
 *
 * Context: may sleep.
 * Return: 0; -EFAULT for a range outside the region; -EINVAL for a pinned
 * region; -EPERM to write to a region that may not be written; -ENOMEM, also if
 * too many requests wait.
 */
int umem_odp_prefetch_async(struct ib_umem_odp *umem, u64 offset, u64 len,
			    unsigned int flags);

/**
 * enum umem_odp_page_state - what a mirror knows about a page
 * @UMEM_ODP_PRESENT: the page can be read
 * @UMEM_ODP_WRITABLE: the page can be written
 * @UMEM_ODP_DIRTY: the page was written, and the mm does not know yet
 * @UMEM_ODP_HUGE: the page's translation is one entry for the whole leaf
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
 * For tests and diagnosis: the answer may be out of date at once.
 *
 * Context: any but hard interrupt; never sleeps.
 * Return: a set of enum umem_odp_page_state; 0 if there is no translation.
 */
unsigned int umem_odp_query(struct ib_umem_odp *umem, u64 offset);

/**
 * struct umem_odp_mirror_stats - the size and the history of a mirror
 * @windows: windows (ranges with a notifier)
 * @leaves: leaves that hold at least one translation, or did
 * @table_bytes: kernel memory of windows and leaves
 * @faults: faults that asked the mm
 * @invalidations: callbacks that removed something
 */
struct umem_odp_mirror_stats {
	u64 windows;
	u64 leaves;
	u64 table_bytes;
	u64 faults;
	u64 invalidations;
};

/**
 * umem_odp_get_mirror_stats() - the size and the history of a region's mirror
 * @umem: the region
 * @stats: filled in
 *
 * Context: any; never sleeps.
 */
void umem_odp_get_mirror_stats(const struct ib_umem_odp *umem,
			       struct umem_odp_mirror_stats *stats);

#endif /* IB_UMEM_ODP_H */
