// SPDX-License-Identifier: GPL-2.0
/*
 * Counters are kept for each CPU and summed when they are read. Counters that
 * the kernel's own rxe driver has, too, have the same names here.
 */
#include <linux/percpu.h>

#include "rxe_counters.h"
#include "rxe_limits.h"

/* Indices of the counters of ib_umem_odp, after the driver's own counters. */
enum rxe_odp_counter {
	RXE_ODP_PAGE_FAULTS = RXE_NUM_COUNTERS,
	RXE_ODP_PAGE_FAULTS_HANDLED,
	RXE_ODP_PAGE_FAULT_US,
	RXE_ODP_PAGE_INVALIDATIONS,
	RXE_ODP_PAGE_INVALIDATIONS_HANDLED,
	RXE_ODP_PAGE_PREFETCH,
	RXE_ODP_TABLE_BYTES,
	RXE_NUM_STATS,
};

static const struct rdma_stat_desc rxe_counter_descs[RXE_NUM_STATS] = {
	[RXE_CNT_SENT_PKTS].name = "sent_pkts",
	[RXE_CNT_RCVD_PKTS].name = "rcvd_pkts",
	[RXE_CNT_DUP_REQ].name = "duplicate_request",
	[RXE_CNT_OUT_OF_SEQ_REQ].name = "out_of_seq_request",
	[RXE_CNT_RCV_RNR].name = "rcvd_rnr_err",
	[RXE_CNT_SND_RNR].name = "send_rnr_err",
	[RXE_CNT_RCV_SEQ_ERR].name = "rcvd_seq_err",
	[RXE_CNT_COMPLETER_RETRY].name = "completer_retry_err",
	[RXE_CNT_TIMEOUT_RETRY].name = "timeout_retry_err",
	[RXE_CNT_RETRY_EXCEEDED].name = "retry_exceeded_err",
	[RXE_CNT_RNR_RETRY_EXCEEDED].name = "retry_rnr_exceeded_err",
	[RXE_CNT_SEND_ERR].name = "send_err",
	[RXE_CNT_ICRC_ERR].name = "icrc_err",
	[RXE_CNT_DROPPED].name = "dropped_pkts",
	[RXE_CNT_LINK_DOWNED].name = "link_downed",
	[RXE_CNT_RDMA_SEND].name = "rdma_sends",
	[RXE_CNT_RDMA_RECV].name = "rdma_recvs",
	[RXE_CNT_SENT_BYTES].name = "sent_bytes",
	[RXE_CNT_RCVD_BYTES].name = "rcvd_bytes",
	[RXE_CNT_ACK_DEFERRED].name = "ack_deferred",
	[RXE_CNT_PAGE_FAULT_WAITS].name = "page_fault_waits",
	[RXE_CNT_PAGE_FAULT_RNR].name = "page_fault_rnr",
	[RXE_CNT_DIRECT_PKTS].name = "direct_pkts",
	[RXE_CNT_DIRECT_BYTES].name = "direct_bytes",
	[RXE_CNT_SENT_MCAST].name = "sent_mcast_pkts",
	[RXE_CNT_RCVD_MCAST].name = "rcvd_mcast_pkts",
	[RXE_ODP_PAGE_FAULTS].name = "page_faults",
	[RXE_ODP_PAGE_FAULTS_HANDLED].name = "page_faults_handled",
	[RXE_ODP_PAGE_FAULT_US].name = "page_fault_us",
	[RXE_ODP_PAGE_INVALIDATIONS].name = "page_invalidations",
	[RXE_ODP_PAGE_INVALIDATIONS_HANDLED].name =
		"page_invalidations_handled",
	[RXE_ODP_PAGE_PREFETCH].name = "page_prefetch",
	[RXE_ODP_TABLE_BYTES].name = "odp_table_bytes",
};

/**
 * rxe_alloc_hw_port_stats() - allocate the port's counters with their names
 * @ibdev: the device
 * @port: the port
 *
 * Context: process context; may sleep.
 * Return: the counters, which the core has rxe_get_hw_stats() fill and then
 * frees; or NULL.
 */
struct rdma_hw_stats *rxe_alloc_hw_port_stats(struct ib_device *ibdev, u32 port)
{
	return rdma_alloc_hw_stats_struct(rxe_counter_descs, RXE_NUM_STATS,
					  RDMA_HW_STATS_DEFAULT_LIFESPAN);
}

/**
 * rxe_counter_sum() - read one of the driver's counters
 * @rxe: the device; it is registered
 * @counter: the counter to read
 *
 * Context: any.
 * Return: the sum over all CPUs.
 */
u64 rxe_counter_sum(struct rxe_dev *rxe, enum rxe_counter counter)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(rxe->counters, cpu)->value[counter];
	return sum;
}

static void rxe_read_odp(struct umem_odp_device *odp, u64 *value)
{
	struct umem_odp_counters *c = &odp->counters;

	value[RXE_ODP_PAGE_FAULTS] = atomic64_read(&c->pages_faulted);
	value[RXE_ODP_PAGE_FAULTS_HANDLED] = atomic64_read(&c->faults);
	value[RXE_ODP_PAGE_FAULT_US] =
		div_u64(atomic64_read(&c->fault_ns), NSEC_PER_USEC);
	value[RXE_ODP_PAGE_INVALIDATIONS] =
		atomic64_read(&c->pages_invalidated);
	value[RXE_ODP_PAGE_INVALIDATIONS_HANDLED] =
		atomic64_read(&c->invalidations);
	value[RXE_ODP_PAGE_PREFETCH] = atomic64_read(&c->pages_prefetched);
	value[RXE_ODP_TABLE_BYTES] = atomic_long_read(&odp->table_bytes);
}

/**
 * rxe_get_hw_stats() - read the port's counters
 * @ibdev: the device
 * @stats: receives all counters
 * @port: the port
 * @index: not used: all counters are read
 *
 * Context: any.
 * Return: the number of counters read; -EINVAL: @port is not the device's port.
 */
int rxe_get_hw_stats(struct ib_device *ibdev, struct rdma_hw_stats *stats,
		     u32 port, int index)
{
	int i;

	if (port != RXE_PORT)
		return -EINVAL;
	for (i = 0; i < RXE_NUM_COUNTERS; i++)
		stats->value[i] = rxe_counter_sum(to_rxe(ibdev), i);
	rxe_read_odp(&to_rxe(ibdev)->odp, stats->value);
	return RXE_NUM_STATS;
}
