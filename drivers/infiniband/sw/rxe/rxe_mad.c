// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The port's counters as performance management has them
 *
 * Performance management is defined by the InfiniBand specification, volume 1,
 * section 16.1. The RDMA core shows these counters in sysfs under counters/,
 * and peers may query them by MADs. Data that queue pairs of one device
 * exchange directly, without packets, is counted as if it had been sent in
 * packets, because the counters must show all traffic of the port.
 */
#include <linux/minmax.h>
#include <linux/string.h>
#include <rdma/ib_mad.h>
#include <rdma/ib_pma.h>

#include "rxe_counters.h"
#include "rxe_limits.h"
#include "rxe_mad.h"

#define RXE_PMA_VERSION		1

/* What the port has carried. A word has 32 bits. */
struct rxe_traffic {
	u64 sent_pkts;
	u64 sent_words;
	u64 rcvd_pkts;
	u64 rcvd_words;
};

static void rxe_read_traffic(struct rxe_dev *rxe, struct rxe_traffic *t)
{
	u64 pkts = rxe_counter_sum(rxe, RXE_CNT_DIRECT_PKTS);
	u64 bytes = rxe_counter_sum(rxe, RXE_CNT_DIRECT_BYTES);

	t->sent_pkts = pkts + rxe_counter_sum(rxe, RXE_CNT_SENT_PKTS);
	t->rcvd_pkts = pkts + rxe_counter_sum(rxe, RXE_CNT_RCVD_PKTS);
	t->sent_words = (bytes + rxe_counter_sum(rxe, RXE_CNT_SENT_BYTES)) / 4;
	t->rcvd_words = (bytes + rxe_counter_sum(rxe, RXE_CNT_RCVD_BYTES)) / 4;
}

static void rxe_pma_info(struct ib_pma_mad *out)
{
	struct ib_class_port_info *info = (void *)out->data;

	info->base_version = IB_MGMT_BASE_VERSION;
	info->class_version = RXE_PMA_VERSION;
	info->capability_mask = IB_PMA_CLASS_CAP_EXT_WIDTH;
}

/* These counters do not wrap around; they saturate. */
static u8 rxe_pma_u8(u64 value)
{
	return min_t(u64, value, U8_MAX);
}

static __be16 rxe_pma_u16(u64 value)
{
	return cpu_to_be16(min_t(u64, value, U16_MAX));
}

static __be32 rxe_pma_u32(u64 value)
{
	return cpu_to_be32(min_t(u64, value, U32_MAX));
}

static void rxe_pma_counters(struct rxe_dev *rxe, struct ib_pma_mad *out)
{
	struct ib_pma_portcounters *c = (void *)out->data;
	struct rxe_traffic t;

	rxe_read_traffic(rxe, &t);
	c->link_downed_counter =
		rxe_pma_u8(rxe_counter_sum(rxe, RXE_CNT_LINK_DOWNED));
	c->port_rcv_errors =
		rxe_pma_u16(rxe_counter_sum(rxe, RXE_CNT_ICRC_ERR));
	c->port_xmit_discards =
		rxe_pma_u16(rxe_counter_sum(rxe, RXE_CNT_SEND_ERR));
	c->port_xmit_data = rxe_pma_u32(t.sent_words);
	c->port_rcv_data = rxe_pma_u32(t.rcvd_words);
	c->port_xmit_packets = rxe_pma_u32(t.sent_pkts);
	c->port_rcv_packets = rxe_pma_u32(t.rcvd_pkts);
}

static void rxe_pma_counters_ext(struct rxe_dev *rxe, struct ib_pma_mad *out)
{
	struct ib_pma_portcounters_ext *c = (void *)out->data;
	u64 sent = rxe_counter_sum(rxe, RXE_CNT_SENT_MCAST);
	u64 rcvd = rxe_counter_sum(rxe, RXE_CNT_RCVD_MCAST);
	struct rxe_traffic t;

	rxe_read_traffic(rxe, &t);
	c->port_xmit_data = cpu_to_be64(t.sent_words);
	c->port_rcv_data = cpu_to_be64(t.rcvd_words);
	c->port_xmit_packets = cpu_to_be64(t.sent_pkts);
	c->port_rcv_packets = cpu_to_be64(t.rcvd_pkts);
	c->port_multicast_xmit_packets = cpu_to_be64(sent);
	c->port_multicast_rcv_packets = cpu_to_be64(rcvd);
	/*
	 * The counters are not read at one moment, so without min() a
	 * difference could be negative.
	 */
	c->port_unicast_xmit_packets =
		cpu_to_be64(t.sent_pkts - min(sent, t.sent_pkts));
	c->port_unicast_rcv_packets =
		cpu_to_be64(t.rcvd_pkts - min(rcvd, t.rcvd_pkts));
}

/*
 * @port is the port that the request selects. Returns the status of the answer.
 */
static u16 rxe_pma_get(struct rxe_dev *rxe, u8 port, struct ib_pma_mad *out)
{
	__be16 attr = out->mad_hdr.attr_id;

	if (attr == IB_PMA_CLASS_PORT_INFO) {
		rxe_pma_info(out);
		return 0;
	}
	if (attr != IB_PMA_PORT_COUNTERS && attr != IB_PMA_PORT_COUNTERS_EXT)
		return IB_MGMT_MAD_STATUS_UNSUPPORTED_METHOD_ATTRIB;
	/* Both attributes have the port here. */
	out->data[1] = port;
	if (port != RXE_PORT)
		return IB_MGMT_MAD_STATUS_INVALID_ATTRIB_VALUE;
	if (attr == IB_PMA_PORT_COUNTERS)
		rxe_pma_counters(rxe, out);
	else
		rxe_pma_counters_ext(rxe, out);
	return 0;
}

static u16 rxe_pma_answer(struct rxe_dev *rxe, const struct ib_pma_mad *in,
			  struct ib_pma_mad *out)
{
	if (in->mad_hdr.base_version != IB_MGMT_BASE_VERSION ||
	    in->mad_hdr.class_version != RXE_PMA_VERSION)
		return IB_MGMT_MAD_STATUS_BAD_VERSION;
	if (in->mad_hdr.method != IB_MGMT_METHOD_GET)
		return IB_MGMT_MAD_STATUS_UNSUPPORTED_METHOD;
	return rxe_pma_get(rxe, in->data[1], out);
}

/**
 * rxe_process_mad() - answer a management datagram
 * @ibdev: the device
 * @flags: not used
 * @port: the port
 * @wc: the completion of the received datagram; NULL: the core itself asks
 * @grh: not used
 * @in: the datagram
 * @out: receives the answer
 * @out_size: not used; the answer has the size that the core expects
 * @out_pkey_index: not used
 *
 * Requests to read counters are answered. Requests to set counters are answered
 * with an error status. All other datagrams, including answers, are left to the
 * MAD agents that have registered for them.
 *
 * Context: process context; may sleep.
 * Return: IB_MAD_RESULT_*.
 */
int rxe_process_mad(struct ib_device *ibdev, int flags, u32 port,
		    const struct ib_wc *wc, const struct ib_grh *grh,
		    const struct ib_mad *in, struct ib_mad *out,
		    size_t *out_size, u16 *out_pkey_index)
{
	u16 status;

	if (port != RXE_PORT)
		return IB_MAD_RESULT_FAILURE;
	if (in->mad_hdr.mgmt_class != IB_MGMT_CLASS_PERF_MGMT ||
	    (in->mad_hdr.method != IB_MGMT_METHOD_GET &&
	     in->mad_hdr.method != IB_MGMT_METHOD_SET))
		return IB_MAD_RESULT_SUCCESS;

	memset(out, 0, sizeof(*out));
	out->mad_hdr = in->mad_hdr;
	status = rxe_pma_answer(to_rxe(ibdev), (const void *)in, (void *)out);
	out->mad_hdr.method = IB_MGMT_METHOD_GET_RESP;
	out->mad_hdr.status = cpu_to_be16(status);
	return IB_MAD_RESULT_SUCCESS | IB_MAD_RESULT_REPLY;
}
