// SPDX-License-Identifier: GPL-2.0
/* CI: debug:loop debian:loop */
/* What can be seen from outside: rdma(8), the port's counters, debugfs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libodp/odp.h"

#include "lib/counters.h"
#include "lib/mem.h"
#include "lib/mover.h"
#include "lib/rc.h"
#include "lib/rig.h"
#include "lib/test.h"

#define PAGES 24
#define LEN (PAGES * PAGE)

/* Reads a command's output, up to @size bytes. */
static void output_of(const char *command, char *text, size_t size)
{
	FILE *pipe = popen(command, "re");
	size_t len;

	assert_non_null(pipe);
	len = fread(text, 1, size - 1, pipe);
	text[len] = 0;
	assert_int_equal(pclose(pipe), 0);
}

/* Cuts @text down to the entry with @key. rdma(8) begins each entry with "dev". */
static void cut_entry(char *text, const char *key)
{
	char *at = strstr(text, key), *start, *end;

	if (!at)
		fail_msg("no %s in: %s", key, text);
	for (start = at; start > text && strncmp(start, "dev ", 4); start--)
		;
	end = strstr(at, "\ndev ");
	if (end)
		*end = 0;
	memmove(text, start, strlen(start) + 1);
}

static long field(const char *text, const char *name)
{
	char label[64];
	const char *at;

	snprintf(label, sizeof(label), " %s ", name);
	at = strstr(text, label);
	if (!at)
		fail_msg("no field %s in: %s", name, text);
	return strtol(at + strlen(label), NULL, 0);
}

static void resource_of(const struct ibv_mr *mr, char *text, size_t size)
{
	char command[96], key[32];

	snprintf(command, sizeof(command), "rdma -dd resource show mr dev %s", options.peer);
	snprintf(key, sizeof(key), " rkey 0x%x ", mr->rkey);
	output_of(command, text, size);
	cut_entry(text, key);
}

static long statistic_of(const struct ibv_mr *mr, const char *name)
{
	char text[4096], key[64];

	resource_of(mr, text, sizeof(text));
	snprintf(key, sizeof(key), "dev %s mrn %ld ", options.peer, field(text, "mrn"));
	output_of("rdma statistic show mr", text, sizeof(text));
	cut_entry(text, key);
	return field(text, name);
}

/* Each event counts once, for the region and for the port. */
static void test_region(void **state)
{
	struct ibv_mr *mr;
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	mr = rig.b.mr;
	rig_rdma(&rig, IBV_WR_RDMA_WRITE, 0, 8 * PAGE);
	assert_int_equal(statistic_of(mr, "page_faults"), 8);
	assert_int_equal(statistic_of(mr, "page_faults_handled"), 1);
	assert_int_equal(statistic_of(mr, "page_invalidations"), 0);
	assert_int_equal(madvise(rig.b.p + 2 * PAGE, 3 * PAGE, MADV_DONTNEED), 0);
	assert_int_equal(statistic_of(mr, "page_invalidations"), 3);
	assert_int_equal(statistic_of(mr, "page_invalidations_handled"), 1);
	/* There was no translation to take away. */
	assert_int_equal(madvise(rig.b.p + 20 * PAGE, PAGE, MADV_DONTNEED), 0);
	assert_int_equal(statistic_of(mr, "page_invalidations"), 3);
	assert_int_equal(statistic_of(mr, "page_prefetch"), 0);
}

/* Packets, and those saved by the direct way on one device, which are neither sent nor received. */
static long packets(const char *device, const char *name)
{
	return port_counter(device, name) + port_counter_any(device, "direct_pkts");
}

/* Messages count at both sides; so do their packets, on either way. */
static void count_messages(enum ibv_qp_type type, const enum ibv_wr_opcode *opcodes, int n, int sends)
{
	long sends_before, recvs_before, sent_before, rcvd_before;
	struct rc rc = rc_default();
	struct mover mover;

	rc.type = type;
	mover_open(&mover, &rc, false, false, false);
	sleep_ms(20);
	sends_before = port_counter(options.device, "rdma_sends");
	recvs_before = port_counter(options.peer, "rdma_recvs");
	sent_before = packets(options.device, "sent_pkts");
	rcvd_before = packets(options.peer, "rcvd_pkts");
	for (int i = 0; i < n; i++) {
		struct message m = { .opcode = opcodes[i], .len = 100, .pieces = 1 };

		mover_move(&mover, &m);
	}
	sleep_ms(20);
	assert_int_equal(port_counter(options.device, "rdma_sends") - sends_before, sends);
	assert_int_equal(port_counter(options.peer, "rdma_recvs") - recvs_before, n);
	assert_true(packets(options.device, "sent_pkts") - sent_before >= n);
	assert_true(packets(options.peer, "rcvd_pkts") - rcvd_before >= n);
}

static void test_messages(void **state)
{
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_SEND, IBV_WR_SEND_WITH_IMM, IBV_WR_RDMA_WRITE_WITH_IMM,
	};

	(void)state;
	count_messages(IBV_QPT_RC, opcodes, 3, 2);
	count_messages(IBV_QPT_UD, opcodes, 2, 2);
}

static void test_prefetch(void **state)
{
	struct ibv_sge list;
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	list = sge(&rig.b, 0, 7 * PAGE);
	assert_int_equal(odp_advise_mr(rig.b.mr->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				       IBV_ADVISE_MR_FLAG_FLUSH, &list, 1), 0);
	assert_int_equal(statistic_of(rig.b.mr, "page_prefetch"), 7);
	assert_int_equal(statistic_of(rig.b.mr, "page_faults"), 0);
}

/* An invalidation counts for each region that it touches and for no other. */
static void test_regions_that_overlap(void **state)
{
	int access = ALL_ACCESS | IBV_ACCESS_ON_DEMAND;
	struct ibv_mr *beside, *part, *all;
	struct rig rig;
	long before;

	(void)state;
	rig_open_cold(&rig, LEN);
	beside = reg(rig.pair.b.pd, map_anon(LEN), LEN, access);
	part = reg(rig.pair.b.pd, rig.b.p + PAGE + 77, 3 * PAGE, access);
	all = reg(rig.pair.b.pd, NULL, SIZE_MAX, access);
	rig_rdma(&rig, IBV_WR_RDMA_WRITE, 0, LEN);
	before = port_counter(options.peer, "page_invalidations");
	buf_dontneed(&rig.b);
	assert_int_equal(port_counter(options.peer, "page_invalidations") - before, PAGES);
	assert_int_equal(statistic_of(rig.b.mr, "page_invalidations"), PAGES);
	assert_int_equal(statistic_of(part, "page_invalidations"), 4);
	assert_int_equal(statistic_of(beside, "page_invalidations"), 0);
	assert_in_range(statistic_of(all, "page_invalidations"), PAGES, 10 * PAGES);
	assert_int_equal(statistic_of(part, "page_faults"), 0);
}

static void kind_is(const struct ibv_mr *mr, const char *kind)
{
	char text[4096];

	resource_of(mr, text, sizeof(text));
	if (!strstr(text, kind))
		fail_msg("expected%sin: %s", kind, text);
}

static void test_kinds(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	kind_is(rig.b.mr, " drv_odp explicit ");
	kind_is(reg(rig.pair.b.pd, NULL, SIZE_MAX, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND),
		" drv_odp implicit ");
	kind_is(reg(rig.pair.b.pd, rig.b.p, LEN, IBV_ACCESS_LOCAL_WRITE), " drv_odp pinned ");
}

static void test_port(void **state)
{
	long faults, us, tables;
	struct rig rig;

	(void)state;
	rig_open_cold(&rig, LEN);
	faults = port_counter(options.peer, "page_faults");
	us = port_counter(options.peer, "page_fault_us");
	tables = port_counter(options.peer, "odp_table_bytes");
	rig_rdma(&rig, IBV_WR_RDMA_WRITE, 0, LEN);
	assert_int_equal(port_counter(options.peer, "page_faults") - faults, PAGES);
	assert_true(port_counter(options.peer, "page_fault_us") > us);
	assert_true(port_counter(options.peer, "odp_table_bytes") > tables);
	undo(rig.b.mr);
	assert_true(port_counter(options.peer, "odp_table_bytes") <= tables);
}

/* --- debugfs ------------------------------------------------------------------------------ */

/* A column of this process's line; the first line has the names. */
static long mirror_column(const char *name)
{
	char head[256], line[256], device[64];
	long value = -1;
	FILE *file = mirrors_open();
	int owner;

	assert_non_null(fgets(head, sizeof(head), file));
	while (value < 0 && fgets(line, sizeof(line), file)) {
		char *in_head, *in_line, *column, *word;

		if (sscanf(line, "%63s %d", device, &owner) != 2 || owner != getpid() ||
		    strcmp(device, options.peer))
			continue;
		column = strtok_r(head, " \n", &in_head);
		word = strtok_r(line, " \n", &in_line);
		while (column && strcmp(column, name)) {
			column = strtok_r(NULL, " \n", &in_head);
			word = strtok_r(NULL, " \n", &in_line);
		}
		assert_non_null(word);
		value = strtol(word, NULL, 10);
	}
	fclose(file);
	return value;
}

static void test_mirror(void **state)
{
	struct rig rig;
	long resident;

	(void)state;
	rig_open_cold(&rig, LEN);
	assert_int_equal(mirror_column("regions"), 1);
	assert_int_equal(mirror_column("resident"), 0);
	rig_rdma(&rig, IBV_WR_RDMA_WRITE, 0, 8 * PAGE);
	assert_int_equal(mirror_column("windows"), 1);
	assert_in_range(mirror_column("leaves"), 1, 2);
	/* The CPU's neighboring pages are mapped along. */
	resident = mirror_column("resident");
	assert_true(resident >= 8 && mirror_column("writable") >= 8);
	assert_int_equal(mirror_column("dirty"), 8);
	assert_in_range(mirror_column("table_bytes"), 4096, 65536);
	assert_int_equal(madvise(rig.b.p, 2 * PAGE, MADV_DONTNEED), 0);
	assert_int_equal(mirror_column("resident"), resident - 2);
	assert_int_equal(mirror_column("dirty"), 6);
	undo(rig.b.mr);
	assert_int_equal(mirror_column("regions"), -1);
}

static struct CMUnitTest tests[] = {
	cmocka_unit_test(test_region),
	cmocka_unit_test(test_messages),
	cmocka_unit_test(test_prefetch),
	cmocka_unit_test(test_regions_that_overlap),
	cmocka_unit_test(test_kinds),
	cmocka_unit_test(test_port),
	cmocka_unit_test(test_mirror),
};

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	return run_group("stats", tests, ARRAY_SIZE(tests));
}
