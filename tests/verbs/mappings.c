// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop ends:loop */
/*
 * What a peer may read and write through an on-demand region, for each kind of mapping: the table of
 * Documentation/infiniband/on-demand-paging.rst, one test for each line. Each test also pins the mapping
 * (get_user_pages()): both agree except where the table says that they differ.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/system.h"
#include "lib/test.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#define SYS_SHADOW_STACK 453
#define SYS_SEAL 462
#define TYPE_DROPPABLE 0x08		/* MAP_DROPPABLE, a type of mapping */
#define ADVICE_GUARD 102		/* MADV_GUARD_INSTALL */
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

/* A line of the table. */
struct line {
	void *(*map)(void);		/* makes a page; skips the test if the kernel lacks such mappings */
	bool read, write;		/* allowed for a peer */
	bool pin_read, pin_write;	/* allowed when a region is pinned */
};

static int page_unmap(void *p)
{
	return munmap(p, PAGE) ? errno : 0;
}

static void *page_map(int protection, int flags, int fd)
{
	void *p = mmap(NULL, PAGE, protection, flags, fd, 0);

	if (p == MAP_FAILED)
		skip_because("this kernel has no such mapping: %s", strerror(errno));
	defer(page_unmap, p);
	return p;
}

/* A page with contents, protected afterwards. */
static void *page_protect(int protection)
{
	void *p = page_map(PROT_READ | PROT_WRITE, PRIVATE, -1);

	memset(p, 1, PAGE);
	assert_int_equal(mprotect(p, PAGE, protection), 0);
	return p;
}

static void *map_plain(void)
{
	return page_protect(PROT_READ | PROT_WRITE);
}

static void *map_readable(void)
{
	return page_protect(PROT_READ);
}

static void *map_nothing(void)
{
	return page_protect(PROT_NONE);
}

/* Without a page: the kernel may pin a page that is present after a look at its page table entry alone. */
static void *map_writable(void)
{
	return page_map(PROT_WRITE, PRIVATE, -1);
}

static void *map_executable(void)
{
	return page_protect(PROT_EXEC);
}

static int file_open(int flags)
{
	int fd = open("/proc/self/exe", flags);

	assert_true(fd >= 0);
	return fd;
}

static void *map_file_shared(void)
{
	int fd = file_open(O_RDONLY);
	void *p = page_map(PROT_READ, MAP_SHARED, fd);

	close(fd);
	return p;
}

static void *map_file_private(void)
{
	int fd = file_open(O_RDONLY);
	void *p = page_map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);

	close(fd);
	return p;
}

static void *map_sealed_file(void)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
	void *p;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	p = page_map(PROT_READ, MAP_SHARED, fd);
	close(fd);
	return p;
}

/*
 * Returns the start of the mapping with @name in /proc/self/smaps, and in @flags the names of its flags, each
 * between two spaces.
 */
static void *map_named(const char *name, char flags[256])
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start = 0;
	char line[512];

	while (file && !start && fgets(line, sizeof(line), file))
		if (!strstr(line, name) || sscanf(line, "%lx", &start) != 1)
			start = 0;
	while (start && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmFlags:%255[^\n]", flags) == 1)
			break;
	if (file)
		fclose(file);
	if (!start)
		skip_because("this process has no %s mapping", name);
	return (void *)start;
}

static void *map_vdso(void)
{
	char flags[256] = "";

	return map_named("[vdso]", flags);
}

/* Newer kernels map vvar's pages as a driver maps its own; older ones map page frames. */
static void *map_vvar(bool pages)
{
	char flags[256] = "";
	void *p = map_named("[vvar]", flags);

	if (pages == !!strstr(flags, " pf "))
		skip_because("this kernel's vvar has %s", pages ? "no struct pages" : "struct pages");
	return p;
}

static void *map_vvar_pfns(void)
{
	return map_vvar(false);
}

static void *map_vvar_pages(void)
{
	return map_vvar(true);
}

static void *map_secret(void)
{
	int fd = syscall(SYS_memfd_secret, 0);
	void *p;

	if (fd < 0)
		skip_because("this kernel has no memfd_secret()");
	assert_int_equal(ftruncate(fd, PAGE), 0);
	p = page_map(PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	close(fd);
	memset(p, 1, PAGE);
	return p;
}

static void *map_shadow_stack(void)
{
	void *p = (void *)syscall(SYS_SHADOW_STACK, 0, PAGE, 0);

	if (p == MAP_FAILED)
		skip_because("this machine has no shadow stacks");
	defer(page_unmap, p);
	return p;
}

static void *map_guarded(void)
{
	void *p = page_protect(PROT_READ | PROT_WRITE);

	if (madvise(p, PAGE, ADVICE_GUARD))
		skip_because("this kernel has no guard regions");
	return p;
}

/* The page stays until the program ends: nobody can unmap it. */
static void *page_seal(int protection)
{
	void *p = mmap(NULL, PAGE, protection, PRIVATE | MAP_POPULATE, -1, 0);

	assert_true(p != MAP_FAILED);
	if (syscall(SYS_SEAL, p, PAGE, 0))
		skip_because("this kernel has no mseal()");
	return p;
}

static void *map_sealed(void)
{
	return page_seal(PROT_READ | PROT_WRITE);
}

static void *map_sealed_readable(void)
{
	return page_seal(PROT_READ);
}

static void *map_droppable(void)
{
	void *p = page_map(PROT_READ | PROT_WRITE, TYPE_DROPPABLE | MAP_ANONYMOUS, -1);

	memset(p, 1, PAGE);
	return p;
}

/* Returns the page below the end of a stack that has not grown down to it. */
static void *map_below_stack(void)
{
	uint8_t *p = mmap(NULL, 16 * PAGE, PROT_NONE, PRIVATE | MAP_NORESERVE, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(munmap(p, 16 * PAGE), 0);
	p = mmap(p + 15 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		 PRIVATE | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
	assert_true(p != MAP_FAILED);
	defer(page_unmap, p);
	return p - PAGE;
}

static void *map_keyed(void)
{
	void *p = page_protect(PROT_READ | PROT_WRITE);
	int key = pkey_alloc(0, PKEY_DISABLE_ACCESS);

	if (key < 0)
		skip_because("this machine has no protection keys");
	assert_int_equal(pkey_mprotect(p, PAGE, PROT_READ | PROT_WRITE, key), 0);
	return p;
}

/* --- one line -------------------------------------------------------------------- */

static void access_expect(struct pair *pair, const struct buf *local, void *p, struct ibv_mr *mr,
			  bool write, bool allowed)
{
	enum ibv_wc_status want = allowed ? IBV_WC_SUCCESS : IBV_WC_REM_ACCESS_ERR;
	struct ibv_wc wc;

	post_rdma(&pair->a, 1, write ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ, sge(local, 0, PAGE),
		  (uintptr_t)p, mr->rkey);
	wc = wait_wc(pair->a.scq);
	if (wc.status != want)
		fail_msg("%s: %s, expected: %s", write ? "WRITE" : "READ", ibv_wc_status_str(wc.status),
			 ibv_wc_status_str(want));
	if (!allowed)
		pair_connect(pair);
}

static bool can_pin(struct ibv_pd *pd, void *p, int access)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, p, PAGE, access);

	return mr && !ibv_dereg_mr(mr);
}

static void test_line(void **state)
{
	const struct line *line = *state;
	struct rc rc = rc_default();
	struct pair pair;
	struct buf local;
	struct ibv_mr *mr;
	void *p;

	pair_open(&pair, &rc);
	need_odp(pair.a.ctx);
	local = buf_anon(pair.a.pd, PAGE, ALL_ACCESS);
	p = line->map();
	mr = reg(pair.b.pd, p, PAGE, ALL_ACCESS | IBV_ACCESS_ON_DEMAND);
	access_expect(&pair, &local, p, mr, false, line->read);
	/* A translation made for reading gives no right to write. */
	access_expect(&pair, &local, p, mr, true, line->write);
	access_expect(&pair, &local, p, mr, false, line->read);
	/* Older kernels pin with force, and always for writing. */
	if (!kernel_at_least(6, 3))
		return;
	assert_int_equal(can_pin(pair.b.pd, p, IBV_ACCESS_REMOTE_READ), line->pin_read);
	assert_int_equal(can_pin(pair.b.pd, p, ALL_ACCESS), line->pin_write);
}

#define LINE(name, map, ...) \
	{ name, test_line, NULL, NULL, &(struct line){ map, __VA_ARGS__ } }

/* Reading and writing by a peer, then pinning for reading and for writing. */
static struct CMUnitTest tests[] = {
	LINE("readable and writable", map_plain, true, true, true, true),
	LINE("readable", map_readable, true, false, true, false),
	LINE("PROT_NONE", map_nothing, false, false, false, false),
	/* Differs: write-only memory can be pinned for writing. */
	LINE("write-only", map_writable, false, false, false, true),
	LINE("execute-only", map_executable, false, false, false, false),
	LINE("a file, shared, for reading", map_file_shared, true, false, true, false),
	LINE("a file, private", map_file_private, true, true, true, true),
	LINE("a file sealed against writing", map_sealed_file, true, false, true, false),
	LINE("vdso", map_vdso, true, false, true, false),
	LINE("vvar without struct pages", map_vvar_pfns, false, false, false, false),
	LINE("vvar with struct pages", map_vvar_pages, true, false, true, false),
	LINE("memfd_secret()", map_secret, false, false, false, false),
	/* Differs: a shadow stack can be pinned for reading. */
	LINE("a shadow stack", map_shadow_stack, false, false, true, false),
	LINE("a guard region", map_guarded, false, false, false, false),
	LINE("mseal(), readable and writable", map_sealed, true, true, true, true),
	LINE("mseal(), readable", map_sealed_readable, true, false, true, false),
	LINE("MAP_DROPPABLE", map_droppable, true, true, true, true),
	LINE("below a stack that has not grown", map_below_stack, false, false, false, false),
	/* Differs: a thread pins a region, so the thread's protection keys count. */
	LINE("a protection key without rights", map_keyed, true, true, false, false),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("mappings", tests, ARRAY_SIZE(tests));
}
