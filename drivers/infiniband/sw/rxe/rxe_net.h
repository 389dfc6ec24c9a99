/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_net.c: the sockets, and packets that arrive through them */
#ifndef RXE_NET_H
#define RXE_NET_H

#include <net/net_namespace.h>
#include <net/sock.h>

struct rxe_dev;

int rxe_net_module_init(void);
void rxe_net_module_exit(void);
int rxe_net_open(struct rxe_dev *rxe);
void rxe_net_close(struct rxe_dev *rxe);
struct sock *rxe_net_sock(struct net *net, __be16 protocol);

#endif /* RXE_NET_H */
