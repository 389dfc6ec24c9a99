// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/* The tracepoints: what they say of a fault, an invalidation and a queue pair that waits. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/rig.h"
#include "lib/system.h"
#include "lib/test.h"
#include "lib/wire.h"

#define TRACING "/sys/kernel/tracing"
#define PAGES 16
#define LEN (PAGES * PAGE)

static int tracing_off(void *unused)
{
	(void)unused;
	write_file(TRACING "/events/rdma_rxe/enable", "0");
	return write_file(TRACING "/events/ib_umem_odp/enable", "0");
}

static void tracing_on(void)
{
	if (access(TRACING "/trace", R_OK))
		mount("none", TRACING, "tracefs", 0, NULL);
	if (access(TRACING "/events/ib_umem_odp/enable", W_OK))
		skip_because("this kernel has no tracepoints");
	/* Opening the file this way empties it. */
	close(open(TRACING "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC));
	assert_int_equal(write_file(TRACING "/events/ib_umem_odp/enable", "1"), 0);
	assert_int_equal(write_file(TRACING "/events/rdma_rxe/enable", "1"), 0);
	defer(tracing_off, tracing_off);
}

/* Returns how many lines have all of the words that are not NULL. */
static int lines_with(const char *a, const char *b, const char *c)
{
	FILE *file = fopen(TRACING "/trace", "re");
	char line[512];
	int n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, a) && (!b || strstr(line, b)) && (!c || strstr(line, c));
	fclose(file);
	return n;
}

/* Between two devices the responder waits. */
static void test_fault(void **state)
{
	bool direct = !have_wire();
	char owner[32], addr[48], qpn[32];
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	tracing_on();
	rig_rdma(&rig, IBV_WR_RDMA_WRITE, 0, LEN);
	snprintf(owner, sizeof(owner), " owner=%d ", getpid());
	snprintf(addr, sizeof(addr), " addr=%p ", (void *)rig.b.p);
	snprintf(qpn, sizeof(qpn), " qpn=%u ", (direct ? rig.pair.a.qp : rig.pair.b.qp)->qp_num);
	assert_int_equal(lines_with("odp_fault_begin:", owner, addr), 1);
	assert_int_equal(lines_with("odp_fault_begin:", "for=write why=access", addr), 1);
	assert_int_equal(lines_with("odp_fault_end:", addr, " pages=16 error=0 ns="), 1);
	assert_int_equal(lines_with("rxe_park:", qpn, direct ? "role=direct" : "role=respond"), 1);
	assert_int_equal(lines_with("rxe_resume:", qpn, "error=0"), 1);
}

/* Without packets, the direct way tries first, and then the responder tries, to report the error. */
static void test_failed_fault(void **state)
{
	int tries = have_wire() ? 1 : 2;
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	tracing_on();
	assert_int_equal(munmap(rig.b.p, LEN), 0);
	post_send(&rig.pair.a, &(struct ibv_send_wr){
		.opcode = IBV_WR_RDMA_READ, .num_sge = 1,
		.sg_list = &(struct ibv_sge){ (uintptr_t)rig.a.p, 8, rig.a.mr->lkey },
		.wr.rdma = { (uintptr_t)rig.b.p, rig.b.mr->rkey },
	});
	expect_wc(rig.pair.a.scq, 0, IBV_WC_REM_ACCESS_ERR);
	assert_int_equal(lines_with("odp_fault_end:", " error=-14 ", NULL), tries);
	assert_int_equal(lines_with("rxe_resume:", " error=-14 ", NULL), tries);
	assert_non_null(mmap(rig.b.p, LEN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			     0));
}

/* --- why a translation was invalidated ------------------------------------------------------ */

static void dontneed(struct rig *rig)
{
	buf_dontneed(&rig->b);
}

static void unmap(struct rig *rig)
{
	buf_remap(&rig->b);
}

static void protect(struct rig *rig)
{
	assert_int_equal(mprotect(rig->b.p, LEN, PROT_READ), 0);
}

static void clear_soft_dirty(struct rig *rig)
{
	(void)rig;
	if (!(pagemap(rig->b.p) & PAGEMAP_SOFT_DIRTY))
		skip_because("this kernel has no soft-dirty bits");
	assert_int_equal(write_file("/proc/self/clear_refs", "4"), 0);
}

struct reason {
	const char *event;
	void (*happen)(struct rig *rig);
	bool everything;
};

static void test_reason(void **state)
{
	const struct reason *reason = *state;
	char event[64];
	struct rig rig;

	rig_open_cold(&rig, LEN);
	rig_rdma(&rig, IBV_WR_RDMA_WRITE, 0, LEN);
	tracing_on();
	reason->happen(&rig);
	/* The range is the whole address space, including what lies beside the region. */
	snprintf(event, sizeof(event), " event=%s pages=%s", reason->event,
		 reason->everything ? "" : "16\n");
	if (lines_with("odp_invalidate:", event, NULL) != 1)
		fail_msg("%d lines with%s", lines_with("odp_invalidate:", event, NULL), event);
}

#define REASON(name, fn, everything) \
	{ #fn, test_reason, NULL, NULL, &(struct reason){ name, fn, everything } }

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_fault),
	cmocka_unit_test(test_failed_fault),
	REASON("clear", dontneed, false),
	REASON("unmap", unmap, false),
	REASON("protection_vma", protect, false),
	REASON("soft_dirty", clear_soft_dirty, true),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("trace", tests, ARRAY_SIZE(tests));
}
