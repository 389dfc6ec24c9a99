// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Packets on their way out
 *
 * A packet for a QP of the same device goes directly to that QP's queue. Other
 * packets get UDP and IP headers and the ICRC, and are sent to the peer in
 * trains.
 *
 * A train is a sequence of packets that the network stack handles as one GSO
 * packet with a fragment list. So routes, hooks and queues, and behind a veth
 * the receiver's stack, handle the train once. The stack splits the train
 * before a netdev that cannot send it, or before the receiver's socket. All
 * packets of a train have the same size, except the last, which may be shorter.
 * Each half of a QP has its own train, which is sent at the end of the task's
 * turn at the latest.
 */
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp.h>
#include <rdma/ib_cache.h>

#include "rxe_net.h"
#include "rxe_pktq.h"
#include "rxe_qp.h"
#include "rxe_send.h"
#include "rxe_service.h"
#include "rxe_wire.h"

/* --- routes --------------------------------------------------------------- */

/*
 * The ifindex of the netdev with the source address of packets. That is the
 * device's own netdev or one stacked on it. A stacked netdev that has moved to
 * another network namespace is not used.
 */
static int rxe_source_ifindex(struct rxe_dev *rxe, const struct rxe_av *av)
{
	const struct ib_gid_attr *gid_attr =
		rdma_get_gid_attr(&rxe->ib, RXE_PORT, av->grh.sgid_index);
	const struct net_device *ndev;
	int ifindex = rxe->ndev->ifindex;

	if (IS_ERR(gid_attr))
		return ifindex;
	rcu_read_lock();
	ndev = rdma_read_gid_attr_ndev_rcu(gid_attr);
	if (!IS_ERR(ndev) && net_eq(dev_net(ndev), dev_net(rxe->ndev)))
		ifindex = ndev->ifindex;
	rcu_read_unlock();
	rdma_put_gid_attr(gid_attr);
	return ifindex;
}

static struct dst_entry *rxe_route4(struct rxe_dev *rxe,
				    const struct rxe_av *av)
{
	struct flowi4 fl4 = {
		.flowi4_oif = rxe_source_ifindex(rxe, av),
		.saddr = av->sgid_addr._sockaddr_in.sin_addr.s_addr,
		.daddr = av->dgid_addr._sockaddr_in.sin_addr.s_addr,
		.flowi4_proto = IPPROTO_UDP,
	};
	struct rtable *rt = ip_route_output_key(dev_net(rxe->ndev), &fl4);

	return IS_ERR(rt) ? NULL : &rt->dst;
}

static struct dst_entry *rxe_route6(struct rxe_dev *rxe,
				    const struct rxe_av *av)
{
	struct net *net = dev_net(rxe->ndev);
	struct sock *sk = rxe_net_sock(net, htons(ETH_P_IPV6));
	struct flowi6 fl6 = {
		.flowi6_oif = rxe_source_ifindex(rxe, av),
		.saddr = av->sgid_addr._sockaddr_in6.sin6_addr,
		.daddr = av->dgid_addr._sockaddr_in6.sin6_addr,
		.flowi6_proto = IPPROTO_UDP,
	};
	struct dst_entry *dst;

	if (!sk)
		return NULL;
	dst = ip6_dst_lookup_flow(net, sk, &fl6, NULL);
	return IS_ERR(dst) ? NULL : dst;
}

/* Returns the route to the peer with a reference, or NULL. */
static struct dst_entry *rxe_route(struct rxe_qp *qp)
{
	const struct rxe_av *av = &qp->av;
	struct dst_entry *dst;

	spin_lock_bh(&qp->dst_lock);
	dst = qp->dst;
	if (dst && dst_check(dst, qp->dst_cookie))
		goto out;
	dst_release(dst);
	if (av->network_type == RXE_NETWORK_TYPE_IPV4) {
		dst = rxe_route4(qp_rxe(qp), av);
		qp->dst_cookie = 0;
	} else {
		dst = rxe_route6(qp_rxe(qp), av);
		qp->dst_cookie = dst ? rt6_get_cookie(dst_rt6_info(dst)) : 0;
	}
	qp->dst = dst;
out:
	if (dst)
		dst_hold(dst);
	spin_unlock_bh(&qp->dst_lock);
	return dst;
}

/**
 * rxe_send_forget_route() - drop the cached route to the peer
 * @qp: the queue pair
 *
 * The next packet looks up the route again.
 *
 * Context: any but a hard interrupt.
 */
void rxe_send_forget_route(struct rxe_qp *qp)
{
	spin_lock_bh(&qp->dst_lock);
	dst_release(qp->dst);
	qp->dst = NULL;
	spin_unlock_bh(&qp->dst_lock);
}

/*
 * --- headers ---------------------------------------------------------------
 */

static void rxe_push_udp(const struct rxe_qp *qp, struct sk_buff *skb)
{
	struct udphdr *udp;

	__skb_push(skb, sizeof(*udp));
	skb_reset_transport_header(skb);
	udp = udp_hdr(skb);
	udp->source = htons(qp->src_port);
	udp->dest = htons(RXE_ROCE_V2_UDP_PORT);
	udp->len = htons(skb->len);
	udp->check = 0;
}

static void rxe_push_ip4(const struct rxe_av *av, struct sk_buff *skb, u16 id)
{
	struct iphdr *ip;

	__skb_push(skb, sizeof(*ip));
	skb_reset_network_header(skb);
	ip = ip_hdr(skb);
	*ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tos = av->grh.traffic_class,
		.tot_len = htons(skb->len),
		.id = htons(id),
		.frag_off = htons(IP_DF),
		.ttl = av->grh.hop_limit ?: 64,
		.protocol = IPPROTO_UDP,
		.saddr = av->sgid_addr._sockaddr_in.sin_addr.s_addr,
		.daddr = av->dgid_addr._sockaddr_in.sin_addr.s_addr,
	};
	skb->protocol = htons(ETH_P_IP);
}

static void rxe_push_ip6(const struct rxe_av *av, struct sk_buff *skb)
{
	unsigned int payload_len = skb->len;
	struct ipv6hdr *ip6;

	__skb_push(skb, sizeof(*ip6));
	skb_reset_network_header(skb);
	ip6 = ipv6_hdr(skb);
	ip6_flow_hdr(ip6, av->grh.traffic_class,
		     htonl(av->grh.flow_label & 0xfffff));
	ip6->payload_len = htons(payload_len);
	ip6->nexthdr = IPPROTO_UDP;
	ip6->hop_limit = av->grh.hop_limit ?: 64;
	ip6->saddr = av->sgid_addr._sockaddr_in6.sin6_addr;
	ip6->daddr = av->dgid_addr._sockaddr_in6.sin6_addr;
	skb->protocol = htons(ETH_P_IPV6);
}

/*
 * Adds UDP and IP headers in front of skb->data, which still begins with the
 * BTH.
 */
static void rxe_send_address(const struct rxe_qp *qp, struct sk_buff *skb,
			     u16 id)
{
	rxe_push_udp(qp, skb);
	if (qp->av.network_type == RXE_NETWORK_TYPE_IPV4)
		rxe_push_ip4(&qp->av, skb, id);
	else
		rxe_push_ip6(&qp->av, skb);
	__skb_pull(skb, skb_transport_offset(skb) + sizeof(struct udphdr));
}

/*
 * --- trains ----------------------------------------------------------------
 */

/*
 * The largest number of packets in a train. The netdev's limits for TCP
 * segmentation apply; they may change at any time.
 */
static unsigned int rxe_train_limit(const struct net_device *ndev)
{
	if (!(ndev->features & NETIF_F_GSO))
		return 1;
	return min_t(unsigned int, READ_ONCE(ndev->gso_max_segs),
		     RXE_TRAIN_PACKETS);
}

/* May the train take another packet of @len bytes? */
static bool rxe_train_takes(const struct rxe_train *train,
			    const struct net_device *ndev, unsigned int len)
{
	return train->packets < rxe_train_limit(ndev) &&
	       train->last_size == train->size && len <= train->size &&
	       train->head->len + len <= RXE_TRAIN_BYTES;
}

/* Appends a packet to the train. */
static void rxe_train_couple(struct rxe_train *train, struct sk_buff *skb)
{
	struct sk_buff *head = train->head;

	train->last_size = skb->len;
	if (train->packets++) {
		*train->end = skb;
		head->len += skb->len;
		head->data_len += skb->len;
		head->truesize += skb->truesize;
		train->end = &skb->next;
	} else {
		train->head = skb;
		train->size = skb->len;
		train->end = &skb_shinfo(skb)->frag_list;
	}
}

/*
 * Turns a train into one GSO packet. The code of the stack that splits it gives
 * each packet its own lengths and the next IPv4 identification, which are the
 * values that the packet's ICRC covers.
 */
static struct sk_buff *rxe_train_close(struct rxe_train *train)
{
	struct sk_buff *head = train->head;

	if (train->packets > 1) {
		skb_shinfo(head)->gso_type = SKB_GSO_UDP_L4 | SKB_GSO_FRAGLIST;
		skb_shinfo(head)->gso_size = train->size;
		skb_shinfo(head)->gso_segs = train->packets;
		/* The packets have no UDP checksum, so do not compute one. */
		head->ip_summed = CHECKSUM_UNNECESSARY;
		udp_hdr(head)->len = htons(sizeof(struct udphdr) + head->len);
	}
	__skb_push(head, -skb_network_offset(head));
	memset(head->cb, 0, sizeof(head->cb));
	train->packets = 0;
	return head;
}

/**
 * rxe_send_open_account() - count the bytes of a QP in the network stack's
 * queues
 * @qp: the queue pair
 *
 * A QP of an unreliable transport is not paced by ACKs and could fill the
 * queues of the network stack. So it gets a socket that accounts for its
 * packets. It is a socket of its own, so that no QP waits for the slow link of
 * another. The socket also tells the stack's filters and schedulers which
 * cgroup the packets are from.
 *
 * Context: process context, of the owner, whose cgroup is charged for the
 * socket.
 * Return: 0 or -ENOMEM.
 */
int rxe_send_open_account(struct rxe_qp *qp)
{
	struct sock *sk;

	if (qp->service->paced)
		return 0;
	sk = sk_alloc(dev_net(qp_rxe(qp)->ndev), PF_INET, GFP_KERNEL,
		      &udp_prot, 1);
	if (!sk)
		return -ENOMEM;
	sock_init_data(NULL, sk);
	sk->sk_type = SOCK_DGRAM;
	sk->sk_protocol = IPPROTO_UDP;
	/* sock_writeable() is true below half of sk_sndbuf. */
	sk->sk_sndbuf = 2 * RXE_MAX_UNANSWERED;
	/* No thread waits for room, so sock_wfree() need not wake one. */
	sock_set_flag(sk, SOCK_USE_WRITE_QUEUE);
	qp->account = sk;
	return 0;
}

/**
 * rxe_send_close_account() - undo rxe_send_open_account()
 * @qp: the queue pair; it sends no packets any more
 *
 * The socket is freed with the last packet that it accounts for.
 *
 * Context: process context.
 */
void rxe_send_close_account(struct rxe_qp *qp)
{
	if (qp->account)
		sock_put(qp->account);
	qp->account = NULL;
}

/**
 * rxe_send_is_full() - find out whether a QP must pause
 * @qp: the queue pair
 *
 * Context: any.
 * Return: true if the QP's transport is unreliable and RXE_MAX_UNANSWERED bytes
 * of its packets are still in the queues of the network stack.
 */
bool rxe_send_is_full(const struct rxe_qp *qp)
{
	return qp->account && !sock_writeable(qp->account);
}

/* Charges a packet to the QP's account. Returns true if the QP must pause. */
static bool rxe_charge(const struct rxe_qp *qp, struct sk_buff *skb)
{
	if (!qp->account)
		return false;
	skb_set_owner_w(skb, qp->account);
	return rxe_send_is_full(qp);
}

static int rxe_send_transmit(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct net *net = dev_net(qp_rxe(qp)->ndev);
	struct sock *sk = rxe_net_sock(net, skb->protocol);
	struct dst_entry *dst = rxe_route(qp);
	bool full;
	int ret;

	if (!dst) {
		kfree_skb(skb);
		return -EHOSTUNREACH;
	}
	skb_dst_set(skb, dst);
	skb->dev = dst->dev;
	skb->priority = qp->priority;
	full = rxe_charge(qp, skb);
	if (skb->protocol == htons(ETH_P_IP))
		ret = ip_local_out(net, sk, skb);
	else
		ret = ip6_local_out(net, sk, skb);
	return net_xmit_eval(ret) ?: full ? -EBUSY : 0;
}

/* The size of the UDP and IP headers of a packet, in bytes. */
static unsigned int rxe_send_overhead(const struct rxe_qp *qp)
{
	return sizeof(struct udphdr) +
	       (qp->av.network_type == RXE_NETWORK_TYPE_IPV4 ?
			sizeof(struct iphdr) : sizeof(struct ipv6hdr));
}

/* @bytes is the size of all @packets, from their BTHs on. */
static void rxe_count_sent(struct rxe_qp *qp, unsigned int packets,
			   unsigned int bytes, int ret)
{
	struct rxe_dev *rxe = qp_rxe(qp);

	if (ret && ret != -EBUSY) {
		rxe_count_add(rxe, RXE_CNT_SEND_ERR, packets);
		return;
	}
	rxe_count_add(rxe, RXE_CNT_SENT_PKTS, packets);
	rxe_count_add(rxe, RXE_CNT_SENT_BYTES,
		      bytes + packets * rxe_send_overhead(qp));
}

/* A train is protected by the lock of its half of the QP. */
static void rxe_train_assert(struct rxe_qp *qp, const struct rxe_train *train)
{
	if (train == &qp->sq.train)
		lockdep_assert_held(&qp->sq.lock);
	else
		lockdep_assert_held(&qp->rq.lock);
}

/**
 * rxe_send_flush() - send the packets of a train
 * @qp: the sender
 * @train: the train of the task's half of @qp; may be empty
 *
 * Context: the task of @qp that has filled the train, in the same turn (bottom
 * halves off, the lock of its half of @qp held).
 * Return: as rxe_send().
 */
int rxe_send_flush(struct rxe_qp *qp, struct rxe_train *train)
{
	unsigned int packets = train->packets;
	unsigned int bytes;
	int ret;

	rxe_train_assert(qp, train);

	if (!packets)
		return 0;
	bytes = train->head->len;
	ret = rxe_send_transmit(qp, rxe_train_close(train));
	rxe_count_sent(qp, packets, bytes, ret);
	return ret;
}

/*
 * Adds the packet to the train, with UDP and IP headers and then the ICRC,
 * which covers these headers. A train that cannot take another packet as large
 * as its first is sent at once.
 */
static void rxe_send_join(struct rxe_qp *qp, struct rxe_train *train,
			  struct sk_buff *skb)
{
	const struct net_device *ndev = qp_rxe(qp)->ndev;

	if (train->packets && !rxe_train_takes(train, ndev, skb->len))
		rxe_send_flush(qp, train);
	rxe_send_address(qp, skb, train->packets);
	rxe_wire_seal(skb);
	rxe_train_couple(train, skb);
	if (!rxe_train_takes(train, ndev, train->size))
		rxe_send_flush(qp, train);
}

/*
 * --- the same device -------------------------------------------------------
 */

/*
 * Is an unreliable receiver on this device so far behind that its sender should
 * pause? The sender does not pause for a datagram receiver that waits for a
 * page, because its other receivers would have to wait, too. A UC sender has
 * one receiver.
 */
static bool rxe_is_behind(const struct rxe_qp *peer)
{
	if (peer->service->paced ||
	    skb_queue_len_lockless(&peer->rq.requests) < RXE_MAX_QUEUED / 2)
		return false;
	return peer->service->connected ||
	       !rxe_fault_busy(&peer->rq.fault);
}

/* Gives a datagram the headers that its receiver reports, as if from a wire. */
static void rxe_loop_address(struct rxe_qp *qp, struct sk_buff *skb)
{
	rxe_pkt(skb)->vlan = RXE_NO_VLAN;
	rxe_send_address(qp, skb, 0);
	if (skb->protocol == htons(ETH_P_IP))
		ip_send_check(ip_hdr(skb));
}

/* Delivers a packet to a QP of the same device. The ICRC is not needed. */
static int rxe_send_loop(struct rxe_qp *qp, struct sk_buff *skb)
{
	struct rxe_qp *peer;
	int ret = 0;

	peer = rxe_qp_find(qp_rxe(qp), rxe_pkt(skb)->qpn);
	if (!peer || rxe_pkt(skb)->op->qp_type != peer->transport ||
	    (peer->service->connected && !peer->loopback)) {
		kfree_skb(skb);
	} else {
		if (!peer->service->connected)
			rxe_loop_address(qp, skb);
		rxe_count(qp_rxe(peer), RXE_CNT_RCVD_PKTS);
		rxe_count_add(qp_rxe(peer), RXE_CNT_RCVD_BYTES,
			      skb->len + rxe_send_overhead(qp));
		rxe_pktq_deliver(peer, skb);
		if (rxe_is_behind(peer))
			ret = -EBUSY;
	}
	return ret;
}

/**
 * rxe_send_is_up() - find out whether packets can be sent
 * @rxe: the link
 *
 * Context: any. In an RCU read section, the sockets stay valid after true.
 * Return: true if packets can be sent.
 */
bool rxe_send_is_up(const struct rxe_dev *rxe)
{
	return test_bit(RXE_DEV_OPEN, &rxe->flags) && netif_running(rxe->ndev);
}

/**
 * rxe_send() - send a packet to a QP's peer
 * @qp: the sender
 * @train: the train of the task's half of @qp
 * @skb: the packet, made by rxe_wire_build(); always consumed
 *
 * rxe_send_flush() sends the packet at the latest. If no acknowledgments pace
 * the QP, rxe_send() sends it at once.
 *
 * Context: a task of @qp (bottom halves off, the lock of its half of @qp held).
 * Return: 0; -EBUSY: the packet has been sent, but the QP must pause; or
 * another -errno: the packet has not been sent. The callers retransmit lost
 * packets.
 */
int rxe_send(struct rxe_qp *qp, struct rxe_train *train,
	     struct sk_buff *skb)
{
	unsigned int bytes = skb->len;
	int ret;

	rxe_train_assert(qp, train);
	if (!rxe_send_is_up(qp_rxe(qp))) {
		kfree_skb(skb);
		ret = -ENETDOWN;
	} else if (qp->loopback) {
		ret = rxe_send_loop(qp, skb);
	} else {
		rxe_send_join(qp, train, skb);
		return qp->service->paced ? 0 : rxe_send_flush(qp, train);
	}
	rxe_count_sent(qp, 1, bytes, ret);
	return ret;
}
