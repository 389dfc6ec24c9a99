/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_counters.c: the port's counters */
#ifndef RXE_COUNTERS_H
#define RXE_COUNTERS_H

#include <linux/skbuff.h>
#include <linux/udp.h>

#include "rxe.h"

struct rdma_hw_stats *rxe_alloc_hw_port_stats(struct ib_device *ibdev,
					      u32 port);
int rxe_get_hw_stats(struct ib_device *ibdev, struct rdma_hw_stats *stats,
		     u32 port, int index);
u64 rxe_counter_sum(struct rxe_dev *rxe, enum rxe_counter counter);

/**
 * rxe_count_received() - count a packet that the network stack has delivered
 * @rxe: the device
 * @skb: the packet; begins with the BTH, behind IP and UDP
 *
 * Context: bottom halves off.
 */
static inline void rxe_count_received(struct rxe_dev *rxe,
				      const struct sk_buff *skb)
{
	rxe_count(rxe, RXE_CNT_RCVD_PKTS);
	rxe_count_add(rxe, RXE_CNT_RCVD_BYTES,
		      skb->len + sizeof(struct udphdr) +
			      skb_network_header_len(skb));
}

#endif /* RXE_COUNTERS_H */
