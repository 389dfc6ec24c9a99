// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/* Each result that umem_odp_fault() documents, provoked for real. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/memory.h"
#include "kit/odp.h"
#include "kit/sys.h"
#include "lib/test.h"
#include "lib/uffd.h"

#define PAGES 8

static char *faulty(struct region *r, unsigned int flags)
{
	char *memory = anonymous(PAGES * PAGE);

	memset(memory, 1, PAGES * PAGE);
	region_make(r, odp_open(), memory, PAGES * PAGE, flags);
	return memory;
}

/*
 * Every fault from page 4 on fails: a fault there returns the error, and a fault that begins before it
 * returns how far it got.
 */
static void trouble_is(struct region *r, int error, unsigned int flags)
{
	assert_int_equal(region_fault(r, 4 * PAGE + 5, 100, flags), error);
	assert_int_equal(region_fault(r, 7 * PAGE, PAGE, flags), error);
	assert_int_equal(region_fault(r, 2 * PAGE + 5, 4 * PAGE, flags), 2 * PAGE - 5);
	states_are(r, 4 * PAGE, 4, PRESENT, 0, "pages in trouble");
	states_are(r, 2 * PAGE, 2, PRESENT, PRESENT, "pages before the trouble");
}

static void test_success(void **state)
{
	struct region r;

	(void)state;
	faulty(&r, ODP_TEST_WRITABLE);
	assert_int_equal(region_fault(&r, 5, 1, 0), 1);
	assert_int_equal(region_fault(&r, 5, PAGE, 0), PAGE);
	assert_int_equal(region_fault(&r, 0, PAGES * PAGE, FAULT_WRITE), PAGES * PAGE);
	assert_int_equal(region_fault(&r, 1, PAGES * PAGE - 1, 0), PAGES * PAGE - 1);
}

static void test_hole(void **state)
{
	struct region r;
	char *memory = faulty(&r, ODP_TEST_WRITABLE);

	(void)state;
	assert_int_equal(munmap(memory + 4 * PAGE, 4 * PAGE), 0);
	trouble_is(&r, -EFAULT, 0);
	trouble_is(&r, -EFAULT, FAULT_WRITE);
}

static void test_prot_none(void **state)
{
	struct region r;
	char *memory = faulty(&r, ODP_TEST_WRITABLE);

	(void)state;
	assert_int_equal(mprotect(memory + 4 * PAGE, 4 * PAGE, PROT_NONE), 0);
	trouble_is(&r, -EACCES, 0);
	trouble_is(&r, -EACCES, FAULT_WRITE);
}

static void test_read_only(void **state)
{
	struct region r;
	char *memory = faulty(&r, ODP_TEST_WRITABLE);

	(void)state;
	assert_int_equal(mprotect(memory + 4 * PAGE, 4 * PAGE, PROT_READ), 0);
	assert_int_equal(region_fault(&r, 4 * PAGE, PAGE, FAULT_WRITE), -EPERM);
	assert_int_equal(region_fault(&r, 3 * PAGE, 2 * PAGE, FAULT_WRITE), PAGE);
	assert_int_equal(region_fault(&r, 3 * PAGE, 2 * PAGE, 0), 2 * PAGE);
}

static void test_read_only_region(void **state)
{
	struct region r;

	(void)state;
	faulty(&r, 0);
	assert_int_equal(region_fault(&r, 0, PAGE, FAULT_WRITE), -EPERM);
	assert_int_equal(region_fault(&r, 0, PAGE, 0), PAGE);
}

static void test_device_memory(void **state)
{
	struct region r;
	char *memory = faulty(&r, ODP_TEST_WRITABLE), *at = memory + 4 * PAGE;

	(void)state;
	assert_ptr_equal(mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, r.fd, 0),
			 at);
	assert_int_equal(*(volatile char *)at, 0);
	assert_int_equal(region_fault(&r, 4 * PAGE, 1, 0), -EOPNOTSUPP);
	assert_int_equal(region_fault(&r, 4 * PAGE, 1, FAULT_WRITE), -EOPNOTSUPP);
	assert_int_equal(region_fault(&r, 3 * PAGE, 3 * PAGE, 0), PAGE);
	/* The mapping holds a reference to the file; without it the file is closed with the test. */
	assert_int_equal(munmap(at, PAGE), 0);
}

static void test_past_end_of_file(void **state)
{
	struct region r;
	char *memory = faulty(&r, ODP_TEST_WRITABLE);

	(void)state;
	assert_ptr_equal(mmap(memory, PAGES * PAGE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, memfd_make(4 * PAGE), 0), memory);
	trouble_is(&r, -ENXIO, 0);
	trouble_is(&r, -ENXIO, FAULT_WRITE);
}

static void survive(int signal)
{
	(void)signal;
}

/* The kernel sends a SIGBUS to the page's process, even if the process asked for the failure itself. */
static bool poison(char *page)
{
	void (*before)(int) = signal(SIGBUS, survive);
	bool done = !madvise(page, PAGE, MADV_HWPOISON);

	signal(SIGBUS, before);
	return done;
}

static void test_hwpoison(void **state)
{
	struct region r;
	char *memory = faulty(&r, ODP_TEST_WRITABLE);

	(void)state;
	region_takes(&r, 0, memory, PAGES * PAGE);
	for (int i = 4; i < PAGES; i++) {
		if (!poison(memory + i * PAGE))
			skip_because("this kernel has no MADV_HWPOISON");
	}
	trouble_is(&r, -EHWPOISON, 0);
	trouble_is(&r, -EHWPOISON, FAULT_WRITE);
}

static void register_and_exit(void *arg)
{
	struct region *r = arg;

	memset(r->at, 3, r->length);
	if (region_try(r, r->fd, (uintptr_t)r->at, r->length, ODP_TEST_WRITABLE) ||
	    region_fault(r, 0, r->length, FAULT_WRITE) != (int64_t)r->length)
		_exit(1);
}

static void test_dead_owner(void **state)
{
	struct region *r = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				-1, 0);

	(void)state;
	faulty(r, ODP_TEST_WRITABLE);
	assert_int_equal(child_wait(child_start(register_and_exit, r)), 0);
	assert_int_equal(region_fault(r, 0, PAGE, 0), -ESRCH);
	states_are(r, 0, PAGES, 0xff, 0, "a dead process's pages");
	assert_int_equal(munmap(r, PAGE), 0);
}

static void fault_for_ever(void *arg)
{
	region_fault(arg, 0, 1, FAULT_WRITE);
}

/*
 * A process that waits for a page can be killed (the wait returns -EINTR, which the process does not live to
 * see).
 */
static void test_killed_while_waiting(void **state)
{
	char *memory = anonymous(PAGE), *page = scratch(PAGE);
	int fd = uffd_open(UFFD_MISSING), child;
	struct region r;

	(void)state;
	uffd_watch(fd, UFFD_MISSING, memory, PAGE);
	memset(page, 7, PAGE);
	region_make(&r, odp_open(), memory, PAGE, ODP_TEST_WRITABLE);
	child = child_start(fault_for_ever, &r);
	uffd_wait(fd);
	kill(child, SIGKILL);
	assert_true(WIFSIGNALED(child_wait(child)));
	uffd_answer(fd, UFFD_MISSING, memory, PAGE, page);
	region_holds(&r, 0, page, PAGE, "a page that arrived after all");
}

static void test_outside(void **state)
{
	struct region r;

	(void)state;
	faulty(&r, ODP_TEST_WRITABLE);
	assert_int_equal(region_fault(&r, 0, 0, 0), -EINVAL);
	assert_int_equal(region_fault(&r, 0, PAGES * PAGE + 1, 0), -EINVAL);
	assert_int_equal(region_fault(&r, PAGES * PAGE, 1, 0), -EINVAL);
	assert_int_equal(region_fault(&r, 1, -1ull, 0), -EINVAL);
	assert_int_equal(region_fault(&r, -1ull, 1, 0), -EINVAL);
	assert_int_equal(region_fault(&r, -1ull, 2, 0), -EINVAL);
	assert_int_equal(region_stats(&r).leaves, 0);
}

static void test_snapshot(void **state)
{
	struct region r;
	char *memory = faulty(&r, ODP_TEST_WRITABLE);

	(void)state;
	assert_int_equal(madvise(memory + 4 * PAGE, 4 * PAGE, MADV_DONTNEED), 0);
	trouble_is(&r, -EAGAIN, FAULT_SNAPSHOT);
	trouble_is(&r, -EAGAIN, FAULT_SNAPSHOT | FAULT_WRITE);
	assert_int_equal(pages_with(memory + 4 * PAGE, 4, PAGEMAP_PRESENT), 0);
}

static void test_snapshot_of_zero_page(void **state)
{
	struct region r;
	char *memory = faulty(&r, ODP_TEST_WRITABLE);

	(void)state;
	assert_int_equal(madvise(memory, PAGES * PAGE, MADV_DONTNEED), 0);
	assert_int_equal(*(volatile char *)memory, 0);
	assert_int_equal(region_fault(&r, 0, PAGE, FAULT_SNAPSHOT), PAGE);
	assert_int_equal(region_fault(&r, 0, PAGE, FAULT_SNAPSHOT | FAULT_WRITE), -EAGAIN);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_success),
		cmocka_unit_test(test_hole),
		cmocka_unit_test(test_prot_none),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_read_only_region),
		cmocka_unit_test(test_device_memory),
		cmocka_unit_test(test_past_end_of_file),
		cmocka_unit_test(test_hwpoison),
		cmocka_unit_test(test_dead_owner),
		cmocka_unit_test(test_killed_while_waiting),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_snapshot_of_zero_page),
	};

	parse_options(argc, argv);
	return run_group("fault", tests, ARRAY_SIZE(tests));
}
