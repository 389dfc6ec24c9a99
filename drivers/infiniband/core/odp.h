/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside ib_umem_odp.ko.
 *
 *	umem_odp.c	regions; finding and making the mirror of a (device, mm)
 *	odp_mirror.c	mirrors and their windows; the notifier's callback
 *	odp_leaf.c	2 MiB of translations
 *	odp_access.c	copies and atomics: never sleep
 *	odp_fault.c	translations of pages that are missing: sleeps
 *	odp_ahead.c	which pages a stream of faults will want next
 *	odp_bring.c	having the mm make pages present
 *	odp_prefetch.c	the same before anybody waits for them
 *	odp_worker.c	who does that while the caller goes on
 *	odp_lend.c	with the limits of the process that owns the memory
 *	odp_shrink.c	giving tables back
 *	odp_watch.c	the end of the address space; which pages were used
 *	odp_debugfs.c	what people can look at
 *
 * Lock order, outermost first:
 *
 *	odp_mirrors_lock (umem_odp.c)
 *	  mirror->windows_lock
 *	    mmap_lock, then the mm's own locks
 *	      window->dirty_lock	callbacks; never in a softirq
 *	        window->gate		bottom halves off
 *	          leaf->lock		bottom halves off; one at a time, but for a
 *					copy between two, which has passed the
 *					gates before: by their addresses
 *	            a list's lock in odp_tables	bottom halves off
 *	        what folio_mark_dirty() takes
 *	      mirror->regions_lock	callbacks; never in a softirq
 *	mirror->faults_lock, mirror->mm_lock, dev->waiters_lock
 *						nothing inside
 *	user->lock (odp_worker.c)	bottom halves off; inside of drivers' locks
 *
 * The notifier's callback takes dirty_lock, leaf->lock and regions_lock, copies
 * leaf->lock. Windows are found under RCU.
 */
#ifndef ODP_H
#define ODP_H

#include <linux/bitmap.h>
#include <linux/list_lru.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_verbs.h>

#ifndef CONFIG_64BIT
#error "On-demand paging needs a 64-bit kernel: an entry and a range are a long."
#endif

/*
 * A table is one page, whatever the size of a page. So a leaf is what the CPU's page
 * table has one table of entries for: 2 MiB with pages of 4 KiB, 512 MiB with pages
 * of 64 KiB.
 */
#define ODP_LEAF_ORDER		(PAGE_SHIFT - 3)
#define ODP_LEAF_SHIFT		(PAGE_SHIFT + ODP_LEAF_ORDER)
#define ODP_LEAF_SIZE		(1UL << ODP_LEAF_SHIFT)
#define ODP_LEAF_PAGES		(1UL << ODP_LEAF_ORDER)
#define ODP_LEAF_TABLE_SIZE	(ODP_LEAF_PAGES * sizeof(unsigned long))

#define ODP_WINDOW_SHIFT	(ODP_LEAF_SHIFT + 8)
#define ODP_WINDOW_SIZE		(1UL << ODP_WINDOW_SHIFT)
#define ODP_WINDOW_LEAVES	(1UL << (ODP_WINDOW_SHIFT - ODP_LEAF_SHIFT))
#define ODP_NEAR_WINDOWS	8

/*
 * An entry translates a page, or, with ODP_HUGE, a whole leaf:
 * pfn << PAGE_SHIFT | flags. 0 is no translation.
 */
#define ODP_VALID_BIT		0
#define ODP_VALID		BIT(ODP_VALID_BIT)
#define ODP_WRITE		BIT(1)
#define ODP_DIRTY_BIT		2
#define ODP_DIRTY		BIT(ODP_DIRTY_BIT)
#define ODP_HUGE		BIT(3)
/*
 * In an entry: the page was accessed since the mm or the search for idle tables
 * asked last. In the word of a leaf with a table: some page of the leaf was, since
 * that search came by; always set where an entry has the bit.
 */
#define ODP_USED_BIT		4
#define ODP_USED		BIT(ODP_USED_BIT)
/* In an entry: it had ODP_USED when that search came by; the mm has not asked. */
#define ODP_YOUNG_BIT		5
#define ODP_YOUNG		BIT(ODP_YOUNG_BIT)
/* What an entry keeps when it is entered again. */
#define ODP_NOTES		(ODP_DIRTY | ODP_USED | ODP_YOUNG)

/**
 * struct odp_table - what is known of a leaf's table, a page of entries
 * @lru: in odp_tables, by memory cgroup, while it is the table of a leaf of an
 *	on-demand mirror
 * @window: the leaf's window
 * @index: the leaf's place in it
 *
 * An object of its own, charged as the table is; page_private() of the table's page
 * points to it. Under the leaf's lock, and constant while it is in odp_tables.
 */
struct odp_table {
	struct list_head lru;
	struct odp_window *window;
	unsigned long index;
};

/* Kernel memory of a table. */
#define ODP_TABLE_BYTES		(ODP_LEAF_TABLE_SIZE + sizeof(struct odp_table))

/**
 * struct odp_leaf - the translations of an aligned ODP_LEAF_SIZE bytes
 * @lock: for reading while pages are accessed through the leaf, for writing
 *	while entries change; see odp_leaf_enter() and odp_leaf_lock()
 * @word: 0: none; with ODP_HUGE: the one entry; else the address of a table
 *	of ODP_LEAF_PAGES entries. Under @lock; who has it for reading may
 *	atomically set ODP_USED here, set or clear ODP_NOTES in an entry, and
 *	clear ODP_VALID there.
 */
struct odp_leaf {
	rwlock_t lock;
	unsigned long word;
};

/**
 * struct odp_window - an aligned ODP_WINDOW_SIZE bytes of an address space
 * @notifier: not registered in a pinned mirror
 * @mirror: whose window it is
 * @base: first address
 * @dirty_lock: held from taking entries that are dirty until their folios have
 *	heard of it, so that no other callback for them returns before
 * @gate: held by who waits to change a leaf's entries
 * @refs: one for being in mirror->windows, one for each fault under way
 * @rcu: frees it
 * @populated: leaves whose word is not 0; a bit changes under the leaf's lock
 * @leaves: in order of address
 */
struct odp_window {
	struct mmu_interval_notifier notifier;
	struct odp_mirror *mirror;
	unsigned long base;
	spinlock_t dirty_lock;
	spinlock_t gate;
	refcount_t refs;
	struct rcu_head rcu;
	DECLARE_BITMAP(populated, ODP_WINDOW_LEAVES);
	struct odp_leaf leaves[ODP_WINDOW_LEAVES];
};

/* Guesses that wait; the oldest gives way to a new one. */
#define ODP_GUESSES		8

/**
 * struct odp_guess - pages that a stream of faults is going to want
 * @start: first page
 * @end: behind the last one
 * @write: they are going to be written
 */
struct odp_guess {
	unsigned long start, end;
	bool write;
};

/* A (device, address space). */
struct odp_mirror_key {
	struct umem_odp_device *dev;
	struct mm_struct *mm;
};

/**
 * enum odp_lane_id - kinds of requests, each of which has workers of its own
 * @ODP_LANE_FAULT: somebody waits
 * @ODP_LANE_PREFETCH: nobody does
 * @ODP_LANES: how many kinds there are
 */
enum odp_lane_id {
	ODP_LANE_FAULT,
	ODP_LANE_PREFETCH,
	ODP_LANES,
};

/**
 * struct odp_queue - requests of one kind of a process
 * @node: in the user's lane, while a request may be served
 * @pending: struct umem_odp_request, those that wait
 * @nr_pending: of them
 * @running: requests that are being served
 * @share: how many may be at a time; constant
 * @slow: the last one that was served had to be interrupted
 *
 * All under the user's lock.
 */
struct odp_queue {
	struct list_head node;
	struct list_head pending;
	unsigned int nr_pending;
	unsigned int running;
	unsigned int share;
	bool slow;
};

/**
 * struct umem_odp_request - pages that a worker is to make present
 * @refs: who allocated it, who has it queued or serves it
 * @node: in the queue's pending or the lane's running requests; under the user's lock
 * @lane: which workers serve it; constant
 * @umem: the region; referenced while @user is not NULL
 * @offset: bytes from its start
 * @len: bytes
 * @left: of a prefetch: bytes from @offset on, of which @len are the next step
 * @flags: enum umem_odp_fault_flags
 * @user: whose worker it waits for or has; NULL: none. Changes under the user's lock.
 * @worker: who serves it; NULL: it waits; under the user's lock
 * @since: when the worker began, jiffies; under the user's lock
 * @interrupted: the worker has been told to leave off; under the user's lock
 * @abandoned: nobody wants to hear of it; under the user's lock
 * @calling: calls of @done under way
 * @done: what is called at the end
 * @context: the allocator's
 */
struct umem_odp_request {
	refcount_t refs;
	struct list_head node;
	enum odp_lane_id lane;
	struct ib_umem_odp *umem;
	u64 offset;
	u64 len;
	u64 left;
	unsigned int flags;
	struct odp_user *user;
	struct task_struct *worker;
	unsigned long since;
	bool interrupted;
	bool abandoned;
	atomic_t calling;
	void (*done)(struct umem_odp_request *request, long result);
	void *context;
};

/**
 * struct odp_mirror - the translations of an address space for a device
 * @key: what it is found by; constant
 * @dev: the device, whose memory a reference to @dev->ibdev->dev keeps, also
 *	after it has been unregistered, as long as there are regions
 * @pinned: of pinned pages; it has no address space, and nothing invalidates it
 * @mm: the address space, of which a mm_count is held; NULL if pinned, and when
 *	the address space is gone; under @mm_lock, or with a mm_users held
 * @mm_lock: protects @mm
 * @owner: process number of who made it, for people
 * @nr_regions: regions that use it; under odp_mirrors_lock
 * @refs: one for its regions, one while @watch is registered, one for each
 *	@tidy that is queued; keeps the mirror's memory, and no more
 * @rcu: frees it
 * @hash: in the table of all on-demand mirrors; under odp_mirrors_lock
 * @node: in the list of them; empty if it is not there (any more); under
 *	odp_mirrors_lock
 * @watch: hears of the end of the address space, is asked which pages were used
 * @watching: @watch has been registered; under @windows_lock
 * @regions: on-demand regions by address; under @regions_lock
 * @regions_lock: protects @regions
 * @origin: address of the window that has index 0 in @windows: 0; a pinned
 *	region's first window, so that most have one entry, which needs no node
 * @windows: by odp_window_index(); changed under @windows_lock, read under RCU
 * @near: some of them, by the low bits of that, found in one step; changed under
 *	@windows_lock, read under RCU
 * @windows_lock: serialises making and removing windows
 * @faults: struct odp_fault, those that ask the mm; under @faults_lock
 * @faults_lock: protects @faults
 * @fault_wait: for the end of a fault
 * @guesses: a ring, the oldest at @first_guess; under @faults_lock
 * @first_guess: index in it; under @faults_lock
 * @nr_guesses: of them; under @faults_lock
 * @ahead_work: brings what is guessed, by a worker of @user's
 * @user: whose workers serve its requests; NULL if pinned
 * @queues: requests that wait, by enum odp_lane_id
 * @tidy: removes windows that are empty, or all when the address space is gone
 * @hand: where the search for tables to free goes on: a leaf's number in the
 *	address space (a hint, without a lock)
 * @nr_windows: see struct umem_odp_mirror_stats
 * @nr_leaves: leaves with a word
 * @nr_tables: leaves with a table
 * @nr_faults: see struct umem_odp_mirror_stats
 * @nr_invalidations: see struct umem_odp_mirror_stats
 */
struct odp_mirror {
	struct odp_mirror_key key;
	struct umem_odp_device *dev;
	bool pinned;
	struct mm_struct *mm;
	spinlock_t mm_lock;
	pid_t owner;
	unsigned int nr_regions;
	refcount_t refs;
	struct rcu_head rcu;
	struct rhash_head hash;
	struct list_head node;
	struct mmu_notifier watch;
	bool watching;
	struct rb_root_cached regions;
	spinlock_t regions_lock;
	unsigned long origin;
	struct xarray windows;
	struct odp_window __rcu *near[ODP_NEAR_WINDOWS];
	struct mutex windows_lock;
	struct list_head faults;
	spinlock_t faults_lock;
	wait_queue_head_t fault_wait;
	struct odp_guess guesses[ODP_GUESSES];
	unsigned int first_guess, nr_guesses;
	struct work_struct ahead_work;
	struct odp_user *user;
	struct odp_queue queues[ODP_LANES];
	struct work_struct tidy;
	unsigned long hand;
	atomic_long_t nr_windows;
	atomic_long_t nr_leaves;
	atomic_long_t nr_tables;
	atomic64_t nr_faults;
	atomic64_t nr_invalidations;
};

/* What an invalidation leaves of the entries it covers. */
enum odp_verdict {
	ODP_KEEP_READ,		/* take away writing */
	ODP_DROP,		/* drop the entries, keep the table */
	ODP_FREE,		/* drop the entries, and tables that are empty then */
};

/* umem_odp.c */

extern struct mutex odp_mirrors_lock;
extern struct list_head odp_mirrors;	/* on-demand ones, with an address space */

void odp_mirror_forget(struct odp_mirror *mirror);

/* odp_mirror.c */

struct odp_mirror *odp_mirror_create(struct umem_odp_device *dev,
				     struct mm_struct *mm,
				     unsigned long origin);
void odp_mirror_destroy(struct odp_mirror *mirror);
void odp_mirror_put_ref(struct odp_mirror *mirror);
struct mm_struct *odp_mirror_mmget(struct odp_mirror *mirror);
void odp_mirror_tidy(struct odp_mirror *mirror);
void odp_mirror_tidy_later(struct odp_mirror *mirror);
void odp_mirror_pass(struct odp_mirror *mirror, unsigned long first,
		     unsigned long last);
int odp_mirror_module_init(void);
void odp_mirror_module_exit(void);

/* Kernel memory of its windows and tables. */
static inline unsigned long
odp_mirror_table_bytes(const struct odp_mirror *mirror)
{
	return atomic_long_read(&mirror->nr_windows) *
		       sizeof(struct odp_window) +
	       atomic_long_read(&mirror->nr_tables) * ODP_TABLE_BYTES;
}

/* The device's name, for people. */
static inline const char *odp_mirror_name(const struct odp_mirror *mirror)
{
	return dev_name(&mirror->dev->ibdev->dev);
}

/* The index in mirror->windows of the window that holds @addr. */
static inline unsigned long odp_window_index(const struct odp_mirror *mirror,
					     unsigned long addr)
{
	return (addr - mirror->origin) >> ODP_WINDOW_SHIFT;
}

/* Where the window that holds @addr is, if no other one is there. */
static inline struct odp_window __rcu **
odp_window_slot(struct odp_mirror *mirror, unsigned long addr)
{
	return &mirror->near[addr >> ODP_WINDOW_SHIFT &
			     (ODP_NEAR_WINDOWS - 1)];
}

/*
 * The window that holds @addr, or NULL. Caller: in an RCU read section, or with
 * windows_lock.
 */
static inline struct odp_window *odp_window_find(struct odp_mirror *mirror,
						 unsigned long addr)
{
	struct odp_window *window =
		rcu_dereference_check(*odp_window_slot(mirror, addr),
				      lockdep_is_held(&mirror->windows_lock));

	if (window && window->base == ALIGN_DOWN(addr, ODP_WINDOW_SIZE))
		return window;
	return xa_load(&mirror->windows, odp_window_index(mirror, addr));
}

struct odp_window *odp_window_get(struct odp_mirror *mirror,
				  unsigned long addr);
void odp_window_put(struct odp_window *window);

/* odp_leaf.c: a leaf is named by its window and index */

static inline unsigned long odp_leaf_index(unsigned long addr)
{
	return (addr >> ODP_LEAF_SHIFT) & (ODP_WINDOW_LEAVES - 1);
}

static inline unsigned long odp_leaf_end(unsigned long addr)
{
	return (addr | (ODP_LEAF_SIZE - 1)) + 1;
}

static inline unsigned int odp_page_index(unsigned long addr)
{
	return (addr >> PAGE_SHIFT) & (ODP_LEAF_PAGES - 1);
}

/*
 * With bottom halves off, readers of a rwlock_t pass writers that wait: a few busy
 * processors would keep the notifier's callback out for ever. So who begins to
 * read waits until nobody waits to write. Caller: holds no leaf's lock.
 */
static inline void odp_gate_pass(struct odp_window *window)
{
	if (unlikely(spin_is_locked(&window->gate))) {
		spin_lock(&window->gate);
		spin_unlock(&window->gate);
	}
}

/* The leaf, for accesses, until odp_leaf_leave(). */
static inline struct odp_leaf *odp_leaf_enter(struct odp_window *window,
					      unsigned long index)
{
	struct odp_leaf *leaf = &window->leaves[index];

	local_bh_disable();
	odp_gate_pass(window);
	read_lock(&leaf->lock);
	return leaf;
}

static inline void odp_leaf_leave(struct odp_leaf *leaf)
{
	read_unlock_bh(&leaf->lock);
}

/* The leaf, with no access under way, until odp_leaf_unlock(). */
static inline struct odp_leaf *odp_leaf_lock(struct odp_window *window,
					     unsigned long index)
{
	struct odp_leaf *leaf = &window->leaves[index];

	spin_lock_bh(&window->gate);
	write_lock(&leaf->lock);
	spin_unlock(&window->gate);
	return leaf;
}

static inline void odp_leaf_unlock(struct odp_leaf *leaf)
{
	write_unlock_bh(&leaf->lock);
}

static inline unsigned long *odp_leaf_table(unsigned long word)
{
	return (unsigned long *)(word & PAGE_MASK);
}

/*
 * The place of a page's entry, or NULL where the leaf has none. Caller: holds
 * leaf->lock. For a huge entry the page is @i pages after its pfn.
 */
static inline unsigned long *odp_leaf_entry(struct odp_leaf *leaf,
					    unsigned int i)
{
	unsigned long word = READ_ONCE(leaf->word);

	if (word & ODP_HUGE)
		return &leaf->word;
	return word ? odp_leaf_table(word) + i : NULL;
}

static inline struct page *odp_entry_page(unsigned long entry, unsigned int i)
{
	struct page *page = pfn_to_page(entry >> PAGE_SHIFT);

	return entry & ODP_HUGE ? page + i : page;
}

static inline struct odp_table *odp_table_of(const unsigned long *entries)
{
	return (struct odp_table *)page_private(virt_to_page(entries));
}

unsigned long *odp_table_alloc(gfp_t gfp);
void odp_table_free(unsigned long *entries);

bool odp_leaf_present(struct odp_window *window, unsigned long addr,
		      unsigned long end, bool write);
int odp_leaf_commit(struct odp_window *window, unsigned long base,
		    const unsigned long *hmm_pfns, unsigned long seq,
		    unsigned long **table);
int odp_leaf_set(struct odp_window *window, unsigned long addr,
		 struct page *page, bool write);
unsigned long odp_leaf_invalidate(struct odp_window *window,
				  unsigned long index, unsigned long start,
				  unsigned long end, enum odp_verdict verdict);
void odp_leaf_forget(struct odp_window *window, unsigned long index);
bool odp_leaf_age(struct odp_window *window, unsigned long index);
bool odp_leaf_young(struct odp_window *window, unsigned long start,
		    unsigned long end, bool clear);
int odp_leaf_module_init(void);
void odp_leaf_module_exit(void);

/* odp_bring.c */

/**
 * enum odp_wait - what may be waited for where a page is brought
 * @ODP_WAIT_NOT: nothing
 * @ODP_WAIT_LOCK: the mmap lock
 * @ODP_WAIT_PAGE: the page, too
 */
enum odp_wait {
	ODP_WAIT_NOT,
	ODP_WAIT_LOCK,
	ODP_WAIT_PAGE,
};

int odp_bring_check(const struct vm_area_struct *vma, bool write);
long odp_bring(struct mm_struct *mm, unsigned long start, unsigned long end,
	       bool write, enum odp_wait wait, unsigned long deadline);

/* odp_ahead.c */

void odp_ahead_note(struct ib_umem_odp *umem, unsigned long start,
		    unsigned long end, bool write);
bool odp_ahead_take(struct odp_mirror *mirror, struct odp_guess *guess);

/* odp_fault.c */

void odp_fault_init(struct odp_mirror *mirror);

/* odp_shrink.c */

extern struct list_lru odp_tables;	/* struct odp_table; of on-demand mirrors */

void odp_mirror_make_room(struct odp_mirror *mirror);
void odp_mirror_reclaim(struct odp_mirror *mirror);
unsigned long *odp_mirror_table(struct odp_mirror *mirror);
int odp_shrink_module_init(void);
void odp_shrink_module_exit(void);

/* odp_watch.c */

int odp_watch_start(struct odp_mirror *mirror);
void odp_watch_stop(struct odp_mirror *mirror);
void odp_watch_module_exit(void);

/* odp_debugfs.c */

int odp_debugfs_module_init(void);
void odp_debugfs_module_exit(void);

/* odp_prefetch.c */

void odp_waiters_abort(struct umem_odp_device *dev,
		       const struct ib_umem_odp *umem);

/* odp_worker.c */

int odp_workers_get(struct odp_mirror *mirror);
void odp_workers_put(struct odp_mirror *mirror);
void odp_workers_queue(struct odp_mirror *mirror, struct work_struct *work);
int odp_request_queue(struct umem_odp_request *request, bool force);
void odp_request_put(struct umem_odp_request *request);
void odp_requests_forget(struct ib_umem_odp *umem);
int odp_workers_module_init(void);
void odp_workers_module_exit(void);

/* odp_lend.c */

/**
 * struct odp_lend - limits of a process that a worker has for a while
 * @lent: it has them
 * @has_policy: the process has a memory policy
 * @policy: a copy of it
 * @mems: nodes that it may use
 * @nice: its nice value
 * @ioprio: its I/O priority, if it was given one
 * @blkcg: its block cgroup, referenced; or NULL
 * @old_policy: what the worker had
 * @old_mems: what the worker had
 * @old_nice: what the worker had
 */
struct odp_lend {
	bool lent;
	bool has_policy;
	struct mempolicy policy;
	nodemask_t mems;
	int nice;
	int ioprio;
	struct cgroup_subsys_state *blkcg;
	struct mempolicy *old_policy;
	nodemask_t old_mems;
	int old_nice;
};

void odp_lend_begin(struct odp_lend *lend, struct mm_struct *mm);
void odp_lend_end(struct odp_lend *lend);

#endif /* ODP_H */
