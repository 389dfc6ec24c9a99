// SPDX-License-Identifier: GPL-2.0
/* Devices, reliable connections between them, and the counters of a port. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define PORT 1
#define PSN 0x123456

static struct ibv_context *device_open(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *ctx = NULL;

	for (int i = 0; list && list[i]; i++) {
		if (!strcmp(ibv_get_device_name(list[i]), name))
			ctx = ibv_open_device(list[i]);
	}
	if (list)
		ibv_free_device_list(list);
	if (!ctx)
		die(0, "cannot open the RDMA device %s; does it exist (rdma link), and do you have the rights?", name);
	return ctx;
}

/* Finds the RoCE v2 GID of an IPv4 address. */
static void gid_find(struct side *side)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ibv_gid_entry entry;

	for (int i = 0; i < 64; i++) {
		if (!ibv_query_gid_ex(side->ctx, PORT, i, &entry, 0) &&
		    entry.gid_type == IBV_GID_TYPE_ROCE_V2 && !memcmp(entry.gid.raw, mapped, 12)) {
			side->gid = entry.gid;
			side->gid_index = i;
			return;
		}
	}
	die(0, "%s has no GID with an IPv4 address; add an IPv4 address to its netdev", side->name);
}

static void side_open(struct side *side, const char *name, unsigned int cqe)
{
	*side = (struct side){ .name = name, .ctx = device_open(name) };
	gid_find(side);
	side->pd = ibv_alloc_pd(side->ctx);
	side->events = ibv_create_comp_channel(side->ctx);
	side->cq = ibv_create_cq(side->ctx, cqe, NULL, side->events, 0);
	if (!side->pd || !side->events || !side->cq)
		die(errno, "%s: cannot create a protection domain and a completion queue", name);
}

static void side_close(struct side *side)
{
	ibv_destroy_cq(side->cq);
	ibv_destroy_comp_channel(side->events);
	ibv_dealloc_pd(side->pd);
	ibv_close_device(side->ctx);
}

static struct ibv_qp *qp_make(struct side *side, unsigned int depth)
{
	struct ibv_qp_init_attr init = {
		.send_cq = side->cq, .recv_cq = side->cq, .qp_type = IBV_QPT_RC, .sq_sig_all = 1,
		.cap = {
			.max_send_wr = depth, .max_recv_wr = depth, .max_send_sge = 1, .max_recv_sge = 1,
		},
	};
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = PORT,
		.qp_access_flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
				   IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC,
	};
	struct ibv_qp *qp = ibv_create_qp(side->pd, &init);

	if (!qp)
		die(errno, "%s: cannot create a queue pair", side->name);
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			  IBV_QP_ACCESS_FLAGS))
		die(errno, "%s: cannot move a queue pair to INIT", side->name);
	return qp;
}

static void qp_join(struct ibv_qp *qp, const struct side *side, const struct side *other, uint32_t qpn)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_4096, .dest_qp_num = qpn, .rq_psn = PSN,
		.max_dest_rd_atomic = 16, .min_rnr_timer = 1,
		.ah_attr = {
			.is_global = 1, .port_num = PORT,
			.grh = { .dgid = other->gid, .sgid_index = side->gid_index, .hop_limit = 64 },
		},
	};
	struct ibv_port_attr port;

	if (!ibv_query_port(side->ctx, PORT, &port))
		attr.path_mtu = port.active_mtu;
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			  IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER))
		die(errno, "%s: cannot move a queue pair to RTR", side->name);
	attr = (struct ibv_qp_attr){
		.qp_state = IBV_QPS_RTS, .sq_psn = PSN, .timeout = 18, .retry_cnt = 7, .rnr_retry = 7,
		.max_rd_atomic = 16,
	};
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
			  IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC))
		die(errno, "%s: cannot move a queue pair to RTS", side->name);
}

static void lanes_open(struct link *link)
{
	for (unsigned int i = 0; i < link->nr_lanes; i++) {
		struct lane *lane = &link->lanes[i];

		lane->a = qp_make(&link->a, link->depth);
		lane->b = qp_make(&link->b, link->depth);
		qp_join(lane->a, &link->a, &link->b, lane->b->qp_num);
		qp_join(lane->b, &link->b, &link->a, lane->a->qp_num);
	}
}

static void lanes_close(struct link *link)
{
	for (unsigned int i = 0; i < link->nr_lanes; i++) {
		ibv_destroy_qp(link->lanes[i].a);
		ibv_destroy_qp(link->lanes[i].b);
	}
}

void link_open(struct link *link, unsigned int lanes, unsigned int depth)
{
	*link = (struct link){ .nr_lanes = lanes, .depth = depth };
	/* A completed request is posted again, perhaps before its previous receive has been polled. */
	side_open(&link->a, options.device, 2 * lanes * depth);
	side_open(&link->b, options.peer, 2 * lanes * depth);
	link->lanes = calloc(lanes, sizeof(*link->lanes));
	if (!link->lanes)
		die(errno, "no memory for %u lanes", lanes);
	lanes_open(link);
}

void link_renew(struct link *link)
{
	lanes_close(link);
	lanes_open(link);
}

void link_close(struct link *link)
{
	lanes_close(link);
	free(link->lanes);
	side_close(&link->a);
	side_close(&link->b);
}

static bool has_odp(const char *name)
{
	struct ibv_context *ctx = device_open(name);
	struct ibv_device_attr_ex attr = {};
	bool has = !ibv_query_device_ex(ctx, NULL, &attr) &&
		   attr.odp_caps.general_caps & IBV_ODP_SUPPORT;

	ibv_close_device(ctx);
	return has;
}

bool have_odp(void)
{
	return has_odp(options.device) && has_odp(options.peer);
}

long counter(const char *device, const char *name)
{
	char path[160];
	FILE *file;
	long n;

	/* The RDMA core caches the driver's counters for 10 ms. */
	usleep(20 * 1000);
	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/hw_counters/%s", device, name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%ld", &n) != 1)
		n = -1;
	fclose(file);
	return n;
}

long sent_again(void)
{
	long mine = counter(options.device, "completer_retry_err");
	long others = counter(options.peer, "duplicate_request");
	long gaps = counter(options.peer, "out_of_seq_request");

	return mine < 0 || others < 0 || gaps < 0 ? -1 : mine + others + gaps;
}
