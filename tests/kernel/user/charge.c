// SPDX-License-Identifier: GPL-2.0
/* CI: debug debian */
/* Tables are charged to the memory cgroup of the process they serve. */

#include "kit/memory.h"
#include "kit/odp.h"
#include "kit/sys.h"
#include "lib/test.h"

#define LEAVES 256

static int64_t kernel_memory(void)
{
	return file_number(CGROUP "/memory.stat", "kernel ");
}

/* The kernel updates its statistics only from time to time. */
static int64_t kernel_memory_when(int64_t least, int64_t most)
{
	uint64_t end = now_ms() + PATIENCE;
	int64_t bytes = kernel_memory();

	while ((bytes < least || bytes > most) && now_ms() < end) {
		sleep_ms(100);
		bytes = kernel_memory();
	}
	return bytes;
}

static void test_tables_are_charged(void **state)
{
	char *memory = place(LEAVES * LEAF);
	int64_t before, after, table;
	struct region r;

	(void)state;
	cgroup_enter();
	anonymous_at(memory, LEAVES * LEAF);
	/* So that no page table has to be allocated later. */
	for (size_t i = 0; i < LEAVES; i++)
		memory[i * LEAF] = 1;
	region_make(&r, odp_open(), memory, LEAVES * LEAF, ODP_TEST_WRITABLE);
	sleep_ms(3000);
	before = kernel_memory();
	for (size_t i = 0; i < LEAVES; i++)
		assert_int_equal(region_fault(&r, i * LEAF, 1, 0), 1);
	table = region_stats(&r).table_bytes;
	assert_in_range(table, LEAVES * PAGE, 2 * LEAVES * PAGE);

	after = kernel_memory_when(before + table * 9 / 10, before + table * 3 / 2);
	print_message("tables of %ld KiB: the cgroup's kernel memory grew by %ld KiB\n",
		      table >> 10, (after - before) >> 10);
	assert_in_range(after - before, table * 9 / 10, table * 3 / 2);

	region_put(&r);
	after = kernel_memory_when(0, before + table / 4);
	assert_in_range(after, 0, before + table / 4);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables_are_charged),
	};

	parse_options(argc, argv);
	return run_group("charge", tests, ARRAY_SIZE(tests));
}
