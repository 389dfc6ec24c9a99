/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's verbs, without a library in between. */
#ifndef VERBS_UVERBS_H
#define VERBS_UVERBS_H

#include <stddef.h>
#include <stdint.h>
#include <infiniband/verbs.h>

/*
 * Writes a command of <rdma/ib_user_verbs.h>. The command's first word is the address of the response; this
 * function sets it. Returns 0 or an errno.
 */
int uverbs_command(int fd, uint32_t command, void *in, size_t in_len, void *out, size_t out_len);

/* A completion queue: its handle, and the offset at which its ring can be mapped. */
struct raw_cq {
	uint32_t handle;
	uint64_t offset;
	size_t bytes;
};

int raw_cq_create(int fd, uint32_t cqe, struct raw_cq *cq);
int raw_cq_destroy(int fd, const struct raw_cq *cq);

/* The doorbell: tells the driver that a send queue has new entries. */
int raw_doorbell(struct ibv_qp *qp);

#endif
