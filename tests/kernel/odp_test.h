/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* The ioctls of /dev/odp_test, for the module and for the programs in user/. */
#ifndef ODP_TEST_H
#define ODP_TEST_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define ODP_TEST_DEVICE "/dev/odp_test"

/* The longest copy of one call. */
#define ODP_TEST_COPY_MAX (16u << 20)

enum odp_test_register_flags {
	ODP_TEST_WRITABLE = 1 << 0,
	ODP_TEST_PINNED = 1 << 1,
	ODP_TEST_BY_THREAD = 1 << 2,	/* by a kernel thread, which has no mm */
};

/* A region belongs to the open file, its memory to the process that registers it. */
struct odp_test_register {
	__u64 address;
	__u64 length;
	__u32 flags;
	__u32 handle;	/* out */
};

struct odp_test_put {
	__u32 handle;
	__u32 reserved;
};

/* Without this flag a copy or an atomic stops at the first missing page, as in softirq. */
#define ODP_TEST_FAULTING 1

struct odp_test_copy {
	__u32 handle;
	__u32 flags;
	__u64 offset;
	__u64 length;
	__u64 buffer;
	__u64 done;	/* out: bytes copied */
	__s64 error;	/* out: the error of the fault that ended the copy; 0: none */
};

/* Copies between two regions of one open file, or within one region. */
struct odp_test_move {
	__u32 handle;	/* to */
	__u32 from;
	__u32 flags;
	__u32 missing;	/* out: enum umem_odp_side, the side of the missing page */
	__u64 offset;
	__u64 from_offset;
	__u64 length;
	__u64 done;	/* out: bytes copied */
	__s64 error;	/* out: the error of the fault that ended the copy; 0: none */
};

struct odp_test_atomic {
	__u32 handle;
	__u32 flags;
	__u32 op;	/* enum umem_odp_atomic_op */
	__u32 reserved;
	__u64 offset;
	__u64 operand;
	__u64 compare;
	__u64 old;	/* out */
	__s64 error;	/* out: the result of umem_odp_atomic() or of the fault */
};

struct odp_test_fault {
	__u32 handle;
	__u32 flags;	/* enum umem_odp_fault_flags */
	__u64 offset;
	__u64 length;
	__s64 result;	/* out: the result of umem_odp_fault() */
};

/* @states: one byte for each page, enum umem_odp_page_state, from the page at @offset on. */
struct odp_test_query {
	__u32 handle;
	__u32 reserved;
	__u64 offset;
	__u64 pages;
	__u64 states;
};

struct odp_test_stats {
	__u32 handle;
	__u32 reserved;
	__u64 windows;		/* out, like all below: of the mirror */
	__u64 leaves;
	__u64 table_bytes;
	__u64 faults;
	__u64 invalidations;
	__u64 region_faults;	/* of the region */
	__u64 region_pages;
};

/*
 * Tests the copy out of memory that may have failed. Copies the last @before bytes of a page,
 * and the unmapped bytes behind the page.
 */
struct odp_test_failing {
	__u32 before;
	__u32 length;
	__u32 good;	/* out: the copy reported no failure */
	__u32 right;	/* out: the bytes of the page were copied */
};

/*
 * The race: workers in the kernel write stamps into the pages of a region and read them
 * back, while the program unmaps, moves and protects these pages.
 *
 * Every word of a page is ODP_TEST_STAMP(page, version), or 0 in a new page. Each page has
 * one writer, so its versions only grow. Stable and volatile blocks of ODP_TEST_BLOCK pages
 * alternate. A stable block never loses data, whatever happens to its pages. A volatile block
 * may become zeroes at any time. The first word of the region is a counter; page 0 has no
 * stamps.
 */
#define ODP_TEST_STAMP(page, version) \
	(0x0d9ull << 52 | (__u64)((page) & 0xfffff) << 32 | (__u32)(version))
#define ODP_TEST_STAMPED_PAGE(word) ((word) >> 32 & 0xfffff)
#define ODP_TEST_VERSION(word) ((__u32)(word))
#define ODP_TEST_BLOCK 8
#define ODP_TEST_VOLATILE(page) ((page) / ODP_TEST_BLOCK % 2)
#define ODP_TEST_RACE_PAGES_MAX 4096

struct odp_test_race_start {
	__u32 handle;
	__u32 threads;	/* kernel threads; the softirq of a timer is one more worker */
	__u32 pages;
	__u32 reserved;
};

struct odp_test_race_stop {
	__u64 versions;	/* array, one __u32 for each page: the version last written */
	__u64 reads;	/* out, like all below: whole pages */
	__u64 writes;
	__u64 atomics;
	__u64 misses;
	__u64 faults;
	__u64 softirq;	/* copies made in softirq */
	__u64 errors;	/* pages with contents that no worker wrote */
	char error[96];	/* the first error */
};

#define ODP_TEST_REGISTER	_IOWR('O', 1, struct odp_test_register)
#define ODP_TEST_PUT		_IOW('O', 2, struct odp_test_put)
#define ODP_TEST_READ		_IOWR('O', 3, struct odp_test_copy)
#define ODP_TEST_WRITE		_IOWR('O', 4, struct odp_test_copy)
#define ODP_TEST_ATOMIC		_IOWR('O', 5, struct odp_test_atomic)
#define ODP_TEST_FAULT		_IOWR('O', 6, struct odp_test_fault)
#define ODP_TEST_QUERY		_IOW('O', 7, struct odp_test_query)
#define ODP_TEST_STATS		_IOWR('O', 8, struct odp_test_stats)
#define ODP_TEST_RACE_START	_IOW('O', 9, struct odp_test_race_start)
#define ODP_TEST_RACE_STOP	_IOWR('O', 10, struct odp_test_race_stop)
#define ODP_TEST_MOVE		_IOWR('O', 11, struct odp_test_move)
#define ODP_TEST_FAILING	_IOWR('O', 12, struct odp_test_failing)

#endif
