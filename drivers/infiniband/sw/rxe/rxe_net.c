// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Sockets, and what comes in through them
 *
 * All links of a network namespace share one pair of UDP sockets, for IPv4 and
 * IPv6. The sockets exist from the namespace's first link to its last.
 */
#include <linux/if_vlan.h>
#include <linux/kcov.h>
#include <linux/udp.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/netns/generic.h>
#include <net/udp_tunnel.h>

#include "rxe_counters.h"
#include "rxe_gid.h"
#include "rxe_mcast.h"
#include "rxe_net.h"
#include "rxe_pktq.h"
#include "rxe_service.h"

/**
 * struct rxe_netns - the driver's part of a network namespace
 * @lock: serializes opening and closing of links; protects all other members;
 *	sleeps
 * @links: number of links that use the sockets
 * @sock4: the IPv4 socket
 * @sock6: the IPv6 socket; NULL if the namespace has no IPv6
 * @devs: struct rxe_dev by the netdev's ifindex; read under RCU
 */
struct rxe_netns {
	struct mutex lock;
	unsigned int links;
	struct socket *sock4;
	struct socket *sock6;
	struct rxe_table devs;
};

static unsigned int rxe_netns_id;

static struct rxe_netns *rxe_netns(struct net *net)
{
	return net_generic(net, rxe_netns_id);
}

static u16 rxe_vlan(const struct net_device *ndev)
{
	return is_vlan_dev(ndev) ? vlan_dev_vlan_id(ndev) : RXE_NO_VLAN;
}

/* --- receiving ------------------------------------------------------------ */

/* Is the packet from the peer that the QP is connected to? */
static bool rxe_from_peer(const struct rxe_qp *qp, const struct sk_buff *skb)
{
	const struct rxe_av *av = &qp->av;

	if (skb->protocol == htons(ETH_P_IP))
		return av->network_type == RXE_NETWORK_TYPE_IPV4 &&
		       ip_hdr(skb)->saddr ==
			       av->dgid_addr._sockaddr_in.sin_addr.s_addr &&
		       ip_hdr(skb)->daddr ==
			       av->sgid_addr._sockaddr_in.sin_addr.s_addr;
	return av->network_type == RXE_NETWORK_TYPE_IPV6 &&
	       ipv6_addr_equal(&ipv6_hdr(skb)->saddr,
			       &av->dgid_addr._sockaddr_in6.sin6_addr) &&
	       ipv6_addr_equal(&ipv6_hdr(skb)->daddr,
			       &av->sgid_addr._sockaddr_in6.sin6_addr);
}

/* The destination address of a packet, as a GID. */
static union ib_gid rxe_dgid(const struct sk_buff *skb)
{
	union ib_gid gid;

	if (skb->protocol == htons(ETH_P_IP))
		ipv6_addr_set_v4mapped(ip_hdr(skb)->daddr,
				       (struct in6_addr *)&gid);
	else
		memcpy(&gid, &ipv6_hdr(skb)->daddr, sizeof(gid));
	return gid;
}

/* Is the packet for an address of the device? */
static bool rxe_to_device(struct rxe_dev *rxe, const struct sk_buff *skb)
{
	union ib_gid gid = rxe_dgid(skb);

	return rxe_has_address(rxe, &gid, NULL);
}

/* Does the QP accept packets of this transport and with these addresses? */
static bool rxe_is_for(struct rxe_qp *qp, struct sk_buff *skb)
{
	if (rxe_pkt(skb)->op->qp_type != qp->transport)
		return false;
	return qp->service->connected ? rxe_from_peer(qp, skb) :
					rxe_to_device(qp_rxe(qp), skb);
}

static struct rxe_qp *rxe_find_qp(struct rxe_dev *rxe, struct sk_buff *skb)
{
	struct rxe_qp *qp = rxe_qp_find(rxe, rxe_pkt(skb)->qpn);

	return qp && rxe_is_for(qp, skb) ? qp : NULL;
}

/* Returns the link on a netdev, or NULL. */
static struct rxe_dev *rxe_net_device(struct rxe_netns *ns,
				      const struct net_device *ndev)
{
	struct rxe_dev *rxe = rxe_table_near(&ns->devs, ndev->ifindex);

	return rxe && rxe->ndev == ndev ? rxe :
					  xa_load(&ns->devs.all, ndev->ifindex);
}

/*
 * Packets between two links of one namespace arrive on lo, which has no link.
 * For these, look for a link with a queue pair that accepts the packet.
 */
static struct rxe_qp *rxe_find_destination(struct rxe_netns *ns,
					   struct sk_buff *skb)
{
	struct rxe_dev *rxe = rxe_net_device(ns, skb->dev);
	struct rxe_qp *qp;
	unsigned long i;

	if (rxe)
		return rxe_find_qp(rxe, skb);
	xa_for_each(&ns->devs.all, i, rxe) {
		qp = rxe_find_qp(rxe, skb);
		if (qp)
			return qp;
	}
	return NULL;
}

/* The netdev below a VLAN, or @ndev itself. */
static const struct net_device *rxe_net_below(const struct net_device *ndev)
{
	return is_vlan_dev(ndev) ? vlan_dev_real_dev(ndev) : ndev;
}

/*
 * Delivers a multicast packet on its link, or on all links if it arrived on a
 * netdev without one (see rxe_find_destination()).
 */
static void rxe_receive_mcast(struct rxe_netns *ns, struct sk_buff *skb)
{
	struct rxe_dev *rxe = rxe_net_device(ns, rxe_net_below(skb->dev));
	union ib_gid gid = rxe_dgid(skb);
	unsigned long i;

	if (rxe_pkt(skb)->op->qp_type != IB_QPT_UD || !rxe_wire_intact(skb))
		return;
	skb_dst_drop(skb);
	if (rxe) {
		rxe_mcast_deliver(rxe, &gid, skb);
		return;
	}
	xa_for_each(&ns->devs.all, i, rxe)
		rxe_mcast_deliver(rxe, &gid, skb);
}

/*
 * Removes IP options: moves the IP header next to the UDP header, as the ICRC
 * computation expects it.
 */
static void rxe_net_drop_options(struct sk_buff *skb)
{
	int len = skb->protocol == htons(ETH_P_IP) ? sizeof(struct iphdr) :
						     sizeof(struct ipv6hdr);
	int begin = skb_transport_offset(skb) - len;

	if (likely(begin == skb_network_offset(skb)))
		return;
	memmove(skb->data + begin, skb_network_header(skb), len);
	skb_set_network_header(skb, begin);
}

/*
 * Makes the packet linear and writable. Afterwards its data begins with the BTH
 * and ends with the ICRC.
 */
static int rxe_net_trim(struct sk_buff *skb)
{
	unsigned int len;

	if (!pskb_may_pull(skb, sizeof(struct udphdr)))
		return -EINVAL;
	len = ntohs(udp_hdr(skb)->len);
	if (len < sizeof(struct udphdr) || pskb_trim_rcsum(skb, len) ||
	    skb_linearize(skb) || skb_unclone(skb, GFP_ATOMIC))
		return -EINVAL;
	rxe_net_drop_options(skb);
	__skb_pull(skb, sizeof(struct udphdr));
	return 0;
}

static void rxe_net_take(struct rxe_netns *ns, struct sk_buff *skb)
{
	struct rxe_qp *qp;

	if (rxe_net_trim(skb) || rxe_wire_parse(skb))
		goto drop;
	rxe_pkt(skb)->vlan = rxe_vlan(skb->dev);
	if (rxe_pkt(skb)->qpn == IB_MULTICAST_QPN) {
		rxe_receive_mcast(ns, skb);
		goto drop;
	}
	qp = rxe_find_destination(ns, skb);
	if (!qp)
		goto drop;
	if (!rxe_wire_intact(skb)) {
		rxe_count(qp_rxe(qp), RXE_CNT_ICRC_ERR);
		goto drop;
	}
	rxe_count_received(qp_rxe(qp), skb);
	skb_dst_drop(skb);
	rxe_pktq_deliver(qp, skb);
	return;
drop:
	kfree_skb(skb);
}

/* UDP calls this for each packet, in an RCU read section. */
static int rxe_net_receive(struct sock *sk, struct sk_buff *skb)
{
	lockdep_assert_in_rcu_read_lock();
	/*
	 * KCOV attributes the code that a packet runs to the packet's sender.
	 */
	if (in_serving_softirq())
		kcov_remote_start_common(skb_get_kcov_handle(skb));
	/* UDP has split a train, and its other packets follow at once. */
	if (skb->next)
		rxe_task_hold();
	rxe_net_take(rxe_netns(sock_net(sk)), skb);
	kcov_remote_stop_softirq();
	return 0;
}

/* --- sockets -------------------------------------------------------------- */

static struct socket *rxe_socket(struct net *net, sa_family_t family)
{
	struct udp_port_cfg port = {
		.family = family,
		.local_udp_port = htons(RXE_ROCE_V2_UDP_PORT),
		.ipv6_v6only = family == AF_INET6,
	};
	struct udp_tunnel_sock_cfg tunnel = {
		.encap_type = 1,
		.encap_rcv = rxe_net_receive,
	};
	struct socket *sock;
	int ret;

	ret = udp_sock_create(net, &port, &sock);
	if (ret)
		return ERR_PTR(ret);
	setup_udp_tunnel_sock(net, compat_tunnel_sock(sock), &tunnel);
	/*
	 * Let QPs of this host receive what other QPs here send to their group.
	 */
	compat_mc_loop(sock->sk);
	return sock;
}

static void rxe_netns_close(struct rxe_netns *ns)
{
	lockdep_assert_held(&ns->lock);
	if (ns->sock6)
		udp_tunnel_sock_release(compat_tunnel_sock(ns->sock6));
	if (ns->sock4)
		udp_tunnel_sock_release(compat_tunnel_sock(ns->sock4));
	ns->sock4 = NULL;
	ns->sock6 = NULL;
}

static int rxe_netns_open(struct rxe_netns *ns, struct net *net)
{
	struct socket *sock;

	lockdep_assert_held(&ns->lock);
	sock = rxe_socket(net, AF_INET);
	if (IS_ERR(sock))
		return PTR_ERR(sock);
	ns->sock4 = sock;

	sock = rxe_socket(net, AF_INET6);
	if (!IS_ERR(sock)) {
		ns->sock6 = sock;
	} else if (PTR_ERR(sock) != -EAFNOSUPPORT) {
		rxe_netns_close(ns);
		return PTR_ERR(sock);
	}
	return 0;
}

/**
 * rxe_net_sock() - find the socket through which packets are sent
 * @net: a network namespace with a link
 * @protocol: network protocol, ETH_P_IP or ETH_P_IPV6 in network byte order
 *
 * Context: any, while a link of the namespace is RXE_DEV_OPEN. The caller
 * checks that flag and uses the socket in one RCU read section, for which
 * rxe_net_close() waits.
 * Return: the socket, or NULL if the namespace has no IPv6.
 */
struct sock *rxe_net_sock(struct net *net, __be16 protocol)
{
	struct rxe_netns *ns = rxe_netns(net);
	struct socket *sock = protocol == htons(ETH_P_IP) ? ns->sock4 :
							    ns->sock6;

	return sock ? sock->sk : NULL;
}

/**
 * rxe_net_open() - let a link receive packets
 * @rxe: the link; complete except that it is not registered yet
 *
 * Context: process context; may sleep.
 * Return: 0; -ENOMEM; or the error of creating a UDP socket: -EADDRINUSE if UDP
 * port 4791 of the namespace is in use.
 */
int rxe_net_open(struct rxe_dev *rxe)
{
	struct net *net = dev_net(rxe->ndev);
	struct rxe_netns *ns = rxe_netns(net);
	int ret = 0;

	rxe->net = net;
	rxe->ifindex = rxe->ndev->ifindex;
	mutex_lock(&ns->lock);
	if (!ns->links)
		ret = rxe_netns_open(ns, net);
	if (!ret) {
		ret = xa_insert(&ns->devs.all, rxe->ifindex, NULL, GFP_KERNEL);
		if (!ret) {
			rxe_table_publish(&ns->devs, rxe->ifindex, rxe);
			ns->links++;
		} else if (!ns->links) {
			rxe_netns_close(ns);
		}
	}
	mutex_unlock(&ns->lock);
	return ret;
}

/**
 * rxe_net_close() - stop all packets to and from a link
 * @rxe: the link; no longer RXE_DEV_OPEN
 *
 * When this returns, no packet reaches the link or leaves it.
 *
 * Context: process context; may sleep.
 */
void rxe_net_close(struct rxe_dev *rxe)
{
	struct rxe_netns *ns = rxe_netns(rxe->net);

	mutex_lock(&ns->lock);
	rxe_table_erase(&ns->devs, rxe->ifindex, rxe);
	/*
	 * Wait for tasks and softirqs that have seen RXE_DEV_OPEN set or have
	 * found the link: they may be using the sockets.
	 */
	synchronize_net();
	if (!--ns->links)
		rxe_netns_close(ns);
	mutex_unlock(&ns->lock);
}

static int __net_init rxe_netns_init(struct net *net)
{
	struct rxe_netns *ns = rxe_netns(net);

	mutex_init(&ns->lock);
	rxe_table_init(&ns->devs);
	return 0;
}

static void __net_exit rxe_netns_exit(struct net *net)
{
	WARN_ON(rxe_netns(net)->links);
}

static struct pernet_operations rxe_netns_ops = {
	.init = rxe_netns_init,
	.exit = rxe_netns_exit,
	.id = &rxe_netns_id,
	.size = sizeof(struct rxe_netns),
};

/**
 * rxe_net_module_init() - prepare all network namespaces for links
 *
 * Context: process context; may sleep.
 * Return: 0 or the error of register_pernet_subsys().
 */
int rxe_net_module_init(void)
{
	return register_pernet_subsys(&rxe_netns_ops);
}

/**
 * rxe_net_module_exit() - undo rxe_net_module_init()
 *
 * Context: process context; may sleep; no links exist any more.
 */
void rxe_net_module_exit(void)
{
	unregister_pernet_subsys(&rxe_netns_ops);
}
