// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "lib/test.h"
#include "lib/uverbs.h"

#define MAX_COMMAND 4096

int uverbs_command(int fd, uint32_t command, void *in, size_t in_len, void *out, size_t out_len)
{
	struct ib_uverbs_cmd_hdr header = {
		.command = command,
		.in_words = (sizeof(header) + in_len) / 4,
		.out_words = out_len / 4,
	};
	uint64_t response = (uintptr_t)out;
	uint8_t message[MAX_COMMAND];

	assert_true(in_len >= sizeof(response) && sizeof(header) + in_len <= sizeof(message));
	memcpy(in, &response, sizeof(response));
	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), in, in_len);
	return write(fd, message, sizeof(header) + in_len) < 0 ? errno : 0;
}

int raw_cq_create(int fd, uint32_t cqe, struct raw_cq *cq)
{
	struct ib_uverbs_create_cq command = { .cqe = cqe, .comp_channel = -1 };
	struct {
		struct ib_uverbs_create_cq_resp core;
		struct rxe_create_cq_resp rxe;
	} answer = {};
	int ret = uverbs_command(fd, IB_USER_VERBS_CMD_CREATE_CQ, &command, sizeof(command),
				 &answer, sizeof(answer));

	*cq = (struct raw_cq){ answer.core.cq_handle, answer.rxe.mi.offset, answer.rxe.mi.size };
	return ret;
}

int raw_cq_destroy(int fd, const struct raw_cq *cq)
{
	struct ib_uverbs_destroy_cq command = { .cq_handle = cq->handle };
	struct ib_uverbs_destroy_cq_resp answer;

	return uverbs_command(fd, IB_USER_VERBS_CMD_DESTROY_CQ, &command, sizeof(command),
			      &answer, sizeof(answer));
}

int raw_doorbell(struct ibv_qp *qp)
{
	struct ib_uverbs_post_send command = {
		.qp_handle = qp->handle, .wqe_size = sizeof(struct ib_uverbs_send_wr),
	};
	struct ib_uverbs_post_send_resp answer;

	return uverbs_command(qp->context->cmd_fd, IB_USER_VERBS_CMD_POST_SEND, &command,
			      sizeof(command), &answer, sizeof(answer));
}
