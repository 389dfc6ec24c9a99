// SPDX-License-Identifier: GPL-2.0
/* 7.2: UDP tunnels are set up on a struct sock, not a struct socket. */
#include <net/udp_tunnel.h>
void test(struct sock *sk);
void test(struct sock *sk)
{
	udp_tunnel_sock_release(sk);
}
