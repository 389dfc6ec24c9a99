// SPDX-License-Identifier: GPL-2.0
/*
 * Counters, per processor, summed when read. Where the kernel's own driver
 * counts the same thing, the name is the same.
 */
#include <linux/percpu.h>

#include "rxe_verbs.h"

static const struct rdma_stat_desc rxe_counter_descs[RXE_NUM_COUNTERS] = {
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
	[RXE_CNT_PAGE_FAULTS].name = "page_faults",
	[RXE_CNT_PAGE_FAULT_RNR].name = "page_fault_rnr",
};

/**
 * rxe_alloc_hw_port_stats() - what the port's counters are called
 * @ibdev: the device
 * @port: the port
 *
 * Return: for the core to fill by rxe_get_hw_stats() and to free; or NULL.
 */
struct rdma_hw_stats *rxe_alloc_hw_port_stats(struct ib_device *ibdev, u32 port)
{
	return rdma_alloc_hw_stats_struct(rxe_counter_descs, RXE_NUM_COUNTERS,
					  RDMA_HW_STATS_DEFAULT_LIFESPAN);
}

static u64 rxe_counter_sum(struct rxe_dev *rxe, enum rxe_counter counter)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(rxe->counters, cpu)->value[counter];
	return sum;
}

/**
 * rxe_get_hw_stats() - read the port's counters
 * @ibdev: the device
 * @stats: receives all of them
 * @port: the port
 * @index: the one that is asked for
 *
 * Return: how many were read, or -EINVAL for what has no counters.
 */
int rxe_get_hw_stats(struct ib_device *ibdev, struct rdma_hw_stats *stats,
		     u32 port, int index)
{
	int i;

	if (port != RXE_PORT)
		return -EINVAL;
	for (i = 0; i < RXE_NUM_COUNTERS; i++)
		stats->value[i] = rxe_counter_sum(to_rxe(ibdev), i);
	return RXE_NUM_COUNTERS;
}
