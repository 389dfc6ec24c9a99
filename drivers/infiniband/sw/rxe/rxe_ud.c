// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Unreliable Datagrams
 *
 * A message is one packet. Each request has its own destination, and the
 * address in struct rxe_qp is that of the last datagram sent. The receiver
 * finds 40 bytes with the network header before the payload: an IPv6 header, or
 * an IPv4 header in the last 20 of them.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <rdma/ib_addr.h>
#include <rdma/ib_cache.h>

#include "rxe_ah.h"
#include "rxe_resp.h"
#include "rxe_send.h"

/* A Q_Key in a request with this bit stands for the QP's own Q_Key. */
#define RXE_QKEY_OWN		BIT(31)

/**
 * union rxe_network_header - what the receiver finds before the payload
 * @reserved: zeroes, with IPv4
 * @ip: IPv4 header
 * @ip6: IPv6 header
 */
union rxe_network_header {
	struct {
		u8 reserved[20];
		struct iphdr ip;
	};
	struct ipv6hdr ip6;
};

static_assert(sizeof(union rxe_network_header) == sizeof(struct ib_grh));

/* --- sending -------------------------------------------------------------- */

static enum ib_wc_status rxe_ud_check(const struct rxe_qp *qp,
				      const struct rxe_swqe *wqe)
{
	u32 mtu = ib_mtu_enum_to_int(rxe_active_mtu(qp_rxe(qp)));

	return wqe->length > mtu ? IB_WC_LOC_LEN_ERR : IB_WC_SUCCESS;
}

static int rxe_ud_handle(struct rxe_qp *qp, u32 num, struct rxe_dest *dest)
{
	const struct rxe_named_av *named;
	int ret = -EINVAL;

	rcu_read_lock();
	named = xa_load(&qp_rxe(qp)->ahs, num);
	if (named && named->pd == qp->ib.pd) {
		dest->av = named->av;
		dest->priority = named->priority;
		ret = 0;
	}
	rcu_read_unlock();
	return ret;
}

/*
 * Old libraries do not know the numbers of address handles, and do not pass on
 * the service level.
 */
static int rxe_ud_own_address(struct rxe_qp *qp, const struct rxe_av *user,
			      struct rxe_dest *dest)
{
	int ret = rxe_av_from_user(qp_rxe(qp), &dest->av, user);

	if (!ret)
		dest->priority =
			rxe_av_priority(0, dest->av.grh.traffic_class);
	return ret;
}

/*
 * Takes over the destination of a user's request, which is complete otherwise.
 * @wr, a copy of the ring's slot, has the number of an address handle, or, from
 * old libraries, the address itself.
 */
static enum ib_wc_status rxe_ud_fetch(struct rxe_qp *qp,
				      struct rxe_swqe *wqe,
				      const struct rxe_send_wr *wr)
{
	struct rxe_dest *dest = rxe_swqe_dest(&qp->sq, wqe);
	u32 num = wr->wr.ud.ah_num;
	int ret;

	lockdep_assert_held(&qp->sq.lock);
	dest->qpn = wr->wr.ud.remote_qpn & RXE_MAX_QPN;
	dest->qkey = wr->wr.ud.remote_qkey;
	ret = num ? rxe_ud_handle(qp, num, dest) :
		    rxe_ud_own_address(qp, &wr->wr.ud.av, dest);
	return ret ? IB_WC_LOC_QP_OP_ERR : rxe_ud_check(qp, wqe);
}

/*
 * Takes over the destination of a request of the kernel, which is complete
 * otherwise. Returns -EINVAL without an address handle of the same protection
 * domain, or if the message is too long.
 */
static int rxe_ud_post(struct rxe_qp *qp, struct rxe_swqe *wqe,
		       const struct ib_send_wr *send_wr)
{
	struct rxe_dest *dest = rxe_swqe_dest(&qp->sq, wqe);
	const struct ib_ud_wr *wr = ud_wr(send_wr);

	lockdep_assert_held(&qp->sq.post_lock);
	if (!wr->ah || wr->ah->pd != qp->ib.pd || rxe_ud_check(qp, wqe))
		return -EINVAL;
	dest->qpn = wr->remote_qpn & RXE_MAX_QPN;
	dest->qkey = wr->remote_qkey;
	dest->av = to_rah(wr->ah)->av;
	dest->priority = rxe_ah_priority(to_rah(wr->ah));
	return 0;
}

static bool rxe_ud_is_mcast(const struct rxe_av *av)
{
	struct in6_addr addr;

	memcpy(&addr, &av->grh.dgid, sizeof(addr));
	return rdma_is_multicast_addr(&addr);
}

/* The route to a multicast group depends on its members, so look it up anew. */
static void rxe_ud_aim(struct rxe_qp *qp, const struct rxe_av *av)
{
	if (rxe_ud_is_mcast(av))
		rxe_count(qp_rxe(qp), RXE_CNT_SENT_MCAST);
	else if (!memcmp(&qp->av, av, sizeof(*av)))
		return;
	qp->av = *av;
	qp->loopback = rxe_av_is_local(qp_rxe(qp), av);
	rxe_send_forget_route(qp);
}

static void rxe_ud_address(struct rxe_qp *qp, const struct rxe_swqe *wqe,
			   struct rxe_headers *headers)
{
	const struct rxe_dest *dest = rxe_swqe_dest(&qp->sq, wqe);

	lockdep_assert_held(&qp->sq.lock);
	rxe_ud_aim(qp, &dest->av);
	qp->priority = dest->priority;
	qp->src_port = rdma_get_udp_sport(dest->av.grh.flow_label,
					  qp->ib.qp_num, dest->qpn);
	headers->qpn = dest->qpn;
	headers->qkey = dest->qkey & RXE_QKEY_OWN ? qp->attr.qkey : dest->qkey;
	headers->src_qp = qp->ib.qp_num;
}

/* --- receiving ------------------------------------------------------------ */

static enum rxe_verdict rxe_ud_drop(struct rxe_qp *qp)
{
	rxe_count(qp_rxe(qp), RXE_CNT_DROPPED);
	return RXE_DROPPED;
}

/*
 * A receive request that is too small stays for the next datagram. One of a
 * shared queue does not: there may be larger ones behind it.
 */
static enum rxe_verdict rxe_ud_refuse(struct rxe_qp *qp, u32 psn, u8 syndrome,
				      enum ib_wc_status status)
{
	struct ib_wc wc = { .status = status };

	lockdep_assert_held(&qp->rq.lock);
	if (qp->ib.srq)
		rxe_resp_complete(qp, &wc, false);
	return rxe_ud_drop(qp);
}

static void rxe_ud_network_header(const struct sk_buff *skb,
				  union rxe_network_header *header)
{
	memset(header, 0, sizeof(*header));
	if (skb->protocol == htons(ETH_P_IP))
		header->ip = *ip_hdr(skb);
	else
		header->ip6 = *ipv6_hdr(skb);
}

static int rxe_ud_scatter(struct rxe_qp *qp, struct sk_buff *skb)
{
	u32 payload = rxe_pkt(skb)->payload;
	union rxe_network_header header;
	int ret = rxe_resp_fault_result(&qp->rq);

	if (ret)
		return ret;
	rxe_ud_network_header(skb, &header);
	return rxe_resp_scatter(qp, 0, &header, sizeof(header),
				sizeof(header) + payload) ?:
	       rxe_resp_scatter(qp, sizeof(header), rxe_payload(skb), payload,
				payload);
}

static enum rxe_verdict rxe_ud_received(struct rxe_qp *qp, struct sk_buff *skb,
					const struct rxe_headers *headers)
{
	struct ib_wc wc = {
		.opcode = IB_WC_RECV,
		.byte_len = sizeof(struct ib_grh) + rxe_pkt(skb)->payload,
		.src_qp = headers->src_qp,
		.wc_flags = IB_WC_GRH | IB_WC_WITH_NETWORK_HDR_TYPE,
		.network_hdr_type = skb->protocol == htons(ETH_P_IP) ?
					    RDMA_NETWORK_IPV4 :
					    RDMA_NETWORK_IPV6,
	};

	if (rxe_pkt(skb)->vlan != RXE_NO_VLAN) {
		wc.wc_flags |= IB_WC_WITH_VLAN;
		wc.vlan_id = rxe_pkt(skb)->vlan;
	}
	if (rxe_pkt(skb)->op->imm) {
		wc.wc_flags |= IB_WC_WITH_IMM;
		wc.ex.imm_data = headers->imm_data;
	}
	return rxe_resp_complete(qp, &wc, headers->solicited);
}

static enum rxe_verdict rxe_ud_request(struct rxe_qp *qp, struct sk_buff *skb)
{
	const struct rxe_pkt *pkt = rxe_pkt(skb);
	struct rxe_headers headers;
	int ret;

	lockdep_assert_held(&qp->rq.lock);
	rxe_wire_decode(skb, &headers);
	if (headers.qkey != qp->attr.qkey)
		return rxe_ud_drop(qp);
	if (rxe_resp_take_wqe(qp) != RXE_TAKEN)
		return rxe_resp_not_ready(qp, pkt->psn);
	if (sizeof(struct ib_grh) + pkt->payload > qp->rq.wqe.length)
		return rxe_ud_refuse(qp, pkt->psn, 0, IB_WC_LOC_LEN_ERR);

	/*
	 * rxe_resp_fault_result() recognizes the packet that waits by its PSN.
	 */
	qp->rq.psn = pkt->psn;
	ret = rxe_ud_scatter(qp, skb);
	if (ret == -EAGAIN)
		return RXE_PARKED;
	if (ret)
		return rxe_resp_own_fault(qp, pkt->psn, IB_WC_LOC_PROT_ERR);
	return rxe_ud_received(qp, skb, &headers);
}

const struct rxe_service rxe_ud = {
	.type = IB_QPT_UD,
	.opcodes = IB_OPCODE_UD,
	.send_error = true,
	.dest_size = ALIGN(sizeof(struct rxe_dest), 8),
	.fetch = rxe_ud_fetch,
	.post = rxe_ud_post,
	.address = rxe_ud_address,
	.request = rxe_ud_request,
	.refuse = rxe_ud_refuse,
	.not_ready = rxe_ud_drop,
};
