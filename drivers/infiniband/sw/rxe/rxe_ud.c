// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Unreliable Datagrams
 *
 * A message is a packet. Each request says where it goes, and the peer's address
 * in struct rxe_qp is that of the last one. In front of what is received stand 40
 * bytes for the network header: IPv6's, or, in the last 20 of them, IPv4's.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <rdma/ib_addr.h>
#include <rdma/ib_cache.h>

#include "rxe_ah.h"
#include "rxe_resp.h"
#include "rxe_send.h"
#include "rxe_ud.h"

/* A Q_Key in a request with this bit means the QP's own. */
#define RXE_QKEY_OWN		BIT(31)

/**
 * union rxe_network_header - what a receiver finds in front of a datagram
 * @reserved: zeroes, with IPv4
 * @ip: the IPv4 header
 * @ip6: the IPv6 header
 */
union rxe_network_header {
	struct {
		u8 reserved[20];
		struct iphdr ip;
	};
	struct ipv6hdr ip6;
};

static_assert(sizeof(union rxe_network_header) == sizeof(struct ib_grh));

/* --- sending --------------------------------------------------------------- */

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

/* Of a library that does not know of handles' numbers: it passes on no service level. */
static int rxe_ud_own_address(struct rxe_qp *qp, const struct rxe_av *user,
			      struct rxe_dest *dest)
{
	int ret = rxe_av_from_user(qp_rxe(qp), &dest->av, user);

	if (!ret)
		dest->priority =
			rxe_av_priority(0, dest->av.grh.traffic_class);
	return ret;
}

/**
 * rxe_ud_fetch() - take over where a user's request goes
 * @qp: the queue pair
 * @wqe: the request, complete but for this
 * @wr: as it was in the ring: names an address handle, or, of a library that does
 *	not know of their numbers, has the address itself
 *
 * Context: sq.lock held.
 * Return: IB_WC_SUCCESS, or what the request completes with.
 */
enum ib_wc_status rxe_ud_fetch(struct rxe_qp *qp, struct rxe_swqe *wqe,
			       const struct rxe_send_wr *wr)
{
	struct rxe_dest *dest = rxe_swqe_dest(&qp->sq, wqe);
	u32 num = wr->wr.ud.ah_num;
	int ret;

	dest->qpn = wr->wr.ud.remote_qpn & RXE_MAX_QPN;
	dest->qkey = wr->wr.ud.remote_qkey;
	ret = num ? rxe_ud_handle(qp, num, dest) :
		    rxe_ud_own_address(qp, &wr->wr.ud.av, dest);
	return ret ? IB_WC_LOC_QP_OP_ERR : rxe_ud_check(qp, wqe);
}

/**
 * rxe_ud_post() - the same for the kernel's request
 * @qp: the queue pair
 * @wqe: the request, complete but for this
 * @wr: as it was posted
 *
 * Context: any.
 * Return: 0, or -EINVAL: no address handle, or one of another PD; too long.
 */
int rxe_ud_post(struct rxe_qp *qp, struct rxe_swqe *wqe,
		const struct ib_ud_wr *wr)
{
	struct rxe_dest *dest = rxe_swqe_dest(&qp->sq, wqe);

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

/* The way to a multicast group depends on who is in it at the moment. */
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

	rxe_ud_aim(qp, &dest->av);
	qp->priority = dest->priority;
	qp->src_port = rdma_get_udp_sport(dest->av.grh.flow_label,
					  qp->ib.qp_num, dest->qpn);
	headers->qpn = dest->qpn;
	headers->qkey = dest->qkey & RXE_QKEY_OWN ? qp->attr.qkey : dest->qkey;
	headers->src_qp = qp->ib.qp_num;
}

/* --- receiving ------------------------------------------------------------- */

static enum rxe_verdict rxe_ud_drop(struct rxe_qp *qp)
{
	rxe_count(qp_rxe(qp), RXE_CNT_DROPPED);
	return RXE_DROPPED;
}

/*
 * A request that is too small stays for the next datagram; but not one of a
 * shared queue: there may be larger ones behind it.
 */
static enum rxe_verdict rxe_ud_refuse(struct rxe_qp *qp, u32 psn, u8 syndrome,
				      enum ib_wc_status status)
{
	struct ib_wc wc = { .status = status };

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

	rxe_wire_decode(skb, &headers);
	if (headers.qkey != qp->attr.qkey)
		return rxe_ud_drop(qp);
	if (rxe_resp_take_wqe(qp) != RXE_TAKEN)
		return rxe_resp_not_ready(qp, pkt->psn);
	if (sizeof(struct ib_grh) + pkt->payload > qp->rq.wqe.length)
		return rxe_ud_refuse(qp, pkt->psn, 0, IB_WC_LOC_LEN_ERR);

	/* Who waits for a page is known by the PSN. */
	qp->rq.psn = pkt->psn;
	ret = rxe_ud_scatter(qp, skb);
	if (ret == -EAGAIN)
		return RXE_PARKED;
	if (ret)
		return rxe_resp_own_fault(qp, pkt->psn, IB_WC_LOC_PROT_ERR);
	return rxe_ud_received(qp, skb, &headers);
}

const struct rxe_service rxe_ud = {
	.opcodes = IB_OPCODE_UD,
	.address = rxe_ud_address,
	.request = rxe_ud_request,
	.refuse = rxe_ud_refuse,
	.not_ready = rxe_ud_drop,
};
