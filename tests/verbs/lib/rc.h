/* SPDX-License-Identifier: GPL-2.0 */
/* Devices; queue pairs joined by a connection or by addresses; posting and waiting. */
#ifndef VERBS_RC_H
#define VERBS_RC_H

#include <stdbool.h>
#include <stdint.h>
#include <infiniband/verbs.h>

/* How two queue pairs are created and connected. */
struct rc {
	enum ibv_qp_type type;
	enum ibv_mtu mtu;
	unsigned int send_wr, recv_wr, sge, inline_data, cqe;
	uint8_t timeout;	/* 4.096 us * 2^timeout; 0 waits forever */
	uint8_t retry_cnt, rnr_retry, min_rnr_timer, rd_atomic;
	uint32_t psn, qkey;
	unsigned int access;
	bool sq_sig_all;
	uint8_t sl, traffic_class;	/* of connections; an address handle has its own */
};

struct rc rc_default(void);
/* Like rc_default(), but gives up soon on a peer that is gone. */
struct rc rc_impatient(void);

#define ALL_REMOTE (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC)
#define ALL_ACCESS (IBV_ACCESS_LOCAL_WRITE | ALL_REMOTE)

/* One side of a connection. */
struct end {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_comp_channel *events;
	struct ibv_cq *scq, *rcq;
	struct ibv_srq *srq;	/* for the queue pairs of end_qp(), or NULL */
	struct ibv_qp *qp;
	union ibv_gid gid;
	uint8_t gid_index;
};

struct pair {
	struct rc rc;
	struct end a, b;
};

struct ibv_context *device_open(const char *name);
bool device_has_odp(struct ibv_context *ctx);
/* IBV_ACCESS_ON_DEMAND if the device has on-demand paging, otherwise 0. */
int odp_access(struct ibv_context *ctx);
/* Capability bits of a device that an older rdma-core has no names for. */
#define CAN_FLUSH (1ull << 38)
#define CAN_ATOMIC_WRITE (1ull << 40)
bool device_can(struct ibv_context *ctx, uint64_t what);
/* Skips the test if the device lacks on-demand paging. */
void need_odp(struct ibv_context *ctx);
/* Skips the test if the device lacks implicit regions (regions over all of a process's memory). */
void need_implicit(struct ibv_context *ctx);

/* Opens a context with its PD, CQs and GID, but without a queue pair. */
void end_open(struct end *end, const char *device, const struct rc *rc);
/* Like end_open(), in a context that is open already. */
void end_open_on(struct end *end, struct ibv_context *ctx, const struct rc *rc);
/* Makes the end use another of its addresses as source; the device may have to learn the address first. */
void end_speak_from(struct end *end, const char *address);
struct ibv_qp_init_attr end_qp_attr(const struct end *end, const struct rc *rc);
struct ibv_qp *end_qp(struct end *end, const struct rc *rc);
/* A reliable queue pair for ibv_wr_start(3), with the IBV_QP_EX_WITH_... @operations. */
struct ibv_qp *end_qp_ex(struct end *end, const struct rc *rc, uint64_t operations);

void qp_init(struct ibv_qp *qp, const struct rc *rc);
void qp_rtr(struct ibv_qp *qp, const struct end *end, const struct rc *rc,
	    const union ibv_gid *remote, uint32_t remote_qpn);
void qp_rts(struct ibv_qp *qp, const struct rc *rc);
void qp_to(struct ibv_qp *qp, enum ibv_qp_state state);
enum ibv_qp_state qp_state(struct ibv_qp *qp);

/* Two connected ends: one on options.device, one on options.peer. */
void pair_open(struct pair *pair, const struct rc *rc);
/* pair_open() in two steps. */
void pair_open_ends(struct pair *pair, const struct rc *rc);
void pair_open_qps(struct pair *pair);
/* Takes the queue pairs of @pair from any state through RESET to RTS. */
void pair_connect(struct pair *pair);

void post_send(struct end *end, struct ibv_send_wr *wr);
/* Posts an RDMA request between @local and the peer's memory at @addr. */
void post_rdma(struct end *end, uint64_t wr_id, enum ibv_wr_opcode opcode, struct ibv_sge local,
	       uint64_t addr, uint32_t rkey);
/* Posts to the shared receive queue, if @end has one. */
void post_recv(struct end *end, uint64_t wr_id, struct ibv_sge *sge, int n);

/* Makes the shared receive queue of @end; its queue pairs are created later. */
void end_srq(struct end *end, unsigned int wr, unsigned int sge);
/* Address handle for datagrams from @from to @to. */
struct ibv_ah *end_ah(struct end *from, const struct end *to);

/* Waits for one completion, at most PATIENCE. */
struct ibv_wc wait_wc(struct ibv_cq *cq);
/* Waits for one completion of @wr_id with @status. */
struct ibv_wc expect_wc(struct ibv_cq *cq, uint64_t wr_id, enum ibv_wc_status status);
/* Like post_rdma() with wr_id 1 on pair->a, and waits until it completes with @status. */
void pair_rdma(struct pair *pair, enum ibv_wr_opcode opcode, struct ibv_sge local, uint64_t addr,
	       uint32_t rkey, enum ibv_wc_status status);
/* Checks that no completion comes for @ms. */
void expect_quiet(struct ibv_cq *cq, unsigned int ms);
/* Waits for the queue pair to be in @state. */
void expect_state(struct ibv_qp *qp, enum ibv_qp_state state);

unsigned int mtu_bytes(enum ibv_mtu mtu);

#endif
