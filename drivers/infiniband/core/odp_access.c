// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Accesses
 *
 * These routines move bytes between a region and the kernel, and between
 * regions. A page is touched only while its leaf's lock is held for reading, so
 * the notifier's callback waits for the access. The range is compared with the
 * region's under the same lock. So umem_odp_close() can empty the region and
 * then wait for the holders of the lock.
 */
#include <linux/export.h>
#include <linux/highmem.h>

#include "odp_leaf.h"
#include "odp_window.h"

/* The most that is copied while a leaf's lock is held; divides a leaf. */
#define ODP_PIECE	((unsigned long)SZ_256K)

enum odp_direction {
	ODP_OUT,		/* memory -> buffer */
	ODP_IN,			/* buffer -> memory */
};

/*
 * Caller: holds the leaf's lock for reading, before it touches a page, so that
 * umem_odp_close() waits for the access.
 */
static bool odp_in_region(const struct ib_umem_odp *umem, u64 offset, u64 len)
{
	u64 length = READ_ONCE(umem->length);

	return offset <= length && len <= length - offset;
}

/* The flags of an entry that an access of this kind has used before. */
static unsigned long odp_bits_wanted(bool write)
{
	return write ? ODP_VALID | ODP_USED | ODP_WRITE | ODP_DIRTY :
		       ODP_VALID | ODP_USED;
}

/*
 * Notes the first such access since the mm or the search for idle tables last
 * asked. Other CPUs may note other accesses in the same words at the same time.
 * Returns the entry, or 0 if it does not allow the access.
 */
static noinline unsigned long odp_mark_used(struct odp_leaf *leaf,
					    unsigned long *entry, bool write)
{
	unsigned long value = entry ? READ_ONCE(*entry) : 0;

	lockdep_assert_held_read(&leaf->lock);
	if (!(value & ODP_VALID) || (write && !(value & ODP_WRITE)))
		return 0;
	set_bit(ODP_USED_BIT, &leaf->word);
	set_bit(ODP_USED_BIT, entry);
	if (write)
		set_bit(ODP_DIRTY_BIT, entry);
	return value;
}

/*
 * Returns the page of an entry if the entry allows the access, otherwise NULL.
 * Notes in the entry that the page is used and, for a write, dirty.
 */
static __always_inline struct page *
odp_use_entry(struct odp_leaf *leaf, unsigned int i, bool write)
{
	unsigned long *entry = odp_leaf_entry(leaf, i);
	unsigned long value = entry ? READ_ONCE(*entry) : 0;
	unsigned long want = odp_bits_wanted(write);

	lockdep_assert_held_read(&leaf->lock);
	if (unlikely((value & want) != want))
		value = odp_mark_used(leaf, entry, write);
	return value ? odp_entry_page(value, i) : NULL;
}

static size_t odp_to_page_end(unsigned long addr)
{
	return PAGE_SIZE - offset_in_page(addr);
}

/*
 * The page's memory has failed. Tells the mm, which takes the page out of use
 * and invalidates the entry. Until then the entry allows no access.
 */
static noinline void odp_report_poison(struct odp_leaf *leaf, unsigned int i,
				       struct page *page)
{
	lockdep_assert_held_read(&leaf->lock);
	clear_bit(ODP_VALID_BIT, odp_leaf_entry(leaf, i));
	memory_failure_queue(page_to_pfn(page), 0);
}

/*
 * @end: this is the last page of a piece, so it may hold the last byte of a
 * message. Returns false if the page's memory has failed.
 */
static bool odp_copy_page(struct page *page, unsigned int offset, void *buf,
			  size_t len, enum odp_direction dir, bool end)
{
	void *va = kmap_local_page(page);
	bool good = true;

	if (dir == ODP_IN) {
		if (end)
			compat_copy_in(va + offset, buf, len);
		else
			compat_copy(va + offset, buf, len);
		flush_dcache_page(page);
	} else {
		good = compat_copy_mc(buf, va + offset, len);
	}
	kunmap_local(va);
	return good;
}

/* A copy between a region and a buffer. */
struct odp_copy_request {
	const struct ib_umem_odp *umem;
	u64 offset;
	size_t len;
	enum odp_direction dir;
};

/* Returns the number of bytes copied. @addr + @len is not beyond the leaf. */
static size_t odp_copy_leaf(const struct odp_copy_request *all,
			    struct odp_window *window, unsigned long addr,
			    void *buf, size_t len)
{
	struct odp_leaf *leaf = odp_leaf_read_lock(window,
						   odp_leaf_index(addr));
	enum odp_direction dir = all->dir;
	size_t done = 0;

	if (!odp_in_region(all->umem, all->offset, all->len))
		len = 0;
	while (done < len) {
		size_t n = min(len - done, odp_to_page_end(addr + done));
		unsigned int i = odp_page_index(addr + done);
		struct page *page = odp_use_entry(leaf, i, dir == ODP_IN);

		if (!page)
			break;
		if (unlikely(!odp_copy_page(page, offset_in_page(addr + done),
					    buf + done, n, dir,
					    done + n == len))) {
			odp_report_poison(leaf, i, page);
			break;
		}
		done += n;
	}
	odp_leaf_read_unlock(leaf);
	return done;
}

/*
 * The end of a piece. There, a copy enables bottom halves, and lets in writers
 * that wait to change the leaf.
 */
static unsigned long odp_piece_end(unsigned long addr)
{
	return (addr | (ODP_PIECE - 1)) + 1;
}

static size_t odp_copy(struct ib_umem_odp *umem, u64 offset, void *buf,
		       size_t len, enum odp_direction dir)
{
	const struct odp_copy_request all = { umem, offset, len, dir };
	unsigned long addr = umem->address + offset;
	size_t done = 0;

	rcu_read_lock();
	while (done < len) {
		struct odp_window *window = odp_window_find(umem->mirror,
							    addr + done);
		size_t n = min_t(size_t, len - done,
				 odp_piece_end(addr + done) - (addr + done));
		size_t copied;

		if (!window)
			break;
		copied = odp_copy_leaf(&all, window, addr + done, buf + done,
				       n);
		done += copied;
		if (copied < n)
			break;
	}
	rcu_read_unlock();
	return done;
}

size_t umem_odp_read(struct ib_umem_odp *umem, u64 offset, void *dst,
		     size_t len)
{
	return odp_copy(umem, offset, dst, len, ODP_OUT);
}
EXPORT_SYMBOL_GPL(umem_odp_read);

size_t umem_odp_write(struct ib_umem_odp *umem, u64 offset, const void *src,
		      size_t len)
{
	if (!umem->writable)
		return 0;
	return odp_copy(umem, offset, (void *)src, len, ODP_IN);
}
EXPORT_SYMBOL_GPL(umem_odp_write);

/* --- between regions ------------------------------------------------------ */

/* A copy from one region to another. */
struct odp_copy_between {
	const struct ib_umem_odp *to;
	u64 to_offset;
	const struct ib_umem_odp *from;
	u64 from_offset;
	size_t len;
};

/* One end of a copy, which does not go beyond the leaf. */
struct odp_end {
	struct odp_window *window;
	struct odp_leaf *leaf;
	unsigned long addr;
};

/* Caller: holds the locks of both leaves, as for odp_in_region(). */
static bool odp_in_both_regions(const struct odp_copy_between *all,
				const struct odp_end *to,
				const struct odp_end *from,
				enum umem_odp_side *missing)
{
	lockdep_assert_held_read(&to->leaf->lock);
	lockdep_assert_held_read(&from->leaf->lock);
	*missing = UMEM_ODP_TO;
	if (!odp_in_region(all->to, all->to_offset, all->len))
		return false;
	*missing = UMEM_ODP_FROM;
	return odp_in_region(all->from, all->from_offset, all->len);
}

/*
 * Returns false if the address has no window, and so no leaf. Caller: is in an
 * RCU read section.
 */
static bool odp_end_lookup(struct odp_end *end, struct odp_mirror *mirror,
			   unsigned long addr)
{
	end->window = odp_window_find(mirror, addr);
	end->addr = addr;
	if (!end->window)
		return false;
	end->leaf = &end->window->leaves[odp_leaf_index(addr)];
	return true;
}

/*
 * Passes both gates before it takes the first lock, because a writer that holds
 * a gate waits for the holders of a leaf's lock. Then locks in the order of the
 * addresses, which is the same for every copy.
 */
static void odp_read_lock_both(const struct odp_end *a, const struct odp_end *b)
	__acquires(&min(a->leaf, b->leaf)->lock)
	__acquires(&max(a->leaf, b->leaf)->lock)
{
	local_bh_disable();
	odp_gate_pass(a->window);
	if (a->window != b->window)
		odp_gate_pass(b->window);
	read_lock(&min(a->leaf, b->leaf)->lock);
	if (a->leaf != b->leaf)
		read_lock(&max(a->leaf, b->leaf)->lock);
	else
		__acquire(&max(a->leaf, b->leaf)->lock);
}

static void odp_read_unlock_both(const struct odp_end *a,
				 const struct odp_end *b)
	__releases(&max(a->leaf, b->leaf)->lock)
	__releases(&min(a->leaf, b->leaf)->lock)
{
	if (a->leaf != b->leaf)
		read_unlock(&max(a->leaf, b->leaf)->lock);
	else
		__release(&max(a->leaf, b->leaf)->lock);
	read_unlock_bh(&min(a->leaf, b->leaf)->lock);
}

/* As odp_copy_page(). Returns false if the memory of @from has failed. */
static bool odp_copy_between_pages(struct page *to, unsigned int to_offset,
				   struct page *from, unsigned int from_offset,
				   size_t len, bool end)
{
	void *dst = kmap_local_page(to);
	void *src = kmap_local_page(from);
	bool good = true;

	if (to == from && to_offset < from_offset + len &&
	    from_offset < to_offset + len)
		memmove(dst + to_offset, src + from_offset, len);
	else if (end)
		good = compat_copy_in_mc(dst + to_offset, src + from_offset,
					 len);
	else
		good = compat_copy_mc(dst + to_offset, src + from_offset, len);
	flush_dcache_page(to);
	kunmap_local(src);
	kunmap_local(dst);
	return good;
}

/* Copies within one leaf at either end, as umem_odp_copy(). */
static size_t odp_copy_ends(const struct odp_copy_between *all,
			    const struct odp_end *to,
			    const struct odp_end *from, size_t len,
			    enum umem_odp_side *missing)
{
	size_t done = 0;

	odp_read_lock_both(to, from);
	if (!odp_in_both_regions(all, to, from, missing))
		len = 0;
	while (done < len) {
		unsigned long to_addr = to->addr + done;
		unsigned long from_addr = from->addr + done;
		size_t n = min3(len - done, odp_to_page_end(to_addr),
				odp_to_page_end(from_addr));
		struct page *src, *dst;

		src = odp_use_entry(from->leaf, odp_page_index(from_addr),
				    false);
		dst = src ? odp_use_entry(to->leaf, odp_page_index(to_addr),
					  true) : NULL;
		if (!dst) {
			*missing = src ? UMEM_ODP_TO : UMEM_ODP_FROM;
			break;
		}
		if (unlikely(!odp_copy_between_pages(dst,
						     offset_in_page(to_addr),
						     src,
						     offset_in_page(from_addr),
						     n, done + n == len))) {
			odp_report_poison(from->leaf,
					  odp_page_index(from_addr), src);
			*missing = UMEM_ODP_FROM;
			break;
		}
		done += n;
	}
	odp_read_unlock_both(to, from);
	return done;
}

size_t umem_odp_copy(struct ib_umem_odp *to, u64 to_offset,
		     struct ib_umem_odp *from, u64 from_offset, size_t len,
		     enum umem_odp_side *missing)
{
	const struct odp_copy_between all = {
		to, to_offset, from, from_offset, len
	};
	unsigned long to_addr = to->address + to_offset;
	unsigned long from_addr = from->address + from_offset;
	size_t done = 0;

	*missing = UMEM_ODP_TO;
	if (!to->writable)
		return 0;

	rcu_read_lock();
	while (done < len) {
		unsigned long dst = to_addr + done, src = from_addr + done;
		size_t n = min3(len - done, odp_piece_end(dst) - dst,
				odp_piece_end(src) - src);
		struct odp_end to_end, from_end;
		bool has_from = odp_end_lookup(&from_end, from->mirror, src);
		size_t copied;

		if (!has_from || !odp_end_lookup(&to_end, to->mirror, dst)) {
			*missing = has_from ? UMEM_ODP_TO : UMEM_ODP_FROM;
			break;
		}
		copied = odp_copy_ends(&all, &to_end, &from_end, n, missing);
		done += copied;
		if (copied < n)
			break;
	}
	rcu_read_unlock();
	return done;
}
EXPORT_SYMBOL_GPL(umem_odp_copy);

/* --- atomics, and the state of a page ------------------------------------- */

static u64 odp_atomic_page(struct page *page, unsigned int offset,
			   enum umem_odp_atomic_op op, u64 operand, u64 compare)
{
	void *va = kmap_local_page(page);
	u64 old = umem_odp_operate(va + offset, op, operand, compare);

	flush_dcache_page(page);
	kunmap_local(va);
	return old;
}

/* As umem_odp_atomic(). Caller: holds the leaf's lock for reading. */
static int odp_atomic_leaf(const struct ib_umem_odp *umem, u64 offset,
			   struct odp_leaf *leaf, enum umem_odp_atomic_op op,
			   u64 operand, u64 compare, u64 *old)
{
	unsigned long addr = umem->address + offset;
	struct page *page;

	lockdep_assert_held_read(&leaf->lock);
	if (!odp_in_region(umem, offset, sizeof(u64)))
		return -EINVAL;
	page = odp_use_entry(leaf, odp_page_index(addr), true);
	if (!page)
		return -EAGAIN;
	*old = odp_atomic_page(page, offset_in_page(addr), op, operand,
			       compare);
	return 0;
}

int umem_odp_atomic(struct ib_umem_odp *umem, u64 offset,
		    enum umem_odp_atomic_op op, u64 operand, u64 compare,
		    u64 *old)
{
	unsigned long addr = umem->address + offset;
	struct odp_window *window;
	struct odp_leaf *leaf;
	int ret;

	if (!IS_ALIGNED(addr, sizeof(u64)))
		return -EINVAL;
	if (!umem->writable)
		return -EPERM;

	rcu_read_lock();
	window = odp_window_find(umem->mirror, addr);
	if (window) {
		leaf = odp_leaf_read_lock(window, odp_leaf_index(addr));
		ret = odp_atomic_leaf(umem, offset, leaf, op, operand, compare,
				      old);
		odp_leaf_read_unlock(leaf);
	} else {
		ret = odp_in_region(umem, offset, sizeof(u64)) ? -EAGAIN :
								 -EINVAL;
	}
	rcu_read_unlock();
	return ret;
}
EXPORT_SYMBOL_GPL(umem_odp_atomic);

unsigned int umem_odp_query(struct ib_umem_odp *umem, u64 offset)
{
	unsigned long addr = umem->address + offset;
	unsigned long value = 0, *entry;
	struct odp_window *window;
	struct odp_leaf *leaf;

	rcu_read_lock();
	window = odp_window_find(umem->mirror, addr);
	if (window) {
		leaf = odp_leaf_read_lock(window, odp_leaf_index(addr));
		entry = odp_leaf_entry(leaf, odp_page_index(addr));
		if (entry)
			value = READ_ONCE(*entry);
		odp_leaf_read_unlock(leaf);
	}
	rcu_read_unlock();

	return (value & ODP_VALID ? UMEM_ODP_PRESENT : 0) |
	       (value & ODP_WRITE ? UMEM_ODP_WRITABLE : 0) |
	       (value & ODP_DIRTY ? UMEM_ODP_DIRTY : 0) |
	       (value & ODP_HUGE ? UMEM_ODP_HUGE : 0);
}
EXPORT_SYMBOL_GPL(umem_odp_query);
