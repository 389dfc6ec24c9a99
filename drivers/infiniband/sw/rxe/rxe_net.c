// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Sockets, and what comes in through them
 *
 * One pair of UDP sockets (IPv4, IPv6) in a network namespace serves all of its
 * links, from the first link to the last.
 */
#include <linux/if_vlan.h>
#include <linux/kcov.h>
#include <linux/udp.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/netns/generic.h>
#include <net/udp_tunnel.h>

#include "rxe_counters.h"
#include "rxe_mcast.h"
#include "rxe_net.h"
#include "rxe_pktq.h"
#include "rxe_service.h"

/**
 * struct rxe_netns - what a network namespace has of ours
 * @lock: serialises opening and closing; protects @links
 * @links: devices that use the sockets
 * @sock4: for IPv4
 * @sock6: for IPv6; NULL where the namespace has none
 * @devs: struct rxe_dev by the netdev's ifindex
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

/* Does the packet come from the peer that the QP is connected to? */
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

/* The address that a packet goes to, as the GID that it would be. */
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

/* Is the packet one that the QP expects? */
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

/* The link on a netdev, or NULL. */
static struct rxe_dev *rxe_net_device(struct rxe_netns *ns,
				      const struct net_device *ndev)
{
	struct rxe_dev *rxe = rxe_table_near(&ns->devs, ndev->ifindex);

	return rxe && rxe->ndev == ndev ? rxe :
					  xa_load(&ns->devs.all, ndev->ifindex);
}

/*
 * Between two links of one namespace packets arrive through lo, which is
 * nobody's: then it is the link that has the connection, or the address.
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

/* What a VLAN's packets come in through. */
static const struct net_device *rxe_net_below(const struct net_device *ndev)
{
	return is_vlan_dev(ndev) ? vlan_dev_real_dev(ndev) : ndev;
}

/* A copy for each QP that is attached, on the link, or on any, as above. */
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

/* Moves IP's header, less its options, to UDP's, as the ICRC wants it. */
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

/* Makes the packet one that can be written to, begins with the BTH and ends with the ICRC. */
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

/* Caller: UDP, in an RCU read section. */
static int rxe_net_receive(struct sock *sk, struct sk_buff *skb)
{
	/* What a packet makes run is its sender's coverage, if it collects it. */
	if (in_serving_softirq())
		kcov_remote_start_common(skb_get_kcov_handle(skb));
	/* Of a train, which UDP has taken apart, the others come right behind. */
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
	/* QPs of this host may be in the group that one of them sends to. */
	compat_mc_loop(sock->sk);
	return sock;
}

static void rxe_netns_close(struct rxe_netns *ns)
{
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
 * rxe_net_sock() - what a packet leaves through
 * @net: a namespace with a link
 * @protocol: of the network layer, ETH_P_IP or ETH_P_IPV6
 *
 * Context: any, while a link there is RXE_DEV_OPEN.
 * Return: the socket, or NULL where the namespace has no IPv6.
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
 * @rxe: the link, complete but for being registered
 *
 * Context: may sleep.
 * Return: 0, or what making a UDP socket gave (-EADDRINUSE: port 4791 of the
 * namespace is somebody else's).
 */
int rxe_net_open(struct rxe_dev *rxe)
{
	struct net *net = dev_net(rxe->ndev);
	struct rxe_netns *ns = rxe_netns(net);
	int ret = 0;

	mutex_lock(&ns->lock);
	if (!ns->links)
		ret = rxe_netns_open(ns, net);
	if (!ret) {
		ret = xa_insert(&ns->devs.all, rxe->ndev->ifindex, NULL,
				GFP_KERNEL);
		if (!ret) {
			rxe_table_publish(&ns->devs, rxe->ndev->ifindex, rxe);
			ns->links++;
		} else if (!ns->links) {
			rxe_netns_close(ns);
		}
	}
	mutex_unlock(&ns->lock);
	return ret;
}

/**
 * rxe_net_close() - the end of what rxe_net_open() began
 * @rxe: the link, no longer RXE_DEV_OPEN; no packet reaches it or leaves it when
 *	this returns
 *
 * Context: may sleep.
 */
void rxe_net_close(struct rxe_dev *rxe)
{
	struct rxe_netns *ns = rxe_netns(dev_net(rxe->ndev));

	mutex_lock(&ns->lock);
	rxe_table_erase(&ns->devs, rxe->ndev->ifindex, rxe);
	/* Who is sending or receiving at this moment uses the sockets. */
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

int rxe_net_module_init(void)
{
	return register_pernet_subsys(&rxe_netns_ops);
}

void rxe_net_module_exit(void)
{
	unregister_pernet_subsys(&rxe_netns_ops);
}
