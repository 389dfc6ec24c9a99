// SPDX-License-Identifier: GPL-2.0
/* Events that a program causes in its mappings. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "kit/scene.h"
#include "kit/sys.h"
#include "lib/pattern.h"
#include "lib/test.h"

static void run_read(struct scene *s)
{
	uint64_t faults = region_stats(&s->r).faults;

	if (!(s->m->traits & READABLE))
		return scene_read_fails(s, s->lo, s->m->kind->read_error);
	scene_reads(s, 0, s->m->length, "the second read");
	assert_int_equal(region_stats(&s->r).faults, faults);
	scene_states(s, 0, s->m->length, PRESENT | DIRTY, PRESENT, "after reading");
}

static void run_write(struct scene *s)
{
	if (!(s->m->traits & WRITE)) {
		scene_write_fails(s, s->lo, s->m->kind->write_error);
		scene_states(s, 0, s->m->length, WRITABLE | DIRTY, 0, "after a refused write");
		return;
	}
	scene_writes(s, s->lo + 1, s->hi - 1, 2);
	scene_cpu_sees(s, 0, s->m->length, "the CPU's view of a write");
	scene_states(s, s->lo, s->hi, PRESENT | WRITABLE | DIRTY, PRESENT | WRITABLE | DIRTY,
		     "after writing");
	scene_rest_untouched(s, "beside the written pages");
}

/* The middle is a hole from now on. */
static void middle_is_gone(struct scene *s)
{
	scene_states(s, s->lo, s->hi, 0xff, 0, "unmapped");
	scene_rest_untouched(s, "beside the unmapped pages");
	scene_read_fails(s, s->lo, -EFAULT);
	scene_write_fails(s, s->lo, -EFAULT);
	if (s->m->traits & READABLE)
		read_ends(&s->r, scene_offset(s->lo - 100), 200, 100, -EFAULT);
}

static void run_munmap(struct scene *s)
{
	assert_int_equal(munmap(s->m->at + s->lo, s->hi - s->lo), 0);
	middle_is_gone(s);
	scene_middle_anew(s);
	scene_reads(s, s->lo, s->hi, "the new mapping");
	scene_writes(s, s->lo, s->hi, 2);
	scene_cpu_sees(s, s->lo, s->hi, "the new mapping after a write");
}

static void run_mmap(struct scene *s)
{
	scene_middle_anew(s);
	scene_reads(s, s->lo, s->hi, "the mapping in the hole");
	scene_writes(s, s->lo, s->hi, 2);
	scene_cpu_sees(s, s->lo, s->hi, "the mapping in the hole after a write");
}

static void run_mremap(struct scene *s)
{
	size_t len = s->hi - s->lo;
	char *to = place(len), *was = scratch(len);

	memcpy(was, s->m->want + s->lo, len);
	assert_ptr_equal(mremap(s->m->at + s->lo, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	middle_is_gone(s);
	scene_middle_anew(s);
	scene_writes(s, s->lo, s->hi, 2);
	scene_cpu_sees(s, s->lo, s->hi, "the place that memory was moved from");
	if (s->m->traits & READABLE)
		same_bytes(to, was, len, "the moved memory");
}

/* Expected contents of the middle after its pages were discarded. */
static void middle_is_new(struct scene *s)
{
	size_t len = s->hi - s->lo;

	if (s->m->traits & ANONYMOUS)
		memset(s->m->want + s->lo, 0, len);
	else if (!(s->m->traits & SHARED))
		pattern_fill(s->m->want + s->lo, len, s->lo, FIRST);
}

static void run_dontneed(struct scene *s)
{
	if (s->m->traits & WRITE)
		scene_writes(s, s->lo, s->hi, 2);
	assert_int_equal(madvise(s->m->at + s->lo, s->hi - s->lo, MADV_DONTNEED), 0);
	scene_states(s, s->lo, s->hi, 0xff, 0, "after MADV_DONTNEED");
	scene_rest_untouched(s, "beside MADV_DONTNEED");
	middle_is_new(s);
}

static void protect(struct scene *s, int prot)
{
	assert_int_equal(mprotect(s->m->at + s->lo, s->hi - s->lo, prot), 0);
	scene_states(s, s->lo, s->hi, 0xff, 0, "after mprotect");
	scene_rest_untouched(s, "beside mprotect");
}

static void run_mprotect_less(struct scene *s)
{
	protect(s, PROT_READ);
	scene_write_fails(s, s->lo, -EPERM);
	scene_reads(s, s->lo, s->hi, "after mprotect(PROT_READ)");
	scene_states(s, s->lo, s->hi, PRESENT | WRITABLE, PRESENT, "PROT_READ");
	protect(s, PROT_NONE);
	scene_read_fails(s, s->lo, -EACCES);
	scene_write_fails(s, s->lo, -EACCES);
	assert_int_equal(mprotect(s->m->at + s->lo, s->hi - s->lo, PROT_READ | PROT_WRITE), 0);
}

static void run_mprotect_more(struct scene *s)
{
	protect(s, PROT_READ | PROT_WRITE);
	scene_reads(s, s->lo, s->hi, "after access was restored");
	scene_writes(s, s->lo, s->hi, 2);
	scene_cpu_sees(s, s->lo, s->hi, "after write access was restored");
}

/* Returns whether the kernel has soft-dirty bits at all. */
static bool soft_dirty_works(void)
{
	char *page = anonymous(PAGE);

	*(volatile char *)page = 1;
	return pagemap(page) & PAGEMAP_SOFT_DIRTY;
}

static void run_soft_dirty(struct scene *s)
{
	size_t from = s->lo / PAGE, n = (s->hi - s->lo) / PAGE;
	char *at = s->m->at;

	if (!soft_dirty_works())
		skip_because("this kernel has no soft-dirty bits");
	scene_writes(s, s->lo, s->hi, 2);
	assert_int_equal(file_put("/proc/self/clear_refs", "4"), 0);
	assert_int_equal(pages_with(at, s->m->length / PAGE, PAGEMAP_SOFT_DIRTY), 0);
	scene_states(s, 0, s->m->length, PRESENT | WRITABLE, PRESENT, "after clear_refs");
	scene_writes(s, s->lo, s->hi, 3);
	assert_int_equal(pages_with(at + s->lo, n, PAGEMAP_SOFT_DIRTY), n);
	assert_int_equal(pages_with(at, from, PAGEMAP_SOFT_DIRTY), 0);
}

const struct event mapping_events[] = {
	{ .name = "read", .run = run_read },
	{ .name = "write", .run = run_write },
	{ .name = "munmap", .run = run_munmap, .need = MAPPED },
	{ .name = "mmap", .run = run_mmap, .refuse = MAPPED },
	{ .name = "mremap", .run = run_mremap, .need = MAPPED },
	{ .name = "MADV_DONTNEED", .run = run_dontneed, .need = MAPPED },
	{ .name = "mprotect", .run = run_mprotect_less, .need = WRITE },
	{ .name = "mprotect", .run = run_mprotect_more, .need = MAPPED, .refuse = WRITE },
	{ .name = "soft-dirty clearing", .run = run_soft_dirty, .need = WRITE, .refuse = HUGETLB },
	{ 0 }
};
