// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <sys/ioctl.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "odp.h"

#define ATTRS 4

/* The argument of RDMA_VERBS_IOCTL (<rdma/rdma_user_ioctl_cmds.h>), with room for attributes. */
struct call {
	struct ib_uverbs_ioctl_hdr header;
	struct ib_uverbs_attr attrs[ATTRS];
};

/* The attribute itself holds a value of up to 8 bytes. */
static void add(struct call *call, uint16_t id, uint64_t value, uint16_t len)
{
	call->attrs[call->header.num_attrs++] = (struct ib_uverbs_attr){
		.attr_id = id,
		.len = len,
		.flags = UVERBS_ATTR_F_MANDATORY,
		.data = value,
	};
}

static int advise_rxe(struct ibv_pd *pd, enum ibv_advise_mr_advice advice, uint32_t flags,
		      struct ibv_sge *sg_list, uint32_t num_sge)
{
	struct call call = {
		.header = {
			.length = sizeof(call),
			.driver_id = RDMA_DRIVER_RXE,
			.object_id = UVERBS_OBJECT_MR,
			.method_id = UVERBS_METHOD_ADVISE_MR,
		},
	};

	if (num_sge > UINT16_MAX / sizeof(*sg_list))
		return EINVAL;
	add(&call, UVERBS_ATTR_ADVISE_MR_PD_HANDLE, pd->handle, 0);
	add(&call, UVERBS_ATTR_ADVISE_MR_ADVICE, advice, sizeof(uint64_t));
	add(&call, UVERBS_ATTR_ADVISE_MR_FLAGS, flags, sizeof(uint32_t));
	add(&call, UVERBS_ATTR_ADVISE_MR_SGE_LIST, (uintptr_t)sg_list, num_sge * sizeof(*sg_list));
	return ioctl(pd->context->cmd_fd, RDMA_VERBS_IOCTL, &call) ? errno : 0;
}

int odp_advise_mr(struct ibv_pd *pd, enum ibv_advise_mr_advice advice, uint32_t flags,
		  struct ibv_sge *sg_list, uint32_t num_sge)
{
	int ret = ibv_advise_mr(pd, advice, flags, sg_list, num_sge);

	if (ret != EOPNOTSUPP && ret != ENOSYS)
		return ret;
	return advise_rxe(pd, advice, flags, sg_list, num_sge);
}
