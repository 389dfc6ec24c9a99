// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kit/memory.h"
#include "kit/sys.h"
#include "lib/pattern.h"
#include "lib/test.h"

#define SMALL (16 * PAGE)
#define LARGE (2 * LEAF)
#define RW (PROT_READ | PROT_WRITE)

#define KSM "/sys/kernel/mm/ksm/"

/* Far below the addresses that mmap() chooses. */
char *place(size_t length)
{
	static uintptr_t next = 1ul << 36;
	char *at = (char *)next;

	next += (length + 2 * LEAF - 1) / LEAF * LEAF;
	defer_unmap(at, length);
	return at;
}

static char *map_at(char *at, size_t length, int prot, int flags, int fd)
{
	char *got = mmap(at, length, prot, flags | MAP_FIXED, fd, 0);

	if (got != at)
		fail_msg("mmap of %#zx bytes: %s", length, strerror(errno));
	return got;
}

char *anonymous_at(char *at, size_t length)
{
	map_at(at, length, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	/* A kernel without huge pages rejects the advice. */
	if (madvise(at, length, MADV_NOHUGEPAGE))
		assert_int_equal(errno, EINVAL);
	return at;
}

char *anonymous(size_t length)
{
	return anonymous_at(place(length), length);
}

static void fill(struct memory *m)
{
	memcpy(m->at, m->want, m->length);
}

static void make_anonymous(struct memory *m)
{
	anonymous_at(m->at, m->length);
	fill(m);
}

static void make_zero_page(struct memory *m)
{
	anonymous_at(m->at, m->length);
	memset(m->want, 0, m->length);
	for (size_t i = 0; i < m->length; i += PAGE)
		assert_int_equal(*(volatile char *)(m->at + i), 0);
}

#define KHUGEPAGED_SLEEP "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs"

/*
 * khugepaged might at any moment collapse pages that a test has split or paged out. Only once, because
 * writing the setting wakes it.
 */
static void stop_khugepaged(void)
{
	if (file_number(KHUGEPAGED_SLEEP, NULL) != 1000000000)
		file_put(KHUGEPAGED_SLEEP, "1000000000");
}

static void make_thp(struct memory *m)
{
	stop_khugepaged();
	map_at(m->at, m->length, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (madvise(m->at, m->length, MADV_HUGEPAGE))
		skip_because("this kernel has no transparent huge pages");
	fill(m);
	if (huge_bytes(m->at) != m->length)
		skip_because("the kernel had no huge pages to give");
}

static void make_hugetlb(struct memory *m)
{
	need_hugetlb(8);
	map_at(m->at, m->length, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	fill(m);
}

static void file_fill(struct memory *m, int map_flags)
{
	m->fd = file_unnamed(need_ext4(), m->length);
	assert_int_equal(pwrite(m->fd, m->want, m->length, 0), m->length);
	map_at(m->at, m->length, RW, map_flags, m->fd);
}

static void make_private_file(struct memory *m)
{
	file_fill(m, MAP_PRIVATE);
}

static void private_file_keeps(struct memory *m)
{
	char *got = scratch(m->length);

	assert_int_equal(pread(m->fd, got, m->length, 0), m->length);
	pattern_check(got, m->length, 0, FIRST, "the file under a private mapping");
}

static void make_shared_file(struct memory *m)
{
	file_fill(m, MAP_SHARED);
	fill(m);
}

static void make_memfd(struct memory *m)
{
	m->fd = memfd_make(m->length);
	map_at(m->at, m->length, RW, MAP_SHARED, m->fd);
	fill(m);
}

static void wait_forever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
}

int child_waits(void)
{
	return child_start(wait_forever, NULL);
}

static void make_cow(struct memory *m)
{
	make_anonymous(m);
	m->child = child_waits();
}

void process_sees(int pid, const char *at, const char *want, size_t len)
{
	char *got = scratch(len);
	struct iovec local = { got, len }, remote = { (void *)at, len };

	assert_int_equal(process_vm_readv(pid, &local, 1, &remote, 1, 0), len);
	same_bytes(got, want, len, "the other process's memory");
}

static void child_keeps(struct memory *m)
{
	char *first = scratch(m->length);

	pattern_fill(first, m->length, 0, FIRST);
	process_sees(m->child, m->at, first, m->length);
}

static bool is_merged(struct memory *m)
{
	for (size_t i = 0; i < m->length; i += PAGE) {
		uint64_t ours = pagemap(m->at + i), theirs = pagemap(m->twin + i);

		if (!(ours & PAGEMAP_PRESENT) || (ours ^ theirs) & PAGEMAP_PFN)
			return false;
	}
	return true;
}

static int ksm_stop(void *unused)
{
	(void)unused;
	return file_put(KSM "run", "0");
}

static void make_ksm(struct memory *m)
{
	uint64_t end = now_ms() + PATIENCE;

	make_anonymous(m);
	m->twin = anonymous(m->length);
	memcpy(m->twin, m->want, m->length);
	if (madvise(m->at, m->length, MADV_MERGEABLE))
		skip_because("this kernel has no KSM");
	assert_int_equal(madvise(m->twin, m->length, MADV_MERGEABLE), 0);
	file_put(KSM "sleep_millisecs", "10");
	file_put(KSM "pages_to_scan", "1000");
	assert_int_equal(file_put(KSM "run", "1"), 0);
	while (!is_merged(m) && now_ms() < end)
		sleep_ms(20);
	/* Otherwise KSM would later merge pages that a test has written. */
	ksm_stop(NULL);
	if (!is_merged(m))
		skip_because("KSM did not merge the pages in %d s", PATIENCE / 1000);
}

static void twin_keeps(struct memory *m)
{
	pattern_check(m->twin, m->length, 0, FIRST, "the twin of a merged page");
}

static void make_prot_read(struct memory *m)
{
	make_anonymous(m);
	assert_int_equal(mprotect(m->at, m->length, PROT_READ), 0);
}

static void make_prot_none(struct memory *m)
{
	make_anonymous(m);
	assert_int_equal(mprotect(m->at, m->length, PROT_NONE), 0);
}

static void make_hole(struct memory *m)
{
	(void)m;
}

#define USUAL (MAPPED | READABLE | WRITE)

const struct kind kinds[KINDS] = {
	[KIND_ANONYMOUS] = {
		.name = "anonymous", .make = make_anonymous, .length = SMALL,
		.traits = USUAL | FILLED | ANONYMOUS, .state = PRESENT | WRITABLE,
	},
	[KIND_ZERO_PAGE] = {
		.name = "zero page", .make = make_zero_page, .length = SMALL,
		.traits = USUAL | ANONYMOUS, .state = PRESENT,
	},
	[KIND_THP] = {
		.name = "THP", .make = make_thp, .length = LARGE,
		.traits = USUAL | FILLED | ANONYMOUS | TRANSPARENT,
		.state = PRESENT | WRITABLE | HUGE,
	},
	[KIND_HUGETLB] = {
		.name = "hugetlb", .make = make_hugetlb, .length = LARGE,
		.traits = USUAL | FILLED | ANONYMOUS | HUGETLB,
		.state = PRESENT | WRITABLE | HUGE,
	},
	[KIND_PRIVATE_FILE] = {
		.name = "private file", .make = make_private_file, .length = SMALL,
		.others_keep = private_file_keeps,
		.traits = USUAL | FILE_BACKED | ON_DISK, .state = PRESENT,
	},
	[KIND_SHARED_FILE] = {
		.name = "shared file", .make = make_shared_file, .length = SMALL,
		.traits = USUAL | FILLED | FILE_BACKED | SHARED | ON_DISK,
		.state = PRESENT | WRITABLE,
	},
	[KIND_MEMFD] = {
		.name = "memfd", .make = make_memfd, .length = SMALL,
		.traits = USUAL | FILLED | FILE_BACKED | SHARED,
		.state = PRESENT | WRITABLE,
	},
	[KIND_COW] = {
		.name = "shared by fork", .make = make_cow, .length = SMALL,
		.others_keep = child_keeps,
		.traits = USUAL | FILLED | ANONYMOUS | TWINS, .state = PRESENT,
	},
	[KIND_KSM] = {
		.name = "merged by KSM", .make = make_ksm, .length = SMALL,
		.others_keep = twin_keeps,
		.traits = USUAL | FILLED | ANONYMOUS | TWINS, .state = PRESENT,
	},
	[KIND_PROT_READ] = {
		.name = "PROT_READ", .make = make_prot_read, .length = SMALL,
		.traits = MAPPED | READABLE | FILLED | ANONYMOUS, .state = PRESENT,
		.write_error = -EPERM,
	},
	[KIND_PROT_NONE] = {
		.name = "PROT_NONE", .make = make_prot_none, .length = SMALL,
		.traits = MAPPED | FILLED | ANONYMOUS,
		.read_error = -EACCES, .write_error = -EACCES,
	},
	[KIND_HOLE] = {
		.name = "hole", .make = make_hole, .length = SMALL,
		.read_error = -EFAULT, .write_error = -EFAULT,
	},
};

struct memory *memory_make(const struct kind *kind)
{
	struct memory *m = scratch(sizeof(*m));

	*m = (struct memory){
		.kind = kind,
		.others_keep = kind->others_keep,
		.traits = kind->traits,
		.length = kind->length,
	};
	m->want = scratch(m->length);
	pattern_fill(m->want, m->length, 0, FIRST);
	m->at = place(m->length);
	kind->make(m);
	return m;
}
