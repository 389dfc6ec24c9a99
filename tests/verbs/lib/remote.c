// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/remote.h"
#include "lib/test.h"

struct shared {
	void *p;
	size_t len;
};

static int unmap(void *object)
{
	struct shared *shared = object;

	return munmap(shared->p, shared->len);
}

void *map_shared(size_t len)
{
	struct shared *shared = scratch(sizeof(*shared));

	shared->len = len;
	shared->p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared->p == MAP_FAILED)
		fail_msg("mmap of %zu bytes: %s", len, strerror(errno));
	defer(unmap, shared);
	return shared->p;
}

void address_tell(struct address *address, const struct end *end, const struct buf *buf)
{
	address->gid = end->gid;
	address->qpn = end->qp->qp_num;
	address->rkey = buf->mr->rkey;
	address->addr = (uintptr_t)buf->p;
	address->len = buf->len;
	address->known = true;
}

void address_wait(const struct address *address)
{
	uint64_t end = now_ms() + PATIENCE;

	while (!address->known) {
		if (now_ms() > end)
			fail_msg("the other process published no address within %d ms", PATIENCE);
		sleep_ms(1);
	}
}

void end_join(struct end *end, const struct rc *rc, const struct address *to)
{
	qp_init(end->qp, rc);
	qp_rtr(end->qp, end, rc, &to->gid, to->qpn);
	qp_rts(end->qp, rc);
}

void post_to(struct end *end, enum ibv_wr_opcode opcode, struct ibv_sge *list,
	     const struct address *to, uint64_t offset)
{
	struct ibv_send_wr wr = {
		.wr_id = offset, .opcode = opcode, .sg_list = list, .num_sge = 1,
	};

	if (opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr.wr.atomic.remote_addr = to->addr + offset;
		wr.wr.atomic.rkey = to->rkey;
		wr.wr.atomic.compare_add = 1;
	} else {
		wr.wr.rdma.remote_addr = to->addr + offset;
		wr.wr.rdma.rkey = to->rkey;
	}
	post_send(end, &wr);
}
