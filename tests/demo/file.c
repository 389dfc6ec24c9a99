// SPDX-License-Identifier: GPL-2.0
/*
 * file [-n] PATH: RDMA into a mapped file, before and after somebody cuts it to nothing and
 * extends it again. The region is on demand or (-n) pinned. The file is for others to read.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/rc.h"
#include "lib/test.h"

#define LEN (4 * PAGE)

static const char *path;

static int make_file(void)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, LEN), 0);
	return fd;
}

static void write_text(struct pair *pair, struct buf *local, struct buf *file, const char *text)
{
	struct ibv_sge list = sge(local, 0, strlen(text));
	struct ibv_send_wr wr = {
		.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &list, .num_sge = 1,
		.wr.rdma = { .remote_addr = (uintptr_t)file->p, .rkey = file->mr->rkey },
	};

	strcpy((char *)local->p, text);
	post_send(&pair->a, &wr);
	expect_wc(pair->a.scq, 1, IBV_WC_SUCCESS);
}

static void in_file(int fd, const char *text)
{
	char got[PAGE] = "";

	assert_int_equal(pread(fd, got, sizeof(got), 0), sizeof(got));
	assert_string_equal(got, text);
}

static void test_file(void **state)
{
	int access = ALL_ACCESS | (options.pinned ? 0 : IBV_ACCESS_ON_DEMAND);
	struct buf file = { .len = LEN }, local;
	struct rc rc = rc_default();
	struct pair pair;

	(void)state;
	pair_open(&pair, &rc);
	local = buf_anon(pair.a.pd, PAGE, ALL_ACCESS);
	file.fd = make_file();
	file.p = map_file(file.fd, LEN);
	file.mr = reg(pair.b.pd, file.p, LEN, access);

	write_text(&pair, &local, &file, "before");
	in_file(file.fd, "before");
	assert_int_equal(ftruncate(file.fd, 0), 0);
	assert_int_equal(ftruncate(file.fd, LEN), 0);
	in_file(file.fd, "");
	write_text(&pair, &local, &file, "after");
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = { cmocka_unit_test(test_file) };

	parse_options(argc, argv);
	path = argv[argc - 1];
	return run_group("file", tests, ARRAY_SIZE(tests));
}
